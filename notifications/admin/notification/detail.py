"""What the page of one notification shows, and what its state means, in words for a member of staff."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.admin.links import (
    MAX_NAME,
    actions_html,
    inbox_url,
    level_html,
    name_of,
    notifications_url,
    recipient_notifications_url,
    shorten,
    title_of,
    user_url,
    withdraw_url,
)
from notifications.admin.notification.timeline import Timeline, build_timeline
from notifications.admin.permissions import CONTENT_HIDDEN_WHY
from notifications.conf import hub_config
from notifications.inbox_log.content import MAX_STORED_DATA_BYTES
from notifications.models import (
    MAX_BODY_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    Event,
    Inbox,
    Notification,
    Reason,
)
from notifications.protocol.links import MAX_URL_LENGTH, url_problem
from notifications.selectors.staff.counts import count_other_recipients
from notifications.selectors.staff.inboxes import inbox_of
from notifications.selectors.staff.states import State, state_of

MAX_OTHERS: Final = 1_000
# Rows that are read to count people: one of whom was sent an event again has several.
MAX_OTHER_ROWS: Final = 5_000
_LIMITS: Final = {"topic": MAX_TOPIC_LENGTH, "source": MAX_NAME, "level": MAX_NAME}
_CONTENT_LIMITS: Final = {
    "title": MAX_TITLE_LENGTH,
    "body": MAX_BODY_LENGTH,
    "url": MAX_URL_LENGTH,
    "actor": MAX_NAME,
    "data": MAX_STORED_DATA_BYTES,
}
# What turns the writing direction around, or cannot be seen: it is shown escaped, as JSON may be written.
_INVISIBLE: Final = re.compile(r"[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
# A staged notification older than this has been missed by the hook after its commit and by several sweeps.
SEQUENCING_DEADLINE: Final = timedelta(seconds=10)


def page_context(
    notification: Notification,
    now: datetime,
    *,
    has_content: bool,
    may_replay: bool = False,
    may_withdraw: bool = False,
) -> dict[str, Any]:
    """Make the context of the template.

    Fourteen queries at most: content, inbox, changes, deliveries, replays, other recipients.

    Args:
        notification: with its event; content that is not to be shown may be deferred.
        now: the time.
        has_content: whether to show what it says.
        may_replay: whether the pages of replays are linked.
        may_withdraw: whether withdrawing is offered, if its recipient or anybody else may still have it.
    """
    event, recipient = notification.event, notification.recipient
    if has_content:
        event.refresh_from_db(fields=["body", "actions", "data"])
    url = event.url
    _shorten_texts(event, with_content=has_content)
    state = state_of(notification, now)
    inbox = inbox_of(notification.recipient_id)
    timeline = build_timeline(notification, state, inbox, may_replay=may_replay)
    others = count_others(notification)
    is_withdrawable = may_withdraw and _may_be_out(notification, others)
    return {
        "original": notification,
        "event": event,
        **_content_context(event, url, has_content=has_content),
        "username": name_of(recipient),
        "level_chip": level_html(event.level),
        "state": state,
        "is_listed": notification.is_listed,
        "explanation": explain(notification, state, now),
        **_timeline_context(timeline),
        "flush_seconds": _flush_seconds(),
        "inbox": inbox,
        **_recipient_urls(recipient, inbox),
        "others": others,
        "withdraw_url": withdraw_url([notification.public_id]) if is_withdrawable else "",
        "others_url": notifications_url(event=event.pk),
    }


def _content_context(event: Event, url: str, *, has_content: bool) -> dict[str, Any]:
    """Make what the template shows of what the notification says, or says instead of it."""
    return {
        "has_content": has_content,
        "content_hidden": CONTENT_HIDDEN_WHY,
        "title": title_of(event) if has_content else event.type,
        "is_blank": has_content and not event.title,
        "actions": actions_html(event.actions) if has_content else "",
        "data": pretty_data(event.data) if has_content else "",
        "url_is_safe": has_content and _is_safe(url),
    }


def _timeline_context(timeline: Timeline) -> dict[str, Any]:
    """Take apart the timeline for the places on the page that show it."""
    return {
        "timeline": timeline.entries,
        "sources": timeline.sources,
        "successors": timeline.successors,
        "deliveries": timeline.deliveries,
        "reason": _reason(timeline.deletion.reason) if timeline.deletion else "",
    }


def _recipient_urls(recipient: Any, inbox: Inbox | None) -> dict[str, str | None]:
    return {
        "inbox_url": inbox_url(inbox.pk) if inbox else "",
        "user_url": user_url(recipient),
        "same_recipient_url": recipient_notifications_url(recipient),
    }


def _is_safe(url: str) -> bool:
    return len(url) <= MAX_URL_LENGTH and url_problem(url) is None


def _may_be_out(notification: Notification, others: Any) -> bool:
    """Check whether its recipient or anybody else may still have what it says."""
    is_there = notification.deleted_at is None and notification.failed_at is None
    return notification.event.withdrawn_at is None and (is_there or bool(others))


def pretty_data(text: str) -> str:
    """The stored JSON over several lines; empty for an empty object. Text that is no JSON stays as it is."""
    try:
        value = json.loads(text)
        pretty = "" if value == {} else json.dumps(value, ensure_ascii=False, indent=2)
        return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", pretty)
    except (ValueError, RecursionError):
        return text


def _shorten_texts(event: Event, *, with_content: bool) -> None:
    """Cut texts that are longer than the services admit, because they were written past them.

    The event is not to be saved afterwards.
    """
    limits = {**_LIMITS, **_CONTENT_LIMITS} if with_content else _LIMITS
    for name, limit in limits.items():
        setattr(event, name, shorten(getattr(event, name), limit))


def count_others(notification: Notification) -> str:
    """Say how many other people were sent the same event, each once however often; empty when nobody was.

    There may be a great many, so no more than ``MAX_OTHER_ROWS`` notifications are preview at. One query.
    """
    others = count_other_recipients(notification, max_rows=MAX_OTHER_ROWS)
    if not others.count:
        return ""
    if others.count > MAX_OTHERS:
        return _("more than %d others") % MAX_OTHERS
    if others.is_more:
        return ngettext("at least %d other", "at least %d others", others.count) % others.count
    return ngettext("%d other", "%d others", others.count) % others.count


def explain(notification: Notification, state: State, now: datetime) -> str:
    """Say what the state means and what, if anything, is to be done.

    It is for a member of staff who does not know the hub.
    """
    match state:
        case State.UNREAD:
            return _("Its recipient sees it in the list and has not read it yet.")
        case State.READ:
            return _("Its recipient sees it in the list, marked as read.")
        case State.ARCHIVED:
            return _("Its recipient has archived it: it is read, and no longer in the list.")
        case State.DELETED:
            return _(
                "Its recipient no longer sees it. Deleting cannot be undone, but the "
                "notification can be re-delivered as a new one."
            )
        case State.SCHEDULED:
            return _(
                "It will be delivered at the time that was set. Until then its recipient cannot "
                "see it and it is not counted."
            )
        case State.FAILED:
            return _(
                "It could not be added to the inbox, so its recipient has never seen it. Correct "
                "what the failure names, then retry it."
            )
        case State.STAGED:
            return _explain_staged(notification, now)


def _flush_seconds() -> int:
    """Say how late the record of a delivery may be written.

    Streams' progress is written whenever their process reconciles, polls at each sweep; both a fifth
    later at most.
    """
    config = hub_config()
    return math.ceil(1.2 * max(config.reconcile_seconds, config.sweep_seconds))


def _reason(reason: str) -> str:
    return str(Reason(reason).label) if reason in Reason else reason


def _explain_staged(notification: Notification, now: datetime) -> str:
    due_since = max(notification.staged_at, notification.deliver_at or notification.staged_at)
    if now - due_since <= SEQUENCING_DEADLINE:
        return _("It has been sent and is about to appear in the inbox. Reload this page in a moment.")
    return _(
        "It has been waiting to be added to the inbox for %(time)s. Serving processes "
        "look for waiting notifications every %(seconds)g s, so check that one is "
        "running. Nothing is lost, and it need not be sent again."
    ) % {"time": _waited(due_since, now), "seconds": hub_config().sweep_seconds}


def _waited(since: datetime, now: datetime) -> str:
    if (seconds := int((now - since).total_seconds())) < 60:
        return _("%d seconds") % seconds
    return timesince(since, now, depth=1)
