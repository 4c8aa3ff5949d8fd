"""The options of the commands that create tokens, and the creation itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from notifications import permissions, services
from notifications.exceptions import InvalidInput
from notifications.services import NewToken
from notifications.services.credentials.tokens import DEFAULT_DAYS, MAX_DAYS


def add_token_arguments(parser: CommandParser, *, name: str) -> None:
    """Add the options that say what a token may send, what it is called, and when it expires.

    Args:
        name: what the token is called where ``--name`` is left out.
    """
    parser.add_argument(
        "--type",
        dest="types",
        action="append",
        default=[],
        help="with the scope publish: an event type that it may send, such as orders.order.shipped or "
        "orders.* (default: all); may be given several times",
    )
    parser.add_argument(
        "--topic",
        dest="topics",
        action="append",
        default=[],
        help="with the scope publish: a topic that it may send (default: all); may be given several times",
    )
    parser.add_argument(
        "--name",
        dest="token_name",
        default=name,
        help="what uses the token, such as ci-deploy (default: %(default)s)",
    )
    parser.add_argument(
        "--days",
        type=int,
        default=DEFAULT_DAYS,
        help=f"the number of days until it expires (default: {DEFAULT_DAYS}; 0: never)",
    )


def make_token(user: Any, scopes: Collection[str], options: dict[str, Any], *, created_by: str) -> NewToken:
    """Create a token from a command's options.

    Transaction: the caller's, or none.

    Raises:
        InvalidInput: one entry for each option that is wrong; nothing was made.
    """
    return services.create_token(
        user,
        name=options["token_name"],
        scopes=scopes,
        types=options["types"],
        topics=options["topics"],
        expires_at=_end(options["days"]),
        created_by=created_by,
    )


def description(made: NewToken) -> str:
    """Describe a new token: its scopes, its end, and whether its user lacks the permission to send."""
    end = made.token.expires_at
    until = f"until {end:%Y-%m-%d %H:%M} UTC" if end else "until it is revoked"
    text = f"The token has the scopes {made.token.scopes}, {until}, and is not shown again."
    if made.lacks_permission:
        name = made.token.user.get_username()
        text += (
            f"\n{name} may not send notifications: until they have the permission {permissions.SEND}, "
            "whatever this token sends is refused."
        )
    return text


def _end(days: int) -> datetime | None:
    if not 0 <= days <= MAX_DAYS:
        raise InvalidInput({"days": f"must lie between 0 (never) and {MAX_DAYS}"})
    return timezone.now() + timedelta(days=days) if days else None
