"""The states of a listed notification, such as read and archived, and the actions that set them.

What a change of state is called, and how it moves the unread count, is in ``notifications.change_kinds``. The
recipe for a new state is in CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from notifications.exceptions import InvalidInput


class State(NamedTuple):
    """The state of a listed notification: since when each field is so, or None if it is not so.

    The fields are columns of ``Notification`` and of ``Change``, and fields of the notification object on the
    wire.
    """

    read_at: datetime | None = None
    archived_at: datetime | None = None


STATE: Final = State._fields
# The actions on notifications by their names in every interface, and the flags that each sets: the arguments
# of ``transition``.
VERBS: Final[Mapping[str, Mapping[str, bool]]] = {
    "read": {"read": True},
    "unread": {"read": False},
    "archive": {"archived": True},
    "unarchive": {"archived": False},
}
CONTRADICTORY_FLAGS: Final[Mapping[str, bool]] = {"read": False, "archived": True}
STATE_FLAGS: Final = tuple(dict.fromkeys(name for flags in VERBS.values() for name in flags))


def check_flags(flags: Mapping[str, bool]) -> None:
    """Refuse flags that contradict each other.

    Raises:
        InvalidInput: an archived notification is always read.
    """
    if flags.items() >= CONTRADICTORY_FLAGS.items():
        raise InvalidInput({"archived": "an archived notification is always read"})
