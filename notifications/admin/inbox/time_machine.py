"""The time machine: an inbox as its user had it at any position or time.

It only reads, and leaves no trace in the inbox.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from notifications import selectors
from notifications.admin.inbox.requested_position import RequestedPosition, parse_position, requested_position
from notifications.admin.links import (
    actions_html,
    chip_html,
    inbox_url,
    level_html,
    name_of,
    notification_url,
    staff_stream_url,
    time_html,
    user_url,
)
from notifications.admin.permissions import CONTENT_HIDDEN, CONTENT_HIDDEN_WHY, can
from notifications.exceptions import CursorExpired
from notifications.models import Inbox, Reason
from notifications.payloads import NotificationRow
from notifications.protocol.cursors import Cursor
from notifications.protocol.links import url_problem
from notifications.selectors import PastPage
from notifications.selectors.staff.inboxes import change_at
from notifications.selectors.staff.states import listed_state

PAGE: Final = 25
SPEEDS: Final = (1, 10, 60)
FRAGMENT: Final = "admin/notification_hub/inbox/past_state.html"
TEMPLATE: Final = "admin/notification_hub/inbox/past.html"


def time_machine_page(request: HttpRequest, inbox: Inbox, context: dict[str, Any]) -> HttpResponse:
    """The page, or with ``fragment=1`` the state alone, which the page's script puts in its place.

    Args:
        request: by a GET of somebody who may view notifications.
        inbox: with its user.
        context: that of every page of the admin.
    """
    state = _state(request, inbox)
    if request.GET.get("fragment") == "1":
        return TemplateResponse(request, FRAGMENT, state, headers={"Cache-Control": "no-store"})
    username = name_of(inbox.user)
    first_at = selectors.first_change_at(inbox.pk)
    page = {
        "title": _("Time machine: inbox of %s") % username,
        "original": inbox,
        "username": username,
        "user_url": user_url(inbox.user),
        "inbox_url": inbox_url(inbox.pk),
        "first_at": first_at,
        "replay_url": staff_stream_url("replay", inbox=inbox.pk),
        "speeds": SPEEDS,
    }
    return TemplateResponse(request, TEMPLATE, {**context, **page, **state})


def _state(request: HttpRequest, inbox: Inbox) -> dict[str, Any]:
    """Make the context that shows the inbox at one position."""
    before = parse_position(request.GET.get("before", ""))
    try:
        requested, past = _read(request, inbox, before)
    except CursorExpired:  # it was compacted just now
        inbox.refresh_from_db(fields=["epoch", "head", "floor", "unread_count", "changed_at"])
        requested, past = _read(request, inbox, before)
    has_content = can(request, "view_content")
    return {
        **_position_context(inbox, requested, has_content),
        **_list_context(past, requested, before, has_content),
        "content_hidden": "" if has_content else CONTENT_HIDDEN,
        "content_hidden_why": "" if has_content else CONTENT_HIDDEN_WHY,
    }


def _read(request: HttpRequest, inbox: Inbox, before: int | None) -> tuple[RequestedPosition, PastPage]:
    requested = requested_position(inbox, request.GET)
    page = selectors.past_page(
        inbox.pk, floor=inbox.floor, position=requested.position, before=before, limit=PAGE
    )
    return requested, page


def _position_context(inbox: Inbox, requested: RequestedPosition, has_content: bool) -> dict[str, Any]:
    """The change that made the state what it is, and where one can go from here."""
    position = requested.position
    change = change_at(inbox, position)
    cursor = Cursor(inbox.epoch, position)
    notification = change.notification if change else None
    return {
        "inbox": inbox,
        "position": position,
        "remark": requested.remark,
        "cursor": cursor,
        "permalink": f"?{urlencode({'cursor': str(cursor)})}",
        "change": change,
        "at": change.at if change else None,
        "change_title": change.event.title if change and change.event and has_content else "",
        "change_url": notification_url(notification.public_id) if notification else "",
        "change_reason": _reason(change.reason) if change else "",
        "is_head": position == inbox.head,
        "is_floor": position == inbox.floor,
        "is_compacted_floor": position == inbox.floor > 0,
        "step_back": position - 1,
        "step_on": position + 1,
    }


def _list_context(
    past: PastPage, requested: RequestedPosition, before: int | None, has_content: bool
) -> dict[str, Any]:
    return {
        "items": [_item(row, has_content) for row in past.rows],
        "listed_count": past.listed_count,
        "unread_count": past.unread_count,
        "older": f"?{urlencode({'position': requested.position, 'before': past.next_before})}"
        if past.next_before
        else "",
        "newest": f"?{urlencode({'position': requested.position})}" if before else "",
    }


def _item(row: NotificationRow, has_content: bool) -> dict[str, Any]:
    """One row of the list. Of content that is hidden nothing gets as far as the template."""
    state = listed_state(row)
    item: dict[str, Any] = {
        "row": row,
        "url": notification_url(row.public_id),
        "level_chip": level_html(row.level),
        "state": state.value,
        "chip": chip_html(state.value, state.label),
        # Made here: a template that is included for each would take as long as all else.
        "created": time_html(row.created_at),
        "read": time_html(row.read_at),
        "expires": time_html(row.expires_at),
    }
    if has_content:
        item |= {
            "title": row.title.strip() or _("(no title)"),
            "body": row.body,
            "actor": row.actor,
            "link": row.url,
            "link_is_safe": url_problem(row.url) is None,
            "actions": actions_html(row.actions),
        }
    return item


def _reason(reason: str) -> str:
    return str(Reason(reason).label) if reason in Reason else reason
