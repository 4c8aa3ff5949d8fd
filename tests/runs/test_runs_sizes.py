"""The limits of a run: never exceeded, the same from every side, and a text without holes."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.runs import sizes as module
from notifications.runs.events import RunEvent
from notifications.runs.sizes import (
    MAX_DATA_NAMES,
    MAX_SOURCES,
    MAX_STEPS,
    MAX_TEXT_BYTES,
    MAX_TOOLS,
    MAX_TOTAL_BYTES,
    MAX_VALUE_BYTES,
    Sizes,
    cut_json_text,
    cut_text,
    cut_value,
)
from tests.runs.cases import called, datum, finished, returned, step, text, thought
from tests.runs.random_runs import admitted, checked, folded, posted, runs, started, texts

pytestmark = pytest.mark.shape("embedded")

NARROW = {
    "MAX_TEXT_BYTES": 40,
    "MAX_VALUE_BYTES": 60,
    "MAX_TOTAL_BYTES": 16_000,
    "MAX_DATA_NAMES": 2,
    "MAX_STEPS": 2,
    "MAX_TOOLS": 2,
    "MAX_SOURCES": 2,
}
END = RunEvent("run.completed", {})


def texts_of(events: list[RunEvent]) -> dict[tuple[str, str], str]:
    """All that was said, by kind and message."""
    said: dict[tuple[str, str], str] = {}
    for event in events:
        if "delta" in event.fields:
            key = (event.kind, event.fields["message"])
            said[key] = said.get(key, "") + event.fields["delta"]
    return said


def told(*values: dict[str, Any]) -> tuple[dict[str, Any], Sizes, list[RunEvent]]:
    """The object after what a producer posts, what is used, and the events that got a number."""
    sizes = Sizes()
    events = admitted(map(checked, values), sizes)
    return folded(events).to_json(), sizes, events


@given(events=runs)
def test_sizes__of_a_snapshot__are_those_of_its_events(events: list[RunEvent]) -> None:
    sizes = Sizes()
    assert admitted(events, sizes) == events
    assert Sizes.of(folded(events).to_json()) == sizes
    assert Sizes.from_json(json.loads(json.dumps(sizes.to_json()))) == sizes
    assert len(orjson.dumps(folded(events).to_json()["transcript"])) <= sizes.total


@given(values=st.lists(posted, max_size=40), place=st.integers(0, 40), is_ended=st.booleans())
def test_limits__narrow_ones__hold_and_are_the_same_after_a_restart(
    values: list[Any], place: int, is_ended: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in NARROW.items():
            patch.setattr(module, name, limit)
        events = [started(), *map(checked, values), *([END] if is_ended else [])]
        sizes = Sizes()
        first = admitted(events[:place], sizes)
        restarted = Sizes.of(folded(first).to_json())
        assert restarted == sizes
        rest = admitted(events[place:], sizes)
        assert admitted(events[place:], restarted) == rest
        run = folded([*first, *rest]).to_json()
    transcript = run["transcript"]
    assert len(orjson.dumps(transcript)) <= sizes.total <= NARROW["MAX_TOTAL_BYTES"]
    assert max(map(len, (transcript["tools"], transcript["steps"], transcript["data"]))) <= 2
    whole, kept = texts_of(events), texts_of([*first, *rest])
    assert all(whole[key].startswith(said) and len(said.encode()) <= 40 for key, said in kept.items())
    assert [event.kind for event in (*first, *rest)].count("run.truncated") == run["is_truncated"]
    if not run["is_truncated"]:
        assert whole == {key: said for key, said in whole.items() if not said} | kept


@given(values=st.lists(posted, max_size=30), size=st.integers(0, 400))
def test_room__runs_out__no_text_has_a_hole_and_the_end_still_comes(values: list[Any], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_TOTAL_BYTES", 12 * 1024 + size)
        events = [*map(checked, [datum("big", "x" * size), *values, datum("big", "")]), *map(checked, values)]
        sizes = Sizes()
        kept = admitted([*events, END], sizes)
    whole = texts_of(events)
    assert all(whole[key].startswith(said) for key, said in texts_of(kept).items())
    assert kept[-1] == END
    assert sizes.admit(END) == []


def test_text__of_more_than_256_kib__is_cut_once_between_two_characters() -> None:
    run, _, events = told(text("ä" * 65_000), text("€" * 50_000))
    (part,) = run["transcript"]["parts"]
    assert MAX_TEXT_BYTES - 4 < len(part["text"].encode()) <= MAX_TEXT_BYTES
    assert [event.kind for event in events] == ["run.text", "run.truncated", "run.text"]
    assert run["is_truncated"] is True


def test_text__after_it_was_cut__takes_nothing_more() -> None:
    run, sizes, events = told(text("a" * 200_000), text("€" * 60_000), text("b"), thought("fine"))
    assert "b" not in run["transcript"]["parts"][0]["text"]
    assert run["transcript"]["parts"][1]["text"] == "fine"
    assert len(events) == 4  # with the one that says that something was cut
    assert Sizes.of(run) == sizes


def test_all_in_all__more_than_1_mib__is_cut_and_what_is_open_can_still_be_closed() -> None:
    values = [called("c0"), step("read"), *(text("a" * 250_000, f"m{number}") for number in range(6))]
    run, sizes, events = told(
        *values, returned("c0", result="x" * 100), finished(output="y" * 100), called("c9"), datum("late", 1)
    )
    assert (
        MAX_TOTAL_BYTES - 16 * 1024 < len(orjson.dumps(run["transcript"])) <= sizes.total <= MAX_TOTAL_BYTES
    )
    assert [tool["state"] for tool in run["transcript"]["tools"]] == ["completed"]
    assert [each["state"] for each in run["transcript"]["steps"]] == ["completed"]
    assert run["transcript"]["data"] == {}
    assert [event.kind for event in events].count("run.truncated") == 1
    assert Sizes.of(run) == sizes


@pytest.mark.parametrize(
    ("many", "limit", "kept"),
    [
        ([called(f"c{number}") for number in range(MAX_TOOLS + 2)], MAX_TOOLS, "tools"),
        ([step("x", f"s{number}") for number in range(MAX_STEPS + 2)], MAX_STEPS, "steps"),
        ([datum(f"n{number}", 1) for number in range(MAX_DATA_NAMES + 2)], MAX_DATA_NAMES, "data"),
        (
            [{"event": "run.citation", "source": {"id": "d", "title": "T"}}] * (MAX_SOURCES + 2),
            MAX_SOURCES,
            "parts",
        ),
    ],
    ids=["tools", "steps", "data", "sources"],
)
def test_entries__one_too_many__are_left_out(many: list[Any], limit: int, kept: str) -> None:
    run, sizes, events = told(*many)
    assert len(run["transcript"][kept]) == limit
    assert run["is_truncated"] is True
    assert [event.kind for event in events].count("run.truncated") == 1
    assert len(events) == limit + 1
    assert Sizes.of(run) == sizes


@pytest.mark.parametrize(
    "value", ["x" * 40_000, ["ä" * 20_000], {"a": ["\n"] * 20_000}], ids=["text", "list", "object"]
)
def test_value__of_more_than_32_kib__is_cut_wherever_it_stands(value: Any) -> None:
    run, _, events = told(
        called(arguments=value), returned(result=value), step("s"), finished(output=value), datum("d", value)
    )
    transcript = run["transcript"]
    tool, each = transcript["tools"][0], transcript["steps"][0]
    for cut in (tool["arguments"], tool["result"], each["output"], transcript["data"]["d"]):
        assert isinstance(cut, str)
        assert MAX_VALUE_BYTES - 8 < len(orjson.dumps(cut)) <= MAX_VALUE_BYTES
        assert (value if isinstance(value, str) else orjson.dumps(value).decode()).startswith(cut)
    assert [event.kind for event in events].count("run.truncated") == 1
    ended = admitted([RunEvent("run.completed", {"result": value})])
    assert [event.kind for event in ended] == ["run.truncated", "run.completed"]
    assert len(orjson.dumps(ended[1].fields["result"])) <= MAX_VALUE_BYTES


def test_error__of_more_than_32_kib__is_cut_too() -> None:
    run, _, _ = told(called(), returned(error="x" * 40_000))
    assert len(run["transcript"]["tools"][0]["error"]) == MAX_VALUE_BYTES - 2


def test_value__of_32_kib__stays_as_it_is() -> None:
    assert cut_value("x" * (MAX_VALUE_BYTES - 2)) == ("x" * (MAX_VALUE_BYTES - 2), False)
    fitting = ["x" * (MAX_VALUE_BYTES - 4)]
    assert cut_value(fitting) == (fitting, False)


@pytest.mark.parametrize(
    "value",
    [returned("nobody"), finished("nobody"), text(""), thought("")],
)
def test_event__that_would_change_nothing__gets_no_number(value: dict[str, Any]) -> None:
    _, sizes, events = told(value)
    assert events == []
    assert sizes == Sizes()


@given(said=st.text(max_size=60), limit=st.integers(0, 80))
def test_cut_text__is_the_longest_beginning_that_fits(said: str, limit: int) -> None:
    said = said.encode("utf-8", "ignore").decode()
    cut = cut_text(said, limit)
    assert said.startswith(cut)
    assert len(cut.encode()) <= limit
    assert cut == said or len(said[: len(cut) + 1].encode()) > limit


@given(said=texts, limit=st.integers(0, 80))
def test_cut_json_text__is_the_longest_beginning_that_fits(said: str, limit: int) -> None:
    cut = cut_json_text(said, limit)
    assert said.startswith(cut)
    assert len(orjson.dumps(cut)) - 2 <= limit
    assert cut == said or len(orjson.dumps(said[: len(cut) + 1])) - 2 > limit
