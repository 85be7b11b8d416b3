"""A real terminal device, and an emulator that shows what a user would see on it."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import termios
import threading
from typing import TextIO

from rich.cells import cell_len
from tests.support.waiting import wait_until

_CONTROL = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Emulator:
    """Knows the few controls that a pane needs; every other one is collected as `unknown`."""

    def __init__(self, columns: int, rows: int, wide: str = "") -> None:
        self.columns, self.rows = columns, rows
        self.wide = wide
        self.history: list[str] = []
        self.grid = [self._blank() for _ in range(rows)]
        self.x = self.y = 0
        self.wraps = True
        self.unknown: list[str] = []
        self.styles: set[str] = set()
        self.paints = 0
        self.marks = 0
        self.fed = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""

    def feed(self, data: bytes) -> None:
        self.fed += data
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        while text:
            if text[0] == "\x1b":
                found = _CONTROL.match(text)
                if found is None and len(text) < 20:
                    self._rest = text
                    return
                if found is None:
                    self.unknown.append(text[:20])
                    text = text[1:]
                    continue
                self._control(*found.groups())
                text = text[found.end() :]
            else:
                self._put(text[0])
                text = text[1:]

    def lines(self) -> list[str]:
        """All that was printed and is still there, what has scrolled away first."""
        found = self.history + ["".join(row).rstrip() for row in self.grid]
        while found and not found[-1]:
            found.pop()
        return found

    def widen(self, columns: int) -> None:
        for row in self.grid:
            row.extend([" "] * (columns - self.columns))
        self.columns = columns

    def _blank(self) -> list[str]:
        return [" "] * self.columns

    def _control(self, argument: str, kind: str) -> None:
        match kind, argument:
            case "A", _:
                self.y = max(self.y - int(argument or 1), 0)
            case "J", "":
                self.grid[self.y][self.x :] = [" "] * (self.columns - self.x)
                self.grid[self.y + 1 :] = [self._blank() for _ in self.grid[self.y + 1 :]]
            case "K", "2":
                self.grid[self.y] = self._blank()
            case "m", _:
                self.styles.add(argument)
            case "l" | "h", "?7":
                self.wraps = kind == "h"
            case "l" | "h", "?25":
                self.paints += kind == "h"
            case "z", _:
                self.marks += 1
            case _:
                self.unknown.append(argument + kind)

    def _put(self, character: str) -> None:
        if character == "\r":
            self.x = 0
        elif character == "\n":
            self._line_feed()
        elif character < " " or "\x7f" <= character < "\xa0":
            self.unknown.append(character)
        else:
            self._print(character, 2 if character in self.wide else cell_len(character))

    def _print(self, character: str, width: int) -> None:
        if width == 0:
            self.grid[self.y][self.x - 1] += character
            return
        if self.x + width > self.columns:
            if self.wraps:
                self.x = 0
                self._line_feed()
            else:
                self.x = self.columns - width
        self.grid[self.y][self.x : self.x + width] = [character] + [""] * (width - 1)
        self.x += width

    def _line_feed(self) -> None:
        if self.y < self.rows - 1:
            self.y += 1
        else:
            self.history.append("".join(self.grid.pop(0)).rstrip())
            self.grid.append(self._blank())


class Terminal:
    """A pseudo-terminal whose other end is read into an emulator."""

    def __init__(
        self, columns: int = 60, rows: int = 20, encoding: str = "utf-8", wide: str = ""
    ) -> None:
        """`wide` are characters to which it gives two columns, whatever others think."""
        self.emulator = Emulator(columns, rows, wide)
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.stream: TextIO = os.fdopen(slave, "w", encoding=encoding)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int) -> None:
        """Make the terminal wider."""
        self.emulator.widen(columns)
        termios.tcsetwinsize(self.stream, (self.emulator.rows, columns))

    def text(self) -> str:
        """What is to be seen, once all that was written has arrived."""
        seen = self.emulator.marks
        os.write(self.stream.fileno(), b"\x1b[0z")
        wait_until(lambda: self.emulator.marks > seen, "the terminal has shown all")
        return "\n".join(self.emulator.lines())

    def close(self) -> None:
        self.stream.close()
        self._reader.join()
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(self.master)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end was closed
            while data := os.read(self.master, 65536):
                self.emulator.feed(data)
