"""Addresses that stay: of a cursor; and what the list's fields ask while somebody types."""

from __future__ import annotations

from typing import Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from notifications.admin.links import MAX_NAME, inbox_url, name_of, notification_url
from notifications.exceptions import MalformedCursor
from notifications.models import Inbox
from notifications.protocol.cursors import Cursor
from notifications.selectors.staff.inboxes import change_at, inbox_of_epoch
from notifications.selectors.staff.users import usernames_beginning_with

MAX_OFFERED: Final = 12


def cursor_page(request: HttpRequest, site: AdminSite, text: str) -> HttpResponse:
    """Lead to what a cursor stands for.

    That is the notification that was changed there, or the place in the inbox's log.

    Two queries. What leads nowhere is answered with 404 and the reason.
    """
    try:
        cursor = Cursor.parse(text)
    except MalformedCursor:
        return _cursor_not_found(request, site, text, _("A cursor looks like abcdefgh-41."))
    inbox = inbox_of_epoch(cursor.epoch)
    if inbox is None:
        reason = _(
            "No inbox has this epoch any more. The inbox was given a new epoch after a "
            "restore, or its user was deleted."
        )
        return _cursor_not_found(request, site, text, reason)
    if cursor.position > inbox.head:
        reason = _(
            "The latest position in the inbox of %(user)s is %(head)d. The position of this "
            "cursor does not exist yet."
        )
        return _cursor_not_found(
            request, site, text, reason % {"user": name_of(inbox.user), "head": inbox.head}, inbox
        )
    change = change_at(inbox, cursor.position)
    if change is None:
        reason = _(
            "The log of %(user)s is compacted up to position %(floor)d and no longer holds this position."
        )
        return _cursor_not_found(
            request, site, text, reason % {"user": name_of(inbox.user), "floor": inbox.floor}, inbox
        )
    if change.notification is None:
        return HttpResponseRedirect(f"{inbox_url(inbox.pk)}?from={cursor.position}")
    return HttpResponseRedirect(
        f"{notification_url(change.notification.public_id)}#position-{cursor.position}"
    )


def username_suggestions(request: HttpRequest) -> JsonResponse:
    """Usernames that begin with what is typed. One query, by their index."""
    term = request.GET.get("term", "").strip()
    found = usernames_beginning_with(term, limit=MAX_OFFERED) if term else []
    # A longer one could not stand in the address that it is offered for.
    offered = [name for name in found if len(str(name)) <= MAX_NAME]
    return JsonResponse({"usernames": offered}, headers={"Cache-Control": "no-store"})


def _cursor_not_found(
    request: HttpRequest, site: AdminSite, text: str, reason: str, inbox: Inbox | None = None
) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": _("Nothing at this cursor"),
        "cursor": text,
        "reason": reason,
        "inbox_url": inbox_url(inbox.pk) if inbox else "",
    }
    return TemplateResponse(
        request, "admin/notification_hub/notification/no_cursor.html", context, status=404
    )
