"""``manage.py create_token``: an API token for a program, from the command line."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from notifications import selectors
from notifications.exceptions import InvalidInput
from notifications.management.base import HubCommand
from notifications.management.tokens import add_token_arguments, description, make_token
from notifications.models import Scope
from notifications.protocol import strict_json

CREATED_BY: Final = "manage.py create_token"


class Command(HubCommand):
    """Makes one token and prints its text, for the only time."""

    help = (
        "Make an API token that acts as USER. Its text goes to standard output, once: the hub keeps a hash "
        "of it. Revoke it "
        "in the admin. With anything wrong in what is given, says what and makes nothing. A program that has "
        "no user yet gets "
        "one, and its token, from create_producer."
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
        add_token_arguments(parser, name="command line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it.

        Raises:
            CommandError: with one line for each thing that is wrong; nothing was made.
        """
        try:
            made = make_token(_user(options["user"]), options["scopes"], options, created_by=CREATED_BY)
        except InvalidInput as error:
            lines = [f"  {field}: {text}" for field, text in error.errors.items()]
            raise CommandError("\n".join(["No token was made.", *lines])) from None
        self.stderr.write(description(made))
        self.stdout.write(made.text)


def _user(name: str) -> Any:
    strict_json.check_text(name, field="USER")
    user = selectors.active_user(**{get_user_model().USERNAME_FIELD: name})
    if user is None:
        raise InvalidInput({"USER": f"there is no active user {name!r}"})
    return user
