"""The writer: at once where the server takes it, else within a deadline; and nothing more once the reader has
lost the right to it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notifications.streaming.connection.transport import Transport
from notifications.streaming.connection.writer import Writer
from notifications.streaming.tasks import Wakeup
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.shape("embedded")


class Reader(Transport):
    """A reader, and the server in front of it."""

    def __init__(self) -> None:
        self.at_once: list[bytes] = []
        self.sent: list[bytes] = []
        self.takes_at_once = False
        self.takes = asyncio.Event()
        self.takes.set()
        self.gone = Wakeup()

    @property
    def is_behind(self) -> bool:
        return not self.takes.is_set()

    def write_now(self, body: bytes) -> bool:
        if self.takes_at_once:
            self.at_once.append(body)
        return self.takes_at_once

    def abort(self) -> None:
        self.gone.set()

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.sent.append(message["body"])


@pytest.mark.parametrize("takes_at_once", [True, False])
async def test_write__goes_past_send_only_where_the_server_takes_it(takes_at_once: bool) -> None:
    reader = Reader()
    reader.takes_at_once = takes_at_once
    await Writer(reader.send, reader).write(b"a")
    assert (reader.at_once, reader.sent) == (([b"a"], []) if takes_at_once else ([], [b"a"]))


async def test_cut__ends_a_write_that_waits_and_the_last_word_does_not_wait_for_what_is_unsent() -> None:
    reader = Reader()
    reader.takes.clear()
    writer = Writer(reader.send, reader)
    writing = asyncio.create_task(writer.write(b"secret"))
    await asyncio.sleep(0)
    writer.cut_short()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(TimeoutError):
            await writing
        assert not await writer.finish(b"bye", 10 * PATIENCE_SECONDS, reader.gone)
    assert (reader.sent, bool(reader.gone)) == ([], True)


async def test_finish__of_a_reader_that_keeps_up__says_it_also_after_a_cut() -> None:
    reader = Reader()
    writer = Writer(reader.send, reader)
    writer.cut_short()
    assert await writer.finish(b"bye", PATIENCE_SECONDS, reader.gone)
    assert (reader.sent, bool(reader.gone)) == ([b"bye"], False)
