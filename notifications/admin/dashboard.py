"""The dashboard on the front page of the admin.

It shows how much was sent and read, who is connected, and what works and what does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final, NamedTuple

from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.admin.jobs.job_admin import CHIPS, number
from notifications.admin.links import shorten
from notifications.admin.permissions import can
from notifications.admin.plots import Buckets, stacked_plot
from notifications.conf import hub_config
from notifications.models import (
    Broadcast,
    ChangeKind,
    Job,
    JobState,
    Replay,
)
from notifications.ops.doctor import check_channel_layer
from notifications.ops.prometheus import totals
from notifications.selectors.staff import activity
from notifications.selectors.staff.activity import count_open_streams, count_tokens_ending, live_workers
from notifications.selectors.staff.jobs import live_jobs
from notifications.streaming.metrics import BUCKETS, Histogram

# For everybody: whoever looks twice within these seconds sees the same.
CACHE_SECONDS: Final = 15
TOP: Final = 5
MAX_PRODUCERS: Final = 20
MAX_SHOWN_NAME: Final = 80
# Half of what a producer sends takes longer from being stored to being listed: its transactions are long, or
# the sweeper had to find it.
SLOW_SECONDS: Final = 2.0
MAX_WORKERS: Final = 32
TOKENS_END_WITHIN: Final = timedelta(days=7)


class TimeRange(NamedTuple):
    """A choice of how far back: in how many parts."""

    label: Any
    step: timedelta
    size: int


RANGES: Final = {
    "hour": TimeRange(gettext_lazy("1 hour"), timedelta(minutes=2), 30),
    "day": TimeRange(gettext_lazy("24 hours"), timedelta(hours=1), 24),
    "week": TimeRange(gettext_lazy("7 days"), timedelta(hours=6), 28),
    "month": TimeRange(gettext_lazy("30 days"), timedelta(days=1), 30),
}
DEFAULT: Final = "day"


def dashboard_context(request: HttpRequest) -> dict[str, Any]:
    """Make the context of the template; empty, without a query, for those who may not see notifications."""
    if not can(request, "view"):
        return {}
    chosen = request.GET.get("range", DEFAULT)
    chosen = chosen if chosen in RANGES else DEFAULT
    # Language and time zone are in the texts.
    key = f"notifications.dashboard.{chosen}.{_('Sent')}.{timezone.get_current_timezone_name()}"
    board = cache.get(key)
    if board is None:
        board = build_dashboard(chosen)
        cache.set(key, board, CACHE_SECONDS)
    choices = [
        {"value": name, "label": one.label, "is_chosen": name == chosen} for name, one in RANGES.items()
    ]
    return {
        "dashboard": board,
        "ranges": choices,
        "jobs": _jobs(request),
        "may_see": can(request, "view_content"),
    }


def build_dashboard(chosen: str) -> dict[str, Any]:
    """Read all numbers anew.

    Some 45 queries, mostly of one row by its key; none reads more than some thousand rows of a growing table.
    """
    span, now = RANGES[chosen], timezone.now()
    buckets = Buckets(now - span.step * span.size, span.step, span.size)
    sample, opened = activity.changes_since(buckets.since), activity.opened_streams(buckets.since)
    sent, read, live = ([0] * span.size for _ in range(3))
    by_category: dict[str, list[int]] = {}
    sources: Counter[str] = Counter()
    waits: dict[str, list[float]] = {}
    for row in sample.rows:
        place = buckets.index_of(row.at)
        if row.kind == ChangeKind.CREATED:
            sent[place] += sample.weight
            live[place] += sample.weight * row.was_live
            by_category.setdefault(row.category, [0] * span.size)[place] += sample.weight
            if not row.is_replayed:
                sources[row.source] += sample.weight
            if row.waited is not None:
                waits.setdefault(row.source, []).append(row.waited.total_seconds())
        elif row.kind in (ChangeKind.READ, ChangeKind.READ_ALL):
            read[place] += sample.weight
    later = [all_ - one for all_, one in zip(sent, live, strict=True)]
    by_way = {_("delivered live"): live, _("not live, or not known"): later}
    per_bucket = _counted(opened.times, buckets)
    return {
        "made_at": now,
        "since": buckets.since,
        "is_estimate": sample.weight > 1,
        "weight": sample.weight,
        "streams_since": opened.whole_since,
        "totals": {
            "sent": number(sum(sent)),
            "live": number(sum(live)),
            "read": number(sum(read)),
            "unread": number(activity.unread_total()),
            "streams": number(count_open_streams()),
        },
        "plots": [
            stacked_plot("sent", _("Sent"), buckets, by_way),
            stacked_plot("category", _("Sent, by category"), buckets, _top(by_category, span.size)),
            stacked_plot("read", _("Read"), buckets, {_("read"): read}),
            stacked_plot("streams", _("Streams opened"), buckets, {_("opened"): per_bucket}),
        ],
        "health": _health(),
        "producers": _producers(sources, waits),
        "tokens_ending": count_tokens_ending(now, within=TOKENS_END_WITHIN),
    }


def _counted(times: Iterable[datetime], buckets: Buckets) -> list[int]:
    """Count how many of some times fall into each bucket."""
    counts = Counter(map(buckets.index_of, times))
    return [counts[place] for place in range(buckets.size)]


def _top(counts: dict[str, list[int]], size: int) -> dict[str, list[int]]:
    """The categories with most, by name, and all others together."""
    ordered = sorted(counts, key=lambda name: sum(counts[name]), reverse=True)
    found = {name: counts[name] for name in ordered[:TOP]}
    if rest := ordered[TOP:]:
        found[_("others")] = [sum(counts[name][place] for name in rest) for place in range(size)]
    return found


def _health() -> dict[str, Any]:
    """The channel layer, the workers, and what they have counted since they began."""
    metrics, is_of_all = totals()
    lost_after = timezone.now() - timedelta(seconds=hub_config().worker_lost_seconds)
    return {
        "layer": check_channel_layer(),
        "workers": live_workers(seen_after=lost_after, limit=MAX_WORKERS),
        "is_of_all": is_of_all,
        "reconcile_seconds": hub_config().reconcile_seconds,
        "facts": [
            (_("Hints sent"), metrics.hints["sent"], False),
            (_("Hints dropped (streams caught up later)"), metrics.hints["dropped"], True),
            (_("Late inboxes found by reconciliation"), metrics.repairs, False),
            (_("Send queues that were full"), metrics.overflows, True),
            (_("Streams refused"), metrics.refused.total(), True),
            (_("Notifications that failed"), metrics.notifications["failed"], True),
        ],
        "delay": _quantile(metrics.write, 0.99),
    }


def _quantile(durations: Histogram, part: float) -> str:
    """The bound under which that part of the durations lies; empty without any."""
    total, seen = sum(durations.counts), 0
    for bound, count in zip(BUCKETS, durations.counts, strict=False):
        seen += count
        if total and seen >= part * total:
            return _("%g s") % bound
    return _("more than %g s") % BUCKETS[-1] if total else ""


def _producers(sources: Counter[str], waits: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Choose the producers to show.

    They are those who sent most in the span, those whose notifications failed, and those whose took
    longest to be listed.
    """
    slow = {name: median(seconds) for name, seconds in waits.items()}
    failures: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for source, failure in activity.failed_sources():
        failures[source] += 1
        texts.setdefault(source, failure)
    names = list(
        dict.fromkeys(
            [
                *(name for name, _count in failures.most_common(TOP)),
                *(name for name, _n in sources.most_common(TOP)),
                *(name for name in slow if slow[name] > SLOW_SECONDS),
            ]
        )
    )
    return [
        {
            "name": shorten(name, MAX_SHOWN_NAME),
            "sent": sources[name],
            "failed": failures[name],
            "failure": texts.get(name, ""),
            "waited": "" if name not in slow else _("%.2f s") % slow[name],
            "is_slow": slow.get(name, 0) > SLOW_SECONDS,
        }
        for name in names[:MAX_PRODUCERS]
    ]


def _jobs(request: HttpRequest) -> list[dict[str, Any]]:
    """List the jobs under way for those who may see them, never from the cache.

    A query for each kind.
    """
    found: list[dict[str, Any]] = []
    for right, model, name in (("compose", Broadcast, _("Broadcast")), ("replay", Replay, _("Replay"))):
        if can(request, right):  # type: ignore[arg-type]
            found += [_job(job, name) for job in live_jobs(model, limit=TOP)]
    return found


def _job(job: Job, name: str) -> dict[str, Any]:
    percent = min(99, int(job.processed_count * 100 / job.total_count)) if job.total_count else 0
    return {
        "name": name,
        "url_name": f"admin:notification_hub_{job._meta.model_name}_change",
        "pk": job.pk,
        "percent": percent,
        "chip": CHIPS[job.state],
        "label": JobState(job.state).label,
        "done": number(job.processed_count),
        "total": number(job.total_count),
    }
