"""The staff's streams of one event loop: how many there may be, and which have lost their right."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from notifications.conf import hub_config
from notifications.streaming import timing
from notifications.streaming.asgi import Receive
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.process.runtime import current_runtime
from notifications.streaming.refusal import Refusal
from notifications.streaming.staff import authorization
from notifications.streaming.staff.stream import StaffStream
from notifications.streaming.staff.tail import Tail
from notifications.streaming.tasks import OnDemandTask
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# With the time of a look itself, a right that has ended ends its streams within ten seconds.
MAX_TICK_SECONDS: Final = 6.0


class StaffStreams:
    """The open ones, and what they share."""

    def __init__(self) -> None:
        self.tail = Tail()
        self._open: dict[StaffStream, asyncio.Task[None]] = {}
        self._watching = OnDemandTask(self._watch, name="hub staff rights")
        self._outage = Outage(
            logger,
            began="The rights of staff could not be read; the next look follows",
            over="The rights of staff can be read again",
        )
        self._is_draining = False

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """Those that serve a stream."""
        return self._open.values()

    def check_room(self) -> None:
        """Refuse a stream on top of ``max_staff_streams``.

        Raises:
            Refusal: there are as many.
        """
        if len(self._open) >= hub_config().max_staff_streams:
            raise Refusal("stream_limit", "As many streams of the staff’s are open here as there may be.")

    async def serve(self, stream: StaffStream, receive: Receive) -> None:
        """Run a stream to its end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine runs in a task)
        self._open[stream] = task
        self._watching.start()
        try:
            await stream.run(receive)
        except asyncio.CancelledError:
            if not self._is_draining:
                raise
            task.uncancel()  # by the drain, and it has ended
        finally:
            del self._open[stream]

    def drain(self) -> None:
        """End all of them soon, because the process stops; whoever waits for their tasks may cancel what does
        not end.
        """
        self._is_draining = True
        for stream in self._open:
            stream.close("shutdown")

    async def stop(self) -> None:
        """End what feeds them."""
        await self.tail.stop()
        await self._watching.stop()

    async def _watch(self) -> None:
        """Look at the rights for as long as there is a stream."""
        while self._open:
            await asyncio.sleep(min(timing.with_jitter(hub_config().reconcile_seconds), MAX_TICK_SECONDS))
            held = {stream: stream.right for stream in self._open}
            try:
                ended = await in_database_thread(authorization.ended, set(held.values())) if held else {}
            except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
                self._outage.failed(error)
                continue
            self._outage.recovered()
            for stream, right in held.items():
                if right in ended:
                    stream.close(ended[right].reason, must_reconnect=ended[right].must_reconnect)


def current_staff_streams() -> StaffStreams:
    """Those of the running loop, which end with the users' own streams; made at the first call."""
    other_streams = current_runtime().other_streams
    found = next((others for others in other_streams if isinstance(others, StaffStreams)), None)
    if found is None:
        found = StaffStreams()
        other_streams.append(found)
    return found
