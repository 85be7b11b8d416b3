"""Execution of tool calls: arguments in, text for the model out, and nothing ever raised."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from threadmill_shared.errors import ToolArgumentsInvalid, ToolError, ToolTimedOut
from threadmill_shared.log_text import about
from threadmill_shared.tools import (
    ENDRUN_TOKEN,
    CallContext,
    EndRun,
    Tool,
    calling,
    cut_output,
    encodable,
    render_output,
)
from threadmill_shared.tools.thread_counts import ThreadCounts
from threadmill_shared.tools.threads import ToolThreads
from threadmill_shared.tools.user_traceback import user_traceback

logger = logging.getLogger("threadmill.tools")

_OUR_FOLDER = str(Path(__file__).parent)

DEFAULT_TIMEOUT = 300.0
"""Seconds."""
DEFAULT_MAX_OUTPUT = 256 * 1024
"""Bytes of UTF-8."""
INVALID_ARGUMENTS = "not executed: invalid arguments"
"""In which way a call failed, see `ToolResult.failure`."""
_ERROR_LENGTH = 1000
"""Characters of an exception that the model is shown."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How one call of a tool ended."""

    output: str
    """What the model is told."""
    failed: bool = False
    end: EndRun | None = None
    """The tool wants the run to end; its data is plain JSON."""
    error: str | None = None
    """Name of the error's class, for events and logs; never what it says."""
    failure: str | None = field(default=None, compare=False)
    """In which way it failed, for operators: `KeyError at shop.py:6`; never what the error says."""
    place: str | None = field(default=None, compare=False)
    """File and line of the exception, for logs."""
    traceback: str | None = field(default=None, compare=False)
    """Where it was raised, without its text, for logs."""
    cut_from: int = field(default=0, compare=False)
    """Bytes of the tool's output if it was too long, for logs; 0: it is whole."""

    @property
    def cause(self) -> str:
        """Why it failed, for logs: `KeyError at /shop.py:6`, `ToolTimedOut (timed out ...)`."""
        if self.place:
            return f"{self.error} at {self.place}"
        return f"{self.error}" if self.failure == self.error else f"{self.error} ({self.failure})"


_Made = ToolResult | Awaitable[Any]
"""What a tool's function leads to at once."""


