"""Withdrawing from the list and from the page of one notification.

The page first shows what would be removed from whom, and asks for a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.admin.options import ModelAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import services
from notifications.admin.history import log_changes, log_list_change, provenance_of
from notifications.admin.jobs.compose_form import ReasonForm
from notifications.admin.jobs.job_admin import number
from notifications.admin.jobs.replay_form import BadSelection, list_url, selection_fields, selection_in
from notifications.admin.jobs.replay_preview import ShownNotification, Total, first_shown
from notifications.admin.links import notification_url
from notifications.admin.notification_list.address import described
from notifications.admin.permissions import can
from notifications.models import Notification
from notifications.selectors.staff.notification.withdrawals import (
    broadcasts_of,
    newest_key,
    notifications_named,
    withdrawable_of,
)
from notifications.services import Selection

# At once: all of them are marked in one transaction. Of what a filter admits, the newest.
MAX_EVENTS: Final = 1_000


class WithdrawForm(ReasonForm):
    """A form that asks why, and says up to which notification.

    What is sent after the page was shown is not taken.
    """

    until = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The events and notifications that would be withdrawn.

    Attributes:
        keys: of the events that are taken back.
        has_more: the selection has more events than can be withdrawn at once.
        going: how many notifications go.
        unseen: how many of those nobody has seen yet, because they are scheduled or staged.
        beside: how many of those are not selected: others were sent the same.
        shown: the newest of the selection.
    """

    keys: list[int] = field(default_factory=list)
    has_more: bool = False
    going: Total
    unseen: Total
    beside: Total
    shown: list[ShownNotification]

    @property
    def total(self) -> Total:
        """How many events are withdrawn."""
        return Total(len(self.keys), is_estimate=self.has_more, is_more=self.has_more)

    @property
    def words(self) -> str:
        """The events and notifications that are withdrawn, in words."""
        events = ngettext("%s event", "%s events", len(self.keys)) % self.total
        return _("%(events)s, %(notifications)s") % {"events": events, "notifications": self.going.words}


def withdraw_page(request: HttpRequest, model_admin: ModelAdmin[Notification]) -> HttpResponse:
    """Ask, and withdraw once that is confirmed. Needs the rights of its view."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    try:
        selection = selection_in(request)
    except BadSelection as error:
        messages.error(request, _("%s Nothing was withdrawn.") % error)
        return HttpResponseRedirect(list_url(request))
    form = WithdrawForm(request.POST if "until" in request.POST else None)
    is_sure = form.is_valid()
    until = form.cleaned_data["until"] if is_sure else newest_key()
    rows = selection.rows(request.user).filter(pk__lte=until)
    preview = _preview(rows)
    if not preview.keys:
        messages.warning(request, _("Nothing is left to withdraw."))
        return HttpResponseRedirect(_return_url(request, selection))
    if is_sure:
        _withdraw(request, selection, preview, form.cleaned_data["reason"])
        return HttpResponseRedirect(_return_url(request, selection))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Withdraw"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "form": form,
        "until": until,
        "preview": preview,
        "max_events": number(MAX_EVENTS),
        "may_see": can(request, "view_content"),
        "filters": described(selection.criteria) if not selection.ids else [],
        "is_filtered": not selection.ids,
        "selection_fields": selection_fields(selection),
        "back_url": _return_url(request, selection),
    }
    return TemplateResponse(request, "admin/notification_hub/notification/withdraw.html", context)


def _preview(rows: QuerySet[Notification]) -> Preview:
    """Look at a selection. Nine queries at most."""
    rows = rows.order_by()
    found = withdrawable_of(rows, limit=MAX_EVENTS)
    return Preview(
        keys=found.keys,
        has_more=found.has_more,
        going=Total.of(found.notifications),
        unseen=Total.of(found.unseen),
        beside=Total.of(found.beside),
        shown=first_shown(rows.filter(event_id__in=found.keys)),
    )


def _return_url(request: HttpRequest, selection: Selection) -> str:
    """Choose the page to return to.

    That is the page of the one notification that is meant, if it is still there: what nobody has seen is
    removed without a trace. Otherwise it is the list.
    """
    if len(selection.ids) == 1 and selection.rows(request.user).exists():
        return notification_url(selection.ids[0])
    return list_url(request)


def _withdraw(request: HttpRequest, selection: Selection, preview: Preview, reason: str) -> None:
    """Do it and put it on record, both or neither; and say what came of it."""
    with transaction.atomic():
        _log(request, selection, preview, reason)
        count = services.withdraw_events(preview.keys, provenance=provenance_of(request))
    gone = ngettext(
        "%s notification is being removed.", "%s notifications are being removed.", count
    ) % number(count)
    messages.success(request, _("It was withdrawn.") + " " + gone)
    if preview.has_more:
        messages.warning(
            request, _("More notifications match this filter. Repeat this to withdraw the rest.")
        )


def _log(request: HttpRequest, selection: Selection, preview: Preview, reason: str) -> None:
    """Log it for each notification that was named, or for the filter, and for each broadcast that ends.

    The log is the history that Django's admin keeps.
    """
    text = _("Withdrawn: %s") % reason
    log_changes(request, broadcasts_of(preview.keys), text)
    if selection.ids:
        log_changes(request, notifications_named(selection.ids, event_ids=preview.keys), text)
        return
    parameters = sorted(selection.criteria.as_parameters().items())
    which = "&".join(f"{name}={value}" for name, value in parameters) or _("all")
    by_filter = _("Withdrawn by a filter (%(filter)s): %(what)s. %(reason)s")
    log_list_change(request, by_filter % {"filter": which, "what": preview.words, "reason": reason})
