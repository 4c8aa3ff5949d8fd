"""Receives what other processes send: on one channel, which joins the group of each connected user.

The channel layer may fail, hang or lose everything at any time. Streams are then live by reconciliation
alone, and this recovers by itself. The same holds until the name of the installation was read from the
database, because no group can be named before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from notifications.streaming import timing
from notifications.streaming.addressing import EVERYBODY, Address
from notifications.streaming.hints.messages import read_hint, read_look, read_show
from notifications.streaming.hints.seal import Seal, find_seal
from notifications.streaming.tasks import cancel_all
from notifications.streaming.transient import ReceivedEvent, read_events
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)


class HintReceiver:
    """Joins and leaves groups, one after the other, and passes on every message.

    Args:
        layer: the channel layer; None if the project has none.
        is_connected: returns whether a user, by key, is connected.
        on_hint: called with the key and head of each hint.
        on_look: called with the key of each look.
        on_event: called with each transient event.
        on_show: called with the keys of a recipient and of a notification that is to be shown again.
        on_joined: called with a key once messages for it can come; earlier ones were missed.
        find_seal: returns what opens the messages of this installation, once it is known.
    """

    def __init__(
        self,
        layer: Any | None,
        *,
        is_connected: Callable[[str], bool],
        on_hint: Callable[[str, int], None],
        on_look: Callable[[str], None],
        on_event: Callable[[ReceivedEvent], None],
        on_show: Callable[[str, int], None],
        on_joined: Callable[[str], None],
        find_seal: Callable[[], Awaitable[Seal]] = find_seal,
    ) -> None:
        self._layer = layer
        self._is_connected = is_connected
        self._on_hint = on_hint
        self._on_look = on_look
        self._on_event = on_event
        self._on_show = on_show
        self._on_joined = on_joined
        self._find_seal = find_seal
        self._seal: Seal | None = None
        self._channel: str | None = None
        self._joined: set[str] = set()
        self._outdated: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._outage = Outage(
            logger,
            began="Hints cannot be received; streams are live by reconciliation alone",
            over="Hints are received again",
        )
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start receiving, on the running loop."""
        if self._layer is not None:
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(self._receive(), name="hub hints"),
                loop.create_task(self._update_groups(), name="hub membership"),
            ]

    async def stop(self) -> None:
        """Stop at once. The layer forgets the channel by itself."""
        for task in reversed(self._tasks):  # without the channel, joining a group would fail
            await cancel_all([task])

    def update_group(self, key: str) -> None:
        """Join or leave a user's group soon, depending on whether the user is connected.

        Joining twice is harmless, and repairs a layer that has forgotten its groups.
        """
        if self._layer is not None:
            self._outdated[key] = None
            self._changed.set()

    async def _receive(self) -> None:
        failures = 0
        while True:
            try:
                if self._seal is None:
                    self._seal = await self._find_seal()
                if self._channel is None:
                    self._channel = await self._layer_of().new_channel(self._seal.channel_prefix)
                    self._changed.set()
                # Never under a timeout: a cancelled receive() of the pub/sub layer unsubscribes for good.
                message = self._seal.open(await self._layer_of().receive(self._channel))
            except Exception as error:  # noqa: BLE001 (a layer may raise anything; streams outlive it)
                self._outage.failed(error)
                failures += 1
                await asyncio.sleep(timing.backoff_seconds(failures))
            else:
                failures = 0
                self._outage.recovered()
                for key, head in read_hint(message):
                    self._on_hint(key, head)
                for key in read_look(message):
                    self._on_look(key)
                for event in read_events(message):
                    self._on_event(event)
                for key, notification_id in read_show(message):
                    self._on_show(key, notification_id)

    async def _update_groups(self) -> None:
        failures = 0
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._channel is None:
                continue
            try:
                await self._join(EVERYBODY, self._channel)
                while self._outdated:
                    key = next(iter(self._outdated))
                    await self._update_group(key, self._channel)
                failures = 0
            except Exception as error:  # noqa: BLE001 (as above)
                self._outage.failed(error)
                failures += 1
                await asyncio.sleep(timing.backoff_seconds(failures))
                self._changed.set()

    async def _update_group(self, key: str, channel: str) -> None:
        # Removed before the await, because whoever connects or disconnects meanwhile adds it again. A failure
        # adds it again, too.
        del self._outdated[key]
        try:
            if self._is_connected(key):
                await self._join(key, channel)
                if key not in self._joined:
                    self._joined.add(key)
                    # Only a first join shows that the layer works: it may remember an older one by itself.
                    self._outage.recovered()
                    self._on_joined(key)
            elif key in self._joined:
                for group in self._groups_of(key):
                    await self._layer_of().group_discard(group, channel)
                self._joined.discard(key)
        except BaseException:
            self._outdated[key] = None
            raise

    async def _join(self, address: Address, channel: str) -> None:
        for group in self._groups_of(address):
            await self._layer_of().group_add(group, channel)

    def _groups_of(self, address: Address) -> list[str]:
        assert self._seal is not None  # noqa: S101 (there is no channel without one)
        return self._seal.groups(address)

    def _layer_of(self) -> Any:
        assert self._layer is not None  # noqa: S101 (no task runs without one)
        return self._layer
