"""Tickets: each opens one stream, within seconds, for a client that can send nothing but a URL.

A ticket is signed, not stored; what is stored is that it was used. A cache would not do: it is one process's
own, or gone with its server. One that a session has asked for carries the session's key, so that what it
opens ends with the session; the key is sealed, because URLs are seen by more than those who may use it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from notifications import selectors
from notifications.models import ApiToken, UsedTicket

TICKET_SECONDS: Final = 30
# Far longer than a ticket lives, so that no difference between two machines' clocks lets one in again.
MAX_REMOVED: Final = 500
MAX_SEALED_BYTES: Final = 64
_SALT: Final = "notifications.stream.ticket"


class Ticket(NamedTuple):
    """What a valid ticket says.

    Attributes:
        user_id: whose stream it opens.
        token_id: the token that asked for it; None for a session.
        session_key: of the session that asked for it; None for a token. Whether it still holds is for the
            caller to find out.
        requested_by_id: primary key of the user who asked for it: the same, or a producer.
    """

    user_id: Any
    token_id: Any
    session_key: str | None
    requested_by_id: Any


def issue_ticket(
    user: Any, *, token: ApiToken | None = None, session_key: str | None = None, requested_by: Any = None
) -> str:
    """A new ticket for one stream of a user; no query.

    Args:
        user: whose stream it opens.
        token: by which it was asked for. The ticket is worth nothing once that is revoked.
        session_key: of the session by which it was asked for. The same holds for that.
        requested_by: the user whose session that is, where it is another one.
    """
    ticket_id = uuid.uuid4().hex
    sealed = _seal(ticket_id, session_key) if session_key else None
    requester_key = str(token.user_id if token else (requested_by or user).pk)
    content = [ticket_id, str(user.pk), requester_key, token.pk if token else None, sealed]
    return signing.dumps(content, salt=_SALT)


def check_ticket(text: str) -> Ticket | None:
    """What a ticket says, without using it up; None for one that opens nothing. Three queries at most."""
    if (read := _read(text)) is None:
        return None
    ticket_id, ticket = read
    return None if UsedTicket.objects.filter(pk=ticket_id).exists() else ticket


def use_ticket(text: str) -> Ticket | None:
    """What a ticket says, once: None for one that was used, in whatever process, and for any that opens
    nothing.

    Transaction: its own; inside a caller's the use counts once that commits. Three queries at most.
    """
    if (read := _read(text)) is None:
        return None
    ticket_id, ticket = read
    try:
        with transaction.atomic():
            UsedTicket(id=ticket_id, used_at=timezone.now()).save(force_insert=True)
    except IntegrityError:
        return None
    return ticket


def remove_used_tickets(cutoff: datetime) -> int:
    """Remove the marks of tickets that were used before a time, 500 at most; returns how many.

    Two statements at most.
    """
    old = UsedTicket.objects.filter(used_at__lt=cutoff).order_by("used_at", "pk")
    keys = list(old.values_list("pk", flat=True)[:MAX_REMOVED])
    return UsedTicket.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _read(text: str) -> tuple[uuid.UUID, Ticket] | None:
    """The id and the content of a ticket whose user and token are still good."""
    try:
        ticket_id, user_key, requester_key, token_id, sealed = signing.loads(
            text, salt=_SALT, max_age=TICKET_SECONDS
        )
        user_id, requested_by_id = map(get_user_model()._meta.pk.to_python, (user_key, requester_key))
    except (signing.BadSignature, ValidationError, ValueError):  # the last: one that another version has made
        return None
    if token_id is not None and not selectors.is_token_usable(token_id, timezone.now()):
        return None
    if selectors.active_user(pk=user_id) is None:
        return None
    session_key = _unseal(ticket_id, sealed) if sealed else None
    return uuid.UUID(ticket_id), Ticket(user_id, token_id, session_key, requested_by_id)


def _seal(ticket_id: str, session_key: str) -> str | None:
    """A session's key, unreadable without ``SECRET_KEY``; None for one so long that it is the whole session,
    kept by its cookie.
    """
    octets = session_key.encode()
    return _mask(ticket_id, octets).hex() if len(octets) <= MAX_SEALED_BYTES else None


def _unseal(ticket_id: str, sealed: str) -> str:
    # Sealed by a key that is a fallback now, it turns out as a session that nobody has.
    return _mask(ticket_id, bytes.fromhex(sealed)).decode("ascii", "replace")


def _mask(ticket_id: str, octets: bytes) -> bytes:
    """Each octet combined with one of a pad that no other ticket has; doing it twice gives the first text
    again.
    """
    pad = salted_hmac(f"{_SALT}.session", ticket_id, algorithm="sha512").digest()
    return bytes(octet ^ key for octet, key in zip(octets, pad, strict=False))
