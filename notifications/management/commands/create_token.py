"""``manage.py create_token``: an API token for a program, from the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from notifications import selectors, services, strict_json
from notifications.exceptions import InvalidInput
from notifications.management.base import HubCommand
from notifications.models import Scope
from notifications.services.tokens import DEFAULT_DAYS, MAX_DAYS

CREATED_BY: Final = "manage.py create_token"


class Command(HubCommand):
    """Makes one token and prints its text, for the only time."""

    help = (
        "Make an API token that acts as USER. Its text goes to standard output, once: the hub keeps a hash of it. Revoke it "
        "in the admin. With anything wrong in what is given, says what and makes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What the token is for, and until when."""
        parser.add_argument("user", metavar="USER", help="user name of an active user")
        parser.add_argument(
            "--scope",
            dest="scopes",
            action="append",
            choices=Scope.values,
            required=True,
            help="what it may do; may be given several times",
        )
        parser.add_argument(
            "--type",
            dest="types",
            action="append",
            default=[],
            help="with --scope publish: the only event type that it may send (orders.order.shipped, or all under orders.*); may be given several times",
        )
        parser.add_argument(
            "--topic",
            dest="topics",
            action="append",
            default=[],
            help="with --scope publish: the only topic that it may send on; may be given several times",
        )
        parser.add_argument("--name", default="command line", help="what uses it, such as ci-deploy")
        parser.add_argument(
            "--days",
            type=int,
            default=DEFAULT_DAYS,
            help=f"after how many days it expires (default: {DEFAULT_DAYS}); 0: never",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it.

        Raises:
            CommandError: with one line for each thing that is wrong; nothing was made.
        """
        try:
            made = services.create_token(
                _user(options["user"]),
                name=options["name"],
                scopes=options["scopes"],
                types=options["types"],
                topics=options["topics"],
                expires_at=_end(options["days"]),
                created_by=CREATED_BY,
            )
        except InvalidInput as error:
            lines = [f"  {field}: {text}" for field, text in error.errors.items()]
            raise CommandError("\n".join(["No token was made.", *lines])) from None
        end = made.token.expires_at
        until = f"until {end:%Y-%m-%d %H:%M} UTC" if end else "until it is revoked"
        self.stderr.write(f"It has the scopes {made.token.scopes}, {until}, and is not shown again.")
        self.stdout.write(made.text)


def _user(name: str) -> Any:
    strict_json.check_text(name, field="USER")
    user = selectors.active_user(**{get_user_model().USERNAME_FIELD: name})
    if user is None:
        raise InvalidInput({"USER": f"there is no active user {name!r}"})
    return user


def _end(days: int) -> Any:
    if not 0 <= days <= MAX_DAYS:
        raise InvalidInput({"days": f"must lie between 0 (never) and {MAX_DAYS}"})
    return timezone.now() + timedelta(days=days) if days else None
