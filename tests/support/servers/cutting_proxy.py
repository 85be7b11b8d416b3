"""A TCP proxy whose connections a test can cut, as a tunnel does with a train's."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self


class CuttingProxy:
    """Passes bytes on to a port of this machine, in a thread of its own."""

    def __init__(self, port: int) -> None:
        """It listens within its `with` block."""
        self.sent = bytearray()
        """What clients have sent."""
        self.loses_answers_to: bytes | None = None
        """Who sends this is cut off as the answer comes."""
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        begin = asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(begin, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> int:
        """Cut all connections; new ones are passed on again. Returns how many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    async def _cut(self) -> int:
        cut = list(self._open)
        for writer in cut:
            writer.transport.abort()
        return len(cut) // 2

    async def _end(self) -> None:
        self._server.close()
        await self._cut()
        await asyncio.gather(*self._tasks)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # nobody listens there at the moment
            writer.close()
        else:
            self._open |= {writer, back}
            told = bytearray()
            await asyncio.gather(
                _pump(reader, back, self.sent, told), self._pump_back(there, writer, told)
            )
            self._open -= {writer, back}
        self._tasks.discard(task)

    async def _pump_back(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, told: bytearray
    ) -> None:
        """Pass all on that answers what was told, unless it is to be lost."""
        with contextlib.suppress(OSError):
            while data := await there.read(65536):
                if self.loses_answers_to and self.loses_answers_to in told:
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *read: bytearray
) -> None:
    """Pass all on; `read` get it, too."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            for one in read:
                one.extend(data)
            writer.write(data)
            await writer.drain()
    writer.close()
