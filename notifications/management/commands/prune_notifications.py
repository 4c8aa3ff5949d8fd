"""``manage.py prune_notifications``: deletes what is older than ``HUB_RETENTION_DAYS``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from notifications.inbox_log.compaction import Pruned
from notifications.management.base import HubCommand, Progress
from notifications.models import Inbox
from notifications.services import retention


class Command(HubCommand):
    """Deletes old notifications and compacts old changes. Run it once a day, beside the running hub."""

    help = (
        "Delete notifications that are older than HUB_RETENTION_DAYS (0 keeps everything), compact changes "
        "of that age, and remove rows that nothing needs any more. Streams stay connected and show the "
        "deletions. Run it once a day. It may be stopped at any time; the next run continues."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option for a dry run."""
        parser.add_argument(
            "--dry-run", action="store_true", help="report what would be done, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune all inboxes."""
        cutoff, dry_run = retention.NOTIFICATIONS.cutoff(), options["dry_run"]
        if cutoff is None:
            self.stdout.write("HUB_RETENTION_DAYS is 0: everything is kept.")
            return
        progress = Progress(
            self.stderr, total=Inbox.objects.count(), what="inboxes", verbosity=options["verbosity"]
        )
        done, busy_count = Pruned(), 0

        def note(pruned: Pruned) -> None:
            nonlocal done, busy_count
            done, busy_count = done.plus(pruned), busy_count + pruned.was_busy
            progress.add(1)

        retention.prune_inboxes(cutoff, dry_run=dry_run, note=note)
        if not dry_run:
            done = done.plus(Pruned(removed=retention.BROADCASTS.apply()))
        if options["verbosity"]:
            self.report(done, progress.count, busy_count, dry_run=dry_run)

    def report(self, done: Pruned, inbox_count: int, busy_count: int, *, dry_run: bool) -> None:
        """Print the totals."""
        busy = f"; {busy_count:,} were busy and are left to the next run" if busy_count else ""
        self.stdout.write(
            f"{'A dry run: nothing was changed. ' if dry_run else ''}{inbox_count:,} inboxes had old "
            f"notifications or changes{busy}. "
            f"Notifications deleted: {done.deleted:,}. Changes compacted: {done.compacted:,}. "
            f"Rows removed that nothing needed: {done.removed:,}."
        )
