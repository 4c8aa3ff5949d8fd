"""One open stream: what is written to it, and when.

Two tasks are raced: one writes, the one that serves the request waits for the disconnect, and the first to
end cancels the other. The writer task sends ``stream.open``, reads the log itself until it has caught up (the
backlog), sends ``stream.live``, and then writes what the fan-out offers. When the queue overflows, or a
change is missing, it reads the log again from the last position that was written.

While the writer task sleeps, frames are written past it: at once, or together at the end of the event loop's
iteration. docs/writing.md says which frame goes which way, and why.
"""

from __future__ import annotations

import time
from typing import Final
from uuid import UUID

from notifications.conf import hub_config
from notifications.exceptions import CursorExpired
from notifications.models import EndReason
from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.services import Progress
from notifications.streaming import timing
from notifications.streaming.asgi import HeaderList, Receive, Send
from notifications.streaming.connection import control_frames
from notifications.streaming.connection.admission import Turns
from notifications.streaming.connection.backlog import Backlog
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.credential import Credential
from notifications.streaming.connection.inbox import Feeder
from notifications.streaming.connection.log_position import Plan, Session, Verdict
from notifications.streaming.connection.open_stream import OpenStream
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.connection.send_queue import Outbox
from notifications.streaming.connection.transport import Transport
from notifications.streaming.frames import Ending, ResetReason
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import TransientEvent

# What waits in the queue is still sent before these; a client resumes after all of them.
_FLUSHED_BEFORE: Final = frozenset({"rotate", "shutdown"})


