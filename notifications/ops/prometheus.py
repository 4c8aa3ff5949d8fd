"""``/metrics`` for Prometheus: this process's numbers, to those who may see them.

Each worker counts for itself. With several workers on one port a scrape reaches any one of them, so there every worker must be
scraped by itself; one page for all of them does not exist yet.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import accumulate
from typing import Final

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
from notifications.streaming.metrics import BUCKETS, METRICS, Durations
from notifications.streaming.requests import Headers, Scope

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")


class HubCollector(Collector):
    """Shows ``METRICS`` under the names that docs/operations.md lists."""

    def collect(self) -> Iterator[Metric]:
        """All of them, with their labels."""
        yield GaugeMetricFamily("hub_streams_open", "Streams that are open.", value=METRICS.open_count)
        yield _by("hub_streams_opened", "Streams opened, by how they began.", "resume", METRICS.opened)
        yield _by("hub_streams_closed", "Streams closed, by reason.", "reason", METRICS.closed)
        yield _by("hub_streams_refused", "Streams refused, by problem.", "code", METRICS.refused)
        yield _by("hub_hints", "Hints to be sent, by what came of them.", "result", METRICS.hints)
        yield _by(
            "hub_transient_messages",
            "Transient events to be sent to a group.",
            "result",
            METRICS.transient_messages,
        )
        yield _by(
            "hub_transient_frames", "Transient events for a connection.", "result", METRICS.transient_frames
        )
        for name, text, value in (
            ("hub_frames_written", "Frames written to streams.", METRICS.frames),
            ("hub_bytes_written", "Bytes written to streams.", METRICS.bytes),
            ("hub_queue_overflows", "Connections whose queue was full.", METRICS.overflows),
            ("hub_repairs", "Inboxes that reconciliation found behind.", METRICS.repairs),
        ):
            yield CounterMetricFamily(name, text, value=value)
        yield _histogram(
            "hub_fan_out_seconds", "From a change to its being read for its connections.", METRICS.fan_out
        )
        yield _histogram("hub_write_seconds", "From a change to the socket of a live stream.", METRICS.write)


def _by(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, durations: Durations) -> Metric:
    buckets = list(zip(_BOUNDS, accumulate(map(float, durations.counts)), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=durations.total)


def exposition() -> bytes:
    """The page, in Prometheus's text format."""
    registry = CollectorRegistry()
    for collector in (HubCollector(), PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return generate_latest(registry)


def may_see(scope: Scope) -> bool:
    """Whether a request may see the page: by the token ``HUB_METRICS_TOKEN`` or, when none is set, from this machine.

    The Host is then this machine's too: what a proxy here passes on comes from here, but under the public name.
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
