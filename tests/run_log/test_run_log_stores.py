"""The log of a run is the same wherever it is kept: numbers, retries, leases, ends, trimming, pages."""

from __future__ import annotations

import json
import os
import random
import threading
import uuid
from collections import Counter
from functools import partial
from typing import Any

import pytest

from notifications.run_log.answers import (
    Appended,
    LogLimits,
    RunFinished,
    RunLeaseLost,
    RunLogLost,
    RunLogRefusal,
    RunOutOfStep,
)
from notifications.run_log.log import RunLog
from notifications.runs.events import LoggedEvent, RunEvent
from notifications.runs.run_object import RunObject
from tests.helpers.together import run_together
from tests.helpers.waiting import LONG_SECONDS
from tests.run_log.places import (
    COMPLETED,
    LEASE,
    STARTED,
    OpenLog,
    answer_of,
    append,
    read_all,
    request,
    said,
)

FEW = LogLimits(max_events=20, max_bytes=1_000_000, kept_seconds=3_600)
FAILED = RunEvent("run.failed", {"code": "lost", "message": "Its producer is gone."})


def test_run__told_and_ended__is_read_as_it_was_told(log: RunLog, run: str) -> None:
    begun = log.begin(run, LEASE, STARTED, epoch="abcdefgh")
    assert begun == Appended(1, "abcdefgh-1")
    assert append(log, run, 1, "Größe ", "\0\ud7ff\U0001f600") == 3
    ended = log.end(run, COMPLETED, after=3)
    assert (ended.kind, ended.number, ended.cursor, ended.is_new) == ("run.completed", 4, "abcdefgh-4", True)
    page = log.read(run, "earliest")
    assert [event.number for event in page.events] == [1, 2, 3, 4]
    assert said(page) == "Größe \0\ud7ff\U0001f600"
    assert (page.cursor, page.end_kind, page.has_more) == ("abcdefgh-4", "run.completed", False)
    folded = log.fold(run).to_json()
    assert (folded["state"], folded["result"], folded["owner"]) == ("completed", 1, "ada")


