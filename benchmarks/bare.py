"""The least that a server could do: asyncio's `transport.write` of the same bytes to each connection.

    python -m benchmarks.bare PORT

It runs on the event loop that the hub's server takes. A connection that sends the line `COUNT PER_SECOND
SIZE` has it write COUNT times SIZE bytes to all others, at that pace (0: all at once, and then each write
joined as far as the loop joins them), and is told `done`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, ClassVar

from uvicorn.config import Config

from tests.helpers.machine.ports import HOST


class Bare(asyncio.Protocol):
    """One connection."""

    everyone: ClassVar[set[Any]] = set()

    def connection_made(self, transport: Any) -> None:
        """Remember it."""
        self.transport = transport
        self.everyone.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.everyone.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """Write to the others as this connection wants it."""
        self.everyone.discard(self.transport)
        count, per_second, size = map(int, data.split())
        self.task = asyncio.get_running_loop().create_task(self._write(count, per_second, size))

    async def _write(self, count: int, per_second: int, size: int) -> None:
        payload = b"x" * (size - 2) + b"\n\n"
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(count):
            if per_second:
                await asyncio.sleep(max(0.0, started + number / per_second - loop.time()))
            for transport in self.everyone:
                transport.write(payload)
        self.transport.write(b"done\n\n")


async def serve(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Bare, HOST, port, backlog=2_048)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=Config("", loop="auto").get_loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1])))
