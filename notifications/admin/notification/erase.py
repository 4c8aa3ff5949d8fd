"""Erasing content: a page that asks, what it does to whom, and the record of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import services
from notifications.admin.history import provenance_of
from notifications.admin.links import name_of, notification_url, title_of
from notifications.admin.notification.detail import count_others
from notifications.admin.permissions import can
from notifications.models import MAX_REASON_LENGTH, Notification
from notifications.services import Erased


class EraseForm(forms.Form):
    """A form that asks what to erase, and why."""

    scope = forms.ChoiceField(
        label=gettext_lazy("Scope"),
        choices=[
            ("one", gettext_lazy("This notification, for this recipient only")),
            ("event", gettext_lazy("This notification, for all its recipients")),
            ("user", gettext_lazy("Everything ever sent to this recipient")),
        ],
        initial="one",
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=MAX_REASON_LENGTH,
        widget=AdminTextInputWidget(attrs={"class": "vTextField hub-wide", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "This is kept on record with your name and the time. Do not repeat the erased content here."
        ),
    )


def erase_page(
    request: HttpRequest, model_admin: ModelAdmin[Notification], notification: Notification
) -> HttpResponse:
    """Ask, and erase once that is confirmed."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    form = EraseForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and _erase(request, model_admin, notification, **form.cleaned_data):
        return HttpResponseRedirect(notification_url(notification.public_id))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Erase content?"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "original": notification,
        "name": title_of(notification.event) if can(request, "view_content") else notification.event.type,
        "username": name_of(notification.recipient),
        "others": count_others(notification),
        "form": form,
    }
    return TemplateResponse(request, "admin/notification_hub/notification/erase.html", context)


def _erase(
    request: HttpRequest, model_admin: Any, notification: Notification, *, scope: str, reason: str
) -> bool:
    username = name_of(notification.recipient)
    try:
        erased = _do(request, notification, scope)
    except OperationalError:
        messages.error(request, _("The inbox is busy; nothing more was erased. Try again in a moment."))
        return False
    done = {
        "one": _("Content erased for this recipient: %(reason)s"),
        "event": _("Content erased for all recipients: %(reason)s"),
        "user": _("Content of everything sent to %(user)s erased: %(reason)s"),
    }[scope]
    model_admin.log_change(request, notification, done % {"reason": reason, "user": username})
    text = ngettext(
        "The content of %d notification was erased.",
        "The content of %d notifications was erased.",
        erased.erased_count,
    )
    messages.success(request, text % erased.erased_count)
    if erased.has_more:
        messages.warning(request, _("This recipient was sent more than that. Repeat this to erase the rest."))
    return True


def _do(request: HttpRequest, notification: Notification, scope: str) -> Erased:
    provenance = provenance_of(request)
    match scope:
        case "event":
            return services.erase_event(notification.event_id, provenance=provenance)
        case "user":
            return services.erase_inbox(notification.recipient_id, provenance=provenance)
        case _:
            ids = [notification.public_id]
            return services.erase_notifications(notification.recipient_id, ids, provenance=provenance)
