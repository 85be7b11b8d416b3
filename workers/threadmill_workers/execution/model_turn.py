"""Asking the model: its stream goes into the log as it comes, and becomes a turn at its end.

A turn's items, its usage and the events that announce them are stored by one script. So a turn is
either not there or there as a whole, and a run that moves to another worker repeats none of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import takewhile
from typing import Any

from threadmill_shared import errors, ids
from threadmill_shared.model import (
    CodeDelta,
    FinishReason,
    HostedCallEnded,
    HostedCallStarted,
    MessageEnded,
    Model,
    ModelEvent,
    ModelRequest,
    ReasoningReceived,
    TextDelta,
    ToolCalled,
    TurnEnded,
    Usage,
)
from threadmill_shared.records.items import OPEN_CALL_OUTPUT, Item, message_text
from threadmill_shared.records.log import OwnEvent, ToolStepBegun
from threadmill_shared.records.run import RunRecord
from threadmill_shared.retirements.announcements import explained
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.batch import Batch
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.hosted_calls import HostedCalls, hosted_item
from threadmill_workers.execution.message_writer import MessageWriter, Numbers
from threadmill_workers.execution.next_step import AskModel, CallTools
from threadmill_workers.execution.output_files import Enclosed, OutputFiles
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.resume import unfinished_turn
from threadmill_workers.execution.turn import (
    OpenCall,
    Reply,
    calls_body,
    stored_usage,
    usage_fields,
)

NOT_FOUND = 404
"""The status with which a provider says that it has no such model."""
_CALLS = ("tool_call", "hosted_call")
"""Items that are calls, of functions and of the provider's tools."""
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 20.0


