"""Random events of runs, and the ways they are logged and folded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hypothesis import strategies as st

from notifications.runs.checks import check_event
from notifications.runs.events import LoggedEvent, RunEvent
from notifications.runs.redaction import Redaction
from notifications.runs.run_object import RunObject
from notifications.runs.sizes import Sizes
from tests.runs.cases import EPOCH, RUN

REDACTION: Final = Redaction()
ABOUT: Final = {"id": RUN, "type": "chat.answer", "title": "An answer", "topic": "chat:7", "owner": "ada"}


def started() -> RunEvent:
    """How every run begins."""
    return RunEvent("run.started", RunObject(EPOCH, ABOUT).to_json(with_transcript=False))


def logged(number: int, event: RunEvent) -> LoggedEvent:
    """An event with its number."""
    return LoggedEvent(RUN, number, f"2026-11-21T02:03:04.{number:06d}Z", event)


def folded(events: Iterable[RunEvent], run: RunObject | None = None) -> RunObject:
    """A run after some events, from its beginning or going on."""
    run = run or RunObject(EPOCH, ABOUT)
    for number, event in enumerate(events, run.number + 1):
        run.fold(logged(number, event))
    return run


def admitted(events: Iterable[RunEvent], sizes: Sizes | None = None) -> list[RunEvent]:
    """What of some events gets a number."""
    sizes = sizes or Sizes()
    return [each for event in events for each in sizes.admit(event)]


def checked(value: dict[str, Any]) -> RunEvent:
    """What a producer posts, as an event."""
    return check_event(value, REDACTION)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.sampled_from(["search", "read", "Größe"])
ids = st.sampled_from(["m1", "m2", "ä"])
calls = st.sampled_from(["c1", "c2", "c3", "c4"])
steps = st.sampled_from(["s1", "s2", "s3"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def _of(
    kind: str, required: dict[str, Any], optional: dict[str, Any] | None = None
) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"event": st.just(kind), **required}, optional=optional or {})


_sources = st.fixed_dictionaries(
    {"id": st.sampled_from(["d1", "d2"]), "title": st.just("A page")},
    optional={"url": st.just("https://example.com/"), "quote": texts},
)
posted = st.one_of(
    _of("run.text", {"message": ids, "delta": texts}),
    _of("run.text", {"message": ids, "delta": texts}),
    _of("run.reasoning", {"message": ids, "delta": texts}),
    _of("run.message_started", {"message": ids, "role": st.sampled_from(["assistant", "user"])}),
    _of("run.tool_called", {"call": calls, "name": names}, {"message": ids, "arguments": values}),
    _of("run.tool_returned", {"call": calls}, {"result": values}),
    _of("run.tool_returned", {"call": calls, "error": texts}),
    _of("run.step_started", {"step": steps, "name": names}, {"parent": steps}),
    _of("run.step_finished", {"step": steps}, {"output": values}),
    _of("run.citation", {"source": _sources}, {"message": ids}),
    _of("run.progress", {"done": st.integers(0, 9)}, {"total": st.integers(0, 9), "note": texts}),
    _of("run.data", {"name": st.sampled_from(["a", "b", "state"]), "value": values}),
)
_ends = st.one_of(
    st.builds(lambda value: RunEvent("run.completed", {"result": value}), values),
    st.just(RunEvent("run.completed", {"interrupts": [{"id": "i1", "reason": "approval"}]})),
    st.just(RunEvent("run.completed", {"usage": {"tokens": 3}})),
    st.just(RunEvent("run.failed", {"code": "error", "message": "It broke."})),
    st.just(RunEvent("run.cancelled", {"by": "user", "reason": "enough"})),
)
running = st.lists(posted.map(checked), max_size=25)
# The events of a run from its start on, ended or not, as they would get their numbers.
runs = st.tuples(running, st.none() | _ends).map(
    lambda told: admitted([started(), *told[0], *([told[1]] if told[1] else [])])
)
