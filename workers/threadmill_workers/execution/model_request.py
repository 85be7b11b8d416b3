"""What the model is sent for one turn of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records.items import Item
from threadmill_shared.records.run import RunRecord
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.history_reducer import HistoryReducer
from threadmill_workers.execution.output_files import OutputFiles

_CALLS = ("tool_call", "hosted_call")
"""Items that are calls, of functions and of the provider's tools."""


class RequestBuilder:
    """Builds the model requests of one run."""

    def __init__(
        self,
        held: HeldRun,
        history: History,
        reducer: HistoryReducer,
        attached: AttachedFiles,
        output_files: OutputFiles,
    ) -> None:
        """Nothing is read yet.

        Args:
            held: the run.
            history: the part of the thread that may be sent.
            reducer: what is left out of it.
            attached: the files of the thread's messages.
            output_files: learns, with the first request, what an earlier attempt has kept.
        """
        self._record = held.record
        self._hosted = held.hosted
        self._history = history
        self._reducer = reducer
        self._attached = attached
        self._output_files = output_files
        self._has_restored = False

    async def build(self, max_completion_tokens: int | None) -> ModelRequest:
        """Build the request for the next turn, in which the model may write so many tokens.

        Raises:
            ModelError: an image of the current turn is gone, or the provider's files cannot be
                asked for.
        """
        request, options = self._record.request, self._record.request.options
        items = await self._history.items()
        if not self._has_restored:
            self._has_restored = True
            await self._output_files.restore(items)
        items = await self._reducer.items()
        hosted = await self._attached.tools(items, self._hosted)
        shown = await self._attached.show(items)
        return ModelRequest(
            model=request.model,
            instructions=request.instructions,
            items=shown.items,
            tools=request.tools,
            hosted=hosted,
            images=shown.urls,
            tool_choice=_tool_choice(self._record, items),
            temperature=options.temperature,
            top_p=options.top_p,
            max_completion_tokens=max_completion_tokens,
            parallel_tool_calls=options.parallel_tool_calls,
            response_format=options.response_format,
            reasoning_effort=options.reasoning_effort,
            verbosity=options.verbosity,
            service_tier=options.service_tier,
            safety_identifier=options.safety_identifier,
            extra_body=options.extra_body,
            run_id=self._record.id,
            queue=self._history.queue,
        )


def _tool_choice(record: RunRecord, items: Sequence[Item]) -> str | dict[str, Any] | None:
    """What the run wants of this request. A call is forced until the run has made one.

    Forced in each turn, a model could never answer. The calls are looked for among what is stored,
    so that a worker that continues the run knows of them.
    """
    choice = record.request.options.tool_choice
    if choice in (None, "none", "auto"):
        return choice
    own = takewhile(lambda item: item.get("run_id") == record.id, reversed(items))
    return "auto" if any(item["type"] in _CALLS for item in own) else choice
