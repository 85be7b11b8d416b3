"""Assistants, threads and runs as the operations on them see them.

What an operation must know besides their public attributes, it gets from special methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from threadmill.client.client import RunView
    from threadmill.runs.tool_list import ToolList
    from threadmill_shared.records.definition import Definition
    from threadmill_shared.records.run import Status
    from threadmill_shared.records.thread import ThreadRef


class AssistantHandle(Protocol):
    """An `Assistant`."""

    model: str | None

    def __define__(self, tools: Sequence[Any], offered: ToolList, model: str) -> Definition:
        """The definition of one run.

        Args:
            tools: the run's.
            offered: the same, as they were read.
            model: the run's.
        """
        ...

    def get_tools(self) -> list[Any]:
        """The tools of the next run."""
        ...

    def get_instructions(self, thread: Any) -> str:
        """The template of the next run's instructions."""
        ...

    def pre_run_hook(self) -> None:
        """Called before a run that is waited for is enqueued."""
        ...

    def post_run_hook(self, run: Any) -> None:
        """Called with such a run when it has ended."""
        ...

    async def __adopt__(self) -> bool:
        """Read the assistant that its id names, if necessary; returns whether it is registered.

        Raises:
            AssistantNotFound: nothing is registered under the id.
        """
        ...


@runtime_checkable
class ThreadHandle(Protocol):
    """A `Thread`."""

    def __reference__(self) -> ThreadRef:
        """Which thread it is, and whether it may be created now."""
        ...


class RunHandle(Protocol):
    """A `Run`."""

    id: str
    status: Status

    def __show__(self, view: RunView) -> None:
        """Show the run as it was read."""
        ...
