"""How often polling clients are asked to come: as the setting says when all is quiet, more seldom under load,
within a bound.
"""

from __future__ import annotations

import threading

import pytest
from django.test import override_settings

from notifications.http.poll_interval import WINDOW_SECONDS, Load, poll_interval_seconds

pytestmark = pytest.mark.shape("embedded")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(load: Load, clock: Clock, *, seconds: float, beside: int = 1) -> None:
    """So many requests at once, each taking so long."""
    began = [load.request() for _ in range(beside)]
    for request in began:
        request.__enter__()
    clock.now += seconds
    for request in began:
        request.__exit__(None, None, None)


@pytest.mark.parametrize(("beside", "interval"), [(0, 15), (1, 30), (4, 120), (10, 300), (500, 300)])
def test_interval__with_so_many_requests_under_way__rises_up_to_its_bound(
    clock: Clock, beside: int, interval: int
) -> None:
    load = Load(clock)
    work(load, clock, seconds=WINDOW_SECONDS - 0.001, beside=beside)
    assert poll_interval_seconds(load) == 15, "the window is not over"
    clock.now += 0.001
    assert poll_interval_seconds(load) == interval


def test_interval__of_quick_requests__stays(clock: Clock) -> None:
    load = Load(clock)
    for _ in range(200):
        work(load, clock, seconds=0.02)
        clock.now += 0.03
    assert poll_interval_seconds(load) == 15


def test_interval__when_nobody_comes_any_more__falls_back(clock: Clock) -> None:
    load = Load(clock)
    work(load, clock, seconds=WINDOW_SECONDS, beside=4)
    clock.now += WINDOW_SECONDS
    assert poll_interval_seconds(load) == 120
    clock.now += 2 * WINDOW_SECONDS
    assert poll_interval_seconds(load) == 15
    work(load, clock, seconds=WINDOW_SECONDS, beside=4)
    clock.now += 2 * WINDOW_SECONDS
    assert poll_interval_seconds(load) == 15, "that was long ago"


def test_interval__of_one_request_that_hung__is_bounded_by_the_window(clock: Clock) -> None:
    load = Load(clock)
    work(load, clock, seconds=3_600)
    clock.now += WINDOW_SECONDS
    assert poll_interval_seconds(load) == 30


def test_interval__with_a_bound_below_the_setting__is_the_setting(clock: Clock) -> None:
    load = Load(clock)
    work(load, clock, seconds=WINDOW_SECONDS, beside=9)
    clock.now += WINDOW_SECONDS
    with override_settings(NOTIFICATION_HUB={"poll_interval_seconds": 60, "max_poll_interval_seconds": 20}):
        assert poll_interval_seconds(load) == 60


def test_load__from_many_threads__counts_each_request(clock: Clock) -> None:
    load = Load(clock)
    barrier = threading.Barrier(9)

    def ask() -> None:
        with load.request():
            barrier.wait()
            barrier.wait()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    barrier.wait()
    clock.now += WINDOW_SECONDS / 2
    barrier.wait()
    for thread in threads:
        thread.join()
    clock.now += WINDOW_SECONDS / 2
    assert load.mean == 4
