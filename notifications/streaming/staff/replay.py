"""Plays the log of one inbox forward for one member of staff; nothing in the inbox is changed."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from notifications import selectors
from notifications.selectors import WatchedChange
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.staff import frames
from notifications.streaming.staff.replay_speed import MAX_PAUSE_SECONDS, ReplayPace
from notifications.streaming.staff.stream import StaffStream

MAX_ROWS: Final = 200  # of one read


class ReplayFeed:
    """Feeds the stream of one replay, which ends at the position that was the newest when it began.

    Args:
        user_id: primary key of the user whose inbox it is.
        after: the position that is shown already. Changes below the floor cannot be shown.
        speed: how many times as fast as the changes happened.
    """

    def __init__(self, user_id: Any, *, after: int, speed: int) -> None:
        self._user_id = user_id
        self._after = after
        self._speed = speed

    async def __call__(self, stream: StaffStream) -> None:
        """Feed the stream until the replay ends."""
        state = await in_database_thread(selectors.inbox, self._user_id)
        head = state.head if state else 0
        position = min(max(self._after, state.floor if state else 0), head)
        last_shown = await in_database_thread(
            selectors.changes_of_inbox, self._user_id, after=position - 1, up_to=position, limit=1
        )
        pace = ReplayPace(self._speed, last_shown[0].at if last_shown else None)
        stream.offer(frames.frame("replay.open", {"position": position, "head": head, "speed": self._speed}))
        while position < head:
            page = await in_database_thread(
                selectors.changes_of_inbox, self._user_id, after=position, up_to=head, limit=MAX_ROWS
            )
            if not page:  # the log was compacted or erased meanwhile
                break
            for change in page:
                await self._play(stream, change, pace)
            position = page[-1].position
        stream.offer(frames.frame("replay.end", {"position": position}))

    async def _play(self, stream: StaffStream, change: WatchedChange, pace: ReplayPace) -> None:
        pause = pace.pause_before(change.at)
        if pause.skipped_seconds is not None:
            gap = {"seconds": round(pause.skipped_seconds, 3), "shown_seconds": MAX_PAUSE_SECONDS}
            stream.offer(frames.frame("replay.gap", gap))
        if pause.seconds:
            await asyncio.sleep(pause.seconds)
        await stream.wait_until_written()
        data = frames.change_data(change, with_content=stream.right.sees_content)
        stream.offer(frames.frame("replay.change", data))