class ModelTurns:
    """Asks the model, streams what it says into the log, and makes a turn of it."""

    def __init__(
        self,
        *,
        held: HeldRun,
        model: Model,
        history: History,
        may_begin: Callable[[], Awaitable[None]],
        provider: ProviderHealth,
        retries: int,
        attached: AttachedFiles,
        output_files: OutputFiles,
    ) -> None:
        """A model that answers in one run.

        Args:
            held: where its replies are written.
            model: what is asked.
            history: what it is sent.
            may_begin: waits until the worker may begin something: while its lease is not
                confirmed, the run may be another worker's.
            provider: is told how the requests end.
            retries: how often a failed request is repeated.
            attached: the files of the thread's messages.
            output_files: keeps the files that the provider's tools make.
        """
        self.count = held.record.turn
        """Turns that the run has had."""
        self._held = held
        self._record: RunRecord = held.record
        self._model = model
        self._history = history
        self._may_begin = may_begin
        self._provider = provider
        self._retries = retries
        self._numbers = Numbers(held.record.next_message, held.record.next_step)
        self._usage = stored_usage(held.record.usage)
        self._attached = attached
        self._output_files = output_files
        self._has_restored = False
        self._message = MessageWriter(held, output_files, self._numbers)
        self._hosted = HostedCalls(held, output_files, self._numbers.take_step)

    async def ask(self) -> Reply:
        """One reply of the model, with as many tries as are worth it.

        Raises:
            ModelError: there is none.
        """
        tries = 0
        while True:
            try:
                return await self._stream()
            except errors.ContextTooLong:
                self.abandon_message()
                if not self._history.shorten():
                    raise
            except errors.ModelRefused as error:
                if error.status != NOT_FOUND:
                    raise
                text = explained(str(error), self._record.request.model)
                raise errors.ModelRefused(text, status=error.status) from None
            except (errors.ModelUnavailable, errors.ModelGarbled) as error:
                self._provider.failed(self._record.id, error)
                self.abandon_message()
                tries += 1
                if tries > self._retries:
                    raise
                await self._announce_retry(error, tries)

    async def resume(self) -> AskModel | CallTools:
        """Return the step to begin with: the calls that an earlier attempt has left, if any."""
        reply = await unfinished_turn(self._held, self._history)
        if reply is None:
            return AskModel()
        if reply.step < 0:
            self._open_calls(reply)
            reply.batch.set(next_step=self._numbers.step)
        return CallTools(reply)

    async def _announce_retry(self, error: errors.ModelError, tries: int) -> None:
        wait = _pause(error, tries)
        batch = Batch()
        data = {"error": type(error).__name__, "tries": tries, "seconds": round(wait, 3)}
        batch.record(OwnEvent("threadmill.model.retry", data))
        self._held.put(batch)
        await asyncio.sleep(wait)

    async def _stream(self) -> Reply:
        await self._may_begin()
        output: list[ModelEvent] = []
        async with aclosing(self._model.stream(await self._request())) as stream:
            async for event in stream:
                if type(event) is TextDelta:
                    if not self._message.is_open:
                        output.append(MessageEnded())  # its place among the turn's items
                    self._message.write(event.text)
                    if self._held.finds_no_room:
                        await self._held.stored()
                elif type(event) is MessageEnded:
                    self._message.note_end(event)
                elif type(event) is HostedCallStarted:
                    await self._commit(output)
                    self._hosted.begin(event)
                elif type(event) is CodeDelta:
                    self._hosted.write_code(event)
                elif type(event) is HostedCallEnded:
                    await self._hosted.end(event)
                    output.append(event)
                    await self._commit(output)
                elif type(event) is TurnEnded:
                    self._provider.answered()
                    return await self._end_turn(output, event)
                else:
                    output.append(event)
        raise errors.ModelGarbled("The provider's stream ended before its reply did.")

    async def _request(self) -> ModelRequest:
        request, options = self._record.request, self._record.request.options
        items = await self._history.items()
        if not self._has_restored:
            self._has_restored = True
            await self._output_files.restore(items)
        return ModelRequest(
            model=request.model,
            instructions=request.instructions,
            items=items,
            tools=request.tools,
            hosted=await self._attached.tools(items, request.hosted),
            images=await self._attached.images(items),
            tool_choice=_tool_choice(self._record, items),
            temperature=options.temperature,
            top_p=options.top_p,
            max_completion_tokens=options.max_completion_tokens,
            parallel_tool_calls=options.parallel_tool_calls,
            response_format=options.response_format,
        )

    def abandon_message(self) -> None:
        """Close what is being written; a message's text stays in the log and is no item."""
        self._hosted.abandon()
        self._message.abandon()

    def partial_message(self, reason: str, step_status: str) -> Batch:
        """What closes the message being written at the run's end; its text is an item."""
        return self._message.partial(reason, step_status)

    # ---- the end of a turn -----------------------------------------------------------------------

    async def _commit(self, output: list[ModelEvent]) -> None:
        """Store what the turn has so far, at the borders of a hosted call.

        What the provider has executed is not executed again, should the rest of the turn fail.
        Calls of functions are stored with their turn, and so is what follows them.
        """
        if any(type(event) is ToolCalled for event in output):
            return
        enclosed = await self._message.enclose()
        so_far = Reply()
        self._store_items(so_far, output, enclosed, is_last=False)
        output.clear()
        if so_far.batch:
            so_far.batch.set(deaths=0)  # the run has got on
            self._held.put(so_far.batch)

    async def _end_turn(self, output: Sequence[ModelEvent], ended: TurnEnded) -> Reply:
        enclosed = await self._message.enclose()
        reply = Reply(ended.stop, ended.usage)
        self.count += 1
        self._usage += ended.usage
        self._held.tokens = self._usage.total_tokens
        called = [event for event in output if type(event) is ToolCalled]
        if ended.stop is FinishReason.END:
            reply.calls = self._name_calls(called)
        self._store_items(reply, output, enclosed, is_last=True)
        if reply.calls:
            self._open_calls(reply)
        reply.batch.set(
            turn=self.count, next_step=self._numbers.step, usage=_json_usage(self._usage), deaths=0
        )
        return reply

    def _name_calls(self, called: Sequence[ToolCalled]) -> tuple[OpenCall, ...]:
        calls = []
        for index, call in enumerate(called):
            id = ids.call_id(self._record.id, self.count, index)
            provider_id = self._history.usable_call_id(call.provider_id) or id
            calls.append(OpenCall(id, call.name, call.arguments, provider_id))
        return tuple(calls)

    def _store_items(
        self, reply: Reply, output: Sequence[ModelEvent], enclosed: Enclosed, *, is_last: bool
    ) -> None:
        calls = iter(reply.calls)
        for event in output:
            if type(event) is ReasoningReceived:
                self._add(reply, _reasoning_item(self._record, event))
            elif type(event) is ToolCalled and reply.calls:
                self._add(reply, _call_item(self._record, next(calls)))
            elif type(event) is HostedCallEnded:
                self._add(reply, hosted_item(self._record, event))
            elif type(event) is MessageEnded:
                self._end_message(reply, enclosed, has_usage=is_last and not reply.calls)

    def _end_message(self, reply: Reply, enclosed: Enclosed, *, has_usage: bool) -> None:
        if not self._message.is_open:
            return
        if reply.stop is not FinishReason.END:
            reason = "max_tokens" if reply.stop is FinishReason.LENGTH else "content_filter"
            reply.batch.extend(self._message.partial(reason, "completed"))
            return
        usage = usage_fields(reply.usage) if has_usage else None
        item = self._message.complete(reply.batch, enclosed, usage)
        reply.text = message_text(item)
        self._add(reply, item)

    def _add(self, reply: Reply, item: Item) -> None:
        reply.batch.item(item)
        self._history.append(item)

    def _open_calls(self, reply: Reply) -> None:
        reply.step = self._numbers.take_step()
        calls, batch = reply.calls, reply.batch
        batch.step(reply.step, calls_body(calls, {}, None))
        begun = [[call.id, call.name, call.arguments] for call in calls]
        batch.record(ToolStepBegun(reply.step, begun))
        for call in calls:
            closing = call.output(OPEN_CALL_OUTPUT, failed=True, run_id=self._record.id)
            batch.open_call(call.id, closing)


