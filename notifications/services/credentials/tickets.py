"""Issue and use tickets: each opens one stream, within seconds, for a client that can send only a URL.

A ticket is signed, not stored; what is stored is that it was used. A cache would not do: it belongs to one
process, or is lost with its server. A ticket that was requested by a session carries the session's key, so
that the stream ends with the session. The key is sealed, because URLs are seen by more than those who may use
it.
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
MAX_REMOVED: Final = 500
MAX_SEALED_BYTES: Final = 64
_SALT: Final = "notifications.stream.ticket"


class Ticket(NamedTuple):
    """The content of a valid ticket.

    Attributes:
        user_id: whose stream it opens.
        token_id: the token that requested it; None for a session.
        session_key: of the session that requested it; None for a token. The caller has to find out whether
            the session still exists.
        requested_by_id: primary key of the user who requested it: the same, or a producer.
    """

    user_id: Any
    token_id: Any
    session_key: str | None
    requested_by_id: Any


def issue_ticket(
    user: Any, *, token: ApiToken | None = None, session_key: str | None = None, requested_by: Any = None
) -> str:
    """Return a new ticket for one stream of a user. No query.

    Args:
        user: whose stream it opens.
        token: the token by which it was requested. The ticket is worth nothing once that is revoked.
        session_key: of the session by which it was requested. The same holds once that has ended.
        requested_by: the user of that session, if it is another one.
    """
    ticket_id = uuid.uuid4().hex
    sealed = _seal(ticket_id, session_key) if session_key else None
    requester_key = str(token.user_id if token else (requested_by or user).pk)
    content = [ticket_id, str(user.pk), requester_key, token.pk if token else None, sealed]
    return signing.dumps(content, salt=_SALT)


def check_ticket(text: str) -> Ticket | None:
    """Return the content of a ticket, or None if it opens nothing; it is not used. Three queries at most."""
    if (read := _read(text)) is None:
        return None
    ticket_id, ticket = read
    return None if UsedTicket.objects.filter(pk=ticket_id).exists() else ticket


def use_ticket(text: str) -> Ticket | None:
    """Return the content of a ticket and mark it used; None if it was used before or opens nothing.

    It does not matter in which process it was used.

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
    """Remove the marks of tickets that were used before a time, 500 at most; return the number.

    Two statements at most.
    """
    old = UsedTicket.objects.filter(used_at__lt=cutoff).order_by("used_at", "pk")
    keys = list(old.values_list("pk", flat=True)[:MAX_REMOVED])
    return UsedTicket.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _read(text: str) -> tuple[uuid.UUID, Ticket] | None:
    """Return the id and the content of a ticket whose user is active and whose token is usable."""
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
    """Return a session's key, sealed so that it cannot be read without ``SECRET_KEY``.

    None for a key so long that it is the whole session, kept by its cookie.
    """
    octets = session_key.encode()
    return _mask(ticket_id, octets).hex() if len(octets) <= MAX_SEALED_BYTES else None


def _unseal(ticket_id: str, sealed: str) -> str:
    # If ``SECRET_KEY`` has changed since, the result is the key of no session.
    return _mask(ticket_id, bytes.fromhex(sealed)).decode("ascii", "replace")


def _mask(ticket_id: str, octets: bytes) -> bytes:
    """Return octets combined with a pad that no other ticket has; a second call returns the first octets."""
    pad = salted_hmac(f"{_SALT}.session", ticket_id, algorithm="sha512").digest()
    return bytes(octet ^ key for octet, key in zip(octets, pad, strict=False))
