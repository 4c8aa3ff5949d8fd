"""``/metrics`` for Prometheus.

It has the numbers of all workers of one ``serve``, or of this process, for those who may see them.

What streams and notifications count is added up over the workers, ended ones included, so it never goes back.
What the operating system knows of each process (memory, CPU, open files) has the worker's number as a label,
and begins anew with each.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import accumulate
from typing import Any, Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from notifications.conf import hub_config
from notifications.serving.worker_counts import CountsWriter
from notifications.streaming.asgi import Headers, Scope
from notifications.streaming.metrics import BUCKETS, METRICS, Histogram, Metrics

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")


class HubCollector(Collector):
    """Shows what was counted under the names that docs/operations.md lists."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Give all families, with their labels."""
        metrics = self._metrics
        yield GaugeMetricFamily("hub_streams_open", "Streams that are open.", value=metrics.open_count)
        yield _by("hub_streams_opened", "Streams opened, by how they began.", "resume", metrics.opened)
        yield _by("hub_streams_closed", "Streams closed, by reason.", "reason", metrics.closed)
        yield _by("hub_streams_refused", "Streams refused, by problem.", "code", metrics.refused)
        yield _by(
            "hub_notifications",
            "Notifications to be listed, by what came of them.",
            "result",
            metrics.notifications,
        )
        yield _by("hub_hints", "Hints to be sent, by what came of them.", "result", metrics.hints)
        yield _by(
            "hub_messages_refused",
            "Messages of the channel layer that were dropped, by why.",
            "reason",
            metrics.refused_messages,
        )
        yield _by(
            "hub_transient_messages",
            "Transient events to be sent to a group.",
            "result",
            metrics.transient_messages,
        )
        yield _by(
            "hub_transient_frames", "Transient events for a connection.", "result", metrics.transient_frames
        )
        for name, text, value in (
            ("hub_frames_written", "Frames written to streams.", metrics.frames),
            ("hub_bytes_written", "Bytes written to streams.", metrics.bytes),
            ("hub_queue_overflows", "Connections whose queue was full.", metrics.overflows),
            ("hub_repairs", "Inboxes that reconciliation found behind.", metrics.repairs),
        ):
            yield CounterMetricFamily(name, text, value=value)
        yield _histogram(
            "hub_fan_out_seconds", "From a change to its being read for its connections.", metrics.fan_out
        )
        yield _histogram("hub_write_seconds", "From a change to the socket of a live stream.", metrics.write)


def _by(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, durations: Histogram) -> Metric:
    buckets = list(zip(_BOUNDS, accumulate(map(float, durations.counts)), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=durations.total)


class WorkersCollector(Collector):
    """Shows what the operating system knows of each worker."""

    def __init__(self, workers: Sequence[Mapping[str, Any]]) -> None:
        # While one is being replaced two have its number: the newer counts.
        self._processes = {str(worker["number"]): worker["process"] for worker in workers}

    def collect(self) -> Iterator[Metric]:
        """Each family once, with the workers that have it."""
        families: dict[str, Metric] = {}
        for number, process in self._processes.items():
            for name, (kind, text, value) in process.items():
                family = families.setdefault(name, _FAMILIES[kind](name, text, labels=["worker"]))
                family.add_metric([number], value)  # type: ignore[attr-defined]
        yield from families.values()


def worker_numbers() -> dict[str, Any]:
    """Collect what a worker shares with the others.

    That is what it counts, and what the operating system knows of it.
    """
    process = {
        family.name: (family.type, family.documentation, sample.value)
        for family in PROCESS_COLLECTOR.collect()
        for sample in family.samples
        if family.type in _FAMILIES
    }
    return {"counts": METRICS.as_counts(), "process": process}


_counts_writer: CountsWriter | None = None


def share_counts(counts_writer: CountsWriter) -> None:
    """Let the page show the counts of all workers from now on."""
    global _counts_writer
    _counts_writer = counts_writer


def totals() -> tuple[Metrics, bool]:
    """Read what was counted, and whether that is of all workers, ended ones included.

    Otherwise it is of this process alone.
    """
    if _counts_writer is None or not _counts_writer.write():
        return METRICS, False
    return Metrics.from_counts(_counts_writer.worker_counts.read()[0]), True


def metrics_text() -> bytes:
    """Write the page in Prometheus's text format."""
    collectors: list[Collector]
    # Written before anybody sees it, or it would go back if this process were killed now.
    if _counts_writer is None or not _counts_writer.write():
        collectors = [HubCollector(METRICS), PROCESS_COLLECTOR, GC_COLLECTOR]
    else:
        counts, workers = _counts_writer.worker_counts.read()
        collectors = [HubCollector(Metrics.from_counts(counts)), WorkersCollector(workers)]
    registry = CollectorRegistry()
    for collector in (*collectors, PLATFORM_COLLECTOR):
        registry.register(collector)
    return generate_latest(registry)


def may_see_metrics(scope: Scope) -> bool:
    """Check whether a request may see the page.

    It may by the token ``HUB_METRICS_TOKEN`` or, when none is set, from this machine.

    The Host is then this machine's too: what a proxy here passes on comes from here, but under the public
    name.
    """
    headers, token = Headers(scope), hub_config().metrics_token
    if token:
        given = headers.get("authorization") or ""
        return hmac.compare_digest(given.encode("latin-1"), f"Bearer {token}".encode())
    client, host = scope.get("client"), headers.get("host") or ""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return _is_loopback(client[0] if client else "") and (name == "localhost" or _is_loopback(name))


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
