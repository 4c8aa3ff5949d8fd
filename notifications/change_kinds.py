"""The meaning of the kinds of changes, and how a log of them folds into the state of an inbox.

This is the one place that says so. Each change of a notification holds its whole state after that change, so
a later change of the same notification supersedes all earlier ones: compaction keeps the last. Only an
all-read change says nothing about a single notification; it covers the notifications that are unread before
it, up to a position and within a category. The database, Python and the recipe in CONTRIBUTING.md read the
table below; ``static/notifications/fold.js`` is tested against it with the cases of
``tests/helpers/oracle.py``. Why a notification was deleted is ``models.changes.Reason``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from notifications.notification_states import STATE, State


class Carries(Enum):
    """How much a change tells about its notification."""

    OBJECT = "the whole object"
    ID = "its id: it is gone"
    NOTHING = "nothing: it is about many"


class Kind(NamedTuple):
    """A kind of change.

    Attributes:
        change: its name on the wire.
        carries: what its frame contains of the notification.
        steps: by how much it may move the unread count; empty when it may lower it by any number.
        sets: the field of the state that it sets (True) or clears (False); other fields may change with it.
    """

    change: str
    carries: Carries
    steps: tuple[int, ...]
    sets: tuple[str, bool] | None = None


KINDS: Final[Mapping[str, Kind]] = {
    "created": Kind("notification.created", Carries.OBJECT, (1, 0)),
    "read": Kind("notification.read", Carries.OBJECT, (-1,), ("read_at", True)),
    "unread": Kind("notification.unread", Carries.OBJECT, (1,), ("read_at", False)),
    "archived": Kind("notification.archived", Carries.OBJECT, (-1, 0), ("archived_at", True)),
    "unarchived": Kind("notification.unarchived", Carries.OBJECT, (1, 0), ("archived_at", False)),
    "deleted": Kind("notification.deleted", Carries.ID, (-1, 0)),
    "read_all": Kind("inbox.read", Carries.NOTHING, ()),
}
CHANGE_NAMES: Final = {name: kind.change for name, kind in KINDS.items()}
OBJECT_KINDS: Final = tuple(name for name, kind in KINDS.items() if kind.carries is Carries.OBJECT)
_KIND_THAT_SETS: Final = {kind.sets: name for name, kind in KINDS.items() if kind.sets}


def transition(state: State, at: datetime, **flags: bool) -> tuple[str, State] | None:
    """Return the change that sets some flags of a notification, and the state after it.

    Args:
        state: before the change.
        at: the time of the change.
        flags: what is to be so, by the names of ``STATE_FLAGS``. All other flags stay, but that archiving
            also marks read, and marking unread also unarchives.

    Returns:
        The kind of the change and the state after it; None if everything is so already.
    """
    is_read = True if flags.get("archived") else flags.get("read")
    is_archived = False if flags.get("read") is False else flags.get("archived")
    after = State(_new_time(state.read_at, is_read, at), _new_time(state.archived_at, is_archived, at))
    for name in reversed(STATE):
        was_so, is_so = getattr(state, name) is not None, getattr(after, name) is not None
        if was_so != is_so:
            return _KIND_THAT_SETS[name, is_so], after
    return None


def unread_step(before: State | None, after: State | None) -> int:
    """Return by how much the unread count moves; None stands for a notification that is not listed."""
    return _unread(after) - _unread(before)


class AllRead(NamedTuple):
    """An all-read change."""

    position: int
    at: datetime
    up_to: int
    read_category: str

    def covers(self, *, created: int, newest: int, category: str) -> bool:
        """Return whether it reads a notification that is unread after its own newest change.

        Args:
            created: the position of the notification's created change.
            newest: the position of its newest change.
            category: of the notification.
        """
        is_within = newest < self.position and created <= self.up_to
        return is_within and self.read_category in ("", category)


def sql_covers(all_read: str, own: str, category: str) -> str:
    """Return ``AllRead.covers`` as SQL.

    Args:
        all_read, own: aliases of two rows of the log, the all-read change and the notification's newest
            change.
        category: an expression for the category of the notification.
    """
    return (
        f"{all_read}.position > {own}.position AND {all_read}.up_to >= {own}.created_position"
        f" AND {all_read}.read_category IN ('', {category})"
    )


def sql_is_unread(change: str = "") -> str:
    """Return SQL for whether a row of the log, by its alias, leaves its notification listed and unread."""
    prefix = f"{change}." if change else ""
    return f"{prefix}kind IN {sql_kinds(Carries.OBJECT)} AND {prefix}read_at IS NULL"


def sql_kinds(carries: Carries) -> str:
    """Return a list for SQL's ``IN`` of the kinds that carry so much."""
    return "({})".format(", ".join(f"'{name}'" for name, kind in KINDS.items() if kind.carries is carries))


def sql_moves_count(kind: str, step: str) -> str:
    """Return SQL for whether a change of a kind may move the unread count by a step; both are expressions."""
    cases = " ".join(
        f"WHEN '{name}' THEN {step} IN ({', '.join(map(str, each.steps))})"
        for name, each in KINDS.items()
        if each.steps
    )
    return f"CASE {kind} {cases} ELSE {step} < 0 END"


def sql_contradicts(change: str) -> str:
    """Return SQL for whether the state of a row of the log, given by its alias, contradicts its kind."""
    begun = "{0}.kind = '{1}' AND ({0}.{2} IS NULL OR {0}.{2} <> {0}.at)"
    ended = "{0}.kind = '{1}' AND {0}.{2} IS NOT NULL"
    each = [
        (begun if is_so else ended).format(change, name, field)
        for (field, is_so), name in _KIND_THAT_SETS.items()
    ]
    about_many = [
        f"{change}.kind IN {sql_kinds(Carries.NOTHING)} AND {change}.{field} IS NOT NULL" for field in STATE
    ]
    return "(" + " OR ".join([*each, *about_many]) + ")"


def _new_time(since: datetime | None, is_set: bool | None, at: datetime) -> datetime | None:
    if is_set is None:
        return since
    return (since or at) if is_set else None


def _unread(state: State | None) -> int:
    return int(state is not None and state.read_at is None)
