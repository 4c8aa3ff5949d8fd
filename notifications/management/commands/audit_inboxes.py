"""``manage.py audit_inboxes``: checks the log of every inbox against its notifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser

from notifications.inbox_log.audit import MAX_FINDINGS, audit, inbox_keys
from notifications.management.base import HubCommand, Progress
from notifications.management.users import inbox_key, user_names
from notifications.models import Inbox


class Command(HubCommand):
    """Prints one line for each problem, and ends with status 1 when there is any."""

    help = (
        "Check the invariants of the log for every inbox. It can run on a live database: it locks and "
        "changes nothing. Prints one line for each problem, and exits with status 1 if there is any. "
        "docs/operations.md explains each problem."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option for one user."""
        parser.add_argument("--user", help="only this user's inbox, by user name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the audit.

        Raises:
            CommandError: there is a problem.
        """
        found: Counter[str] = Counter()
        total = 1 if options["user"] is not None else Inbox.objects.count()
        progress = Progress(self.stderr, total=total, what="inboxes", verbosity=options["verbosity"])
        for keys in inbox_batches(options["user"]):
            problems = list(audit(keys))
            names = user_names({problem.user_id for problem in problems}) if problems else {}
            for problem in problems:
                name = names.get(problem.user_id, "no such user")
                self.stdout.write(f"{problem.user_id} ({name}) {problem.code}: {problem.text}")
                found[problem.code] += 1
            progress.add(len(keys))
        if found:
            counts = ", ".join(f"{count} {code}" for code, count in sorted(found.items()))
            raise CommandError(
                f"{found.total()} problems in {progress.count:,} inboxes: {counts}. "
                f"At most {MAX_FINDINGS} of one kind are listed for each batch of inboxes."
            )
        if options["verbosity"]:
            self.stdout.write(f"Checked {progress.count:,} inboxes: no problems.")


def inbox_batches(user: str | None) -> Iterator[list[Any]]:
    """Return the keys of all inboxes, or of one user's, in batches for one statement each.

    Raises:
        CommandError: there is no such user, or they have no inbox yet.
    """
    if user is not None:
        yield [inbox_key(user)]
        return
    keys = inbox_keys()
    while keys:
        yield keys
        keys = inbox_keys(after=keys[-1])
