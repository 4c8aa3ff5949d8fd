"""What a notification may hold (protocol, section 4), checked at the door and once more when it enters the log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.functional import Promise

from notifications import strict_json
from notifications.conf import hub_config
from notifications.events import LEVELS, EventType, UntypedEvent, check_name, encode_data, registry
from notifications.exceptions import (
    InvalidInput,
    NotificationTooLarge,
    TransientEventTooLarge,
    UnknownEventType,
)
from notifications.models import (
    MAX_ACTOR_LENGTH,
    MAX_BODY_LENGTH,
    MAX_COLLAPSE_KEY_LENGTH,
    MAX_SOURCE_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    MAX_URL_LENGTH,
    Event,
)

MAX_NOTIFICATION_BYTES: Final = 65_536
MAX_TRANSIENT_BYTES: Final = 16_384
_LENGTHS: Final = {
    "title": MAX_TITLE_LENGTH,
    "body": MAX_BODY_LENGTH,
    "url": MAX_URL_LENGTH,
    "topic": MAX_TOPIC_LENGTH,
    "actor": MAX_ACTOR_LENGTH,
    "collapse_key": MAX_COLLAPSE_KEY_LENGTH,
    "source": MAX_SOURCE_LENGTH,
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_URL_NEVER: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


def build_event(
    event: EventType | UntypedEvent,
    *,
    title: Any,
    body: Any,
    url: str,
    topic: str,
    level: str | None,
    actor: Any,
    expires_at: datetime | None,
    source: str,
) -> Event:
    """An unsaved Event of what a producer gave; lazy translations become text here, in the sender's language.

    Raises:
        InvalidInput: one entry for each bad field.
        NotificationTooLarge: over 64 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    _check_kind(event)
    row = Event(
        type=event.type_name,
        topic=topic,
        level=level or event.default_level,
        title=_plain(title),
        body=_plain(body),
        url=_plain(url),
        actor=_actor(actor),
        data=encode_data(event.data()),
        expires_at=expires_at,
        source=source,
    )
    check_event(row)
    return row


def check_event(event: Event) -> None:
    """Refuse an event that could not be shown; also for rows that did not come through ``notify``.

    Raises:
        InvalidInput: one entry for each bad field.
        NotificationTooLarge: over 64 KiB.
    """
    texts = {name: getattr(event, name) for name in ("title", "body", "url", "topic", "actor")}
    errors = text_errors(texts | {"source": event.source})
    if "title" not in errors and not event.title.strip():
        errors["title"] = "must not be empty"
    if event.level not in LEVELS:
        errors["level"] = f"must be one of {', '.join(LEVELS)}"
    if "url" not in errors and (problem := url_problem(event.url)):
        errors["url"] = problem
    for check, argument in ((check_name, event.type), (_check_data, event.data)):
        try:
            check(argument)
        except InvalidInput as error:
            errors.update(error.errors)
    if errors:
        raise InvalidInput(errors)
    if sum(len(text.encode()) for text in texts.values()) + len(event.data.encode()) > MAX_NOTIFICATION_BYTES:
        raise NotificationTooLarge


def check_transient(event: EventType | UntypedEvent, topic: str) -> str:
    """Refuse a transient event that breaks a rule, and give its data as JSON.

    Raises:
        InvalidInput: one entry for each bad field.
        TransientEventTooLarge: over 16 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    _check_kind(event)
    errors, data = text_errors({"topic": topic}), ""
    try:
        check_name(event.type_name)
    except InvalidInput as error:
        errors.update(error.errors)
    try:
        data = encode_data(event.data())
    except InvalidInput as error:
        errors.update(error.errors)
    if errors:
        raise InvalidInput(errors)
    if len(data) > MAX_TRANSIENT_BYTES:
        raise TransientEventTooLarge
    return data


def text_errors(texts: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the lengths and characters of some text fields, by name."""
    errors: dict[str, str] = {}
    for name, text in texts.items():
        if not isinstance(text, str):
            errors[name] = f"must be text, not {type(text).__name__}"
            continue
        if len(text) > _LENGTHS[name]:
            errors[name] = f"has {len(text)} characters; at most {_LENGTHS[name]} are allowed"
            continue
        if name == "topic" and ("," in text or _CONTROL.search(text)):
            errors[name] = "may hold no comma and no control character"
            continue
        try:
            strict_json.check_text(text, field=name)
        except InvalidInput as error:
            errors.update(error.errors)
    return errors


def url_problem(url: str) -> str | None:
    """Why a url is refused, or None. Only a path on this site and http(s) are let through.

    Browsers drop tabs and newlines and read ``\\`` as ``/``, so ``/\\host`` and ``/<tab>/host`` would leave the site; both
    are refused by their characters before anything is parsed.
    """
    wanted = "must be a path on this site (/orders/7/) or an http(s) address"
    if not url:
        return None
    if _URL_NEVER.search(url):
        return f"{wanted}, without spaces, control characters and backslashes"
    if url.startswith("/"):
        return wanted if url.startswith("//") else None
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, or a port that there cannot be
        return wanted
    return None if is_address else wanted


def check_schedule(deliver_at: Any, expires_at: Any) -> None:
    """Refuse what is no time, times without a zone, and an expiry that comes before the delivery.

    Raises:
        InvalidInput: with the field at fault.
    """
    for name, at in (("deliver_at", deliver_at), ("expires_at", expires_at)):
        if at is not None and (not isinstance(at, datetime) or timezone.is_naive(at)):
            raise InvalidInput({name: "must be a time with a time zone"})
    if deliver_at and expires_at and expires_at <= deliver_at:
        raise InvalidInput({"expires_at": "must come after deliver_at"})


def _check_kind(event: Any) -> None:
    if not isinstance(event, (EventType, UntypedEvent)):
        raise InvalidInput({"type": f"must be an EventType or an UntypedEvent, not {type(event).__name__}"})
    if hub_config().strict_event_types and event.type_name not in registry:
        raise UnknownEventType


def _check_data(text: str) -> None:
    if not isinstance(strict_json.loads(text, field="data"), dict):
        raise InvalidInput({"data": "must be a JSON object"})


def _plain(text: Any) -> Any:
    return str(text) if isinstance(text, Promise) else text


def _actor(actor: Any) -> str:
    if actor is None:
        return ""
    return str(actor.get_username()) if hasattr(actor, "get_username") else str(actor)
