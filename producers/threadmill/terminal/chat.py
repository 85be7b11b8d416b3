"""A conversation in the terminal: each line is sent to the assistant, whose answer streams."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from threadmill.client.awaited import SyncOrAsync
from threadmill.handlers import PrintHandler
from threadmill.printing.display import open_display
from threadmill.run import Run
from threadmill.terminal.input_lines import InputLines
from threadmill_shared import errors

LEAVE = "exit"
"""The line that ends the conversation, as Ctrl-D does."""


class Say(Protocol):
    """The operation behind an assistant's `say`."""

    async def __call__(
        self,
        message: str,
        *,
        event_handler_class: type[Any] | None,
        event_handler_kwargs: dict[str, Any] | None,
    ) -> Run:
        """Send a message, and wait for the end of the run."""
        ...


async def chat(name: str, say: Say, initial_message: str | None) -> None:
    """The operation behind `chat`: send each line that the user types to the assistant."""
    lines = InputLines()
    if lines.is_terminal:
        open_display().notice(f"{name}: Ctrl-D or {LEAVE!r} leaves, Ctrl-C stops an answer")
    with await SyncOrAsync(Interrupts, lambda: _interrupts_on_loop(lines)) as interrupts:
        if initial_message is not None:
            await _answer(say, initial_message, interrupts, is_typed=False)
        while (line := await SyncOrAsync(lines.next, lines.next_async)) is not None:
            if line.strip() == LEAVE:
                return
            if line.strip():
                await _answer(say, line, interrupts, is_typed=lines.is_terminal)


async def _answer(say: Say, text: str, interrupts: Interrupts, *, is_typed: bool) -> None:
    try:
        await say(
            text,
            event_handler_class=ChatPrinter,
            event_handler_kwargs={"began": interrupts.began, "is_typed": is_typed},
        )
    except KeyboardInterrupt:
        open_display().notice("cancelled")
    except asyncio.CancelledError:
        if not interrupts.take_cancellation():
            raise
        open_display().notice("cancelled")
    except errors.RunFailed:
        pass  # its reason was printed when it ended
    except Exception as error:  # noqa: BLE001  the next line may fare better
        open_display().notice(f"{type(error).__name__}: {error}", is_bad=True)
    finally:
        interrupts.began(None)


class ChatPrinter(PrintHandler):
    """Prints an answer below the line that was typed, which is not printed again."""

    def __init__(self, began: Callable[[Run], None], *, is_typed: bool) -> None:
        """A handler for one answer; `began` gets the run."""
        super().__init__()
        self._began = began
        self._is_typed = is_typed

    def on_begin(self, run: Run) -> None:
        """Print the message, unless it is already visible."""
        self._printer.begin(run, is_typed=self._is_typed)
        self._began(run)


class Interrupts:
    """The effect of Ctrl-C: a blocking caller gets KeyboardInterrupt, and nothing else happens."""

    def began(self, run: Run | None) -> None:
        """The run that is answering now; None: there is none."""

    def take_cancellation(self) -> bool:
        """Whether a task was cancelled because the user wants to continue."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class LoopInterrupts(Interrupts):
    """Ctrl-C on an event loop, which would end the loop's work: here it cancels the run only."""

    def __init__(self, lines: InputLines) -> None:
        """Must be created in the task that runs the chat."""
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._run: Run | None = None
        self._is_stopping = False
        """Whether the answer must be stopped."""
        self._has_given_up = False
        """Whether the wait has ended; the cancellation stays requested."""
        self._cancelling: asyncio.Task[Run] | None = None
        """Kept, since the loop keeps no task."""

    def began(self, run: Run | None) -> None:
        """The run that is answering now; None: there is none."""
        self._run = run
        if run is None:
            self._is_stopping = False
        elif self._is_stopping:
            self._cancel(run)

    def take_cancellation(self) -> bool:
        """Whether a task was cancelled because the user wants to continue."""
        has_given_up, self._has_given_up = self._has_given_up, False
        if has_given_up and self._task is not None:
            self._task.uncancel()
        return has_given_up

    def _on_interrupt(self) -> None:
        if self._lines.interrupt is not None:
            self._lines.interrupt()
        elif not self._is_stopping:
            self._is_stopping = True
            if self._run is not None:
                self._cancel(self._run)
        elif self._task is not None:
            self._has_given_up = True
            self._task.cancel()

    def _cancel(self, run: Run) -> None:
        self._cancelling = self._loop.create_task(run.cancel_async())

    def __enter__(self) -> Self:
        if self._is_main:
            self._former = signal.getsignal(signal.SIGINT)
            self._loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_main:
            self._loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, self._former)


async def _interrupts_on_loop(lines: InputLines) -> Interrupts:
    return LoopInterrupts(lines)
