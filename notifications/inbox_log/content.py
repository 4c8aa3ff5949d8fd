"""Check the content of a notification against section 4 of the protocol.

Content is checked when it is sent, and once more when it enters the log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise

from notifications.event_gate import admit
from notifications.event_types import LEVELS, EventType, UntypedEvent, check_name, registry
from notifications.exceptions import FieldErrors, InvalidInput, NotificationTooLarge, TransientEventTooLarge
from notifications.models import (
    MAX_ACTOR_LENGTH,
    MAX_BODY_LENGTH,
    MAX_COLLAPSE_KEY_LENGTH,
    MAX_SOURCE_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    Event,
)
from notifications.protocol import strict_json
from notifications.protocol.links import (
    MAX_URL_LENGTH,
    NO_ACTIONS,
    Action,
    actions_text,
    check_actions,
    stored_actions,
    url_problem,
)
from notifications.protocol.times import time_problem

MAX_NOTIFICATION_BYTES: Final = 65_536
# Data is stored with escapes, which take three times as much as UTF-8 at most.
MAX_STORED_DATA_BYTES: Final = 3 * MAX_NOTIFICATION_BYTES
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
_TEXTS: Final = ("title", "body", "url", "topic", "actor")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def build_event(
    event: EventType | UntypedEvent,
    *,
    title: Any,
    body: Any = "",
    url: str = "",
    topic: str = "",
    level: str | None = None,
    actor: Any = None,
    actions: Sequence[Action] = (),
    expires_at: datetime | None = None,
    source: str = "",
) -> Event:
    """Return an unsaved Event; lazy translations become text here, in the sender's language.

    Args:
        event: what happened.
        title: up to 200 characters of plain text; the other fields are as for ``services.notify``.

    Raises:
        InvalidInput: one entry for each bad field.
        NotificationTooLarge: over 64 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    errors = FieldErrors()
    data, actions_json = _admit(event, actions, errors)
    # An argument that is no event at all is refused together with the other fields.
    default_level: str = getattr(event, "default_level", "info")
    type_name: str = getattr(event, "type_name", "")
    row = Event(
        type=type_name,
        category=registry.category_of(type_name),
        topic=topic,
        level=level or default_level,
        title=_plain(title),
        body=_plain(body),
        url=_plain(url),
        actor=_actor(actor),
        actions=actions_json,
        data=data,
        expires_at=expires_at,
        source=source,
        is_admitted=True,
    )
    with errors:
        _check_fields(row)
    errors.check()
    _check_size(row)
    return row


def _admit(
    event: EventType | UntypedEvent, actions: Sequence[Action], errors: FieldErrors
) -> tuple[str, str]:
    """Return the data and the actions as they are stored, and add what is wrong with either to the errors."""
    data, actions_json = "{}", NO_ACTIONS
    with errors:
        data = admit(event)
    with errors:
        actions_json = actions_text(check_actions(actions))
    return data, actions_json


def check_event(event: Event) -> None:
    """Refuse a stored event that could not be shown, or does not fit its type.

    Only an event that did not come through the services is compared with its type. For any other, the type
    may have been declared differently when it was sent, or by another version of the application.

    Raises:
        InvalidInput: one entry for each bad field.
        NotificationTooLarge: over 64 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    errors, data = FieldErrors(), {}
    with errors:
        _check_fields(event)
    with errors:
        check_name(event.type)
    with errors:
        data = _object(event.data)
    with errors:
        stored_actions(event.actions)
    errors.check()
    if not event.is_admitted:
        admit(UntypedEvent(type_name=event.type, fields=data))
    _check_size(event)


def check_transient(event: EventType | UntypedEvent, topic: str) -> str:
    """Refuse a transient event that breaks a rule; return its data as JSON.

    Raises:
        InvalidInput: one entry for each bad field.
        TransientEventTooLarge: over 16 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    data, errors = "{}", FieldErrors()
    with errors:
        data = admit(event, transient=True)
    with errors:
        _refuse(text_errors({"topic": topic}))
    errors.check()
    if strict_json.size(data) > MAX_TRANSIENT_BYTES:
        raise TransientEventTooLarge
    return data


def text_errors(texts: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with the lengths and characters of some text fields, by name."""
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


def check_schedule(deliver_at: Any, expires_at: Any) -> None:
    """Refuse times that cannot be used, and an expiry that comes before the delivery.

    A time needs a time zone, and every zone must be able to show it.

    Raises:
        InvalidInput: with the field at fault.
    """
    for name, at in (("deliver_at", deliver_at), ("expires_at", expires_at)):
        if at is not None and (problem := time_problem(at)):
            raise InvalidInput({name: problem})
    if deliver_at and expires_at and expires_at <= deliver_at:
        raise InvalidInput({"expires_at": "must come after deliver_at"})


def _check_fields(event: Event) -> None:
    """Refuse an event that could not be shown, whatever its type. Raises ``InvalidInput``."""
    errors = text_errors({name: getattr(event, name) for name in (*_TEXTS, "source")})
    if "title" not in errors and not event.title.strip():
        errors["title"] = "must not be empty"
    if event.level not in LEVELS:
        errors["level"] = f"must be one of {', '.join(LEVELS)}"
    if "url" not in errors and (problem := url_problem(event.url)):
        errors["url"] = problem
    if event.expires_at is not None and (problem := time_problem(event.expires_at)):
        errors["expires_at"] = problem
    _refuse(errors)


def _check_size(event: Event) -> None:
    texts = sum(len(getattr(event, name).encode()) for name in _TEXTS)
    if texts + sum(map(strict_json.size, (event.data, event.actions))) > MAX_NOTIFICATION_BYTES:
        raise NotificationTooLarge


def _refuse(errors: dict[str, str]) -> None:
    if errors:
        raise InvalidInput(errors)


def _object(text: str) -> dict[str, Any]:
    value = strict_json.loads(text, field="data")
    if not isinstance(value, dict):
        raise InvalidInput({"data": "must be a JSON object"})
    return value


def _plain(text: Any) -> Any:
    return str(text) if isinstance(text, Promise) else text


def _actor(actor: Any) -> str:
    if actor is None:
        return ""
    return str(actor.get_username()) if hasattr(actor, "get_username") else str(actor)