class ToolRunner:
    """Executes tool calls for one event loop.

    Async tools run on the loop, sync ones in threads; calls made at the same time run at the same
    time. No exception, exit or endless wait of a tool reaches the caller.
    """

    def __init__(
        self,
        max_threads: int = 64,
        default_timeout: float | None = DEFAULT_TIMEOUT,
        *,
        max_output_bytes: int = DEFAULT_MAX_OUTPUT,
        on_exhausted: Callable[[int], None] = lambda _: None,
    ) -> None:
        """No thread is started yet.

        Args:
            max_threads: sync tools that are executed at a time.
            default_timeout: seconds that a call may take if its tool sets no limit; None: any.
            max_output_bytes: of a larger output, in UTF-8, the model gets the beginning.
            on_exhausted: called with the number of abandoned calls that still run in threads, when
                the time of as many as can be replaced by further threads is over, or when there are
                more and a call has waited long; again only after all of these have returned.
        """
        self._threads = ToolThreads(max_threads, on_exhausted)
        self._default_timeout = default_timeout
        self._max_output_bytes = max_output_bytes
        self._executions: dict[asyncio.Task[ToolResult], tuple[Tool, CallContext]] = {}
        self._closed = False

    async def call(self, tool: Tool, arguments: str, context: CallContext) -> ToolResult:
        """Execute one call.

        Its time begins when it begins; waiting for a free thread has as much again. What is over
        its time is cancelled if it is async; a thread keeps running, and its result is ignored.

        Args:
            tool: what to execute.
            arguments: JSON, as the model wrote it.
            context: what `current_call()` gives inside.

        Raises:
            asyncio.CancelledError: the caller was cancelled; the tool is not waited for.
            RuntimeError: the runner is closed.
        """
        if self._closed:
            raise RuntimeError("this ToolRunner is closed")
        result = await self._call(tool, arguments, context)
        if result.error is not None:
            logger.warning(
                "tool %s failed in call %s of %s, %s, assistant %r: %s",
                tool.spec.name,
                context.call_id,
                context.run_id,
                context.thread_id,
                context.assistant,
                result.cause,
                extra=about(traceback=result.traceback),
            )
        if result.cut_from:
            logger.warning(
                "tool %s gave %d bytes in call %s of %s; the model gets the first %d, as "
                "THREADMILL_MAX_TOOL_OUTPUT_BYTES allows",
                tool.spec.name,
                result.cut_from,
                context.call_id,
                context.run_id,
                self._max_output_bytes,
            )
        return result

    def thread_counts(self) -> ThreadCounts:
        """What the threads for sync tools do at this moment; may be called in any thread."""
        return self._threads.counts()

    def abandoned_tools(self) -> Counter[str]:
        """How many calls of each tool still run in threads though nobody waits for them."""
        return self._threads.abandoned_tools()

    def abandoned_calls(self) -> tuple[str, ...]:
        """The ids of calls that keep a thread although nobody waits for them, the oldest first."""
        return self._threads.abandoned_calls()

    def call_on_loop(self, loop: asyncio.AbstractEventLoop) -> tuple[str, CallContext] | None:
        """The tool, by name, and the call that this loop executes now; None: it does other work.

        May be called in any thread; a loop that a tool blocks could not be asked otherwise.
        """
        task: asyncio.Task[Any] | None = asyncio.current_task(loop)
        found = None if task is None else self._executions.get(task)
        return None if found is None else (found[0].spec.name, found[1])

    def names_on_loop(self) -> list[str]:
        """The names of the async tools that are being executed; may be called in any thread."""
        return sorted({tool.spec.name for tool, _ in [*self._executions.values()] if tool.is_async})

    def close(self) -> None:
        """Cancel running async tools, and let threads end; stuck ones end with the process."""
        self._closed = True
        for execution in list(self._executions):
            execution.cancel()
        self._threads.close()

    async def _call(self, tool: Tool, arguments: str, context: CallContext) -> ToolResult:
        with calling(context):
            surroundings = contextvars.copy_context()
        try:
            bound = surroundings.run(tool.bind, arguments)
        except ToolArgumentsInvalid as error:
            return _failure(ToolArgumentsInvalid, str(error), INVALID_ARGUMENTS)
        except Exception as error:  # noqa: BLE001 - a validator of the tool's author
            return _raised(error)
        seconds = tool.spec.timeout or self._default_timeout
        work = partial(self._invoke, tool, bound)
        if tool.is_async:
            return await self._bounded(self._on_loop(work), surroundings, tool, context, seconds)
        return await self._call_in_thread(tool, context, work, surroundings, seconds)

    async def _call_in_thread(
        self,
        tool: Tool,
        context: CallContext,
        work: Callable[[], _Made],
        surroundings: contextvars.Context,
        seconds: float | None,
    ) -> ToolResult:
        name = tool.spec.name
        if not await self._threads.reserve(name, context, seconds):
            failure = f"not executed: no thread was free for {seconds:g} s"
            return _failure(ToolTimedOut, self._no_thread(tool, seconds), failure)
        try:
            # A copy, since two threads cannot be in one context at a time.
            work_there = partial(surroundings.copy().run, work)
            begun = self._threads.submit(name, context, work_there, limit=seconds)
        except RuntimeError:
            text = f"{name} was not called: its process cannot start another thread"
            return _failure(RuntimeError, text, "not executed: cannot start another thread")
        try:
            return await self._bounded(self._off_loop(begun), surroundings, tool, context, seconds)
        finally:
            begun.cancel()  # it is abandoned, if it has not ended

    async def _bounded(
        self,
        execution: Coroutine[Any, Any, ToolResult],
        surroundings: contextvars.Context,
        tool: Tool,
        context: CallContext,
        seconds: float | None,
    ) -> ToolResult:
        """The result, or a failure as soon as the time is over."""
        task = asyncio.get_running_loop().create_task(execution, context=surroundings)
        self._executions[task] = tool, context
        task.add_done_callback(self._executions.pop)
        try:
            over, _ = await asyncio.wait({task}, timeout=seconds)
        finally:
            # Not awaited: a tool that ignores its cancellation must not hold its run.
            task.cancel()
        if not over:
            return _failure(
                ToolTimedOut,
                f"{tool.spec.name} timed out after {seconds:g} s; "
                "whether it took effect is unknown",
                f"timed out after {seconds:g} s",
            )
        if task.cancelled():
            text = f"{tool.spec.name} was cancelled from inside"
            return _failure(asyncio.CancelledError, text, "cancelled from inside")
        return task.result()

    async def _on_loop(self, work: Callable[[], _Made]) -> ToolResult:
        return await self._settled(work())

    async def _off_loop(self, begun: asyncio.Future[_Made]) -> ToolResult:
        return await self._settled(await begun)

    def _invoke(self, tool: Tool, bound: inspect.BoundArguments) -> _Made:
        """Call the function: in a thread for sync tools, all the way to the text."""
        try:
            value = tool.function(*bound.args, **bound.kwargs)
            return value if inspect.isawaitable(value) else self._concluded(value)
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a tool ends no worker
            return _raised(error)

    async def _settled(self, made: _Made) -> ToolResult:
        """Await what an async function gave, or a sync wrapper around one."""
        if isinstance(made, ToolResult):
            return made
        try:
            return self._concluded(await made)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a tool ends no worker
            return _raised(error)

    def _concluded(self, value: Any) -> ToolResult:
        if isinstance(value, EndRun):
            return _ended(value)
        output = render_output(value)
        if output == ENDRUN_TOKEN:
            return _ended(EndRun())
        shown = cut_output(output, self._max_output_bytes)
        return ToolResult(shown, cut_from=0 if shown is output else len(output.encode()))

    def _no_thread(self, tool: Tool, seconds: float | None) -> str:
        return (
            f"{tool.spec.name} was not called: all {self._threads.limit} threads for tools were "
            f"busy for {seconds:g} s"
        )


