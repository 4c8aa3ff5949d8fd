"""The services a second time, as plainly as can be: dicts and lists, no database, no sets of rows, no locks.

Whatever sequence of calls both are given, the logs must come out the same.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Item:
    """A notification, staged or listed."""

    public_id: UUID
    type: str
    topic: str = ""
    collapse_key: str = ""
    deliver_at: datetime | None = None
    expires_at: datetime | None = None
    position: int = 0
    is_read: bool = False
    is_archived: bool = False

    def replaces(self, other: Item) -> bool:
        """Whether this one, being created, deletes the other."""
        mine, theirs = ((item.type, item.topic, item.collapse_key) for item in (self, other))
        return bool(self.collapse_key) and mine == theirs


@dataclass
class Box:
    """One user's inbox. Each entry of its log is: name, unread count, public id (or up_to and category),
    reason.
    """

    staged: list[Item] = field(default_factory=list)
    listed: dict[UUID, Item] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def unread_count(self) -> int:
        """How many listed ones are unread."""
        return sum(not item.is_read for item in self.listed.values())

    def sequence(self, now: datetime) -> None:
        """List what is staged and due."""
        for item in [item for item in self.staged if item.deliver_at is None or item.deliver_at <= now]:
            self.staged.remove(item)
            for other in [other for other in self.listed.values() if item.replaces(other)]:
                self.delete(other.public_id, "replaced")
            self.listed[item.public_id] = replace(item, position=len(self.log) + 1)
            self.note("notification.created", item.public_id)

    def expire(self, now: datetime) -> None:
        """Delete what has expired."""
        for item in list(self.listed.values()):
            if item.expires_at is not None and item.expires_at <= now:
                self.delete(item.public_id, "expired")

    def set_read(self, ids: list[UUID], *, is_read: bool) -> None:
        """Mark read or unread."""
        for item in list(self.listed.values()):
            if item.public_id in ids and item.is_read != is_read:
                name = "notification.read" if is_read else "notification.unread"
                if item.is_archived:  # so it was read, and what is unread is not archived
                    name = "notification.unarchived"
                self.listed[item.public_id] = replace(item, is_read=is_read, is_archived=False)
                self.note(name, item.public_id)

    def set_archived(self, ids: list[UUID], *, is_archived: bool) -> None:
        """Archive, which reads, or put back."""
        for item in list(self.listed.values()):
            if item.public_id in ids and item.is_archived != is_archived:
                self.listed[item.public_id] = replace(
                    item, is_archived=is_archived, is_read=item.is_read or is_archived
                )
                self.note(
                    "notification.archived" if is_archived else "notification.unarchived", item.public_id
                )

    def delete(self, public_id: UUID, reason: str) -> None:
        """Take one off the list, if it is there."""
        if self.listed.pop(public_id, None):
            self.note("notification.deleted", public_id, reason)

    def read_all(self, up_to: int | None, category: str) -> None:
        """Mark everything read up to a position, in a category if one is given."""
        last = len(self.log) if up_to is None else min(up_to, len(self.log))
        unread = [
            item
            for item in self.listed.values()
            if not item.is_read and item.position <= last and category in ("", item.type.split(".")[0])
        ]
        for item in unread:
            self.listed[item.public_id] = replace(item, is_read=True)
        if unread:
            self.note("inbox.read", (last, category or None))

    def note(self, name: str, subject: Any, reason: str | None = None) -> None:
        """Append to the log."""
        self.log.append((name, self.unread_count, subject, reason))


@dataclass
class World:
    """All inboxes, and those whose users the next hook after a commit will sequence."""

    boxes: list[Box]
    noted: set[int] = field(default_factory=set)
    hook_count: int = 0

    def stage(self, users: list[int], items: list[Item], *, is_noted: bool) -> None:
        """Stage one item for each user; what came past the services, or is scheduled, is noted nowhere."""
        for user, item in zip(users, items, strict=True):
            self.boxes[user].staged.append(item)
        if is_noted:
            self.noted.update(users)
            self.hook_count += 1

    def savepoint(self) -> tuple[list[Box], int]:
        """What `roll_back` goes back to."""
        return deepcopy(self.boxes), self.hook_count

    def roll_back(self, savepoint: tuple[list[Box], int]) -> None:
        """Undo everything since; users stay noted, which only makes the next hook look at more of them."""
        self.boxes, self.hook_count = savepoint

    def commit(self, now: datetime) -> None:
        """Run the hooks."""
        if self.hook_count:
            for user in self.noted:
                self.boxes[user].sequence(now)
            self.noted.clear()
        self.hook_count = 0

    def sweep(self, now: datetime) -> None:
        """Sequence what is due and delete what has expired."""
        for box in self.boxes:
            box.sequence(now)
            box.expire(now)
