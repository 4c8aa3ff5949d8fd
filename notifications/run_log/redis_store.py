"""Logs in Redis: a stream for each run, whose numbers are given by the one script that appends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from notifications.protocol.cursors import cursor_text
from notifications.run_log import redis_scripts as scripts
from notifications.run_log.answers import (
    Appended,
    Ended,
    Entry,
    LogLimits,
    LogUnavailable,
    Page,
    RunFinished,
    RunLeaseLost,
    RunLogLost,
    RunLogRefusal,
    RunOutOfStep,
    StoredEvent,
    StoredRequest,
)
from notifications.run_log.redis_scripts import Script

# A run that lasts as long as it may has its log until the sweeper has ended it, and then for its time.
_GRACE_SECONDS: Final = 3_600.0


class _Call(NamedTuple):
    """One script to run, on the log of one run."""

    script: Script
    run: str
    arguments: Sequence[Any]


class RedisStore:
    """Keeps logs in Redis 6.2 or newer.

    Args:
        host: where Redis is, as an entry of ``channels_redis``'s ``hosts``: ``{"address": url}``, or the
            arguments of a connection.
        prefix: what the keys begin with; one for each installation.
        limits: how much is kept.
        max_wait_seconds: how long a call waits for a Redis that does not answer.
    """

    def __init__(
        self, host: dict[str, Any], *, prefix: str, limits: LogLimits, max_wait_seconds: float
    ) -> None:
        # It may hang while a connection is opened, or while it is used: one of the two, not both.
        options: dict[str, Any] = {
            **host,
            "socket_timeout": max_wait_seconds / 2,
            "socket_connect_timeout": max_wait_seconds / 2,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
        }
        if address := options.pop("address", None):
            # What a URL says goes before what is given beside it, but no URL may say how long we wait.
            self._pool = ConnectionPool.from_url(address, **options)
            self._pool.connection_kwargs.update(
                {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
            )
        else:
            self._pool = ConnectionPool(**options)
        self._redis = Redis(connection_pool=self._pool)
        self._prefix = prefix
        self._limits = limits

    def begin(self, run: str, lease: str, epoch: str, first: Entry, max_seconds: float) -> Appended:
        """See ``Store``."""
        life = self._life_milliseconds(max_seconds)
        answer = self._ask(scripts.BEGIN, run, [lease, epoch, *first, life])
        return _appended(answer)

    def append_many(self, requests: Sequence[StoredRequest]) -> list[Appended | RunLogRefusal]:
        """See ``Store``. All requests are sent at once, over one connection."""
        calls = [
            _Call(
                scripts.APPEND,
                request.run,
                [
                    request.lease,
                    request.after,
                    request.digest,
                    self._limits.max_events,
                    self._limits.max_bytes,
                    *(part for entry in request.entries for part in entry),
                ],
            )
            for request in requests
        ]
        return [_refusal(answer) or _appended(answer) for answer in self._ask_all(calls)]

    def read(self, run: str, epoch: str, after: int, max_events: int, max_bytes: int) -> Page:
        """See ``Store``."""
        answer = self._ask(scripts.READ, run, [epoch, after, max_events, max_bytes])
        _, found, number, kept_from, began_after, is_reset, snapshot, end_kind, is_cancel, events = answer
        stored = tuple(
            StoredEvent(run, began_after + place, int(at), kind.decode("ascii"), fields.decode("ascii"))
            for place, (_, kind, fields, at) in enumerate(events, 1)
        )
        return Page(
            epoch=found.decode("ascii"),
            number=number,
            kept_from=kept_from,
            after=began_after,
            events=stored,
            is_reset=bool(is_reset),
            snapshot=snapshot or None,
            end_kind=end_kind.decode("ascii"),
            is_cancel_requested=bool(is_cancel),
        )

    def cut(self, run: str, epoch: str, number: int, snapshot: bytes) -> bool:
        """See ``Store``."""
        kept = [self._limits.max_events // 2, self._limits.max_bytes // 2]
        _, is_done = self._ask(scripts.CUT, run, [epoch, number, snapshot, *kept])
        return bool(is_done)

    def begin_epoch(
        self, run: str, lease: str, epoch: str, number: int, snapshot: bytes, max_seconds: float
    ) -> Appended:
        """See ``Store``."""
        life = self._life_milliseconds(max_seconds)
        return _appended(self._ask(scripts.BEGIN_EPOCH, run, [lease, epoch, number, snapshot, life]))

    def end(self, run: str, last: Entry, after: int | None, epoch: str) -> Ended:
        """See ``Store``."""
        kept = round(self._limits.kept_seconds * 1000)
        arguments = ["" if after is None else after, *last, epoch, kept]
        _, kind, number, found, is_new = self._ask(scripts.END, run, arguments)
        return Ended(kind.decode("ascii"), number, cursor_text(found.decode("ascii"), number), bool(is_new))

    def request_cancel(self, run: str) -> None:
        """See ``Store``."""
        self._ask(scripts.SET, run, ["is_cancel_requested", 1])

    def replace_lease(self, run: str, lease: str) -> None:
        """See ``Store``."""
        self._ask(scripts.SET, run, ["lease", lease])

    def expire(self) -> int:
        """See ``Store``; Redis does it by itself."""
        return 0

    def erase(self, run: str) -> None:
        """See ``Store``."""
        try:
            self._redis.unlink(*self.keys(run))
        except RedisError as error:
            raise LogUnavailable(repr(error)) from error

    def close(self) -> None:
        """See ``Store``."""
        self._pool.disconnect()

    def keys(self, run: str) -> list[str]:
        """The keys of a run: they lie in one hash slot, which the braces decide."""
        return [f"{self._prefix}:run:{{{run}}}:{part}" for part in ("state", "events", "snapshot")]

    def _life_milliseconds(self, max_seconds: float) -> int:
        return round((max_seconds + self._limits.kept_seconds + _GRACE_SECONDS) * 1000)

    def _ask(self, script: Script, run: str, arguments: Sequence[Any]) -> Any:
        """Run one script, and raise what it refuses."""
        [answer] = self._ask_all([_Call(script, run, arguments)])
        if refusal := _refusal(answer):
            raise refusal
        return answer

    def _ask_all(self, calls: Sequence[_Call]) -> list[Any]:
        """Run scripts, each by its name; those that Redis does not know (any more) are loaded first."""
        try:
            answers = self._send(calls)
            unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                again = [calls[place] for place in unknown]
                for place, answer in zip(unknown, self._send(again, load=True), strict=True):
                    answers[place] = answer
        except RedisError as error:
            raise LogUnavailable(repr(error)) from error
        for answer in answers:
            if isinstance(answer, ResponseError):
                # Such as OOM, READONLY and LOADING; what the other calls have done may be asked again.
                raise LogUnavailable(repr(answer)) from answer
        return answers

    def _send(self, calls: Sequence[_Call], *, load: bool = False) -> list[Any]:
        with self._redis.pipeline(transaction=False) as pipeline:
            loaded = list(dict.fromkeys(call.script for call in calls)) if load else []
            for script in loaded:
                pipeline.script_load(script.text)
            for call in calls:
                pipeline.evalsha(call.script.sha, 3, *self.keys(call.run), *call.arguments)
            return pipeline.execute(raise_on_error=False)[len(loaded) :]


def maxmemory_policy(host: dict[str, Any], *, max_wait_seconds: float) -> str | None:
    """Ask a Redis what it does when its memory is full; None where it does not say."""
    store = RedisStore(host, prefix="", limits=LogLimits(0, 0, 0), max_wait_seconds=max_wait_seconds)
    try:
        policy = store._redis.info("memory").get("maxmemory_policy")
    except RedisError:
        return None
    finally:
        store.close()
    return str(policy) if policy else None


def _appended(answer: Any) -> Appended:
    _, number, epoch, is_cancel_requested, is_full = answer
    cursor = cursor_text(epoch.decode("ascii"), number)
    return Appended(number, cursor, bool(is_cancel_requested), bool(is_full))


def _refusal(answer: Any) -> RunLogRefusal | None:
    match answer:
        case [b"lost", number]:
            return RunLogLost(number)
        case [b"step", number]:
            return RunOutOfStep(number)
        case [b"lease"]:
            return RunLeaseLost("the lease is another producer's")
        case [b"finished"]:
            return RunFinished("the run has ended")
    return None
