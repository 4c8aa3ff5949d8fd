"""The rules of the fold: one table, read by the database, by Python and by the page."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from notifications import change_kinds, services
from notifications.change_kinds import KINDS, AllRead, Carries, transition, unread_step
from notifications.inbox_log.append import Listed
from notifications.models import Change, ChangeKind, Notification
from notifications.notification_states import STATE, STATE_FLAGS, VERBS, State
from notifications.pages.forms import FORMS
from notifications.payloads import ChangeRow, NotificationRow, change_json, notification_json
from notifications.rest.inputs import ACTION_NAMES
from notifications.rest.schema.components import SCHEMAS
from tests.helpers.oracle import ALL_READ, AllReadCase

pytestmark = pytest.mark.shape("embedded")

AT = datetime(2026, 11, 21, tzinfo=UTC)
EARLIER = datetime(2026, 11, 20, tzinfo=UTC)


def test_kinds__are_those_of_the_model() -> None:
    assert list(KINDS) == ChangeKind.values
    assert max(map(len, KINDS)) <= (Change._meta.get_field("kind").max_length or 0)


@pytest.mark.parametrize("name", STATE)
def test_state__has_a_column_wherever_it_is_kept(name: str) -> None:
    for model in (Notification, Change):
        assert {field.attname: field.null for field in model._meta.concrete_fields}[name]
    for row in (Listed, NotificationRow, ChangeRow):
        assert name in row._fields


@pytest.mark.parametrize("name", STATE)
def test_state__is_told_on_the_wire_and_in_its_description(name: str) -> None:
    row = made(NotificationRow, created_at=EARLIER, **{name: AT})
    assert json.loads(notification_json(row))[name] == "2026-11-21T00:00:00.000000Z"
    change = made(ChangeRow, kind="read", **{name: "then"})
    assert json.loads(change_json(change, "abcdefgh"))["notification"][name] == "then"
    assert name in SCHEMAS["Notification"]["properties"]
    assert getattr(made(Listed, **{name: AT}).state, name) == AT


def made(row: Any, **values: Any) -> Any:
    """A row with these values, and no others that would matter."""
    texts = dict.fromkeys(("type", "category", "topic", "level", "title", "body", "url", "actor"), "")
    numbers = dict.fromkeys(("position", "created_position", "unread_count"), 1)
    fitting = {
        name: value
        for name, value in {**texts, **numbers, "data": "{}", "actions": "[]"}.items()
        if name in row._fields
    }
    return row(**dict.fromkeys(row._fields) | fitting | values)


def test_verbs__are_what_every_door_takes() -> None:
    assert [*VERBS, "delete"] == list(ACTION_NAMES) == list(services.ACTIONS)
    assert {*FORMS} == {*services.ACTIONS, "read_all"}
    for flags in VERBS.values():
        assert any(transition(state, AT, **flags) for state in (State(), State(AT, AT)))
    settable = {f"{name}_at" for name in STATE_FLAGS}
    assert settable == set(STATE)


def test_kinds__are_heard_by_the_page() -> None:
    connection = (settings.BASE_DIR / "static/notifications/connection.js").read_text()
    assert [name for name in change_kinds.CHANGE_NAMES.values() if f'"{name}"' not in connection] == []


@pytest.mark.parametrize("name", STATE)
def test_state__is_begun_and_ended_by_one_kind_each(name: str) -> None:
    sets = [kind.sets for kind in KINDS.values() if kind.sets and kind.sets[0] == name]
    assert sorted(sets) == [(name, False), (name, True)]


@pytest.mark.parametrize(
    ("state", "flags", "expected"),
    [
        (State(), {"read": True}, ("read", State(AT))),
        (State(), {"read": False}, None),
        (State(), {}, None),
        (State(EARLIER), {"read": True}, None),
        (State(EARLIER), {"read": False}, ("unread", State())),
        (State(), {"archived": True}, ("archived", State(AT, AT))),
        (State(EARLIER), {"archived": True}, ("archived", State(EARLIER, AT))),
        (State(EARLIER, EARLIER), {"archived": True}, None),
        (State(EARLIER, EARLIER), {"read": True}, None),
        (State(EARLIER, EARLIER), {"archived": False}, ("unarchived", State(EARLIER))),
        (State(EARLIER, EARLIER), {"read": False}, ("unarchived", State())),
        (State(), {"archived": False}, None),
        (State(), {"read": True, "archived": True}, ("archived", State(AT, AT))),
        (State(), {"read": True, "archived": False}, ("read", State(AT))),
        (State(EARLIER, EARLIER), {"read": True, "archived": False}, ("unarchived", State(EARLIER))),
        (State(EARLIER, EARLIER), {"read": False, "archived": False}, ("unarchived", State())),
    ],
)
def test_turned__one_change_or_none(
    state: State, flags: dict[str, bool], expected: tuple[str, State] | None
) -> None:
    change = transition(state, AT, **flags)
    assert change == expected
    if change:
        assert unread_step(state, change[1]) in KINDS[change[0]].steps


@pytest.mark.parametrize("case", ALL_READ.values(), ids=ALL_READ)
def test_all_read__takes_along_the_same_in_python_and_in_sql(case: AllReadCase) -> None:
    all_read = AllRead(case.position, AT, case.up_to, case.category)
    assert all_read.covers(created=case.created, newest=case.newest, category="orders") is case.is_read
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE own AS SELECT ? AS position, ? AS created_position", case[1::-1])
        db.execute("CREATE TABLE r AS SELECT ? AS position, ? AS up_to, ? AS read_category", case[2:5])
        rule = change_kinds.sql_covers("r", "own", "'orders'")
        found = db.execute(f"SELECT {rule} FROM own, r").fetchone()
    assert bool(found[0]) is case.is_read


@pytest.mark.parametrize("kind", KINDS)
def test_sql__moves_the_count_as_the_table_says(kind: str) -> None:
    with sqlite3.connect(":memory:") as db:
        rule = change_kinds.sql_moves_count("?1", "?2")
        moved = [step for step in range(-3, 4) if db.execute(f"SELECT {rule}", (kind, step)).fetchone()[0]]
    assert moved == (sorted(KINDS[kind].steps) or [-3, -2, -1])


@pytest.mark.parametrize("carries", Carries)
def test_sql__kinds_are_those_of_the_table(carries: Carries) -> None:
    with sqlite3.connect(":memory:") as db:
        rule = f"SELECT ? IN {change_kinds.sql_kinds(carries)}"
        found = {kind for kind in KINDS if db.execute(rule, (kind,)).fetchone()[0]}
    assert found == {name for name, kind in KINDS.items() if kind.carries is carries}
