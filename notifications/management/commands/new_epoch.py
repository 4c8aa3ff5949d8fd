"""``manage.py new_epoch``: invalidates the cursors of all clients after a database was restored."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import OperationalError

from notifications.inbox_log.audit import inbox_keys
from notifications.inbox_log.inboxes import renew_epochs
from notifications.management.base import HubCommand, Progress
from notifications.management.users import inbox_key
from notifications.models import Inbox

EXPLANATION = """\
A backup that was restored is older than what clients have seen, so positions after it will be given to other
changes. A client that resumed from its old cursor would miss those changes without noticing.
A new epoch invalidates all cursors: open streams are reset within HUB_RECONCILE_SECONDS, polling clients get
410, and all of them fetch their list again. Nothing is lost; clients only load more for a moment.
"""


class Command(HubCommand):
    """Replaces epochs, after an explanation and a confirmation."""

    help = (
        "Give every inbox a new epoch, which invalidates all cursors: clients fetch their lists again. Run "
        "it after restoring a backup, before the hub serves again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for one user and for the confirmation."""
        parser.add_argument("--user", help="only this user's inbox, by user name")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace the epochs.

        Raises:
            CommandError: it was not confirmed, or an inbox stayed locked; the message says how far it came.
        """
        keys = None if options["user"] is None else [inbox_key(options["user"])]
        total = Inbox.objects.count() if keys is None else 1
        if not options["yes"]:
            self.ask(total)
        progress = Progress(self.stderr, total=total, what="inboxes", verbosity=options["verbosity"])
        part = inbox_keys() if keys is None else keys
        try:
            while part:
                progress.add(renew_epochs(part))
                part = inbox_keys(after=part[-1]) if keys is None else []
        except OperationalError as error:
            raise CommandError(
                f"{progress.count:,} inboxes have a new epoch, then one stayed locked. Run it again: {error}"
            ) from error
        if options["verbosity"]:
            self.stdout.write(f"{progress.count:,} inboxes have a new epoch.")

    def ask(self, total: int) -> None:
        """Explain, and go on only after a yes.

        Raises:
            CommandError: there is no terminal to ask on, or the answer is not yes.
        """
        self.stdout.write(EXPLANATION)
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed: there is no terminal to ask on. Confirm with --yes.")
        if input(f"Give {total:,} inboxes a new epoch? Type yes: ").strip() != "yes":
            raise CommandError("Nothing was changed.")
