"""What the kinds of changes mean, and how a log of them folds into the state of an inbox: the one place that
says so.

Each change of a notification holds its whole state after that change, so a later one of the same notification
supersedes all earlier ones: compaction keeps the last. Only an all-read change says nothing of a single
notification; it takes along what stands unread before it, up to a position and within a category. The
database, Python and the recipe in CONTRIBUTING.md read the table below; ``static/notifications/fold.js`` is
held to it by the cases of ``tests/helpers/oracle.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from notifications.exceptions import InvalidInput


class State(NamedTuple):
    """What is so of a notification that is listed, each with the time since when; None for what is not so.

    The fields are columns of ``Notification`` and of ``Change``, and fields of the notification object on the
    wire.
    """

    read_at: datetime | None = None
    archived_at: datetime | None = None


STATE: Final = State._fields
# What may be asked of notifications by name, at every door, and what it makes so of them: the arguments of
# ``turned``.
VERBS: Final[Mapping[str, Mapping[str, bool]]] = {
    "read": {"read": True},
    "unread": {"read": False},
    "archive": {"archived": True},
    "unarchive": {"archived": False},
}
IMPOSSIBLE: Final[Mapping[str, bool]] = {"read": False, "archived": True}
WISHES: Final = tuple(dict.fromkeys(name for wish in VERBS.values() for name in wish))


class Carries(Enum):
    """What a change tells about its notification."""

    OBJECT = "the whole object"
    ID = "its id: it is gone"
    NOTHING = "nothing: it is about many"


class Kind(NamedTuple):
    """A kind of change.

    Attributes:
        change: its name on the wire.
        carries: what its frame has of the notification.
        steps: by how much it may move the unread count; empty for a fall by any number.
        sets: which field of the state it begins (True) or ends (False); others may go along.
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


def check_wish(wish: Mapping[str, bool]) -> None:
    """Refuse what cannot be so at the same time.

    Raises:
        InvalidInput: an archived notification is always read.
    """
    if wish.items() >= IMPOSSIBLE.items():
        raise InvalidInput({"archived": "an archived notification is always read"})


def turned(state: State, at: datetime, **wish: bool) -> tuple[str, State] | None:
    """What becomes of a notification when somebody wants something to be so: one change at most.

    Args:
        state: before.
        at: the time of the change.
        wish: what is to be so, by the names of ``WISHES``; the rest stays, but that archiving reads, and
            marking unread unarchives.

    Returns:
        The kind of the change and the state after it; None if everything is so already.
    """
    is_read = True if wish.get("archived") else wish.get("read")
    is_archived = False if wish.get("read") is False else wish.get("archived")
    after = State(_turned(state.read_at, is_read, at), _turned(state.archived_at, is_archived, at))
    for name in reversed(STATE):
        was_so, is_so = getattr(state, name) is not None, getattr(after, name) is not None
        if was_so != is_so:
            return _KIND_THAT_SETS[name, is_so], after
    return None


def unread_step(before: State | None, after: State | None) -> int:
    """By how much the unread count moves; None stands for a notification that is not listed."""
    return _unread(after) - _unread(before)


class AllRead(NamedTuple):
    """An all-read change."""

    position: int
    at: datetime
    up_to: int
    category: str

    def takes_along(self, *, created: int, newest: int, category: str) -> bool:
        """Whether it reads a notification that is unread after its own newest change.

        Args:
            created: the position of the notification's created change.
            newest: the position of its newest change.
            category: of the notification.
        """
        is_within = newest < self.position and created <= self.up_to
        return is_within and self.category in ("", category)


def sql_takes_along(all_read: str, own: str, category: str) -> str:
    """``AllRead.takes_along`` in SQL, of two rows of the log by their aliases, and an expression for the
    category.
    """
    return (
        f"{all_read}.position > {own}.position AND {all_read}.up_to >= {own}.created_position"
        f" AND {all_read}.category IN ('', {category})"
    )


def sql_is_unread(change: str = "") -> str:
    """In SQL, of a row of the log by its alias: whether it leaves its notification listed and unread."""
    prefix = f"{change}." if change else ""
    return f"{prefix}kind IN {sql_kinds(Carries.OBJECT)} AND {prefix}read_at IS NULL"


def sql_kinds(carries: Carries) -> str:
    """A list for ``IN``, in SQL, of the kinds that tell so much."""
    return "({})".format(", ".join(f"'{name}'" for name, kind in KINDS.items() if kind.carries is carries))


def sql_moves_count(kind: str, step: str) -> str:
    """In SQL: whether a change of a kind may move the unread count by a step; both are expressions."""
    cases = " ".join(
        f"WHEN '{name}' THEN {step} IN ({', '.join(map(str, each.steps))})"
        for name, each in KINDS.items()
        if each.steps
    )
    return f"CASE {kind} {cases} ELSE {step} < 0 END"


def sql_contradicts(change: str) -> str:
    """In SQL, of a row of the log by its alias: whether its state is not what its kind makes it."""
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


def _turned(since: datetime | None, wanted: bool | None, at: datetime) -> datetime | None:
    if wanted is None:
        return since
    return (since or at) if wanted else None


def _unread(state: State | None) -> int:
    return int(state is not None and state.read_at is None)
