"""``manage.py send_notification``: notifies one user from the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from notifications import services
from notifications.event_types import LEVELS, UntypedEvent, registry
from notifications.exceptions import HubError, InvalidInput
from notifications.management.base import HubCommand
from notifications.protocol import strict_json

SOURCE: Final = "manage.py send_notification"


class Command(HubCommand):
    """Sends one notification and prints its id."""

    help = (
        "Notify the user named USER, and print the notification's id. When an argument is wrong, nothing is "
        "sent. Open pages of the running hub show the notification at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add an option for each argument of ``services.notify``."""
        parser.add_argument("user", metavar="USER", help="user name of the recipient")
        parser.add_argument(
            "type", metavar="TYPE", help="event type, such as orders.order.shipped: 2 to 4 dotted segments"
        )
        parser.add_argument("--title", required=True, help="up to 200 characters of plain text")
        parser.add_argument("--body", default="", help="up to 10,000 characters of plain text")
        parser.add_argument(
            "--url", default="", help="a path on this site (/orders/7/) or an http(s) address"
        )
        parser.add_argument("--topic", default="", help="what it concerns, such as order:7; no comma")
        parser.add_argument("--level", choices=LEVELS, help="default: that of the event type, else info")
        parser.add_argument("--actor", default="", help="who did it")
        parser.add_argument(
            "--data", metavar="JSON", default="{}", help="""a JSON object, such as '{"order_id": 7}'"""
        )
        parser.add_argument(
            "--collapse-key",
            metavar="KEY",
            default="",
            help="it replaces a listed notification of the same type, topic and key",
        )
        parser.add_argument(
            "--deliver-at", metavar="TIME", help="not before this time, such as 2026-11-21T08:00:00Z"
        )
        parser.add_argument("--expires-at", metavar="TIME", help="deleted after this time")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send the notification.

        Raises:
            CommandError: with one line for each wrong argument; nothing was sent.
        """
        try:
            public_id = services.notify(
                _user(options["user"]),
                _event(options["type"], options["data"]),
                title=options["title"],
                body=options["body"],
                url=options["url"],
                topic=options["topic"],
                level=options["level"],
                actor=options["actor"],
                collapse_key=options["collapse_key"],
                deliver_at=_time("deliver_at", options["deliver_at"]),
                expires_at=_time("expires_at", options["expires_at"]),
                source=SOURCE,
            )
        except InvalidInput as error:
            lines = [f"  {field}: {text}" for field, text in error.errors.items()]
            raise CommandError("\n".join(["Nothing was sent.", *lines])) from None
        except HubError as error:
            raise CommandError(f"Nothing was sent. {error}") from None
        self.stdout.write(str(public_id))


def _user(name: str) -> Any:
    user_model = get_user_model()
    strict_json.check_text(name, field="USER")
    user = user_model._default_manager.filter(**{user_model.USERNAME_FIELD: name}).first()
    if user is None:
        raise InvalidInput({"USER": f"there is no user {name!r}"})
    return user


def _event(type_name: str, text: str) -> UntypedEvent:
    """Return the event as it was typed in; a registered type has its own level."""
    data = strict_json.loads(text, field="data")
    if not isinstance(data, dict):
        raise InvalidInput({"data": "must be a JSON object"})
    return UntypedEvent(type_name=type_name, fields=data, default_level=registry.level_of(type_name))


def _time(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None:
        raise InvalidInput({field: f"{text!r} is not a time such as 2026-11-21T08:00:00Z"})
    return at
