"""Changes as the stream carries them: rendered once, shared by every connection that shows them."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from notifications import selectors
from notifications.event_types import route_of
from notifications.filters import Filters
from notifications.fold import CHANGE_NAMES, KINDS, Carries
from notifications.payloads import ChangeRow, change_json, signal_json
from notifications.protocol.cursors import cursor_text
from notifications.streaming import frames
from notifications.streaming.connection.log_position import Stretch

logger = logging.getLogger(__name__)

# How a connection wants its changes: plain; a created one named by its event type (`names=type`); as the
# signals of the Range dialect, of which there is one for each notification, and none for what happens to it
# later.
Form = Literal["plain", "typed", "signals"]


class SharedChange:
    """One change of one inbox, with its frame.

    Attributes:
        position: its place in the log.
        frame: the bytes under the name of the change; empty for a row that cannot be rendered, which hurts
            only itself.
    """

    __slots__ = ("_others", "_row", "epoch", "frame", "position")

    def __init__(self, row: ChangeRow, epoch: str) -> None:
        self._row = row
        self._others: dict[Form, bytes] | None = None
        self.epoch = epoch
        self.position = row.position
        self.frame = self._render("plain")

    @property
    def changed_at(self) -> float:
        """Its time, in seconds as ``time.time()`` has them."""
        return _seconds(self._row.at)

    def admitted_by(self, filters: Filters) -> bool:
        """Whether a filter lets it through; ``inbox.read`` always is."""
        row = self._row
        if not filters or KINDS[row.kind].carries is Carries.NOTHING:
            return True
        return filters.admits(row)

    def frame_in(self, form: Form, *, is_base_state: bool = False) -> bytes:
        """The frame in one of its forms; empty for a change that the form has none for.

        Args:
            is_base_state: it may stand for the notification's creation, which is no longer in the log.
        """
        kind = self._row.kind
        may_be_created = (
            is_base_state and KINDS[kind].carries is Carries.OBJECT and self._row.archived_at is None
        )
        if form == "signals" and not (kind == "created" or may_be_created):
            return b""
        if form == "plain" or (form == "typed" and kind != "created"):
            return self.frame
        if self._others is None:
            self._others = {}
        if form not in self._others:
            self._others[form] = self._render(form) or (self.frame if form == "typed" else b"")
        return self._others[form]

    def _render(self, form: Form) -> bytes:
        row = self._row
        cursor = cursor_text(self.epoch, self.position)
        try:
            if form == "signals":
                return frames.frame(route_of(row.type or ""), signal_json(row), cursor=cursor)
            name = (row.type or "") if form == "typed" else CHANGE_NAMES[row.kind]
            return frames.frame(name, change_json(row, self.epoch), cursor=cursor)
        except Exception:  # whatever is wrong with a row may break nothing but itself
            logger.exception(
                "Change %s of inbox %s cannot be rendered and is left out", self.position, row.inbox_id
            )
            return b""


@lru_cache(maxsize=64)
def _seconds(at: str) -> float:
    """Of a time as the wire has it. Changes that were sequenced together share theirs."""
    return datetime.fromisoformat(at).timestamp()


class Page(NamedTuple):
    """A part of the log, as frames.

    Attributes:
        frames: in order; those of rows that cannot be rendered, or have no frame in the form, are left out.
        position: everything up to here is in it, hidden by the filter, or superseded.
    """

    frames: list[bytes]
    position: int


def read_page(
    user_id: Any,
    stretch: Stretch,
    *,
    epoch: str,
    filters: Filters,
    form: Form,
    max_rows: int,
    max_bytes: int,
    floor: int = 0,
) -> Page:
    """Read the log of one inbox as frames. One query, two for no rows; call it in the private pool.

    Args:
        stretch: the part of the log; the page may end before it does.
        max_rows: rows that are read at most.
        max_bytes: the page ends with the frame that reaches this many bytes.
        floor: where it was when the stream began.

    Raises:
        CursorExpired: the log has been compacted past the beginning of the stretch since then.
    """
    rows = selectors.changes_after(user_id, **stretch._asdict(), limit=max_rows, filters=filters, floor=floor)
    page: list[bytes] = []
    size = 0
    for row in rows:
        frame = SharedChange(row, epoch).frame_in(form, is_base_state=row.position <= floor)
        if frame:
            page.append(frame)
            size += len(frame)
        if size >= max_bytes:
            return Page(page, row.position)
    return Page(page, stretch.up_to if len(rows) < max_rows else rows[-1].position)
