"""``manage.py doctor``: what is wrong with this hub, and what to do about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.management.users import user_key
from notifications.ops.canary import send_canary
from notifications.ops.doctor import examine


class Command(BaseCommand):
    """Prints one line for each thing that was looked at, and ends with status 1 when any is an error."""

    help = (
        "Examine the hub: settings, database, migrations, clock, channel layer, what waits; with --url and --user also what a "
        "proxy does to streams, by one notification that is sent here, received there, and deleted. Exits with 1 on an error."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """From where to look."""
        parser.add_argument("--url", help="the hub's public address, such as https://hub.example.com")
        parser.add_argument("--user", help="who gets the canary, by user name; needed with --url")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine.

        Raises:
            CommandError: there is an error, or the options make no sense.
        """
        url, name = options["url"], options["user"]
        if (url is None) != (name is None):
            raise CommandError(
                "--url and --user go together: the canary is sent to somebody, through somewhere."
            )
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
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
        if errors := sum(finding.level == "error" for finding in findings):
            raise CommandError(f"{errors} errors.")