class Connection(OpenStream):
    """A stream from its first frame to its last.

    Args:
        key: of its row, and the ``stream`` of ``stream.open``.
        send: the ASGI callable.
        transport: what lies under it.
        request: what the client asked for.
        credential: by what right it may.
        fanout: where to take changes from.
        backlog_turns: those of this process for reading a page of the log.
        state: the inbox, read just now.
        plan: how the stream begins in it, as its record says.
        headers: those of every answer to this client.
    """

    __slots__ = (
        "_backlog",
        "_delivered",
        "_fanout",
        "_headers",
        "_inbox",
        "_is_announced",
        "_is_filtered",
        "_is_over",
        "_outbox",
        "_plan",
        "_replayed",
        "_request",
        "_restarting",
        "_session",
        "_state",
        "_target",
        "_waiting_since",
        "credential",
        "due_tick",
        "id",
        "last_iteration",
    )

    def __init__(
        self,
        *,
        key: UUID,
        send: Send,
        transport: Transport,
        request: StreamRequest,
        credential: Credential,
        fanout: Feeder,
        backlog_turns: Turns,
        state: InboxState,
        plan: Plan,
        headers: HeaderList,
    ) -> None:
        super().__init__(send, transport)
        config = hub_config()
        self._request = request
        self._fanout = fanout
        self._state = state
        self._headers = headers
        self._plan = plan
        self._session = Session(state.epoch, plan.start, floor=state.floor, compacted_to=plan.compacted_to)
        self._target = state.head
        self._is_filtered = bool(request.filters)
        self._outbox = Outbox(max_frames=config.max_queue_frames, max_bytes=config.max_queue_bytes)
        self._waiting_since: float | None = None
        self._replayed = 0
        self._is_announced = self._is_over = False
        self._restarting: ResetReason | None = None
        self.last_iteration = self.due_tick = 0
        self.id = key
        self.credential = credential
        self._delivered = plan.start
        self._backlog = Backlog(
            key=key,
            user_id=state.user_id,
            session=self._session,
            request=request,
            turns=backlog_turns,
            on_page=self._wakeup.set,
        )
        self._inbox = fanout.join(self, state)

    # What the fan-out calls; none of it awaits.

    def offer(self, change: SharedChange) -> None:
        """Queue a change that was just read from the log, unless this connection still reads the log
        itself.
        """
        session = self._session
        if not session.is_live:
            return
        verdict = session.offer(change.position)
        if verdict is Verdict.DROP:
            return
        if verdict is Verdict.SEND:
            request = self._request
            if self._is_filtered and not change.admitted_by(request.filters):
                return
            frame = change.frame_in(request.form)
            if not frame:
                return
            if self._waiting_since is None:
                self._waiting_since = change.changed_at
            if self._write_at_once(frame):
                return
            if self._outbox.add(frame):
                if len(self._outbox.frames) == 1:
                    self._fanout.write_batcher.flush_soon(self)
                return
            METRICS.overflows += 1
        self._outbox.clear()
        session.fall_back()
        self._wakeup.set()

    def offer_transient(self, event: TransientEvent) -> None:
        """Queue a transient event, unless it is not wanted, or this connection has enough to do with
        changes.
        """
        request = self._request
        if not request.takes_transient or (self._is_filtered and not event.admitted_by(request.filters)):
            return
        if not self._session.is_live:
            METRICS.transient_frames["dropped"] += 1
        elif self._write_at_once(event.frame):
            METRICS.transient_frames["written"] += 1
        elif not self._outbox.add_transient(event.frame):
            METRICS.transient_frames["dropped"] += 1
        elif len(self._outbox.frames) == 1:
            self._fanout.write_batcher.flush_soon(self)

    def _write_at_once(self, frame: bytes) -> bool:
        """Write a frame before anything waits; whether that could be."""
        if (
            self._outbox.frames
            or not self._wakeup.is_awaited
            or not self._fanout.write_batcher.may_write_now(self)
            or not self.transport.write_now(frame)
        ):
            return False
        METRICS.frames += 1
        self._session.flushed()
        self._note_write(len(frame))
        self._delivered = self._session.written
        if self._waiting_since is not None:
            self._note_delay()
        return True

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Tell the client that positions were reused, and go on from the head."""
        self._backlog.drop()
        self._outbox.clear()
        self._session.restart(epoch, head)
        self._delivered = self._target = head
        self._restarting = reason
        self._wakeup.set()

    def flush(self) -> None:
        """Write what waits; at once if the writer sleeps and the server takes it, which costs a tenth of
        waking the writer.
        """
        outbox = self._outbox
        if not outbox.frames or not self._wakeup.is_awaited:
            return
        size = outbox.size
        if size <= timing.MAX_WRITE_BYTES and self.transport.write_now(outbox.body()):
            METRICS.frames += len(self._take_waiting())
            self._note_write(size)
            self._delivered = self._session.written
            self._note_delay()
        else:
            self._wakeup.set()

    def on_due(self) -> None:
        """Write the heartbeat that is due, and let the writer sleep on; wake it if that cannot be, or
        something else is due.
        """
        now, is_live = self._clock(), self._is_announced and self._session.is_live
        may_rest = is_live and self._wakeup.is_awaited and not self._outbox.frames and now < self._rotate_at
        if may_rest and (now < self._heartbeat_at or self._write_at_once(self._heartbeat())):
            self._fanout.timers.call_at(min(self._heartbeat_at, self._rotate_at), self)
        else:
            self._wakeup.set()

    @property
    def progress(self) -> Progress:
        """Up to where everything was taken by the server below, and since when nothing is missing in
        between.
        """
        session = self._session
        return Progress(session.epoch, session.start, self._delivered)

    @property
    def end_reason(self) -> EndReason:
        """Why it has ended."""
        if self._closing is not None:
            return EndReason(self._closing)
        return EndReason.BACKLOG if self._is_over else EndReason.CLIENT

    # The two tasks.

    async def run(self, receive: Receive) -> None:
        """Serve the stream until it is over or the client has gone; nothing is left behind then."""
        METRICS.opened[self._plan.resume] += 1
        try:
            await self._serve(receive, name=f"hub stream {self.id}")
        finally:
            METRICS.closed[self.end_reason] += 1
            self._leave()

    def __str__(self) -> str:
        return f"Stream {self.id}"

    async def _work(self) -> None:
        await self._open()
        while not self._is_over and self._closing is None:
            self._wakeup.clear()
            if not await self._act():
                await self._sleep()

    def _leave(self) -> None:
        self._fanout.leave(self, self._inbox)
        self._backlog.drop()
        self._fanout.timers.cancel(self)

    # What the writer does.

    async def _open(self) -> None:
        await self._writer.start(self._headers)
        first = control_frames.opening(self._request, key=self.id, state=self._state, plan=self._plan)
        await self._send([first])

    async def _act(self) -> bool:
        """Do the one thing that is due now; False when there is nothing to do."""
        now = self._clock()
        if now >= self._rotate_at:
            self.close("rotate")
        elif self._restarting is not None:
            reason, self._restarting = self._restarting, None
            await self._send(
                [control_frames.reset(self._request, reason=reason, cursor=self._session.cursor)]
            )
        elif not self._session.is_live and self._backlog.is_due(now):
            await self._catch_up()
        elif self._session.is_live and not self._is_announced:
            await self._announce()
        elif self._outbox.frames:
            await self._send(self._take_waiting())
            self._note_delay()
        elif now >= self._heartbeat_at:
            await self._send([self._heartbeat()])
        else:
            return False
        return True

    async def _sleep(self) -> None:
        """Until something comes, or is due. It may be called for nothing: a write does not put it off."""
        due_at = float("inf") if self._session.is_live else self._backlog.due_at
        self._fanout.timers.call_at(min(self._heartbeat_at, self._rotate_at, due_at), self)
        await self._wakeup.wait()

    def _take_waiting(self) -> list[bytes]:
        METRICS.transient_frames["written"] += self._outbox.transient_count
        self._session.flushed()
        return self._outbox.take()

    def _note_delay(self) -> None:
        since, self._waiting_since = self._waiting_since, None
        if since is not None:
            METRICS.write.add(time.time() - since)

    async def _catch_up(self) -> None:
        """Write a page that has come, ask for the next, or be live when nothing is missing."""
        now = self._clock()
        try:
            page = self._backlog.take(now)
        except CursorExpired as expired:
            newest = Cursor.parse(expired.head)
            self.restart("expired", newest.epoch, newest.position)
            self._session.fall_back()
            return
        up_to = max(self._target, self._inbox.position)
        if page is not None:
            self._session.read_up_to(page.position)
            self._replayed += 0 if self._is_announced else len(page.frames)
            await self._send(page.frames)
        elif self._session.position >= up_to:
            self._session.go_live(self._inbox.position)
        elif self._backlog.is_due(now):
            self._backlog.ask(up_to)

    async def _announce(self) -> None:
        self._is_announced = True
        self._is_over = self._request.ends_when_live
        cursor = self._session.cursor
        await self._send([control_frames.live(self._request, cursor=cursor, replayed=self._replayed)])

    @property
    def _heartbeat_at(self) -> float:
        return self._written_at + self._request.heartbeat_seconds

    def _heartbeat(self) -> bytes:
        if self._session.is_live:
            self._session.flushed()  # the queue is empty: what was considered since was hidden by the filter
        return control_frames.heartbeat(
            self._request, cursor=self._session.cursor, head=self._inbox.head_cursor
        )

    async def _send(self, waiting: list[bytes]) -> None:
        """Write frames. Raises ``TimeoutError`` when the reader has taken nothing for too long."""
        METRICS.frames += len(waiting)
        if await self._write_all(waiting):
            self._delivered = self._session.written

    def _note_write(self, size: int) -> None:
        METRICS.bytes += size
        self._written_at = self._clock()

    async def _finish(self, seconds: float) -> None:
        """Send the last frame and end the answer; drop the connection when the reader does not take it within
        ``seconds``.
        """
        waiting = self._outbox.take()
        body, is_flushed = b"", False
        if self._closing is not None:
            if self._closing in _FLUSHED_BEFORE and self._restarting is None:
                body = b"".join(waiting)
                is_flushed = True
            body += control_frames.closed(self._request, Ending(self._closing, self._may_return))
        if await self._writer.finish(body, seconds, self._disconnected) and is_flushed:
            self._delivered = self._session.position
