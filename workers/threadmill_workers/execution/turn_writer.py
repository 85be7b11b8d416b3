"""Makes a turn of what the model streams: its message, its calls, and what stores them.

A turn's items, its usage and the events that announce them are stored by one script. So a turn is
either not there or there as a whole, and a run that moves to another worker repeats none of it.
"""

from __future__ import annotations

from threadmill_shared import ids
from threadmill_shared.model import (
    CodeDelta,
    FinishReason,
    HostedCallEnded,
    HostedCallStarted,
    MessageEnded,
    ModelEvent,
    OpaqueFieldsReceived,
    ReasoningReceived,
    TextCited,
    ToolCalled,
    TurnEnded,
)
from threadmill_shared.records.items import OPEN_CALL_OUTPUT, Item, message_text
from threadmill_shared.records.log import ToolStepBegun
from threadmill_shared.records.run import RunRecord
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.hosted_calls import HostedCalls, hosted_item
from threadmill_workers.execution.message_writer import MessageWriter, NextNumbers
from threadmill_workers.execution.output_files import Enclosed, OutputFiles
from threadmill_workers.execution.tool_names import meant_tool
from threadmill_workers.execution.turn import (
    OpenCall,
    Reply,
    calls_body,
    fields_item,
    stored_usage,
    usage_fields,
)


