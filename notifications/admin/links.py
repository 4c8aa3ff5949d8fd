"""Addresses of admin pages, and safe links to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from notifications.exceptions import InvalidInput
from notifications.models import MAX_TITLE_LENGTH, Event, Level
from notifications.protocol.links import stored_actions
from notifications.protocol.local_times import local_time
from notifications.streaming.staff import STAFF_PATH

# What a username is cut to where it is longer than any that Django's own user model admits.
MAX_NAME: Final = 254


def notification_url(key: Any, page: str = "change") -> str:
    """A notification's page; ``key`` is its id on the wire or its primary key."""
    return reverse(f"admin:notification_hub_notification_{page}", args=[quote(str(key))])


def notifications_url(**parameters: Any) -> str:
    """The list of notifications, filtered."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    return reverse("admin:notification_hub_notification_changelist") + query


def replay_url(public_ids: Iterable[Any]) -> str:
    """The page that asks what to replay of some notifications."""
    ids = ",".join(map(str, public_ids))
    return f"{reverse('admin:notification_hub_replay_add')}?{urlencode({'ids': ids})}"


def withdraw_url(public_ids: Iterable[Any] = ()) -> str:
    """The page that asks whether to withdraw some notifications.

    Without any notification it needs the filters of the list.
    """
    ids = ",".join(map(str, public_ids))
    query = f"?{urlencode({'ids': ids})}" if ids else ""
    return reverse("admin:notification_hub_notification_withdraw") + query


def replay_job_url(key: Any) -> str:
    """The page of one replay."""
    return reverse("admin:notification_hub_replay_change", args=[quote(str(key))])


def inbox_url(user_id: Any) -> str:
    """An inbox's page."""
    return reverse("admin:notification_hub_inbox_change", args=[quote(str(user_id))])


def time_machine_url(user_id: Any, **parameters: Any) -> str:
    """The time machine of an inbox, at a ``position``, a ``cursor`` or a time."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    return reverse("admin:notification_hub_inbox_past", args=[quote(str(user_id))]) + query


def stream_url(key: Any, page: str = "change") -> str:
    """The record of a stream, or one of its verbs."""
    return reverse(f"admin:notification_hub_streamsession_{page}", args=[quote(str(key))])


def staff_stream_url(name: str, **parameters: Any) -> str:
    """A stream of the staff's own, which is served beside Django (``streaming.staff``)."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{reverse('admin:index')}{STAFF_PATH}{name}{query}"


def user_url(user: Any) -> str | None:
    """A user's page, where the admin has one."""
    options = user._meta
    try:
        return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[quote(str(user.pk))])
    except NoReverseMatch:
        return None


def shorten(text: str, limit: int = MAX_NAME) -> str:
    """Cut a text that is longer than the hub admits, because it was written past the services.

    Any other text is shown whole.
    """
    return text if len(text) <= limit else f"{text[:limit]}…"


def name_of(user: Any) -> str:
    """A username as it is shown."""
    return shorten(str(user.get_username()))


def recipient_notifications_url(user: Any, **parameters: Any) -> str:
    """The list of all that a user was sent.

    Where the name is too long to stand in an address, it is their inbox.
    """
    username = str(user.get_username())
    if len(username) > MAX_NAME:
        return inbox_url(user.pk)
    return notifications_url(recipient=username, **parameters)


def title_of(event: Event) -> str:
    """An event's title as it is shown.

    Only the title of an event that was erased, or written past the services, is blank.
    """
    title = shorten(event.title, MAX_TITLE_LENGTH).strip()
    return title or (_("(no title)") if event.title else _("(erased)"))


def redirect_to_list(request: HttpRequest, name: str) -> HttpResponseRedirect:
    """Answer an address that leads to nothing: with a message, and the list.

    Its name is that of the model: ``notification``, ``inbox`` and so on.
    """
    messages.warning(request, _("There is nothing at that address. It may have been removed."))
    return HttpResponseRedirect(reverse(f"admin:notification_hub_{name}_changelist"))


def time_html(at: datetime | None) -> SafeString:
    """A time to the second, with the machine-readable one."""
    if at is None:
        return SafeString("")
    local = local_time(at)
    return format_html(
        '<time class="hub-time" datetime="{}" title="{}">{} <span>{}</span></time>',
        at.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S.%f %Z"),
        local.strftime("%Y-%m-%d"),
        local.strftime("%H:%M:%S"),
    )


def level_html(level: str) -> SafeString:
    """A level as a badge; one that is none of the four, written past the services, is shown all the same."""
    return (
        chip_html(f"level-{level}", Level(level).label) if level in Level else chip_html("level-info", level)
    )


def chip_html(kind: str, label: Any) -> SafeString:
    """A coloured word; the colour says nothing that the word does not."""
    return format_html('<span class="hub-chip hub-chip-{}">{}</span>', kind, label)


def actions_html(text: str) -> SafeString:
    """The stored actions of an event, to be read; nothing of them can be followed or pressed.

    Text that is none, because it was written past the services, is shown as it is.
    """
    try:
        actions = stored_actions(text)
    except InvalidInput:
        return format_html(
            '<p class="hub-actions"><bdi>{}</bdi> <span class="quiet">{}</span></p>',
            shorten(text),
            _("(not valid actions)"),
        )
    items = format_html_join(
        "",
        "<li><bdi>{}</bdi> <code>{}</code> <bdi>{}</bdi></li>",
        ((action["label"], action["method"], action["url"]) for action in actions),
    )
    return (
        format_html('<ul class="hub-actions" aria-label="{}">{}</ul>', _("Actions"), items)
        if items
        else items
    )
