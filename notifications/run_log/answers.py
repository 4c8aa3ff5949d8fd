"""What the log of a run answers, what it refuses, and what is asked of it, as values.

The codes of RUNS.md belong to whoever serves runs; each refusal says which one it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from notifications.protocol.cursors import cursor_text
from notifications.runs.events import ENVELOPE, LoggedEvent, RunEvent, encode

# A number beyond this is no number in a browser, nor in Redis's Lua.
MAX_NUMBER: Final = 2**53 - 1
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RunLogError(Exception):
    """The base class of everything that a log raises on purpose."""


class LogUnavailable(RunLogError):
    """The log did not answer in time; whether it did what was asked is not known.

    An append may be sent again as it was: it is answered as the first time.
    """


class RunLogRefusal(RunLogError):
    """The log did not do what was asked, and will not do it when it is asked again."""


class RunLeaseLost(RunLogRefusal):
    """Another producer has the lease of the run (``run_lease_lost``)."""


class RunFinished(RunLogRefusal):
    """The run has ended, and nothing comes after the end (``run_finished``)."""


class RunOutOfStep(RunLogRefusal):
    """The run has gone on since the number that was given (``run_out_of_step``).

    Attributes:
        number: the newest number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"the run is at number {number}")
        self.number = number


class RunLogLost(RunLogRefusal):
    """The log does not have what it once acknowledged, or is gone as a whole (``run_log_lost``).

    Attributes:
        number: the newest number that survives; 0 if none does.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"the log of the run survives up to number {number}")
        self.number = number


class LogLimits(NamedTuple):
    """How much of a run's log is kept.

    Attributes:
        max_events: with more events than this a log is trimmed.
        max_bytes: with more bytes of events than this a log is trimmed.
        kept_seconds: how long a log is kept after the end of its run.
    """

    max_events: int
    max_bytes: int
    kept_seconds: float


class Entry(NamedTuple):
    """An event before it has its number, as a log stores it.

    Attributes:
        kind: what happened.
        fields: its fields as ASCII JSON, without the braces.
    """

    kind: str
    fields: str

    @classmethod
    def of(cls, event: RunEvent) -> Entry:
        """Encode an event."""
        fields = {name: value for name, value in event.fields.items() if name not in ENVELOPE}
        return cls(event.kind, encode(fields)[1:-1])

    @property
    def size(self) -> int:
        """How many bytes count against the limit of a log."""
        return len(self.kind) + len(self.fields)


class AppendRequest(NamedTuple):
    """What a producer appends at once.

    Attributes:
        run: the run's id.
        lease: the secret that came with the lease.
        after: the newest number that the producer knows.
        digest: of the request's body; the same for a request that is sent again, and for no other.
        events: checked and cut before; none only asks how the run is.
    """

    run: str
    lease: str
    after: int
    digest: str
    events: Sequence[RunEvent]


class StoredRequest(NamedTuple):
    """An ``AppendRequest`` as a store takes it: the lease hashed, and the events encoded."""

    run: str
    lease: str
    after: int
    digest: str
    entries: Sequence[Entry]


class Appended(NamedTuple):
    """What was appended is in the log.

    Attributes:
        number: that of the last event of the request; of one without events, the newest.
        cursor: everything up to that number.
        is_cancel_requested: somebody has asked the producer to stop.
        is_full: the log has more than its limits and is to be trimmed.
    """

    number: int
    cursor: str
    is_cancel_requested: bool = False
    is_full: bool = False


class Ended(NamedTuple):
    """The run has ended.

    Attributes:
        kind: how, which may be another way than was asked for.
        number: that of the end event.
        cursor: everything up to the end.
        is_new: this request has ended it, and none before.
    """

    kind: str
    number: int
    cursor: str
    is_new: bool


class StoredEvent(NamedTuple):
    """An event with its number, as a log gives it back.

    Attributes:
        run: the run's id.
        number: its place in the run.
        at: when it got its number, in microseconds since 1970.
        kind, fields: as of ``Entry``.
    """

    run: str
    number: int
    at: int
    kind: str
    fields: str

    def to_json(self) -> str:
        """The line that ``LoggedEvent.to_json`` gives, made without reading the fields."""
        at = (_UNIX_EPOCH + timedelta(microseconds=self.at)).isoformat(timespec="microseconds")
        about = encode({"event": self.kind, "run": self.run, "number": self.number, "at": at[:-6] + "Z"})
        return f"{about[:-1]},{self.fields}}}" if self.fields else about

    def logged(self) -> LoggedEvent:
        """The event as a value, to be folded."""
        return LoggedEvent.from_json(self.to_json())


class Page(NamedTuple):
    """Some events of a run, in the order of their numbers and without gaps, and how the run is.

    Attributes:
        epoch: of the log now.
        number: the newest number.
        kept_from: the number of the oldest event that is kept.
        after: the number that the events of this page follow.
        events: may be fewer than there are; ``has_more`` says so.
        is_reset: the reader's cursor cannot be resumed. It forgets what it has, and begins with the snapshot,
            or with nothing where there is none because all events are kept.
        snapshot: the object of the run at ``after``, as JSON. Its own cursor may have an older epoch.
        end_kind: how the run has ended; empty while it runs.
        is_cancel_requested: somebody has asked the producer to stop.
    """

    epoch: str
    number: int
    kept_from: int
    after: int
    events: tuple[StoredEvent, ...]
    is_reset: bool
    snapshot: bytes | None
    end_kind: str
    is_cancel_requested: bool

    @property
    def reached(self) -> int:
        """The number that a reader of this page has reached."""
        return self.events[-1].number if self.events else self.after

    @property
    def cursor(self) -> str:
        """Everything up to the end of this page."""
        return cursor_text(self.epoch, self.reached)

    @property
    def has_more(self) -> bool:
        """Whether there are newer events than those of this page."""
        return self.reached < self.number
