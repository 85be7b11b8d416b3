"""A live handle of a run, usable from any process that has its id."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import threadmill
from threadmill import runs
from threadmill.client.client import NewRun, RunView
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking, drive, drive_async
from threadmill_shared import errors, ids, records
from threadmill_shared.events.public import public_events
from threadmill_shared.records.page import Page
from threadmill_shared.records.run import RunRecord, Status

if TYPE_CHECKING:
    from threadmill.runs.request import RequestedRun
    from threadmill.runs.result_types import ResultType
    from threadmill_shared.records.definition import ResultForm
    from threadmill_shared.records.items import MessageItem
    from threadmill_shared.records.last_error import LastError
    from threadmill_shared.records.objects import RequiredAction, RunUsage, Step
    from threadmill_shared.tools import Tool

T = TypeVar("T")


class Run:
    """One execution of an assistant on a thread.

    The attributes show the run as it was when the handle was created, refreshed or waited for.
    """

    def __init__(self, run_id: str, thread_id: str) -> None:
        """A handle that shows nothing yet; `load` returns the handle of a stored run.

        Args:
            run_id: the run's id.
            thread_id: its thread's.
        """
        self.id = run_id
        self.thread_id = thread_id
        self.status: Status = Status.QUEUED
        self.steps: list[Step] = []
        self.data: Any = None
        """The data that a tool passed to `EndRun`."""
        self.usage: RunUsage | None = None
        self.last_error: LastError | None = None
        self.incomplete_reason: str | None = None
        """Why the run is `incomplete`: `max_turns`, `max_completion_tokens`, `max_prompt_tokens`,
        `content_filter`."""
        self.attempt = 0
        """How many times a worker has claimed the run."""
        self.worker: str | None = None
        """`host:pid` of the worker that holds it, or held it last."""
        self.assistant_name: str | None = None
        self.required_action: RequiredAction | None = None
        """What the run waits for while its status is `requires_action`."""
        self.created_at: int | None = None
        """Seconds since the epoch, like the next ones."""
        self.started_at: int | None = None
        """When a worker claimed it first."""
        self.ended_at: int | None = None
        self.cancelled_at: int | None = None
        """When its cancellation was requested."""
        self.expires_at: int | None = None
        """When it expires if it has not ended by then; None: it has, or may wait without limit."""
        self.metadata: dict[str, str] = {}
        """As they were read; `save` stores them."""
        self.assistant_version: int | None = None
        """The version of the registered assistant that it uses; None: it was not registered."""
        self._form: ResultForm | None = None
        """How the run's last message holds its result; None: it has no result."""
        self._expected: ResultType[Any] | None = None
        self._functions: tuple[Tool, ...] = ()
        self._said: MessageItem | None = None
        """The user's message as it was written, if the handle shows a run that was just created."""

    def __show__(self, view: RunView) -> None:
        """Show the run as it was read."""
        record = view.record
        self.status = record.status
        self.messages = view.messages
        self.steps = view.steps
        self.data = record.data
        self.usage = records.objects.RunUsage.model_validate(record.usage) if record.usage else None
        self.last_error = record.last_error
        self.incomplete_reason = record.reason
        self.attempt = record.attempts
        self.worker = record.worker
        self.assistant_name = record.request.assistant_name
        self.required_action = None
        if view.parked:
            self.required_action = records.objects.RequiredAction.of(view.parked)
        self.assistant_version = record.request.assistant_version
        self.created_at = record.created_at // 1000
        self.started_at = _seconds(record.started_at)
        self.ended_at = _seconds(record.ended_at)
        is_cancelled = record.status is Status.CANCELLED
        self.cancelled_at = _seconds(record.cancelled_at) or (
            self.ended_at if is_cancelled else None
        )
        self.expires_at = None if record.status.is_terminal else _seconds(record.deadline)
        self.metadata = dict(record.metadata)
        self._form = record.request.result

    def __show_new__(self, new: NewRun) -> None:
        """Show a run that was just created as it was written."""
        request = new.command.request
        self._said = new.command.message_item()
        self.assistant_name = request.assistant_name
        self.assistant_version = request.assistant_version
        self.created_at = new.created_at // 1000
        wait = new.command.wait_seconds
        self.expires_at = None if wait is None else (new.created_at + int(wait * 1000)) // 1000
        self.metadata = dict(request.options.metadata)
        self._form = request.result

    def __bind__(self, functions: Sequence[Tool], expected: ResultType[Any] | None) -> None:
        """Note what the caller has that enqueued the run.

        Args:
            functions: those that the process executes while it waits on this handle.
            expected: the type of `result`; None: JSON data.
        """
        self._functions = tuple(functions)
        self._expected = expected

    @cached_property
    def messages(self) -> builtins.list[threadmill.Message]:
        """The user's message first, if there is one, then the assistant's messages."""
        if self._said is None or self.created_at is None:
            return []
        return [records.objects.Message.read(self.thread_id, self._said, self.created_at * 1000)]

    @property
    def text(self) -> str:
        """The texts of the assistant's messages, joined by blank lines."""
        return "\n\n".join(m.text for m in self.messages if m.role == "assistant")

    @property
    def result(self) -> Any:
        """The result of a completed run with a `result_type`; None if there is none.

        On the handle that `say` or `enqueue` returned, it has that type; on any other it is JSON
        data, which `result_as` converts.

        Raises:
            ResultInvalid: the type's own validators reject it.
        """
        text = self._result_text()
        if text is None or self._form is None:
            return None
        if self._expected is None:
            return runs.result_types.plain_result(text, self._form)
        return self._expected.read(text, self._form)

    def result_as(self, result_type: type[T]) -> T:
        """The result of a completed run, as an object of this type.

        Raises:
            ResultInvalid: the run has no result, or it does not match the type.
            TypeError: it is not a type that can be read from JSON.
        """
        text = self._result_text()
        if text is None or self._form is None:
            raise errors.ResultInvalid(
                f"{self.id} has no result: it is {self.status}, and "
                f"{'was' if self._form else 'was not'} enqueued with a result_type."
            )
        return runs.result_types.ResultType(result_type).read(text, self._form)

    def _result_text(self) -> str | None:
        if self._form is None or self.status is not Status.COMPLETED:
            return None
        # Not the last one that is there: it may have been deleted.
        written = [step.message_id for step in self.steps if step.status == "completed"]
        last = next((id for id in reversed(written) if id), None)
        return next((message.text for message in self.messages if message.id == last), None)

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.status}>"

    # ---- operations ------------------------------------------------------------------------------

    async def _refresh(self) -> Run:
        """Read the run again; updates this handle in place and returns it.

        Raises:
            RunLost: the run's keys are gone.
        """
        await runs.waiting.read_run(self)
        return self

    refresh = blocking(_refresh)
    refresh_async = awaitable(_refresh)

    async def _wait(self, timeout: float | None = None) -> Run:
        """Wait until the run has ended; updates this handle in place and returns it.

        Meanwhile this process executes calls that the run waits for, if it has their functions.

        Args:
            timeout: seconds; None: without a limit.

        Raises:
            WaitTimeout: the run has not ended by then; it continues.
            RunLost: the run's keys are gone.
        """
        runs.checks.check_timeout(timeout)
        await runs.waiting.wait_for_end(self, self._functions, timeout)
        return self

    wait = blocking(_wait)
    wait_async = awaitable(_wait)

    async def _cancel(self) -> Run:
        """Request the run's cancellation; returns once it is recorded, as `status` shows.

        If no worker executes the run, it is `cancelled` at once; otherwise it is `cancelling` until
        its worker has stopped. A run that has ended does not change.

        Raises:
            RunNotFound: the run no longer exists.
        """
        await runs.waiting.cancel_run(self)
        return self

    cancel = blocking(_cancel)
    cancel_async = awaitable(_cancel)

    async def _save(self) -> Run:
        """Store `metadata`, which replaces the stored one, whatever the run's status.

        Raises:
            RunNotFound: the run no longer exists.
            TypeError, CallerError: the metadata is not a dict of texts.
        """
        await runs.waiting.store_metadata(self.id, self.metadata)
        return self

    save = blocking(_save)
    save_async = awaitable(_save)

    async def _submit_tool_outputs(
        self, outputs: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> Run:
        """Submit the outputs of calls, from any process; the last one makes the run continue.

        What is not a `str` is sent to the model as JSON. The same output again changes nothing.
        Several outputs are stored together, or, after an error, none of them.

        Args:
            outputs: by call id, as `required_action` names them; or in the Assistants API's form,
                `[{"tool_call_id": ..., "output": ...}]`.

        Raises:
            NotWaiting: the run is not waiting for the output of this call.
            CallTaken: another process executes it.
            OutputMismatch: it already has a different output.
            ToolError: an output cannot be written as JSON.
            TooLarge: it is larger than `THREADMILL_MAX_TOOL_OUTPUT_BYTES`.
        """
        await runs.answers.submit_outputs(current_client(), self.id, outputs)
        return await self._refresh()

    submit_tool_outputs = blocking(_submit_tool_outputs)
    submit_tool_outputs_async = awaitable(_submit_tool_outputs)

    async def _approve(self, call_id: str) -> Run:
        """Approve a call; a process that has its function executes it.

        Approving it again changes nothing, even after the run has ended.

        Raises:
            NotWaiting: the call is not waiting for an approval.
        """
        await runs.answers.approve_call(current_client(), self.id, call_id)
        return await self._refresh()

    approve = blocking(_approve)
    approve_async = awaitable(_approve)

    async def _reject(self, call_id: str, reason: str | None = None) -> Run:
        """Reject a call that waits for an approval; the model is told so, and the run continues.

        Args:
            call_id: the call.
            reason: is sent to the model.

        Raises:
            NotWaiting: the call is not waiting for an approval.
            OutputMismatch: it was already rejected for a different reason.
            TooLarge: the reason is larger than `THREADMILL_MAX_TOOL_OUTPUT_BYTES`.
        """
        await runs.answers.reject_call(current_client(), self.id, call_id, reason)
        return await self._refresh()

    reject = blocking(_reject)
    reject_async = awaitable(_reject)

    async def _download(self, folder: str | Path = ".") -> builtins.list[Path]:
        """Write the files that the run's code created into a folder; returns their paths.

        Existing files are not overwritten: a second `plot.png` becomes `plot-1.png`. The
        `attachments` of the run's messages also list files that were too large to be kept.

        Args:
            folder: is created if it does not exist.

        Raises:
            RunLost: the run's keys are gone, and with them its files.
            OSError: the folder cannot be written to.
        """
        return await runs.downloads.download(current_client(), self.id, folder)

    download = blocking(_download)
    download_async = awaitable(_download)

    def events(self, after: int = 0, *, public: bool = False) -> Iterator[threadmill.Event]:
        """The run's events after number `after`, as they arrive; the last one is `done`.

        Args:
            after: number of the last event that is known.
            public: only what a browser may see: the assistant's texts, statuses, types of steps,
                names of tools and counts of tokens. The numbers stay, so they have gaps.

        Raises:
            RunLost: the run's keys are gone.
            LogRewound: a failover lost events that were already read, or that `after` counts.
            EventsExpired: the event after `after` has expired.
        """
        runs.checks.check_after(after)
        stream = runs.event_stream.EventStream(current_client(), self.id, after)
        try:
            while (events := drive(stream.next())) is not None:
                yield from public_events(events) if public else events
        finally:
            drive(stream.close())

    async def events_async(
        self, after: int = 0, *, public: bool = False
    ) -> AsyncIterator[threadmill.Event]:
        """Async version of `events`."""
        runs.checks.check_after(after)
        stream = runs.event_stream.EventStream(current_client(), self.id, after)
        try:
            while (events := await stream.next_awaited()) is not None:
                for event in public_events(events) if public else events:
                    yield event
        finally:
            await drive_async(stream.close())

    @classmethod
    def load(cls, run_id: str) -> Run:
        """The handle of the run with this id.

        Raises:
            RunNotFound: there is no such run.
        """
        return drive(_load(run_id))

    @classmethod
    async def load_async(cls, run_id: str) -> Run:
        """Async version of `load`."""
        return await drive_async(_load(run_id))

    @classmethod
    def list(
        cls,
        *,
        status: Status | str | None = None,
        assistant: runs.handles.AssistantHandle | str | None = None,
        thread: runs.handles.ThreadHandle | str | None = None,
        since: runs.lists.Time | None = None,
        until: runs.lists.Time | None = None,
        error: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Run]:
        """A page of the runs of all threads, newest first.

        Their handles show no messages, steps and required actions until they are refreshed.

        Args:
            status: only runs with this status now.
            assistant: only runs of this one: an assistant, its name or its id.
            thread: only runs of this one, or of the one with this id.
            since: only runs that were created then or later: a datetime with a time zone, or
                seconds since the epoch.
            until: only runs that were created before.
            error: only runs whose `last_error` has this name or code.
            limit: how many, 1 to 1000. A page of several conditions may have fewer and a cursor.
            cursor: the `cursor` of the page before.

        Raises:
            TypeError, ValueError: a value is not one that it may be.
            ThreadNotFound: `thread` is not a thread's id.
        """
        return drive(
            _list(
                status=status,
                assistant=assistant,
                thread=thread,
                since=since,
                until=until,
                error=error,
                limit=limit,
                cursor=cursor,
            )
        )

    @classmethod
    async def list_async(
        cls,
        *,
        status: Status | str | None = None,
        assistant: runs.handles.AssistantHandle | str | None = None,
        thread: runs.handles.ThreadHandle | str | None = None,
        since: runs.lists.Time | None = None,
        until: runs.lists.Time | None = None,
        error: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Run]:
        """Async version of `list`."""
        return await drive_async(
            _list(
                status=status,
                assistant=assistant,
                thread=thread,
                since=since,
                until=until,
                error=error,
                limit=limit,
                cursor=cursor,
            )
        )

    def raise_for_status(self) -> Run:
        """Return the handle unless the run failed or expired.

        Raises:
            RunFailed: it did; `.run` is this handle.
        """
        if self.status in (Status.FAILED, Status.EXPIRED):
            reason = self.last_error.message if self.last_error else "no reason is recorded"
            raise errors.RunFailed(f"{self.id} {self.status}: {reason}", run=self)
        return self


def _seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // 1000


async def _load(run_id: str) -> Run:
    return await stored_run(ids.checked_run_id(run_id))


async def _list(**wanted: Any) -> Page[Run]:
    page = await runs.lists.run_page(**wanted)
    return Page([_listed_run(record) for record in page], page.cursor, page.incomplete)


def _listed_run(record: RunRecord) -> Run:
    return run_of(RunView(record, messages=[], steps=[], parked=[]))


async def stored_run(run_id: str) -> Run:
    """The handle of a run that exists.

    Raises:
        RunNotFound: it does not.
    """
    client = current_client()
    return run_of(await client.call(client.view(run_id)))


def run_of(view: RunView) -> Run:
    """The handle of a run that was read."""
    run = Run(view.record.id, view.record.thread_id)
    run.__show__(view)
    return run


def requested_run(requested: RequestedRun) -> Run:
    """The handle of a run that was enqueued here."""
    found = requested.run
    run = run_of(found) if isinstance(found, RunView) else _new_run(found)
    run.__bind__(requested.functions, requested.expected)
    return run


def requested_runs(requested: Sequence[RequestedRun | Exception]) -> list[Run]:
    """The handles of runs that were enqueued here, in order.

    Raises:
        NotAllEnqueued: some were not.
    """
    runs = [None if isinstance(one, Exception) else requested_run(one) for one in requested]
    failed = {at: one for at, one in enumerate(requested) if isinstance(one, Exception)}
    if failed:
        raise errors.NotAllEnqueued(runs=runs, errors=failed)
    return [run for run in runs if run is not None]


def _new_run(new: NewRun) -> Run:
    run = Run(new.command.run_id, new.command.thread_id)
    run.__show_new__(new)
    return run
