"""What a user types, line by line, with a prompt if there is a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Callable

_PROMPT = "> "
_CHUNK = 65536


class InputLines:
    """Lines of stdin, read by a blocking caller or on an event loop."""

    def __init__(self) -> None:
        self.is_terminal = _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
        self.interrupt: Callable[[], None] | None = None
        """Ends a read in progress on a loop, as Ctrl-C ends a blocking one."""
        self._read = b""
        """What was read on a loop after the last line."""
        if self.is_terminal:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401, PLC0415  `input` edits lines and knows former ones then

    def next(self) -> str | None:
        """The next line; None at the end of the input, and at Ctrl-C."""
        try:
            return input(_PROMPT) if self.is_terminal else _without_end(sys.stdin.readline())
        except (EOFError, KeyboardInterrupt):
            self._end_line()
            return None

    async def next_async(self) -> str | None:
        """Async version of `next`."""
        # A thread that waits in `input` could not be ended, and the process would wait for it.
        if self.is_terminal:
            print(_PROMPT, end="", flush=True)  # noqa: T201  the prompt
        while b"\n" not in self._read:
            chunk = await self._chunk()
            if chunk:
                self._read += chunk
                continue
            if chunk is None or not self._read:
                self._end_line()
                return None
            self._read += b"\n"  # the last line has no end of its own
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(sys.stdin.encoding or "utf-8", "replace")

    async def _chunk(self) -> bytes | None:
        """The next input; empty at the end, None at an interrupt."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = sys.stdin.fileno()
        except io.UnsupportedOperation:
            return sys.stdin.readline().encode()
        readable: asyncio.Future[bool] = loop.create_future()
        try:
            loop.add_reader(descriptor, _settle, readable, True)  # noqa: FBT003  its result
        except PermissionError:  # a file, which never blocks
            return os.read(descriptor, _CHUNK)
        self.interrupt = lambda: _settle(readable, False)  # noqa: FBT003  its result
        try:
            return os.read(descriptor, _CHUNK) if await readable else None
        finally:
            self.interrupt = None
            loop.remove_reader(descriptor)

    def _end_line(self) -> None:
        if self.is_terminal:
            print()  # noqa: T201  whatever comes next begins on a line of its own


def _settle(future: asyncio.Future[bool], result: bool) -> None:  # noqa: FBT001  a future's result
    if not future.done():
        future.set_result(result)


def _is_terminal(stream: io.TextIOBase | object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[union-attr]  # None has none
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def _without_end(line: str) -> str | None:
    return line.removesuffix("\n") if line else None
