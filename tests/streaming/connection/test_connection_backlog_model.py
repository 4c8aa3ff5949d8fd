"""Why a compacted backlog may be cut and resumed anywhere: a model of any log, compacted as the protocol
says, and folded.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracle import Client, compacted

pytestmark = pytest.mark.shape("embedded")

NAMES = (
    "notification.created",
    "notification.read",
    "notification.unread",
    "notification.deleted",
    "inbox.read",
)
CATEGORIES = ("orders", "sync")


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A log of up to eight notifications that only exist between their creation and their deletion."""
    log: list[dict[str, Any]] = []
    listed: dict[str, dict[str, Any]] = {}
    for position in range(1, draw(st.integers(0, 40)) + 1):
        name = draw(st.sampled_from(NAMES)) if listed else NAMES[0]
        change: dict[str, Any] = {
            "change": name,
            "position": position,
            "at": f"at {position}",
            "unread_count": 0,
        }
        if name == "inbox.read":
            change |= {
                "up_to": draw(st.integers(0, position)),
                "category": draw(st.sampled_from((None, *CATEGORIES))),
            }
        elif name == "notification.created":
            category = draw(st.sampled_from(CATEGORIES))
            item = {"id": f"n{position}", "position": position, "category": category, "read_at": None}
            change["notification"] = listed[f"n{position}"] = item
        else:
            key = draw(st.sampled_from(sorted(listed)))
            read_at = f"at {position}" if name.endswith(".read") else None
            change["notification"] = {**listed[key], "read_at": read_at}
            if name.endswith("deleted"):
                del listed[key]
        log.append(change)
    return log


def folded(changes: list[dict[str, Any]], items: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a client holds after these changes, on top of what it held."""
    client = Client({key: dict(item) for key, item in (items or {}).items()}, floor=10**6)
    for change in changes:
        client.fold(
            change | ({"notification": dict(change["notification"])} if "notification" in change else {})
        )
    return client.items


@given(log=logs(), data=st.data())
def test_compacted_backlogs__cut_anywhere_again_and_again__fold_to_the_whole_log(
    log: list[dict[str, Any]], data: st.DataObject
) -> None:
    wanted = data.draw(st.sampled_from([CATEGORIES, CATEGORIES[:1]]), label="filter")

    def admitted(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [c for c in changes if "notification" not in c or c["notification"]["category"] in wanted]

    position = data.draw(st.integers(0, len(log)), label="start")
    items = folded(admitted(log[:position]))
    for _ in range(data.draw(st.integers(0, 4), label="cuts")):
        head = data.draw(st.integers(position, len(log)), label="head at planning")
        backlog = compacted(admitted(log[position:head]))
        # All changes of a notification match a filter, or none does, so it does not matter which comes first.
        assert backlog == admitted(compacted(log[position:head]))
        sent = backlog[: data.draw(st.integers(0, len(backlog)), label="frames before the cut")]
        items = folded(sent, items)
        position = sent[-1]["position"] if sent else position
    rest = admitted(log[position:])
    assert folded(compacted(rest), items) == folded(rest, items) == folded(admitted(log))
