"""Changes as frames: each rendered once and shared by every connection that sends it."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from notifications import selectors
from notifications.change_kinds import CHANGE_NAMES, KINDS, Carries
from notifications.event_types import route_of
from notifications.filters import Filters
from notifications.payloads import ChangeRow, change_json, signal_json
from notifications.protocol.cursors import cursor_text
from notifications.streaming import frames
from notifications.streaming.connection.log_position import LogRange

logger = logging.getLogger(__name__)

# The form in which a connection wants its changes:
# - plain;
# - typed (`names=type`): the frame of a created notification is named after its event type;
# - signals of the Range dialect: one for each created notification, and none for any other change.
Form = Literal["plain", "typed", "signals"]


class SharedChange:
    """One change of one inbox, with its frame.

    Attributes:
        epoch: the inbox's epoch.
        position: the change's position in the log.
        frame: the plain frame; empty if the row cannot be rendered, which affects no other change.
    """

    __slots__ = ("_other_forms", "_row", "epoch", "frame", "position")

    def __init__(self, row: ChangeRow, epoch: str) -> None:
        self._row = row
        self._other_forms: dict[Form, bytes] | None = None
        self.epoch = epoch
        self.position = row.position
        self.frame = self._render("plain")

    @property
    def changed_at(self) -> float:
        """The time of the change, in seconds since the epoch of ``time.time()``."""
        return _seconds(self._row.at)

    def admitted_by(self, filters: Filters) -> bool:
        """Return whether a filter admits the change. ``inbox.read`` is always admitted."""
        row = self._row
        if not filters or KINDS[row.kind].carries is Carries.NOTHING:
            return True
        return filters.admits(row)

    def frame_in(self, form: Form, *, is_base_state: bool = False) -> bytes:
        """Return the frame in a form; empty if that form has no frame for this change.

        Args:
            form: the form.
            is_base_state: the change lies at or below the floor, and may stand for the creation of its
                notification, which compaction has removed from the log.
        """
        kind = self._row.kind
        may_be_created = (
            is_base_state and KINDS[kind].carries is Carries.OBJECT and self._row.archived_at is None
        )
        if form == "signals" and not (kind == "created" or may_be_created):
            return b""
        if form == "plain" or (form == "typed" and kind != "created"):
            return self.frame
        if self._other_forms is None:
            self._other_forms = {}
        if form not in self._other_forms:
            self._other_forms[form] = self._render(form) or (self.frame if form == "typed" else b"")
        return self._other_forms[form]

    def _render(self, form: Form) -> bytes:
        row = self._row
        cursor = cursor_text(self.epoch, self.position)
        try:
            if form == "signals":
                return frames.frame(route_of(row.type or ""), signal_json(row), cursor=cursor)
            name = (row.type or "") if form == "typed" else CHANGE_NAMES[row.kind]
            return frames.frame(name, change_json(row, self.epoch), cursor=cursor)
        except Exception:  # a broken row may affect nothing else
            logger.exception(
                "Change %s of inbox %s cannot be rendered and is left out", self.position, row.inbox_id
            )
            return b""


@lru_cache(maxsize=64)
def _seconds(at: str) -> float:
    """Parse a time of a frame. Changes that were sequenced together have the same, so few are parsed."""
    return datetime.fromisoformat(at).timestamp()


class LogPage(NamedTuple):
    """A part of the log as frames.

    Attributes:
        frames: in order, without those of rows that cannot be rendered or have no frame in the form.
        position: every change up to here is in the page, hidden by the filter, or superseded.
    """

    frames: list[bytes]
    position: int


def read_log_page(
    user_id: Any,
    log_range: LogRange,
    *,
    epoch: str,
    filters: Filters,
    form: Form,
    max_rows: int,
    max_bytes: int,
    floor: int = 0,
) -> LogPage:
    """Read a part of one inbox's log as frames.

    It makes one query, or two when there are no rows; call it in one of the stream's database threads.

    Args:
        user_id: primary key of the user whose inbox it is.
        log_range: the range to read; the page may end before it does.
        epoch: the inbox's epoch.
        filters: which changes are wanted.
        form: the form of the frames.
        max_rows: the most rows to read.
        max_bytes: the page ends with the frame that reaches this many bytes.
        floor: the inbox's floor when the stream began.

    Raises:
        CursorExpired: since then the log has been compacted past the beginning of the range.
    """
    rows = selectors.changes_after(
        user_id, **log_range._asdict(), limit=max_rows, filters=filters, floor=floor
    )
    page: list[bytes] = []
    size = 0
    for row in rows:
        frame = SharedChange(row, epoch).frame_in(form, is_base_state=row.position <= floor)
        if frame:
            page.append(frame)
            size += len(frame)
        if size >= max_bytes:
            return LogPage(page, row.position)
    return LogPage(page, log_range.up_to if len(rows) < max_rows else rows[-1].position)
