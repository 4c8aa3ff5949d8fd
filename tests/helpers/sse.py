"""An independent reader of server-sent events, written from the WHATWG HTML standard, section "Server-sent
events".

It shares no code with the hub, so that the hub's own encoder cannot hide its mistakes. `EventStreamParser` is
the standard's algorithm and nothing else; `StreamRecord` remembers everything that came, with deadlines to
wait on; `tests.helpers.streams` fills one from a connection.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ServerSentEvent:
    """One dispatched event.

    `type`, `data` and `last_event_id` are what a browser would hand to the page. `id` and `retry` are the
    fields of this very block, or None where it had
    none: a browser does not tell, the hub's contract does.
    """

    type: str
    data: str
    last_event_id: str
    id: str | None = None
    retry: int | None = None

    @property
    def json(self) -> dict[str, Any]:
        """The data as the JSON object that the hub promises."""
        value = json.loads(self.data)
        if not isinstance(value, dict):
            raise TypeError(f"the data of {self.type} is no JSON object: {self.data!r}")
        return value


@dataclass
class _Block:
    """The fields of the block that is being read."""

    type: str = ""
    data: list[str] = field(default_factory=list)
    id: str | None = None
    retry: int | None = None


class EventStreamParser:
    """The standard's algorithm, fed with bytes as they come.

    Beside the events it keeps what a browser drops silently and the hub promises not to send: `comments`, and
    in `undispatched` the number of blocks that had fields but no data.
    """

    def __init__(self) -> None:
        self.last_event_id = ""
        self.reconnection_time: int | None = None
        self.comments: list[str] = []
        self.undispatched = 0
        # "UTF-8 decode": one leading byte order mark is stripped, and no bytes are an error.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._at_start = True
        self._after_cr = False
        self._rest = ""
        self._block = _Block()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes, cut anywhere, and return the events that they complete.

        There is nothing to call at the end: a block without its empty line is discarded then.
        """
        text = self._decoder.decode(chunk)
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        events = []
        for line in self._lines(text):
            event = self._take_line(line)
            if event is not None:
                events.append(event)
        return events

    def _lines(self, text: str) -> list[str]:
        """The lines that `text` completes. A line ends with CR LF, LF, or CR; a CR ends it at once, whatever
        the next bytes are.
        """
        if not text:
            return []
        if self._after_cr:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        *lines, self._rest = (self._rest + text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        return lines

    def _take_line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(":")
        if colon and not name:
            self.comments.append(value)
        else:
            self._take_field(name, value.removeprefix(" "))
        return None

    def _take_field(self, name: str, value: str) -> None:
        block = self._block
        if name == "event":
            block.type = value
        elif name == "data":
            block.data.append(value)
        elif name == "id" and "\0" not in value:
            block.id = self.last_event_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            block.retry = self.reconnection_time = int(value)

    def _dispatch(self) -> ServerSentEvent | None:
        block, self._block = self._block, _Block()
        if not block.data:
            self.undispatched += block != _Block()
            return None
        return ServerSentEvent(
            type=block.type or "message",
            data="\n".join(block.data),
            last_event_id=self.last_event_id,
            id=block.id,
            retry=block.retry,
        )


class UnexpectedEnd(AssertionError):
    """The stream ended, or what was waited for did not come in time; the text says what did come."""


class StreamRecord:
    """Everything that came on one stream, in order, and how far a test has looked at it.

    `raw` is the body's bytes, `events` all events, `ended` tells how it ended: None while it is open, `clean`
    when the body was complete, `cut` when the connection broke.
    """

    def __init__(self) -> None:
        self.parser = EventStreamParser()
        self.raw = bytearray()
        self.events: list[ServerSentEvent] = []
        self.arrived_at: list[float] = []
        self.ended: str | None = None
        self._looked_at = 0

    def feed(self, chunk: bytes, now: float) -> None:
        """Add what came at the time `now`."""
        self.raw += chunk
        fresh = self.parser.feed(chunk)
        self.events += fresh
        self.arrived_at += [now] * len(fresh)

    def take(
        self, *types: str, where: Callable[[ServerSentEvent], bool] = lambda event: True
    ) -> ServerSentEvent | None:
        """The next event of one of `types` (none: any), `where` holds, that was not looked at yet; None when
        it has not come yet.

        The events before it count as looked at.
        """
        for index in range(self._looked_at, len(self.events)):
            event = self.events[index]
            if (not types or event.type in types) and where(event):
                self._looked_at = index + 1
                return event
        return None

    def of_type(self, *types: str) -> list[ServerSentEvent]:
        """All events of these types so far."""
        return [event for event in self.events if event.type in types]

    @property
    def ids(self) -> list[str]:
        """The `id:` of each event that has one."""
        return [event.id for event in self.events if event.id is not None]

    def missing(self, what: str) -> UnexpectedEnd:
        """The failure of a wait for `what`, with what did come."""
        came = ", ".join(event.type for event in self.events) or "nothing"
        return UnexpectedEnd(f"{what} did not come; came: {came}; the stream is {self.ended or 'open'}")
