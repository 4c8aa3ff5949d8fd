"""The gate that every event passes, whichever door it comes by (protocol, section 9): Python, HTTP, the
admin, or a row found in the database.

Once for each event, however many recipients it has.
"""

from __future__ import annotations

from notifications.conf import hub_config
from notifications.event_types import EventType, UntypedEvent, check_name, encode_data, registry
from notifications.exceptions import FieldErrors, InvalidInput, TypeNotAllowed, UnknownEventType
from notifications.filters import Filters


def admit(event: EventType | UntypedEvent) -> str:
    """Hold an event to what is declared of its type.

    Returns:
        Its data, as the JSON that is stored and sent on.

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
    with errors:
        text = encode_data(data)
    errors.check()
    if declared is not None and (misfits := declared.data_errors(data)):
        raise InvalidInput(misfits)
    return text


def check_sender(type_name: str, limits: Filters) -> None:
    """Refuse a type that may not be sent by just any producer over HTTP.

    Args:
        type_name: what is to be sent.
        limits: the types that the producer's token names; empty for one who has none.

    Raises:
        TypeNotAllowed: the limits do not name it.
    """
    if registry.is_guarded(type_name) and not limits.names_type(type_name):
        raise TypeNotAllowed