def _ended(end: EndRun) -> ToolResult:
    try:
        return ToolResult("", end=EndRun(end.json_data()))
    except ToolError as error:
        return _failure(ToolError, str(error), "the data of its EndRun is not JSON")


def _raised(error: BaseException) -> ToolResult:
    if isinstance(error, EndRun):
        return _ended(error)
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of the tool's author, with a faulty __str__
        text = ""
    places = _places(error)
    failure = f"{name} at {Path(places[0]).name}" if places else _failure_of_ours(error)
    result = _failure(type(error), f"{name}: {text}" if text else name, failure)
    return replace(result, place=_place(places), traceback=user_traceback(error))


def _failure_of_ours(error: BaseException) -> str:
    """In which way a call failed if no line of the tool raised the error."""
    return "its return value is not JSON" if isinstance(error, ToolError) else type(error).__name__


def _places(error: BaseException) -> list[str]:
    """The lines at which it was raised, that of the tool first; none if they are all ours.

    No text of theirs: logs do not show what is said.
    """
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{frame.f_code.co_filename}:{line}" for frame, line in frames]
    return [place for place in places if not place.startswith(_OUR_FOLDER)]


def _place(places: Sequence[str]) -> str | None:
    """The tool's line at which it failed, and the one that raised; None if it is not its own."""
    if not places:
        return None
    first, last = places[0], places[-1]
    return first if first == last else f"{first} (raised at {last})"


def _failure(kind: type[BaseException], message: str, failure: str) -> ToolResult:
    if len(message) > _ERROR_LENGTH:
        message = message[:_ERROR_LENGTH] + "..."
    output, failure = encodable(f"Error: {message}"), encodable(failure)
    return ToolResult(output, failed=True, error=kind.__name__, failure=failure)
