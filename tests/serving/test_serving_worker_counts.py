"""What several workers have counted, added up: nothing goes back, whoever ends whenever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from notifications.ops import prometheus
from notifications.serving.worker_counts import ENDED, MAX_NAMED, CountsWriter, WorkerCounts, add_counts
from notifications.streaming.metrics import METRICS, Histogram, Metrics

pytestmark = pytest.mark.shape("embedded")


@pytest.fixture
def worker_counts() -> Iterator[WorkerCounts]:
    with WorkerCounts.temporary() as made:
        yield made
    assert not made.folder.exists()


def record(number: int = 1, since: float = 1.0, **counts: Any) -> dict[str, Any]:
    return {"number": number, "since": since, "counts": counts, "process": {"cpu": ["gauge", "CPU.", number]}}


def test_added__trees_of_two_versions__keep_what_only_one_counts() -> None:
    some = {"frames": 1, "hints": {"sent": 2}, "write": {"counts": [1, 0], "total": 0.5}}
    others = {"hints": {"sent": 3, "lost": 1}, "write": {"counts": [1, 2], "total": 1.0}, "new": 7}
    expected = {
        "frames": 1,
        "hints": {"sent": 5, "lost": 1},
        "write": {"counts": [2, 2], "total": 1.5},
        "new": 7,
    }
    assert add_counts(some, others) == expected
    assert add_counts({}, some) == add_counts(some, {}) == some


def test_metrics__as_counts_and_back__are_the_same() -> None:
    metrics = Metrics()
    metrics.opened["none"] += 2
    metrics.frames, metrics.write = 7, Histogram()
    metrics.write.add(0.02)
    metrics.count_sequenced(count=3, failed_count=1)
    twice = add_counts(metrics.as_counts(), metrics.as_counts())
    again = Metrics.from_counts({**twice, "unknown": 1})
    assert (again.open_count, again.frames, again.notifications) == (4, 14, {"sequenced": 6, "failed": 2})
    assert again.write.as_counts() == {"counts": [0, 0, 2, *[0] * 10], "total": 0.04}
    assert Metrics.from_counts({}).as_counts() == Metrics().as_counts()


def test_retired__its_counters_stay_its_streams_are_closed_and_its_process_is_gone(
    worker_counts: WorkerCounts,
) -> None:
    worker_counts.write("7-1", record(1, frames=3, opened={"none": 5}, closed={"client": 1}))
    worker_counts.write("8-1", record(2, frames=4, opened={"none": 1}))
    before, running = worker_counts.read()
    assert (before["frames"], [each["number"] for each in running]) == (7, [1, 2])
    worker_counts.retire(7)
    worker_counts.retire(9)
    counts, running = worker_counts.read()
    assert counts == {"frames": 7, "opened": {"none": 6}, "closed": {"client": 1, "killed": 4}}
    assert [each["number"] for each in running] == [2]
    worker_counts.retire(8)
    assert worker_counts.read() == ({**counts, "closed": {"client": 1, "killed": 5}}, [])


def test_read__between_the_two_steps_of_a_retirement__counts_nobody_twice(
    worker_counts: WorkerCounts,
) -> None:
    worker_counts.write("7-1", record(frames=3))
    left = (worker_counts.folder / "7-1.json").read_text()
    worker_counts.retire(7)
    (worker_counts.folder / "7-1.json").write_text(left)
    assert worker_counts.read() == ({"frames": 3}, [])


def test_retire__file_cut_off_or_not_there__costs_nothing_else(worker_counts: WorkerCounts) -> None:
    worker_counts.write("7-1", record(frames=3))
    worker_counts.retire(7)
    (worker_counts.folder / "8-1.json").write_text('{"number": 1, "cou')
    (worker_counts.folder / "8-1.new").write_text("{")
    assert worker_counts.read() == ({"frames": 3}, [])
    worker_counts.retire(8)
    assert [path.name for path in worker_counts.folder.iterdir()] == [f"{ENDED}.json"]


def test_retire__very_many__names_a_bounded_number(worker_counts: WorkerCounts) -> None:
    for pid in range(MAX_NAMED + 10):
        worker_counts.write(f"{pid}-1", record(frames=1))
        worker_counts.retire(pid)
    assert worker_counts.read()[0] == {"frames": MAX_NAMED + 10}
    assert (worker_counts.folder / f"{ENDED}.json").stat().st_size < 20 * MAX_NAMED


def test_counters__read_while_workers_write_and_end__never_go_back(worker_counts: WorkerCounts) -> None:
    done = threading.Event()

    def live_and_die() -> None:
        for pid in range(60):
            for frames in range(1, 6):
                worker_counts.write(f"{pid}-1", record(frames=frames))
            worker_counts.retire(pid)
        done.set()

    worker = threading.Thread(target=live_and_die)
    worker.start()
    seen = 0
    while not done.is_set():
        now = worker_counts.read()[0].get("frames", 0)
        assert now >= seen
        seen = now
    worker.join()
    assert worker_counts.read()[0] == {"frames": 300}


def test_page__of_a_worker__is_that_of_all_with_each_process_by_its_number(
    worker_counts: WorkerCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts_writer = CountsWriter(worker_counts, 1, prometheus.worker_numbers)
    monkeypatch.setattr(prometheus, "_counts_writer", counts_writer)
    worker_counts.write("8-1", {**record(2, frames=1_000), "process": prometheus.worker_numbers()["process"]})
    worker_counts.write("6-1", record(2, since=0.5, frames=10))
    families = {
        family.name: family.samples
        for family in text_string_to_metric_families(prometheus.metrics_text().decode())
    }
    assert families["hub_frames_written"][0].value == METRICS.frames + 1_010
    memory = families["process_resident_memory_bytes"]
    assert sorted(sample.labels["worker"] for sample in memory) == ["1", "2"]
    assert all(sample.value > 0 for sample in memory)


def test_page__folder_gone__says_so_once_and_is_that_of_this_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        prometheus,
        "_counts_writer",
        CountsWriter(WorkerCounts(tmp_path / "gone"), 1, prometheus.worker_numbers),
    )
    for _ in range(3):
        assert f"hub_frames_written_total {float(METRICS.frames)}" in prometheus.metrics_text().decode()
    assert caplog.text.count("cannot be shared") == 1
