"""Cases of the fold, by which the rules in Python, those in SQL and those of the page are held to the
same.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class AllReadCase(NamedTuple):
    """A notification of the category ``orders`` that is unread after its newest change, and an all-read
    change.

    Attributes:
        created: position of its created change.
        newest: position of its newest change.
        position: of the all-read change.
        up_to: what the user had seen.
        category: that the user chose; empty for all.
        is_read: whether the notification is read then.
    """

    created: int
    newest: int
    position: int
    up_to: int
    category: str
    is_read: bool


ALL_READ: Final = {
    "all there is": AllReadCase(1, 1, 5, 4, "", True),
    "created at what was seen": AllReadCase(4, 4, 5, 4, "", True),
    "created after what was seen": AllReadCase(4, 4, 5, 3, "", False),
    "marked unread after what was seen": AllReadCase(1, 4, 5, 3, "", True),
    "marked unread after it": AllReadCase(1, 6, 5, 4, "", False),
    "nothing was seen": AllReadCase(1, 1, 5, 0, "", False),
    "its category": AllReadCase(1, 1, 5, 4, "orders", True),
    "another category": AllReadCase(1, 1, 5, 4, "imports", False),
    "a category that begins the same": AllReadCase(1, 1, 5, 4, "order", False),
}
