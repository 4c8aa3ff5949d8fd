"""The live tail: all changes of all inboxes as they happen, or those that a filter admits.

The newest changes are shown without JavaScript too.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import selectors
from notifications.admin.links import (
    chip_html,
    level_html,
    notification_url,
    shorten,
    staff_stream_url,
    time_machine_url,
)
from notifications.admin.permissions import CONTENT_HIDDEN, can
from notifications.exceptions import InvalidInput
from notifications.filters import NAMES, Filters
from notifications.models import ChangeKind, Level, Reason
from notifications.protocol.cursors import Cursor
from notifications.selectors import WatchedChange
from notifications.streaming.staff.tail import MAX_RECIPIENTS, TailFilter

# Of this many newest changes those are shown at first that the filter admits.
LOOK_BACK: Final = 500
MAX_SHOWN: Final = 50
TEMPLATE: Final = "admin/notification_hub/inbox/tail.html"


class TailForm(forms.Form):
    """The filter, as it stands in the address."""

    recipient = forms.CharField(label=gettext_lazy("Recipient"), required=False, max_length=254)
    category = forms.CharField(label=gettext_lazy("Category"), required=False)
    type = forms.CharField(label=gettext_lazy("Type"), required=False)
    topic = forms.CharField(label=gettext_lazy("Topic"), required=False)
    level = forms.ChoiceField(
        label=gettext_lazy("Level"), required=False, choices=[("", gettext_lazy("Any")), *Level.choices]
    )
    change = forms.ChoiceField(
        label=gettext_lazy("Change"), required=False, choices=[("", gettext_lazy("Any")), *ChangeKind.choices]
    )

    def clean(self) -> dict[str, Any]:
        """Check the filter by the protocol's grammar.

        A field that this form does not know was meant to narrow the tail, so it is an error and does
        not show everything.
        """
        if unknown := sorted(set(self.data) - set(self.fields)):
            self.add_error(None, _("This page has no filter “%s”.") % unknown[0][:40])
        given = {name: value for name, value in self.cleaned_data.items() if value}
        try:
            Filters.parse({name: [given[name]] for name in NAMES if name in given})
        except InvalidInput as invalid:
            for name, text in invalid.errors.items():
                self.add_error(name if name in self.fields else None, f"{text}.")
        return given

    def tail_filter(self) -> TailFilter | None:
        """Make the filter of the tail; None while something about it is wrong."""
        if not self.is_valid():
            return None
        given = self.cleaned_data
        return TailFilter(
            filters=Filters.parse({name: [given[name]] for name in NAMES if name in given}),
            recipients=frozenset(_names(given.get("recipient", ""))),
            kinds=frozenset(filter(None, [given.get("change")])),
        )

    def clean_recipient(self) -> str:
        """Usernames by comma."""
        names = _names(self.cleaned_data["recipient"])
        if len(names) > MAX_RECIPIENTS:
            raise forms.ValidationError(_("At most %d users can be watched.") % MAX_RECIPIENTS)
        return ",".join(names)


def live_tail_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The page; nothing is shown while the filter is wrong. Two queries.

    Args:
        request: by a GET of somebody who may view notifications.
        context: that of every page of the admin.
    """
    form = TailForm(request.GET)
    tail_filter = form.tail_filter()
    has_content = can(request, "view_content")
    page = {
        "title": _("Live tail"),
        "form": form,
        "is_filtered": form.is_valid() and bool(form.cleaned_data),
        "lines": [_line(change, has_content=has_content) for change in _newest(tail_filter)],
        "stream_url": staff_stream_url("tail") + _query(form) if tail_filter else "",
        "notification_pattern": notification_url("ID"),
        "past_pattern": time_machine_url("KEY"),
        "kinds": [(kind, chip_html(kind, label)) for kind, label in ChangeKind.choices],
        "reasons": [(reason, label) for reason, label in Reason.choices],
        "levels": [(level, level_html(level)) for level in Level.values],
        "content_hidden": "" if has_content else CONTENT_HIDDEN,
        "tail_url": reverse("admin:notification_hub_inbox_tail"),
    }
    return TemplateResponse(request, TEMPLATE, {**context, **page})


def _newest(tail_filter: TailFilter | None) -> list[WatchedChange]:
    if tail_filter is None:
        return []
    newest = selectors.newest_change_id()
    found = selectors.changes_by_id(after=newest - LOOK_BACK, limit=LOOK_BACK)
    return [change for change in reversed(found) if tail_filter.admits(change)][:MAX_SHOWN]


def _query(form: TailForm) -> str:
    if not form.cleaned_data:
        return ""
    pairs = [(name, value) for name, value in form.cleaned_data.items() if name != "recipient"]
    pairs += [("recipient", name) for name in _names(form.cleaned_data.get("recipient", ""))]
    return f"?{urlencode(pairs)}"


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


def _line(change: WatchedChange, *, has_content: bool) -> dict[str, Any]:
    cursor = str(Cursor(change.epoch, change.position))
    title = (change.title or "").strip() or _("(no title)")
    return {
        "change": change,
        "chip": chip_html(change.kind, ChangeKind(change.kind).label),
        "level": level_html(change.level) if change.level else "",
        "url": notification_url(change.public_id) if change.public_id else "",
        "past_url": time_machine_url(change.user_id, cursor=cursor),
        "cursor": cursor,
        "reason": Reason(change.reason).label if change.reason in Reason else change.reason,
        "title": shorten(title) if has_content else CONTENT_HIDDEN,
        "username": shorten(change.username),
    }