class TurnWriter:
    """Writes the turns of one run, one after the other."""

    def __init__(self, held: HeldRun, history: History, output_files: OutputFiles) -> None:
        """No turn has begun.

        Args:
            held: where they are written.
            history: takes their items.
            output_files: keeps the files that the provider's tools make.
        """
        self.turns = held.record.turn
        """Turns that the run has had."""
        self._held = held
        self._record: RunRecord = held.record
        self._history = history
        self._numbers = NextNumbers(held.record.next_message, held.record.next_step)
        self._usage = stored_usage(held.record.usage)
        self.message = MessageWriter(held, output_files, self._numbers)
        """The message that is being written."""
        self._hosted = HostedCalls(held, output_files, self._numbers.take_step)
        self._output: list[ModelEvent] = []
        """What the turn has so far and is not stored."""
        self._fields: OpaqueFieldsReceived | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens that the run's turns have sent, those of earlier attempts included."""
        return self._usage.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens that the run's turns have written, those of earlier attempts included."""
        return self._usage.completion_tokens

    def begin(self) -> None:
        """Begin a turn; what a failed one has left is dropped."""
        self._output = []
        self._fields = None

    def place_message(self) -> None:
        """Take note of the place of the message that begins now, among the turn's items.

        A hosted call that goes on meanwhile is closed: clients take one step after the other.
        """
        self._hosted.abandon()
        self._output.append(MessageEnded())

    async def take(self, event: ModelEvent) -> None:
        """Take an event, other than a piece of the message and the turn's end."""
        match event:
            case MessageEnded():
                self.message.note_end(event)
            case TextCited():
                if not self.message.is_open:
                    self.place_message()
                self.message.cite(event)
            case OpaqueFieldsReceived():
                self._fields = event
            case HostedCallStarted():
                await self._begin_hosted(event)
            case CodeDelta():
                self._hosted.write_code(event)
            case HostedCallEnded():
                if not self._hosted.is_open(event.kind):
                    await self._begin_hosted(HostedCallStarted(event.kind))
                await self._hosted.end(event)
                self._output.append(event)
                await self._store_so_far()
            case _:
                self._output.append(event)

    async def _begin_hosted(self, event: HostedCallStarted) -> None:
        """Begin the step of a hosted call, behind those of the message and the call before it."""
        await self._store_so_far()
        self._hosted.begin(event)

    def abandon(self) -> None:
        """Close what is being written; a message's text stays in the log and is no item."""
        self._hosted.abandon()
        self.message.abandon()

    # ---- storing ---------------------------------------------------------------------------------

    async def _store_so_far(self) -> None:
        """Store what the turn has so far, before and after a hosted call, and end its message.

        So what the provider has executed is not executed again if the rest of the turn fails, and
        no step begins before the last one has ended. Calls of functions are stored when their
        turn ends, behind what was stored before: until then there is nobody to answer them.
        """
        enclosed = await self.message.enclose()
        so_far = Reply()
        self._store_items(so_far, enclosed, is_last=False)
        self._output = [event for event in self._output if type(event) is ToolCalled]
        if so_far.batch:
            so_far.batch.forget_deaths()
            self._held.put(so_far.batch)

    async def end(self, ended: TurnEnded) -> Reply:
        """End the turn; what stores it is in the reply's batch."""
        self._hosted.abandon()  # a call whose end has not come
        enclosed = await self.message.enclose()
        reply = Reply(ended.stop, ended.usage)
        self.turns += 1
        self._usage += ended.usage
        self._held.tokens = self._usage.total_tokens
        if ended.stop is FinishReason.END:
            reply.calls = self._name_calls()
        self._store_fields(reply)
        self._store_items(reply, enclosed, is_last=True)
        if reply.calls:
            self._open_calls(reply)
        reply.batch.end_turn(self.turns, usage_fields(self._usage))
        reply.batch.number_next_step(self._numbers.step)
        reply.batch.forget_deaths()
        return reply

    def _name_calls(self) -> tuple[OpenCall, ...]:
        """Give each call its ids, and the name of the tool that the model means."""
        called = [event for event in self._output if type(event) is ToolCalled]
        offered = {tool.name for tool in self._record.request.tools}
        calls = []
        for index, call in enumerate(called):
            id = ids.call_id(self._record.id, self.turns, index)
            provider_id = self._history.usable_call_id(call.provider_id) or id
            name = meant_tool(call.name, offered)
            arguments = call.arguments if call.arguments.strip() else "{}"
            calls.append(OpenCall(id, name, arguments, provider_id))
        return tuple(calls)

    def _store_fields(self, reply: Reply) -> None:
        """Store, before the turn's items, what goes back with them to their model.

        Only in a run that calls tools: no model needs it of other turns, and some refuse it there.
        """
        if self._fields is None or reply.stop is not FinishReason.END:
            return
        if reply.calls or self._history.has_calls_of(self._record.id):
            model, run_id = self._record.request.model, self._record.id
            self._add(reply, fields_item(self._fields, model, run_id))

    def _store_items(self, reply: Reply, enclosed: Enclosed, *, is_last: bool) -> None:
        calls = iter(reply.calls)
        for event in self._output:
            if type(event) is ReasoningReceived:
                self._add(reply, _reasoning_item(self._record, event))
            elif type(event) is ToolCalled and reply.calls:
                self._add(reply, _call_item(self._record, next(calls)))
            elif type(event) is HostedCallEnded:
                self._add(reply, hosted_item(self._record, event))
            elif type(event) is MessageEnded:
                self._end_message(reply, enclosed, has_usage=is_last and not reply.calls)

    def _end_message(self, reply: Reply, enclosed: Enclosed, *, has_usage: bool) -> None:
        if not self.message.is_open:
            return
        if reply.stop is not FinishReason.END:
            reason = "max_tokens" if reply.stop is FinishReason.LENGTH else "content_filter"
            reply.batch.extend(self.message.partial(reason, "completed", enclosed))
            return
        usage = usage_fields(reply.usage) if has_usage else None
        item = self.message.complete(reply.batch, enclosed, usage)
        reply.text = message_text(item)
        self._add(reply, item)

    def _add(self, reply: Reply, item: Item) -> None:
        item = self._history.marked(item)
        reply.batch.item(item)
        self._history.append(item)

    def reopen_calls(self, reply: Reply) -> None:
        """Open the calls that an earlier attempt has left, in a step of their own."""
        self._open_calls(reply)
        reply.batch.number_next_step(self._numbers.step)

    def _open_calls(self, reply: Reply) -> None:
        reply.step = self._numbers.take_step()
        calls, batch = reply.calls, reply.batch
        batch.step(reply.step, calls_body(calls, {}, None))
        begun = [[call.id, call.name, call.arguments] for call in calls]
        batch.record(ToolStepBegun(reply.step, begun))
        for call in calls:
            closing = call.output(OPEN_CALL_OUTPUT, failed=True, run_id=self._record.id)
            batch.open_call(call.id, closing)


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
