"""``manage.py doctor``: finds what is wrong with this hub, and says what to do about it."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.management.users import user_key
from notifications.ops.canary import send_canary
from notifications.ops.doctor import examine
from notifications.system.environment import read_port


class Command(BaseCommand):
    """Prints one line for each check, and exits with status 1 when any of them is an error."""

    help = (
        "Examine the hub: settings, database, migrations, clock, channel layer and queues. With --user, "
        "also send a test notification, measure how long it takes to reach a stream, and delete it; with "
        "--url, do so through a proxy. Exits with status 1 on an error."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for the test notification."""
        parser.add_argument(
            "--url",
            help="the hub's public address, such as https://hub.example.com (default: this machine at $PORT, "
            "or 8000); needs --user",
        )
        parser.add_argument("--user", help="the name of the user who gets the test notification")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine the hub.

        Raises:
            CommandError: there is an error, or the options contradict each other.
        """
        url, name = options["url"], options["user"]
        if url is not None and name is None:
            raise CommandError("--url needs --user: the test notification is sent to that user.")
        if name is not None and url is None:
            url = f"http://127.0.0.1:{read_port(os.environ, 'PORT')}"
        if url is not None and not is_address(url):
            raise CommandError(f"{url!r} is no address such as https://hub.example.com.")
        findings = list(examine())
        if url is not None and not any(
            finding.subject in ("database", "migrations") and finding.level == "error" for finding in findings
        ):
            findings += send_canary(url, get_user_model()._default_manager.get(pk=user_key(name)))
        for finding in findings:
            style = {"ok": self.style.SUCCESS, "warning": self.style.WARNING, "error": self.style.ERROR}
            self.stdout.write(
                f"{style[finding.level](f'{finding.level:8}')}{finding.subject:12}{finding.text}"
            )
        if count := sum(finding.level == "error" for finding in findings):
            raise CommandError("1 error." if count == 1 else f"{count} errors.")


def is_address(url: str) -> bool:
    """Return whether a URL has only a scheme, a host, and perhaps a port and a path."""
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0  # reading it is what refuses 99999
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and not (parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and is_plain
