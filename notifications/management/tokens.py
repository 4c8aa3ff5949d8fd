"""What the commands that make tokens have in common: their options, and the making."""

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
    """Add the options that say what a token may send, what it is called, and when it ends.

    Args:
        name: what the token is called where ``--name`` is left out.
    """
    parser.add_argument(
        "--type",
        dest="types",
        action="append",
        default=[],
        help="with the scope publish: the only event type that it may send (orders.order.shipped, or all "
        "under orders.*); may be given several times",
    )
    parser.add_argument(
        "--topic",
        dest="topics",
        action="append",
        default=[],
        help="with the scope publish: the only topic that it may send on; may be given several times",
    )
    parser.add_argument(
        "--name", dest="token_name", default=name, help="what uses the token, such as ci-deploy"
    )
    parser.add_argument(
        "--days",
        type=int,
        default=DEFAULT_DAYS,
        help=f"after how many days it expires (default: {DEFAULT_DAYS}); 0: never",
    )


def make_token(user: Any, scopes: Collection[str], options: dict[str, Any], *, created_by: str) -> NewToken:
    """Make a token out of a command's options.

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
    """What a new token is good for, and until when; and that it sends nothing, where its user may not."""
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
