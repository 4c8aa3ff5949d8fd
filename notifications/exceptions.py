"""The hub's exceptions, one class for each cause; each message says what to do next."""

from __future__ import annotations

from typing import ClassVar, Final

from notifications import permissions

MAX_ERRORS: Final = 20  # in one answer


class HubError(Exception):
    """The base class of all errors that the hub raises on purpose.

    ``code`` is stable and belongs to the closed list of problem codes (docs/protocol.md); the message is for
    a person.
    """

    code: ClassVar[str] = "error"
    message: ClassVar[str] = "The hub could not do this."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class InvalidInput(HubError):
    """Input that breaks a rule of the protocol; ``errors`` names each bad field with its own sentence."""

    code = "invalid"
    message = "Some fields are not valid; see errors."

    def __init__(self, errors: dict[str, str], message: str | None = None) -> None:
        self.errors = errors
        super().__init__(message or "; ".join(f"{field}: {text}" for field, text in errors.items()) or None)


class UnknownFilter(InvalidInput):
    """A query parameter that looks like a filter but is none: ignoring it would let everything through."""

    code = "unknown_filter"


class FieldErrors:
    """Collects what is wrong with several fields, so that one answer can name them all.

    ::

        errors = FieldErrors()
        with errors:
            limit = parse_limit(...)
        with errors:
            before = parse_before(...)
        errors.check()
    """

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._kind = InvalidInput

    def __enter__(self) -> None:
        """Begin a part that may raise ``InvalidInput``."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        """Keep what is wrong, and go on with the next part."""
        if isinstance(error, InvalidInput):
            self._found.update(error.errors)
            if self._kind is InvalidInput:
                self._kind = type(error)
            return True
        return False

    def check(self) -> None:
        """Raise the errors that were collected.

        Raises:
            InvalidInput: there were any; the first subclass of it that was collected, if there is one.
        """
        if self._found:
            raise self._kind(dict(list(self._found.items())[:MAX_ERRORS]))


class NotificationTooLarge(HubError):
    """A notification over 64 KiB."""

    code = "too_large"
    message = "A notification may hold at most 64 KiB; put what is large behind its url."


class TransientEventTooLarge(HubError):
    """A transient event over 16 KiB."""

    code = "too_large"
    message = (
        "A transient event may hold at most 16 KiB of data; put what is large where its reader can fetch it."
    )


class RunEventTooLarge(HubError):
    """Events of a run that are sent at once and have more than 256 KiB."""

    code = "too_large"
    message = "The events of a run may hold at most 256 KiB at once; send them in several requests."


class UnknownEventType(HubError):
    """An event type that no installed app registers, when only registered types are accepted."""

    code = "unknown_type"
    message = "No installed app registers this event type; declare it in a notification_events module."


class TypeNotAllowed(HubError):
    """An event type that is not open to every producer, sent by one whose token does not name it."""

    code = "type_not_allowed"
    message = (
        "This event type is reserved for the application; request a token that names it among its types."
    )


class EventTypeError(HubError, TypeError):
    """An EventType class or instance that is declared or built wrongly, found at import or construction."""

    code = "invalid"


class MissingScope(HubError):
    """A token that may not do this; ``scope`` is the scope that it lacks."""

    code = "forbidden"
    message = "This token lacks a scope."

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"This needs a token with the scope {scope}; request one that has it.")


class NotAProducer(HubError):
    """A user who may not send notifications."""

    code = "forbidden"
    message = f"This needs the permission {permissions.SEND}; ask the staff for it."


class OutsideLimits(HubError):
    """A type or topic that the token may not send."""

    code = "forbidden"
    message = "This token may not send this type or topic; request one that may."


class IdempotencyKeyReused(HubError):
    """An idempotency key that was sent with another body before."""

    code = "idempotency_key_reused"
    message = "This Idempotency-Key came with another body before; use a new key for each new request."


class IdempotencyInProgress(HubError):
    """A request whose idempotency key another request is still working with."""

    code = "idempotency_in_progress"
    message = (
        "A request with this Idempotency-Key is still in progress; send it again, unchanged, a little later."
    )


class EventNotSent(HubError):
    """A transient event that the channel layer did not accept."""

    code = "unavailable"
    message = "This event was not sent, because Redis does not accept any just now; send it again."


class EventInDoubt(HubError):
    """A transient event of which nobody can tell whether the channel layer accepted it."""

    code = "unavailable"
    message = (
        "This event may have been sent; sent again with the same Idempotency-Key, it goes out at most once."
    )


class NotFound(HubError):
    """A notification, stream or job that does not exist, is gone, or is another user's: all look alike."""

    code = "not_found"
    message = "There is no such notification."


class UserGone(NotFound):
    """A user who does not exist, most likely because they were deleted a moment ago."""

    code = "unavailable"  # the next request is refused because nobody is logged in
    message = "There is no such user; they may have been deleted a moment ago."


class StreamLimit(HubError):
    """A stream beyond those that one user may have open."""

    code = "stream_limit"
    message = "You have as many streams open as one user may; close one, or wait until one has ended."


class MalformedCursor(HubError):
    """Text that is not a cursor."""

    code = "cursor_malformed"
    message = "This is not a cursor; send back one that the hub gave you, unchanged."


class CursorUnusable(HubError):
    """A well-formed cursor from which the log cannot be resumed; ``head`` is the inbox's newest, as text."""

    def __init__(self, *, head: str) -> None:
        self.head = head
        super().__init__()


class CursorExpired(CursorUnusable):
    """The log was compacted past the cursor."""

    code = "cursor_expired"
    message = "Changes before this cursor are gone; fetch the list again."


class CursorEpoch(CursorUnusable):
    """The cursor belongs to another epoch, or to another user's inbox."""

    code = "cursor_epoch"
    message = "This cursor is of another epoch of the inbox; fetch the list again."


class CursorAhead(CursorUnusable):
    """The cursor lies after the newest change."""

    code = "cursor_ahead"
    message = "This cursor is ahead of the inbox; fetch the list again."
