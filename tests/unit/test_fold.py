"""The rules of the fold: one table, read by the database, by Python and by the page."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from notifications import fold
from notifications.fold import KINDS, STATE, AllRead, Carries, State, turned, unread_step
from notifications.models import Change, ChangeKind, Notification
from notifications.payloads import ChangeRow, NotificationRow
from notifications.services.log import Listed
from tests.helpers.fold_cases import ALL_READ, AllReadCase

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
def test_state__is_begun_and_ended_by_one_kind_each(name: str) -> None:
    sets = [kind.sets for kind in KINDS.values() if kind.sets and kind.sets[0] == name]
    assert sorted(sets) == [(name, False), (name, True)]


@pytest.mark.parametrize(
    ("state", "read", "expected"),
    [
        (State(), True, ("read", State(AT))),
        (State(), False, None),
        (State(), None, None),
        (State(EARLIER), True, None),
        (State(EARLIER), False, ("unread", State())),
    ],
)
def test_turned__one_change_or_none(
    state: State, read: bool | None, expected: tuple[str, State] | None
) -> None:
    change = turned(state, AT, read=read)
    assert change == expected
    if change:
        assert unread_step(state, change[1]) in KINDS[change[0]].steps


@pytest.mark.parametrize("case", ALL_READ.values(), ids=ALL_READ)
def test_all_read__takes_along_the_same_in_python_and_in_sql(case: AllReadCase) -> None:
    all_read = AllRead(case.position, AT, case.up_to, case.category)
    assert all_read.takes_along(created=case.created, newest=case.newest, category="orders") is case.is_read
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE own AS SELECT ? AS position, ? AS created_position", case[1::-1])
        db.execute("CREATE TABLE r AS SELECT ? AS position, ? AS up_to, ? AS category", case[2:5])
        rule = fold.sql_takes_along("r", "own", "'orders'")
        found = db.execute(f"SELECT {rule} FROM own, r").fetchone()
    assert bool(found[0]) is case.is_read


@pytest.mark.parametrize("kind", KINDS)
def test_sql__moves_the_count_as_the_table_says(kind: str) -> None:
    with sqlite3.connect(":memory:") as db:
        rule = fold.sql_moves_count("?1", "?2")
        moved = [step for step in range(-3, 4) if db.execute(f"SELECT {rule}", (kind, step)).fetchone()[0]]
    assert moved == (sorted(KINDS[kind].steps) or [-3, -2, -1])


@pytest.mark.parametrize("carries", Carries)
def test_sql__kinds_are_those_of_the_table(carries: Carries) -> None:
    with sqlite3.connect(":memory:") as db:
        rule = f"SELECT ? IN {fold.sql_kinds(carries)}"
        found = {kind for kind in KINDS if db.execute(rule, (kind,)).fetchone()[0]}
    assert found == {name for name, kind in KINDS.items() if kind.carries is carries}
