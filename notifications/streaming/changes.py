"""Changes as the stream carries them: rendered once, shared by every connection that shows them."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from notifications import selectors
from notifications.cursors import Cursor
from notifications.filters import Filters
from notifications.payloads import CHANGE_NAMES, ChangeRow, change_json
from notifications.streaming import frames
from notifications.streaming.session import Stretch

logger = logging.getLogger(__name__)


class SharedChange:
    """One change of one inbox, with its frame.

    Attributes:
        position: its place in the log.
        changed_at: its time, in seconds as ``time.time()`` has them.
        frame: the bytes under the name of the change; empty for a row that cannot be rendered, which hurts only itself.
    """

    __slots__ = ("_row", "_typed", "changed_at", "epoch", "frame", "position")

    def __init__(self, row: ChangeRow, epoch: str) -> None:
        self._row = row
        self._typed: bytes | None = None
        self.epoch = epoch
        self.position = row.position
        self.changed_at = row.at.timestamp()
        self.frame = self._render(CHANGE_NAMES.get(row.kind, ""))

    def admitted_by(self, filters: Filters) -> bool:
        """Whether a filter lets it through; ``inbox.read`` always is."""
        row = self._row
        if not filters or row.kind == "read_all":
            return True
        return filters.admits(event_type=row.type or "", topic=row.topic or "", level=row.level or "")

    def frame_for(self, *, names_are_types: bool) -> bytes:
        """The frame, for ``names=type`` with a created notification's own type as its name."""
        if not names_are_types or self._row.kind != "created":
            return self.frame
        if self._typed is None:
            self._typed = self._render(self._row.type or "") or self.frame
        return self._typed

    def _render(self, name: str) -> bytes:
        try:
            data = change_json(self._row, self.epoch)
            return frames.frame(name, data, cursor=str(Cursor(self.epoch, self.position)))
        except Exception:  # whatever is wrong with a row may break nothing but itself
            logger.exception(
                "Change %s of inbox %s cannot be rendered and is left out", self.position, self._row.inbox_id
            )
            return b""


class Page(NamedTuple):
    """A part of the log, as frames.

    Attributes:
        frames: in order; those of rows that cannot be rendered are left out.
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
    names_are_types: bool,
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
        frame = SharedChange(row, epoch).frame_for(names_are_types=names_are_types)
        if frame:
            page.append(frame)
            size += len(frame)
        if size >= max_bytes:
            return Page(page, row.position)
    return Page(page, stretch.up_to if len(rows) < max_rows else rows[-1].position)
