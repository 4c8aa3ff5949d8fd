"""``manage.py prune_notifications``: what is older than ``HUB_RETENTION_DAYS`` goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from notifications.conf import hub_config
from notifications.inbox_log.retention import Pruned, inboxes_to_prune, prune_broadcasts, prune_inbox
from notifications.management.base import HubCommand
from notifications.management.progress import Progress
from notifications.models import Inbox


class Command(HubCommand):
    """Deletes old notifications and compacts old changes; to be run once a day, beside the running hub."""

    help = (
        "Delete the notifications that are older than HUB_RETENTION_DAYS (0 keeps everything), compact the "
        "changes that are, "
        "and remove the rows that nothing needs any more. Streams stay connected and show the deletions. Run "
        "it once a day; it "
        "may be stopped at any time, and the next run goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether in earnest."""
        parser.add_argument(
            "--dry-run", action="store_true", help="do it, report what was done, and roll it back"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune."""
        days = hub_config().retention_days
        if not days:
            self.stdout.write("HUB_RETENTION_DAYS is 0: everything is kept.")
            return
        cutoff = timezone.now() - timedelta(days=days)
        prune = try_out if options["dry_run"] else prune_inbox
        progress = Progress(
            self.stderr, total=Inbox.objects.count(), what="inboxes", verbosity=options["verbosity"]
        )
        done, busy_count = Pruned(), 0
        user_ids = inboxes_to_prune(cutoff)
        while user_ids:
            for user_id in user_ids:
                pruned = prune(user_id, cutoff)
                done, busy_count = done.plus(pruned), busy_count + pruned.was_busy
                progress.add(1)
            user_ids = inboxes_to_prune(cutoff, after=user_ids[-1])
        if not options["dry_run"]:
            done = done.plus(Pruned(removed=prune_broadcasts(cutoff)))
        if options["verbosity"]:
            self.report(done, progress.count, busy_count, dry_run=options["dry_run"])

    def report(self, done: Pruned, inbox_count: int, busy_count: int, *, dry_run: bool) -> None:
        """Sum up."""
        busy = f"; {busy_count:,} were busy and are left to the next run" if busy_count else ""
        self.stdout.write(
            f"{'A dry run, rolled back. ' if dry_run else ''}{inbox_count:,} inboxes had something "
            f"old{busy}. "
            f"Notifications deleted: {done.deleted:,}. Changes compacted: {done.compacted:,}. "
            f"Rows removed that nothing needed: {done.removed:,}."
        )


def try_out(user_id: Any, cutoff: datetime) -> Pruned:
    """What ``prune_inbox`` would do; nothing of it stays, and nothing is announced."""
    with transaction.atomic():
        pruned = prune_inbox(user_id, cutoff)
        transaction.set_rollback(True)
    return pruned
