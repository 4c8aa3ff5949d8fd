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
from notifications.streaming.concurrency_limit import ConcurrencyLimit
from notifications.streaming.connection import frames_as_requested
from notifications.streaming.connection.backlog import Backlog
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.log_position import LogPosition, ResumePlan, Verdict
from notifications.streaming.connection.open_stream import OpenStream
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.connection.send_queue import SendQueue
from notifications.streaming.connection.shared_inbox import ChangeSource
from notifications.streaming.connection.transport import Transport
from notifications.streaming.credential import Credential
from notifications.streaming.frames import Ending, ResetReason
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import TransientEvent

# Before these, what is queued is still sent. A client can resume after any reason.
_QUEUE_SENT_BEFORE: Final = frozenset({"rotate", "shutdown"})


class Connection(OpenStream):
    """A stream from its first frame to its last.

    Args:
        key: the id of the stream: the key of its record, and ``stream`` in ``stream.open``.
        send: the ASGI callable.
        transport: the connection below it.
        request: the parameters of the stream.
        credential: the session or token under which it is open.
        fanout: offers changes to it.
        backlog_limit: how many pages of the log this process reads at once.
        state: the inbox, as it was just read.
        plan: how the stream begins, as in its record.
        headers: the headers of every answer to this client.
    """

    __slots__ = (
        "_accepted",
        "_backlog",
        "_backlog_end",
        "_fanout",
        "_headers",
        "_inbox",
        "_is_filtered",
        "_is_live_sent",
        "_is_over",
        "_oldest_queued_at",
        "_plan",
        "_position",
        "_queue",
        "_replayed_count",
        "_request",
        "_state",
        "_unsent_reset",
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
        fanout: ChangeSource,
        backlog_limit: ConcurrencyLimit,
        state: InboxState,
        plan: ResumePlan,
        headers: HeaderList,
    ) -> None:
        super().__init__(send, transport)
        config = hub_config()
        self._request = request
        self._fanout = fanout
        self._state = state
        self._headers = headers
        self._plan = plan
        self._position = LogPosition(
            state.epoch, plan.start, floor=state.floor, compacted_to=plan.compacted_to
        )
        self._backlog_end = state.head
        self._is_filtered = bool(request.filters)
        self._queue = SendQueue(max_frames=config.max_queue_frames, max_bytes=config.max_queue_bytes)
        self._oldest_queued_at: float | None = None
        self._replayed_count = 0
        self._is_live_sent = self._is_over = False
        self._unsent_reset: ResetReason | None = None
        self.last_iteration = self.due_tick = 0
        self.id = key
        self.credential = credential
        self._accepted = plan.start
        self._backlog = Backlog(
            key=key,
            user_id=state.user_id,
            position=self._position,
            request=request,
            limit=backlog_limit,
            on_page=self._wakeup.set,
        )
        self._inbox = fanout.join(self, state)

    # What the fan-out and the timers call. None of it awaits.

    def offer(self, change: SharedChange) -> None:
        """Take a change that was just read from the log, unless this connection reads the log itself."""
        position = self._position
        if not position.is_live:
            return
        verdict = position.offer(change.position)
        if verdict is Verdict.DROP:
            return
        if verdict is Verdict.SEND:
            request = self._request
            if self._is_filtered and not change.admitted_by(request.filters):
                return
            frame = change.frame_in(request.form)
            if not frame:
                return
            if self._oldest_queued_at is None:
                self._oldest_queued_at = change.changed_at
            if self._write_at_once(frame):
                return
            if self._queue.add(frame):
                if len(self._queue.frames) == 1:
                    self._fanout.write_batcher.flush_soon(self)
                return
            METRICS.overflows += 1
        self._queue.clear()
        position.fall_back()
        self._wakeup.set()

    def offer_transient(self, event: TransientEvent) -> None:
        """Take a transient event that is wanted; drop it if this connection is not live, or has no room."""
        request = self._request
        if not request.takes_transient or (self._is_filtered and not event.admitted_by(request.filters)):
            return
        if not self._position.is_live:
            METRICS.transient_frames["dropped"] += 1
        elif self._write_at_once(event.frame):
            METRICS.transient_frames["written"] += 1
        elif not self._queue.add_transient(event.frame):
            METRICS.transient_frames["dropped"] += 1
        elif len(self._queue.frames) == 1:
            self._fanout.write_batcher.flush_soon(self)

    def _write_at_once(self, frame: bytes) -> bool:
        """Write a frame past the empty queue and the sleeping writer task, and return whether it could be."""
        if (
            self._queue.frames
            or not self._wakeup.is_awaited
            or not self._fanout.write_batcher.may_write_now(self)
            or not self.transport.write_now(frame)
        ):
            return False
        METRICS.frames += 1
        self._position.mark_written()
        self._note_write(len(frame))
        self._accepted = self._position.written
        if self._oldest_queued_at is not None:
            self._note_delay()
        return True

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Tell the client that positions were reused, and go on from the head."""
        self._backlog.cancel()
        self._queue.clear()
        self._position.restart(epoch, head)
        self._accepted = self._backlog_end = head
        self._unsent_reset = reason
        self._wakeup.set()

    def flush(self) -> None:
        """Write the queue at once if the writer task sleeps and the server takes it, else wake the task.

        Writing at once costs a tenth of waking the task.
        """
        queue = self._queue
        if not queue.frames or not self._wakeup.is_awaited:
            return
        size = queue.size
        if size <= timing.MAX_WRITE_BYTES and self.transport.write_now(queue.body()):
            METRICS.frames += len(self._take_queue())
            self._note_write(size)
            self._accepted = self._position.written
            self._note_delay()
        else:
            self._wakeup.set()

    def on_due(self) -> None:
        """Write a heartbeat that is due and let the writer task sleep on.

        The task is woken if the heartbeat cannot be written at once, or if something else is due.
        """
        now, is_live = self._clock(), self._is_live_sent and self._position.is_live
        may_rest = is_live and self._wakeup.is_awaited and not self._queue.frames and now < self._rotate_at
        if may_rest and (now < self._heartbeat_at or self._write_at_once(self._heartbeat())):
            self._fanout.timers.call_at(min(self._heartbeat_at, self._rotate_at), self)
        else:
            self._wakeup.set()

    @property
    def progress(self) -> Progress:
        """The range of positions that the server has accepted without a gap."""
        position = self._position
        return Progress(position.epoch, position.start, self._accepted)

    @property
    def end_reason(self) -> EndReason:
        """Why the stream has ended."""
        if self._closing is not None:
            return EndReason(self._closing)
        return EndReason.BACKLOG if self._is_over else EndReason.CLIENT

    # The task that serves the request, and the writer task.

    async def run(self, receive: Receive) -> None:
        """Serve the stream until it is over or the client has disconnected; then no task is left."""
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
        self._backlog.cancel()
        self._fanout.timers.cancel(self)

    # What the writer task does.

    async def _open(self) -> None:
        await self._writer.start(self._headers)
        self._headers = []  # a stream is open for hours, and needs them no more
        first = frames_as_requested.stream_open(
            self._request, key=self.id, state=self._state, plan=self._plan
        )
        await self._send([first])

    async def _act(self) -> bool:
        """Do the one thing that is due now; return False if nothing is."""
        now = self._clock()
        if now >= self._rotate_at:
            self.close("rotate")
        elif self._unsent_reset is not None:
            reason, self._unsent_reset = self._unsent_reset, None
            cursor = self._position.cursor
            await self._send([frames_as_requested.stream_reset(self._request, reason=reason, cursor=cursor)])
        elif not self._position.is_live and self._backlog.is_due(now):
            await self._catch_up()
        elif self._position.is_live and not self._is_live_sent:
            await self._send_live()
        elif self._queue.frames:
            await self._send(self._take_queue())
            self._note_delay()
        elif now >= self._heartbeat_at:
            await self._send([self._heartbeat()])
        else:
            return False
        return True

    async def _sleep(self) -> None:
        """Sleep until something comes or is due. A write does not move the timer, so it may wake early."""
        due_at = float("inf") if self._position.is_live else self._backlog.due_at
        self._fanout.timers.call_at(min(self._heartbeat_at, self._rotate_at, due_at), self)
        await self._wakeup.wait()

    def _take_queue(self) -> list[bytes]:
        METRICS.transient_frames["written"] += self._queue.transient_count
        self._position.mark_written()
        return self._queue.take()

    def _note_delay(self) -> None:
        since, self._oldest_queued_at = self._oldest_queued_at, None
        if since is not None:
            METRICS.write.add(time.time() - since)

    async def _catch_up(self) -> None:
        """Write the page that was read, request the next one, or become live when nothing is missing."""
        now = self._clock()
        try:
            page = self._backlog.take_page(now)
        except CursorExpired as expired:
            newest = Cursor.parse(expired.head)
            self.restart("expired", newest.epoch, newest.position)
            self._position.fall_back()
            return
        up_to = max(self._backlog_end, self._inbox.position)
        if page is not None:
            self._position.read_up_to(page.position)
            self._replayed_count += 0 if self._is_live_sent else len(page.frames)
            await self._send(page.frames)
        elif self._position.considered >= up_to:
            self._position.go_live(self._inbox.position)
        elif self._backlog.is_due(now):
            self._backlog.request_page(up_to)

    async def _send_live(self) -> None:
        self._is_live_sent = True
        self._is_over = self._request.ends_when_live
        cursor, count = self._position.cursor, self._replayed_count
        await self._send([frames_as_requested.stream_live(self._request, cursor=cursor, replayed=count)])

    @property
    def _heartbeat_at(self) -> float:
        return self._written_at + self._request.heartbeat_seconds

    def _heartbeat(self) -> bytes:
        if self._position.is_live:
            # The queue is empty, so what was considered since the last write was hidden by the filter.
            self._position.mark_written()
        cursor, head = self._position.cursor, self._inbox.head_cursor
        return frames_as_requested.stream_heartbeat(self._request, cursor=cursor, head=head)

    async def _send(self, frames: list[bytes]) -> None:
        """Write frames.

        Raises:
            TimeoutError: the reader took nothing for too long.
        """
        METRICS.frames += len(frames)
        if await self._write_all(frames):
            self._accepted = self._position.written

    def _note_write(self, size: int) -> None:
        METRICS.bytes += size
        self._written_at = self._clock()

    async def _finish(self, seconds: float) -> None:
        queued = self._queue.take()
        body, includes_queue = b"", False
        if self._closing is not None:
            if self._closing in _QUEUE_SENT_BEFORE and self._unsent_reset is None:
                body = b"".join(queued)
                includes_queue = True
            body += frames_as_requested.stream_close(
                self._request, Ending(self._closing, self._must_reconnect)
            )
        if await self._writer.finish(body, seconds, self._disconnected) and includes_queue:
            self._accepted = self._position.considered