def _tool_choice(record: RunRecord, items: Sequence[Item]) -> str | dict[str, Any] | None:
    """What the run wants of this request. A call is forced until the run has made one.

    Forced in each turn, a model could never answer. The calls are looked for among what is stored,
    so that whoever goes on with the run knows of them.
    """
    choice = record.request.options.tool_choice
    if choice in (None, "none", "auto"):
        return choice
    own = takewhile(lambda item: item.get("run_id") == record.id, reversed(items))
    return "auto" if any(item["type"] in _CALLS for item in own) else choice


def _reasoning_item(record: RunRecord, event: ReasoningReceived) -> Item:
    model = record.request.model
    return {"type": "reasoning", "model": model, "data": event.data, "run_id": record.id}


def _call_item(record: RunRecord, call: OpenCall) -> Item:
    return {
        "type": "tool_call",
        "id": call.id,
        "provider_id": call.provider_id,
        "name": call.name,
        "arguments": call.arguments,
        "run_id": record.id,
    }


def _json_usage(usage: Usage) -> str:
    numbers = ",".join(f'"{name}":{value}' for name, value in usage_fields(usage).items())
    return f"{{{numbers}}}"


def _pause(error: errors.ModelError, tries: int) -> float:
    """Seconds before the next try: what the provider asks for, else doubling, with jitter."""
    asked: float | None = getattr(error, "retry_after", None)
    longest: float = min(_FIRST_RETRY_SECONDS * 2 ** (tries - 1), _LONGEST_RETRY_SECONDS)
    jitter = random.uniform(0.5, 1.0)  # noqa: S311  not a secret
    if asked is None:
        return longest * jitter
    return asked + 0.1 * longest * jitter
