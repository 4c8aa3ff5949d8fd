"""``manage.py create_token``: creates an API token for a program."""

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
    """Creates one token and prints its text, which is not shown again."""

    help = (
        "Create an API token that acts as USER. It is printed to standard output, and only once: the hub "
        "stores a hash of it. It can be revoked in the admin. When an argument is wrong, nothing is created. "
        "For a program that has no user yet, create_producer creates the user and the token."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments for the user, the scopes and the token."""
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
        """Create the token.

        Raises:
            CommandError: with one line for each wrong argument; nothing was created.
        """
        try:
            made = make_token(_user(options["user"]), options["scopes"], options, created_by=CREATED_BY)
        except InvalidInput as error:
            lines = [f"  {field}: {text}" for field, text in error.errors.items()]
            raise CommandError("\n".join(["No token was created.", *lines])) from None
        self.stderr.write(description(made))
        self.stdout.write(made.text)


def _user(name: str) -> Any:
    strict_json.check_text(name, field="USER")
    user = selectors.active_user(**{get_user_model().USERNAME_FIELD: name})
    if user is None:
        raise InvalidInput({"USER": f"there is no active user {name!r}"})
    return user
