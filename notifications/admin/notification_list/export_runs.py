"""An export that is under way: of how many at once, on record as what, and how it ends.

It is read a part at a time by a thread that keeps no database connection in between, so a slow reader costs
none. Whatever ends it, it is over
once: at its end, at an error, or with its reader.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import ClassVar, NamedTuple
from weakref import WeakSet

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from notifications.admin.history import log_list_change, replace_text
from notifications.conf import hub_config
from notifications.protocol.retry_after import TOO_MANY_EXPORTS_SECONDS
from notifications.streaming.database_threads import release_connections

logger = logging.getLogger(__name__)


class Part(NamedTuple):
    """Some of a file.

    Attributes:
        text: of it.
        row_count: how many notifications are in it.
    """

    text: str
    row_count: int = 0


class ExportsFull(Exception):
    """As many exports are under way in this process as there may be; this one was not started."""


def too_many_exports_answer() -> HttpResponse:
    """Answer a member of staff who asked for one export more than there may be."""
    text = _("Too many exports are running. Nothing was exported. Try again when one of them has finished.")
    headers = {"Retry-After": str(TOO_MANY_EXPORTS_SECONDS), "Cache-Control": "no-store"}
    return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8", headers=headers)


class ExportRecord:
    """The entry of an export in the history of a member of staff.

    It says from the beginning what is exported, and in the end what became of it.

    Args:
        request: of the member of staff; its query says what is exported.
        file_format: of the file.
        has_content: whether it shows what notifications say.
    """

    def __init__(self, request: HttpRequest, file_format: str, *, has_content: bool) -> None:
        what = "&".join(f"{name}={value}" for name, value in sorted(request.GET.items()) if value) or _("all")
        names = {
            "format": file_format.upper(),
            "content": _("with content") if has_content else _("without content"),
            "what": what,
        }
        # Said in the language of the member of staff, who is not there any more in the end.
        self._done = _("Exported as %(format)s, %(content)s: %(what)s.") % names
        self._failed = _(
            "The export as %(format)s, %(content)s, failed after %(count)s notifications: %(what)s."
        )
        self._left = _(
            "The export as %(format)s, %(content)s, was interrupted after %(count)s notifications: %(what)s."
        )
        self._names = names
        started = _("An export as %(format)s, %(content)s, was started: %(what)s.")
        self._entry = log_list_change(request, started % names)

    def done(self) -> None:
        """Record that all of it was handed over."""
        self._say(self._done)

    def failed(self, count: int) -> None:
        """Record that an error ended it; the reader has had ``count`` notifications at most."""
        self._say(self._failed % {**self._names, "count": count})

    def left(self, count: int) -> None:
        """Record that its reader has gone, having had ``count`` notifications at most."""
        self._say(self._left % {**self._names, "count": count})

    def _say(self, text: str) -> None:
        replace_text(self._entry, text)


class ExportRun:
    """One export. It is read by one thread at a time, and closed when nobody reads it any more.

    Args:
        parts: of the file, read from the database as they are asked for.
        mark: what the file ends with where reading fails, so that nobody takes it for a whole one.
        request, file_format, has_content: as ``ExportRecord`` has them.

    Raises:
        ExportsFull: ``max_exports`` are under way in this process.
    """

    # One that is lost without being closed, as Django loses an answer whose reader leaves before it is there,
    # counts no longer.
    _under_way: ClassVar[WeakSet[ExportRun]] = WeakSet()
    _lock: ClassVar = threading.Lock()

    def __init__(
        self,
        parts: Iterator[Part],
        *,
        mark: str,
        request: HttpRequest,
        file_format: str,
        has_content: bool,
    ) -> None:
        self._parts, self._mark = parts, mark
        self._count = 0
        self._error: Exception | None = None
        with self._lock:
            if len(self._under_way) >= hub_config().max_exports:
                raise ExportsFull
            self._under_way.add(self)
        try:
            self._record = ExportRecord(request, file_format, has_content=has_content)
        except BaseException:
            self._under_way.discard(self)
            raise

    def read(self) -> str | None:
        """The next part of the file; None after the last one, when the export is on record as done.

        Afterwards the thread that calls has no database connection, unless it is inside a transaction.

        Raises:
            Exception: what reading failed with, or putting it on record, once ``mark`` has been read.
        """
        if self._error is not None:
            raise self._error
        try:
            part = next(self._parts, None)
            if part is None:
                self._record.done()
                self._under_way.discard(self)
                return None
        except Exception as error:  # noqa: BLE001 (the next call raises it)
            self._error = error
            release_connections()  # it may be the connection that failed
            self._end(self._record.failed)
            return self._mark
        finally:
            release_connections()
        self._count += part.row_count
        return part.text

    def close(self) -> None:
        """The answer is over. If the export is not, its reader has gone."""
        if self in self._under_way:
            self._end(self._record.left)

    def _end(self, say: Callable[[int], None]) -> None:
        self._under_way.discard(self)
        try:
            say(self._count)
        except Exception:
            logger.exception("What became of an export could not be put on record, which has it as started")

    def __iter__(self) -> Iterator[str]:
        """Read all parts in the thread that iterates."""
        try:
            yield from iter(self.read, None)
        finally:
            self.close()


class AsyncExportParts:
    """The parts of an export for an event loop, each read in the thread that Django keeps for the request.

    Args:
        run: the export.
    """

    def __init__(self, run: ExportRun) -> None:
        self._run = run

    def __aiter__(self) -> AsyncIterator[str]:
        """Go on where it was."""
        return self

    async def __anext__(self) -> str:
        """The next part."""
        text: str | None = await sync_to_async(self._run.read)()
        if text is None:
            raise StopAsyncIteration
        return text

    def close(self) -> None:
        """Close the export; Django calls this when the answer is over."""
        self._run.close()