def test_event__read_back__is_the_line_that_the_pure_part_writes(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    [event] = log.read(run, "earliest").events
    assert event.to_json() == event.logged().to_json()
    assert LoggedEvent.from_json(event.to_json()).event == STARTED
    assert event.logged().at.endswith("Z")


def test_begin__sent_again__changes_nothing__and_of_another_lease_is_refused(log: RunLog, run: str) -> None:
    begun = log.begin(run, LEASE, STARTED)
    append(log, run, 1, "a")
    again = log.begin(run, LEASE, STARTED)
    assert (again.number, again.cursor) == (2, begun.cursor.replace("-1", "-2"))
    with pytest.raises(RunLeaseLost):
        log.begin(run, "another", STARTED)


def test_append__by_many_threads_to_many_runs__numbers_have_no_gap(open_log: OpenLog) -> None:
    runs = [str(uuid.uuid4()) for _ in range(12)]
    for run in runs:
        open_log().begin(run, LEASE, STARTED)

    def produce(seed: int, log: RunLog) -> int:
        """Append where others append too, always after the number that was told last."""
        dice, numbers, done = random.Random(seed), dict.fromkeys(runs, 1), 0
        while done < 60:
            run = dice.choice(runs)
            words = [f"{seed}.{done} "] * dice.randint(1, 3)
            try:
                numbers[run] = append(log, run, numbers[run], *words)
                done += 1
            except RunOutOfStep as behind:
                numbers[run] = behind.number
        return done

    run_together(*(partial(produce, seed, open_log()) for seed in range(4)))
    log, told = open_log(), Counter[str]()
    for run in runs:
        events = read_all(log, run)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        told.update(set(said(events).split()))
    assert set(told) == {f"{seed}.{done}" for seed in range(4) for done in range(60)}
    assert set(told.values()) == {1}


def test_append__in_a_child_of_fork__uses_a_connection_of_its_own(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    child = os.fork()
    if child == 0:
        try:
            os._exit(append(log, run, 1, "child "))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert append(log, run, 2, "parent") == 3
    assert said(read_all(log, run)) == "child parent"


def test_append_many__to_several_runs__each_has_its_own_answer(log: RunLog) -> None:
    runs = [str(uuid.uuid4()) for _ in range(5)]
    for run in runs[:4]:
        log.begin(run, LEASE, STARTED)
    log.end(runs[3], COMPLETED)
    answers = log.append_many(
        [
            request(runs[0], 1, "a", "b"),
            request(runs[1], 0, "a"),
            request(runs[2], 1, "a", lease="another"),
            request(runs[3], 2, "a"),
            request(runs[4], 0, "a"),
            request(runs[0], 3, "c"),
        ]
    )
    assert [type(answer) for answer in answers] == [
        Appended, RunOutOfStep, RunLeaseLost, RunFinished, RunLogLost, Appended,
    ]  # fmt: skip
    assert said(read_all(log, runs[0])) == "abc"
    assert log.append_many([]) == []


def test_append__sent_again__has_the_same_answer__also_after_the_end(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    assert append(log, run, 1, "a", "b") == 3
    assert append(log, run, 1, "a", "b") == 3
    with pytest.raises(RunOutOfStep) as refused:
        append(log, run, 1, "a", "c")
    assert refused.value.number == 3
    log.end(run, COMPLETED)
    assert append(log, run, 1, "a", "b") == 3
    with pytest.raises(RunFinished):
        append(log, run, 3, "c")
    assert said(read_all(log, run)) == "ab"


def test_append__same_request_from_many_threads__is_appended_once(open_log: OpenLog, run: str) -> None:
    logs = [open_log() for _ in range(2)]
    logs[0].begin(run, LEASE, STARTED)
    for number in range(1, 21):
        answers = run_together(*(partial(append, log, run, number, "a") for log in logs))
        assert answers == [number + 1, number + 1]
    assert said(read_all(open_log(), run)) == "a" * 20


def test_append__without_events__only_asks__whatever_after(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    assert append(log, run, 99) == 1
    log.request_cancel(run)
    asked = log.append(run, LEASE, after=0, digest="", events=[])
    assert asked.is_cancel_requested
    log.end(run, COMPLETED)
    with pytest.raises(RunFinished):
        append(log, run, 0)
    for late in (log.request_cancel, lambda run: log.replace_lease(run, "x")):
        with pytest.raises(RunFinished):
            late(run)


def test_lease__given_to_another__refuses_the_one_before(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    log.replace_lease(run, "another")
    with pytest.raises(RunLeaseLost):
        append(log, run, 1, "a")
    assert append(log, run, 1, "b", lease="another") == 2
    assert said(read_all(log, run)) == "b"


def test_end__raced_200_times__happens_exactly_once(open_log: OpenLog) -> None:
    logs = [open_log() for _ in range(3)]
    runs = [str(uuid.uuid4()) for _ in range(200)]
    for run in runs:
        logs[0].begin(run, LEASE, STARTED)

    def tell(log: RunLog, run: str) -> None:
        number = 1
        while True:
            try:
                number = append(log, run, number, "a")
            except RunLogRefusal:
                return

    barrier = threading.Barrier(3)

    def each(work: Any, log: RunLog) -> list[Any]:
        outcomes = []
        for run in runs:
            barrier.wait(LONG_SECONDS)
            outcomes.append(work(log, run))
        return outcomes

    completed, failed, _ = run_together(
        lambda: each(lambda log, run: log.end(run, COMPLETED), logs[0]),
        lambda: each(lambda log, run: log.end(run, FAILED), logs[1]),
        lambda: each(tell, logs[2]),
    )
    for run, one, other in zip(runs, completed, failed, strict=True):
        assert one.is_new != other.is_new
        assert one[:3] == other[:3]
        kinds = [event.kind for event in read_all(logs[0], run)]
        assert (
            [kind for kind in kinds if kind in ("run.completed", "run.failed")] == [kinds[-1]] == [one.kind]
        )


def test_end__with_a_stale_number__is_refused__and_again_is_the_same(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    append(log, run, 1, "a")
    with pytest.raises(RunOutOfStep):
        log.end(run, COMPLETED, after=1)
    first = log.end(run, COMPLETED, after=2)
    assert log.end(run, FAILED, after=1) == first._replace(is_new=False)
    with pytest.raises(RunLogLost):
        log.end(str(uuid.uuid4()), COMPLETED)


def test_trimming__of_a_long_run__late_reader_has_snapshot_and_tail(open_log: OpenLog, run: str) -> None:
    log = open_log(limits=FEW)
    log.begin(run, LEASE, STARTED)
    for number in range(1, 101):
        append(log, run, number, f"{number} ")
    page = log.read(run, None)
    assert page.is_reset
    assert page.snapshot is not None
    assert page.number - page.kept_from < FEW.max_events
    folded = RunObject.from_json(json.loads(page.snapshot))
    assert folded.number == page.after
    for event in page.events:
        folded.fold(event.logged())
    words = "".join(f"{number} " for number in range(1, 101))
    assert folded.to_json()["transcript"]["parts"] == [{"kind": "text", "message": "m1", "text": words}]
    assert log.read(run, "earliest").is_reset
    # Whoever is only a little behind goes on exactly, although the snapshot is newer.
    epoch = page.epoch
    exact = log.read(run, f"{epoch}-{page.kept_from - 1}")
    assert (exact.is_reset, exact.snapshot) == (False, None)
    assert [event.number for event in exact.events] == list(range(page.kept_from, 102))
    assert log.read(run, f"{epoch}-{page.kept_from - 2}").is_reset


def test_trimming__by_bytes__keeps_half_of_them(open_log: OpenLog, run: str) -> None:
    log = open_log(limits=LogLimits(max_events=10_000, max_bytes=10_000, kept_seconds=60))
    log.begin(run, LEASE, STARTED)
    for number in range(1, 61):
        append(log, run, number, "x" * 500)
    page = log.read(run, None)
    kept = log.read(run, f"{page.epoch}-{page.kept_from - 1}", max_bytes=10**6)
    assert 4_000 < sum(len(event.kind) + len(event.fields) for event in kept.events) <= 10_000
    assert answer_of(log, run) == "x" * 500 * 60


def test_trim__with_an_older_snapshot_or_epoch__changes_nothing(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    append(log, run, 1, "a")
    older = log.fold(run)
    append(log, run, 2, "b")
    assert log.trim(run)
    assert not log.trim(run, older)
    stranger = log.fold(run)
    append(log, run, 3, "c")
    stranger.epoch, stranger.number = "zzzzzzzz", 4
    assert not log.trim(run, stranger)
    assert answer_of(log, run) == "abc"


def test_read__of_10_000_events__in_pages_bounded_by_count_and_bytes(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    for first in range(1, 9_999, 100):
        append(log, run, first, *(f"{number} " for number in range(first, min(first + 100, 9_999))))
    log.end(run, COMPLETED)
    events = read_all(log, run, max_events=700)
    assert [event.number for event in events] == list(range(1, 10_001))
    page = log.read(run, "earliest", max_events=700)
    assert (len(page.events), page.has_more) == (700, True)
    few = log.read(run, page.cursor, max_bytes=400)
    assert sum(len(event.kind) + len(event.fields) for event in few.events) <= 400
    assert len(few.events) > 1
    assert [event.number for event in log.read(run, page.cursor, max_bytes=1).events] == [701]


@pytest.mark.parametrize(
    "after", ["", "earlier", "abcdefgh", "zzzzzzzz-1", "abcdefgh-4", "abcdefgh--1", None]
)
def test_read__at_a_cursor_that_cannot_be_used__begins_anew(log: RunLog, run: str, after: str) -> None:
    log.begin(run, LEASE, STARTED, epoch="abcdefgh")
    append(log, run, 1, "a", "b")
    page = log.read(run, after)
    assert (page.is_reset, page.snapshot, page.after, len(page.events)) == (True, None, 0, 3)
    assert log.read(run, "abcdefgh-3").events == ()


def test_producer__ahead_of_the_log__is_told_what_survives__and_goes_on_in_a_new_epoch(
    log: RunLog, run: str
) -> None:
    log.begin(run, LEASE, STARTED, epoch="abcdefgh")
    append(log, run, 1, "a")
    produced = log.fold(run)
    for after in (5, 2, 1):
        with pytest.raises(RunLogLost) as lost:
            append(log, run, after, "z")
        assert lost.value.number == 2
    produced.number = 5
    begun = log.begin_epoch(run, LEASE, produced)
    assert begun.number == 5
    assert begun.cursor == produced.cursor != "abcdefgh-5"
    assert append(log, run, 5, "b") == 6
    page = log.read(run, "abcdefgh-2")
    assert (page.is_reset, page.after, said(page)) == (True, 5, "b")
    assert answer_of(log, run) == "ab"


def test_begin_epoch__by_a_stranger_or_behind__is_refused(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    folded = log.fold(run)
    append(log, run, 1, "a")
    with pytest.raises(RunOutOfStep):
        log.begin_epoch(run, LEASE, folded)
    with pytest.raises(RunLeaseLost):
        log.begin_epoch(run, "another", log.fold(run))
    log.request_cancel(run)
    assert log.begin_epoch(run, LEASE, log.fold(run)).is_cancel_requested
    log.end(run, COMPLETED)
    with pytest.raises(RunFinished):
        log.begin_epoch(run, LEASE, log.fold(run))


def test_end__of_a_log_that_has_lost_events__begins_a_new_epoch(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED, epoch="abcdefgh")
    with pytest.raises(RunLogLost):
        append(log, run, 7, "z")
    assert not log.end(run, FAILED).cursor.startswith("abcdefgh")
    assert log.read(run, "abcdefgh-2").is_reset
    assert log.fold(run).to_json()["state"] == "failed"


def test_log__after_its_time__is_gone(open_log: OpenLog, run: str) -> None:
    log = open_log(limits=LogLimits(max_events=100, max_bytes=10_000, kept_seconds=0))
    log.begin(run, LEASE, STARTED)
    append(log, run, 1, "a")
    log.trim(run)
    log.end(run, COMPLETED)
    with pytest.raises(RunLogLost) as lost:
        log.read(run, None)
    assert lost.value.number == 0
    log.expire()
    assert log.expire() == 0
    assert log.begin(run, "another", STARTED).number == 1


def test_erased__everything_is_gone_at_once(log: RunLog, run: str) -> None:
    log.begin(run, LEASE, STARTED)
    append(log, run, 1, "a")
    log.trim(run)
    log.erase(run)
    log.erase(run)
    with pytest.raises(RunLogLost):
        log.read(run, None)
    with pytest.raises(RunLogLost):
        append(log, run, 2, "b")
    with pytest.raises(RunLogLost):
        log.request_cancel(run)
