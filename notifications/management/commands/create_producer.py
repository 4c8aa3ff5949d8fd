"""``manage.py create_producer``: creates a user for a program that sends, and its first token."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from notifications import permissions
from notifications.exceptions import InvalidInput
from notifications.management.base import HubCommand
from notifications.management.tokens import add_token_arguments, description, make_token
from notifications.models import Notification, Scope
from notifications.protocol import strict_json

CREATED_BY: Final = "manage.py create_producer"


class Command(HubCommand):
    """Creates the user, grants the permission, and prints the text of the token, which is not shown again."""

    help = (
        "Create the user NAME for a program that publishes notifications, without a password and with the "
        "permission to publish, and a token for it. The token is printed to standard output, and only once: "
        "the hub stores a hash of it. When an argument is wrong, nothing is created."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments for the user and for the token."""
        parser.add_argument("name", metavar="NAME", help="the new user's name, such as shop")
        parser.add_argument(
            "--field",
            dest="fields",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="another field that the project's user model requires; may be given several times",
        )
        add_token_arguments(parser, name="first token")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the user and the token, or nothing.

        Raises:
            CommandError: with one line for each wrong argument; nothing was created.
        """
        try:
            with transaction.atomic():
                user = _make_user(options["name"], options["fields"])
                made = make_token(user, [Scope.PUBLISH], options, created_by=CREATED_BY)
        except InvalidInput as error:
            lines = [f"  {field}: {text}" for field, text in error.errors.items()]
            raise CommandError("\n".join(["No producer was created.", *lines])) from None
        self.stderr.write(f"The user {user.get_username()} may publish, and has no password.")
        self.stderr.write(description(made))
        self.stdout.write(made.text)


def _make_user(name: str, fields: list[str]) -> Any:
    """Create a user without a password who may publish.

    Raises:
        InvalidInput: the name is taken or impossible, or a field is missing, unknown or wrong.
    """
    users = get_user_model()
    strict_json.check_text(name, field="NAME")
    if users._default_manager.filter(**{users.USERNAME_FIELD: name}).exists():
        raise InvalidInput(
            {
                "NAME": f"there is a user {name!r} already. Give them the permission {permissions.SEND} "
                "in the admin, and run: manage.py create_token"
            }
        )
    user: Any = users(**{users.USERNAME_FIELD: name}, **_values(users, fields))
    user.set_unusable_password()
    try:
        user.full_clean()
    except ValidationError as error:
        errors = {field: " ".join(messages) for field, messages in error.message_dict.items()}
        raise InvalidInput(
            {"NAME" if field == users.USERNAME_FIELD else field: text for field, text in errors.items()}
        ) from None
    user.save()
    user.user_permissions.add(
        Permission.objects.get(
            content_type=ContentType.objects.get_for_model(Notification),
            codename=permissions.SEND.partition(".")[2],
        )
    )
    return user


def _values(users: Any, fields: list[str]) -> dict[str, Any]:
    """Return the given fields as values of their types.

    Raises:
        InvalidInput: one is no field of the user model, or not of the form FIELD=VALUE.
    """
    values = {}
    for field in fields:
        name, equals, text = field.partition("=")
        try:
            if not equals:
                raise InvalidInput({"field": f"must be FIELD=VALUE, not {field!r}"})
            values[name] = users._meta.get_field(name).to_python(text)
        except FieldDoesNotExist:
            raise InvalidInput({"field": f"the user model has no field {name!r}"}) from None
        except ValidationError as error:
            raise InvalidInput({name: " ".join(error.messages)}) from None
    return values
