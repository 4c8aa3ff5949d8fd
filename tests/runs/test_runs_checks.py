"""What a producer may say, and how everything else is refused: by field, and with nothing else than the two
documented exceptions.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import InvalidInput, RunEventTooLarge
from notifications.protocol import strict_json
from notifications.runs.checks import MAX_EVENT_BYTES, check_delta, check_end, check_event, check_events
from notifications.runs.events import RunEvent, encode
from notifications.runs.kinds import KINDS, POSTED, Maker
from notifications.runs.redaction import REDACTED
from tests.runs.cases import called, datum, finished, returned, step, text
from tests.runs.random_runs import REDACTION, posted

pytestmark = pytest.mark.shape("embedded")

CITATION = "run.citation"
PROGRESS = "run.progress"


def cyclic() -> list[Any]:
    """A list that holds itself."""
    endless: list[Any] = []
    endless.append(endless)
    return endless


def doubling() -> list[Any]:
    """A list of two billion leaves in thirty objects."""
    value: list[Any] = [0]
    for _ in range(30):
        value = [value, value]
    return value


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def cite(**source: Any) -> dict[str, Any]:
    """A citation."""
    return {"event": CITATION, "source": {"id": "d1", "title": "T", **source}}


def progress(**fields: Any) -> dict[str, Any]:
    """How far it is."""
    return {"event": PROGRESS, "done": 1, **fields}


@given(value=posted)
def test_event__of_each_posted_kind__passes_and_comes_back_as_it_was(value: dict[str, Any]) -> None:
    event = check_event(value, REDACTION)
    assert event.kind == value["event"]
    given = {name: each for name, each in value.items() if name != "event"}
    assert json.loads(encode(event.fields)) == given
    assert check_events([value, value], REDACTION) == [event, event]


@pytest.mark.parametrize("value", [None, 1, "run.text", [], [text("a")], True, object()])
def test_event__that_is_no_object__is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_event(value, REDACTION)
    assert refused.value.errors == {"event": "must be an object"}


@pytest.mark.parametrize(
    "kind", [None, 1, [], "text", "run.sung", "RUN.TEXT", *(name for name in KINDS if name not in POSTED)]
)
def test_kind__that_no_producer_may_post__is_refused(kind: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_event({"event": kind}, REDACTION)
    assert refused.value.errors == {"event": f"must be one of {', '.join(POSTED)}"}
    assert {KINDS[name].maker for name in POSTED} == {Maker.PRODUCER}


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ({**text("a"), "number": 7}, {"number": "is no field of run.text"}),
        (
            dict([*text("a").items(), ("at", "now"), (7, 1)]),
            {"at": "is no field of run.text", "a int": "is no field of run.text"},
        ),
        ({"event": "run.text"}, {"message": "is required", "delta": "is required"}),
        ({"event": "run.text", "message": None, "delta": "x"}, {"message": "is required"}),
        (text("a", ""), {"message": "must not be empty, and may hold no control character"}),
        (text("a", "m\n1"), {"message": "must not be empty, and may hold no control character"}),
        (text("a", "x" * 201), {"message": "has 201 characters; at most 200 are allowed"}),
        ({**text("a"), "delta": 7}, {"delta": "must be text, not int"}),
        (text("\ud800"), {"delta": "holds a lone surrogate"}),
        (text("a\0"), {"delta": "holds a NUL character"}),
        (
            {"event": "run.message_started", "message": "m", "role": "tool"},
            {"role": "must be one of assistant, user, system"},
        ),
        (step("x" * 201), {"name": "has 201 characters; at most 200 are allowed"}),
        (returned(result=1, error="x"), {"error": "cannot stand beside a result"}),
        (returned(error={"a": 1}), {"error": "must be text, not dict"}),
        (datum("Upper", 1), {"name": "must be [a-z][a-z0-9_-]*, and none of progress, step"}),
        (datum("progress", 1), {"name": "must be [a-z][a-z0-9_-]*, and none of progress, step"}),
        ({"event": "run.data", "name": "a"}, {"value": "is required"}),
        (datum("a", math.nan), {"value": "holds a number that is not finite"}),
        (datum("a", math.inf), {"value": "holds a number that is not finite"}),
        (datum("a", 2**63), {"value": "holds an integer outside signed 64 bit"}),
        (datum("a", 10**6_000), {"value": "holds an integer outside signed 64 bit"}),
        (datum("a", {"\ud800": 1}), {"value": "holds a lone surrogate"}),
        (datum("a", {1: 2}), {"value": "has a key that is a int; JSON keys are text"}),
        (datum("a", {1, 2}), {"value": "holds a set, which JSON has no form for"}),
        (datum("a", b"x"), {"value": "holds a bytes, which JSON has no form for"}),
        (datum("a", nested(33)), {"value": "is nested deeper than 32 levels"}),
        (datum("a", nested(5_000)), {"event": "is nested deeper than 32 levels"}),
        (datum("a", cyclic()), {"event": "is nested deeper than 32 levels"}),
        (progress(done=-1), {"done": "must be a number from 0 to 9007199254740991"}),
        (progress(done=2**53), {"done": "must be a number from 0 to 9007199254740991"}),
        (progress(done=True), {"done": "must be a number from 0 to 9007199254740991"}),
        (progress(total="7"), {"total": "must be a number from 0 to 9007199254740991"}),
        (progress(note="x" * 1_001), {"note": "has 1001 characters; at most 1000 are allowed"}),
        ({"event": CITATION, "source": "x"}, {"source": "must be an object"}),
        (cite(id=""), {"source.id": "must not be empty, and may hold no control character"}),
        (cite(id=7), {"source.id": "must be text, not int"}),
        (cite(rank=1), {"source.rank": "is no field of a source"}),
        (cite(title=""), {"source.title": "is required where there is no url"}),
        (cite(quote="x" * 4_001), {"source.quote": "has 4001 characters; at most 4000 are allowed"}),
        (
            cite(url="javascript:alert(1)"),
            {"source.url": "must be a path on this site (/orders/7/) or an http(s) address"},
        ),
    ],
)
def test_field__that_does_not_fit__is_named(value: dict[str, Any], errors: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_event(value, REDACTION)
    assert refused.value.errors == errors


@pytest.mark.parametrize(
    "value",
    [
        text("x" * 300_000),
        text("ä" * 150_000),
        datum("a", "x" * 300_000),
        datum("a", [0] * 300_000),
        datum("a", {"x" * 300_000: 1}),
        {**text("a"), "x" * 300_000: 1},
        datum("a", doubling()),
    ],
    ids=["ascii", "utf-8", "text", "list", "key", "unknown", "doubling"],
)
def test_event__of_300_kib__is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(RunEventTooLarge):
        check_event(value, REDACTION)
    with pytest.raises(RunEventTooLarge):
        check_events([value], REDACTION)


def test_events__each_with_something_wrong__are_all_named() -> None:
    values = [text("a"), {"event": "run.sung"}, {**text("a"), "delta": 1}, None]
    with pytest.raises(InvalidInput) as refused:
        check_events(values, REDACTION)
    assert [*refused.value.errors] == ["events.1.event", "events.2.delta", "events.3"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "must be a list"),
        ("ab", "must be a list"),
        ([None] * 101, "has 101 entries; at most 100 are allowed"),
    ],
)
def test_events__that_are_no_list_of_a_hundred__are_refused(values: Any, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_events(values, REDACTION)
    assert refused.value.errors == {"events": reason}


def test_events__too_large_together__are_refused() -> None:
    with pytest.raises(RunEventTooLarge):
        check_events([text("x" * 3_000)] * 100, REDACTION)


def test_secret__thirty_levels_down__is_blanked_wherever_a_value_stands() -> None:
    secret: Any = {"token": "hunter2", "kept": 1}
    for _ in range(30):
        secret = [secret]
    source = {"event": CITATION, "source": {"id": "d", "title": '{"password": "hunter2"}'}}
    values = [
        called(arguments=secret),
        returned(result=secret),
        finished(output=secret),
        datum("a", secret),
        source,
    ]
    values.append(returned(error='{"secret": "hunter2"}'))
    for event in check_events(values, REDACTION):
        assert "hunter2" not in encode(event.fields)
        assert REDACTED in encode(event.fields)
    end = check_end({"state": "completed", "result": secret, "usage": secret}, REDACTION)
    assert "hunter2" not in encode(end.fields)


def test_data__by_a_secret_name__are_blanked() -> None:
    assert check_event(datum("api-key", "hunter2"), REDACTION).fields["value"] == REDACTED
    assert check_event(datum("max_tokens", 7), REDACTION).fields["value"] == 7


def test_running_text__is_not_searched() -> None:
    said = '{"token": "hunter2"}'
    assert check_event(text(said), REDACTION).fields["delta"] == said


def test_value__that_is_changed_afterwards__changes_no_event() -> None:
    value: dict[str, Any] = {"a": [1]}
    event = check_event(datum("x", value), REDACTION)
    value["a"].append(2)
    assert event.fields["value"] == {"a": [1]}


def test_null__stands_for_what_is_left_out_but_is_a_value() -> None:
    assert check_event({**called(), "message": None}, REDACTION).fields == {
        "call": "c1", "name": "search", "arguments": None,
    }  # fmt: skip
    assert check_event(progress(total=None, note=None), REDACTION).fields == {"done": 1}
    assert check_event(datum("a", None), REDACTION).fields == {"name": "a", "value": None}


@pytest.mark.parametrize(
    ("value", "event"),
    [
        (
            {
                "state": "completed",
                "result": (1,),
                "usage": {"tokens": 1},
                "interrupts": [{"id": "a", "reason": "b"}],
            },
            RunEvent(
                "run.completed",
                {"result": [1], "usage": {"tokens": 1}, "interrupts": [{"id": "a", "reason": "b"}]},
            ),
        ),
        ({"state": "completed"}, RunEvent("run.completed", {})),
        ({"state": "failed"}, RunEvent("run.failed", {"code": "error", "message": ""})),
        (
            {"state": "failed", "error": {"code": "no_rows", "message": "There is nothing."}, "usage": 1},
            RunEvent("run.failed", {"code": "no_rows", "message": "There is nothing.", "usage": 1}),
        ),
        (
            {"state": "cancelled", "reason": "asked"},
            RunEvent("run.cancelled", {"by": "producer", "reason": "asked"}),
        ),
    ],
    ids=["all", "completed", "failed", "error", "cancelled"],
)
def test_end__of_each_state__is_its_event(value: dict[str, Any], event: RunEvent) -> None:
    assert check_end(value, REDACTION) == event


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "body"),
        ({}, "state"),
        ({"state": "running"}, "state"),
        ({"state": ["completed"]}, "state"),
        ({"state": "completed", "error": {}}, "error"),
        ({"state": "completed", "interrupts": {}}, "interrupts"),
        ({"state": "completed", "interrupts": [1]}, "interrupts.0"),
        ({"state": "completed", "interrupts": [{"id": "a"}]}, "interrupts.0.reason"),
        ({"state": "completed", "interrupts": [{"id": "a", "reason": "b"}] * 21}, "interrupts"),
        ({"state": "completed", "interrupts": [{"id": "a", "reason": "b" * 40_000}]}, "interrupts"),
        ({"state": "failed", "error": "x"}, "error"),
        ({"state": "failed", "error": {"code": "Bad Code"}}, "error.code"),
        ({"state": "failed", "error": {"traceback": "x"}}, "error.traceback"),
        ({"state": "failed", "error": {"usage": 1}}, "error.usage"),
        ({"state": "failed", "message": "x"}, "message"),
        ({"state": "failed", "result": 1}, "result"),
        ({"state": "cancelled", "by": "staff"}, "by"),
        ({"state": "cancelled", "reason": 1}, "reason"),
    ],
)
def test_end__that_does_not_fit__is_refused_by_field(value: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_end(value, REDACTION)
    assert [*refused.value.errors] == [field]


hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.binary(max_size=3)
    | st.sampled_from([object(), cyclic(), nested(40), *POSTED])
    | st.builds(lambda: "x" * 300_000),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*"ab", "event", "message", "delta", "source", "id"]) | st.integers(), inner
        )
    ),
    max_leaves=8,
)
shaped = posted.flatmap(
    lambda value: st.fixed_dictionaries({name: st.just(each) | hostile for name, each in value.items()})
)


@given(value=hostile | shaped)
def test_anything_at_all__is_a_checked_event_or_a_documented_exception(value: Any) -> None:
    for check in (check_event, check_end, lambda each, redaction: check_events([each], redaction)):
        try:
            outcome = check(value, REDACTION)
        except (InvalidInput, RunEventTooLarge):
            continue
        for event in [outcome] if isinstance(outcome, RunEvent) else outcome:
            strict_json.loads(encode(event.fields))
            assert len(encode(event.fields)) <= 7 * MAX_EVENT_BYTES


def outcome_of(check: Any) -> Any:
    """What a check gives, or why it refuses."""
    try:
        return check()
    except InvalidInput as refused:
        return refused.errors
    except RunEventTooLarge:
        return RunEventTooLarge


@given(
    kind=st.sampled_from(["run.text", "run.reasoning"]),
    message=st.text(st.characters(), max_size=3)
    | st.sampled_from(["m1", "x" * 200, "x" * 201, " ", 7, None]),
    delta=st.text(st.characters(), max_size=5)
    | st.builds(lambda: "ä" * 150_000)
    | st.sampled_from(["\ud800", "\0", "", None, 7, [], "x" * 300]),
)
def test_delta__checked_quickly__has_the_same_outcome(kind: str, message: Any, delta: Any) -> None:
    value = {"event": kind, "message": message, "delta": delta}
    assert outcome_of(lambda: check_delta(kind, message, delta, REDACTION)) == outcome_of(
        lambda: check_event(value, REDACTION)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_kind__of_the_table__is_described_once(kind: str) -> None:
    assert kind.startswith("run.")
    assert all(field.max_length >= 0 for field in KINDS[kind].fields.values())
