"""The gate that every event passes (protocol, section 9), once, however many recipients it has.

Events come through Python, HTTP, the admin, or as rows found in the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from notifications.conf import hub_config
from notifications.event_types import EventType, UntypedEvent, check_name, encode_data, registry
from notifications.exceptions import FieldErrors, InvalidInput, TypeNotAllowed, UnknownEventType
from notifications.filters import Filters
from notifications.runs.redaction import REDACTED, SECRET_ENDINGS, Redaction


def admit(event: EventType | UntypedEvent, *, transient: bool = False) -> str:
    """Check an event against the declaration of its type, and blank what is secret in it.

    Args:
        event: what happened.
        transient: whether it is sent to open streams alone, rather than as a notification.

    Returns:
        The data of the event as the JSON that is stored and sent on, with ``"[redacted]"`` in place of each
        value of a secret field, and in a transient event of each value under a secret key, at any depth.

    Raises:
        InvalidInput: one entry for each key of the data that does not fit (``data.order_id``), or for
            ``type`` or ``data``.
        UnknownEventType: the registry is strict and does not know the type.
    """
    if not isinstance(event, (EventType, UntypedEvent)):
        raise InvalidInput({"type": f"must be an EventType or an UntypedEvent, not {type(event).__name__}"})
    declared = registry.get(event.type_name)
    if declared is None and hub_config().strict_event_types:
        raise UnknownEventType
    data, text, errors = event.data(), "", FieldErrors()
    with errors:
        check_name(event.type_name)
        if declared is not None:
            _check_permanence(declared, transient=transient)
    with errors:
        text = encode_data(data)
    errors.check()
    if declared is not None and (misfits := declared.data_errors(data)):
        raise InvalidInput(misfits)
    redacted = _redact(data, declared, transient=transient)
    return text if redacted == data else encode_data(redacted)


def _check_permanence(declared: type[EventType], *, transient: bool) -> None:
    if transient and not declared.is_transient:
        raise InvalidInput({"type": "is durable: send it as a notification"})
    if not transient and not declared.is_durable:
        raise InvalidInput({"type": "is transient: emit it, or send it by POST /events"})


def _redact(
    data: Mapping[str, Any], declared: type[EventType] | None, *, transient: bool
) -> Mapping[str, Any]:
    if declared is not None and (secret := declared.secret_fields & data.keys()):
        data = {**data, **dict.fromkeys(secret, REDACTED)}
    redacted: Mapping[str, Any] = _redaction(hub_config().secret_keys).redact(data) if transient else data
    return redacted


@cache
def _redaction(more_endings: tuple[str, ...]) -> Redaction:
    return Redaction((*SECRET_ENDINGS, *more_endings))


def check_sender(type_name: str, limits: Filters) -> None:
    """Raise an error if a producer over HTTP may not send a type.

    Args:
        type_name: the type of the event that is to be sent.
        limits: the types that the producer's token names; empty for a producer without limits.

    Raises:
        TypeNotAllowed: the type is guarded, and the limits do not name it.
    """
    if registry.is_guarded(type_name) and not limits.names_type(type_name):
        raise TypeNotAllowed
