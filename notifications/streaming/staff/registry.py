"""The staff streams of one event loop: how many may be open, and whose right has ended."""

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
from notifications.streaming.refusals import Refusal
from notifications.streaming.staff import authorization
from notifications.streaming.staff.stream import StaffStream
from notifications.streaming.staff.tail import Tail
from notifications.streaming.tasks import OnDemandTask
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# Together with the time of the query, a right that has ended ends its streams within ten seconds.
MAX_TICK_SECONDS: Final = 6.0


class StaffStreams:
    """The open staff streams, and the live tail that they share."""

    def __init__(self) -> None:
        self.tail = Tail()
        self._open: dict[StaffStream, asyncio.Task[None]] = {}
        self._watching = OnDemandTask(self._watch, name="hub staff rights")
        self._outage = Outage(
            logger,
            began="The rights of staff could not be read; the next check follows",
            over="The rights of staff can be read again",
        )
        self._is_draining = False

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """The tasks that serve a stream."""
        return self._open.values()

    def check_room(self) -> None:
        """Check that another stream may open.

        Raises:
            Refusal: ``max_staff_streams`` are open.
        """
        if len(self._open) >= hub_config().max_staff_streams:
            raise Refusal("stream_limit", "The limit of staff streams in this process is reached.")

    async def serve(self, stream: StaffStream, receive: Receive) -> None:
        """Serve a stream until it ends."""
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
        """End all streams soon, because the process stops. The caller may cancel tasks that do not end."""
        self._is_draining = True
        for stream in self._open:
            stream.close("shutdown")

    async def stop(self) -> None:
        """Stop what feeds the streams."""
        await self.tail.stop()
        await self._watching.stop()

    async def _watch(self) -> None:
        """Check the rights for as long as there is a stream."""
        while self._open:
            await asyncio.sleep(min(timing.with_jitter(hub_config().reconcile_seconds), MAX_TICK_SECONDS))
            rights = {stream: stream.right for stream in self._open}
            try:
                ended = (
                    await in_database_thread(authorization.ended_rights, set(rights.values()))
                    if rights
                    else {}
                )
            except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
                self._outage.failed(error)
                continue
            self._outage.recovered()
            for stream, right in rights.items():
                if right in ended:
                    stream.close(ended[right].reason, must_reconnect=ended[right].must_reconnect)


def current_staff_streams() -> StaffStreams:
    """Return the staff streams of the running event loop; they are drained with the users' streams."""
    other_streams = current_runtime().other_streams
    found = next((others for others in other_streams if isinstance(others, StaffStreams)), None)
    if found is None:
        found = StaffStreams()
        other_streams.append(found)
    return found
