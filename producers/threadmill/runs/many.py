"""Enqueueing many runs: all of them are checked before the first is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json, to_json

from threadmill.client.awaited import SyncOrAsync
from threadmill.client.client import Client, NewRun, RunView
from threadmill.client.current import current_client
from threadmill.runs.checks import check_message_given
from threadmill.runs.handles import AssistantHandle
from threadmill.runs.options import Job, RequestOptions
from threadmill.runs.request import PreparedRun, RequestedRun, prepare_run
from threadmill_shared import errors
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.changes import EnqueueCommand
from threadmill_shared.records.files import FileContent
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.tools import Tool

MOST_JOBS = 10_000
"""Of one call. All jobs are checked before the first is written, so all are in memory then."""
MOST_FILE_BYTES = 256 * 1024 * 1024
"""Of all files of one call, each counted once."""
MOST_CHARACTERS = 256 * 1024 * 1024
"""Of all messages, contexts and instructions of one call; those that jobs share count once."""
_PAUSE_JOBS = 50
"""After that many the caller's event loop may do something else."""


async def request_many(
    assistant: AssistantHandle, jobs: Iterable[str | Job]
) -> list[RequestedRun | Exception]:
    """Enqueue a run for each job, in order.

    Args:
        assistant: the runs' assistant.
        jobs: messages, or what `enqueue` takes.

    Returns:
        For each job its run, or the error for which that was not stored.

    Raises:
        TypeError, CallerError: a job is invalid; nothing was written.
        StoreUnavailable: Redis does not answer; nothing was written.
    """
    given = _checked_jobs(jobs)
    if not given:
        return []
    client = current_client()
    prepared = await _prepare_all(client, assistant, given)
    commands = [one.command for one in prepared]
    tools = _tools_of(one.run for one in prepared)
    found = await client.call(client.enqueue_many(commands, tools))
    return [_requested(one.run, run) for one, run in zip(prepared, found, strict=True)]


def _requested(
    prepared: PreparedRun, found: NewRun | RunView | Exception
) -> RequestedRun | Exception:
    if isinstance(found, Exception):
        return found
    return RequestedRun(found, prepared.functions, prepared.expected)


@dataclass(frozen=True)
class _Prepared:
    """A job that is valid."""

    run: PreparedRun
    command: EnqueueCommand


async def _prepare_all(
    client: Client, assistant: AssistantHandle, jobs: list[Job]
) -> list[_Prepared]:
    ancestry = await client.call(client.ancestry())
    files, texts = _Files(), _Texts()
    prepared = []
    for index, job in enumerate(jobs):
        if index % _PAUSE_JOBS == _PAUSE_JOBS - 1:
            await SyncOrAsync(lambda: None, lambda: asyncio.sleep(0))
        with _naming(index):
            options: dict[str, Any] = dict(job)
            message, thread = options.pop("message", None), options.pop("thread", None)
            check_message_given(message)
            run = await prepare_run(assistant, message, thread, RequestOptions.of(**options))
            request = files.shared_by(run.request)
            command = texts.kept(ancestry.adopt(enqueue_command(request, client.settings)))
            prepared.append(_Prepared(run, command))
    return prepared


def _checked_jobs(jobs: Any) -> list[Job]:
    if isinstance(jobs, str | bytes | Mapping) or not isinstance(jobs, Iterable):
        raise TypeError(
            "enqueue_many takes a list of messages or of Jobs, not "
            f"{type(jobs).__name__}. Pass a list, even for a single job: [job]."
        )
    given: list[Any] = [{"message": job} if isinstance(job, str) else job for job in jobs]
    if len(given) > MOST_JOBS:
        raise errors.TooLarge(
            f"There are {len(given):,} jobs; enqueue_many takes {MOST_JOBS:,} at a time."
        )
    for index, job in enumerate(given):
        if not isinstance(job, Mapping) or not all(isinstance(name, str) for name in job):
            raise TypeError(
                f"Job {index} must be a message or a Job, such as {{'message': 'Hello!'}}, "
                f"not {type(job).__name__}."
            )
    return given


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """An error says which job it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about job {index} of enqueue_many (from 0). Nothing was written.")
        raise


def _tools_of(runs: Iterable[PreparedRun]) -> list[Tool]:
    """The functions of all runs, each once."""
    return list({id(tool): tool for run in runs for tool in run.functions}.values())


class _Texts:
    """The texts of one call: what is written is what was checked, whatever the caller changes."""

    def __init__(self) -> None:
        self._snapshots: set[int] = set()
        self._size = 0

    def kept(self, command: EnqueueCommand) -> EnqueueCommand:
        """The same, with a context of its own.

        Raises:
            TooLarge: all texts together are too long.
        """
        context = to_json(command.context) if command.context else b""
        self._size += len(command.message or "") + len(context)
        self._size += sum(len(to_json(one.item)) for one in command.additional)
        if id(command.request) not in self._snapshots:  # it is kept, and its id with it
            self._snapshots.add(id(command.request))
            self._size += len(command.request.instructions)
        if self._size > MOST_CHARACTERS:
            raise errors.TooLarge(
                "The messages, instructions and contexts of all jobs have more than "
                f"{MOST_CHARACTERS:,} characters. Enqueue the jobs in several calls."
            )
        return replace(command, context=from_json(context)) if context else command


class _Files:
    """The files of one call, each kept in memory once."""

    def __init__(self) -> None:
        self._known: dict[str, FileContent] = {}
        self._size = 0

    def shared_by(self, request: RunRequest) -> RunRequest:
        """The same, with files that others have, too.

        Raises:
            TooLarge: all files together are too large.
        """
        additional = [
            replace(one, attached=self._shared_all(one.attached)) for one in request.additional
        ]
        attached = self._shared_all(request.attached)
        return replace(request, attached=attached, additional=tuple(additional))

    def _shared_all(self, attached: Attached) -> Attached:
        if not attached.files:
            return attached
        return replace(attached, files=tuple(map(self._shared, attached.files)))

    def _shared(self, file: FileContent) -> FileContent:
        if file.id not in self._known:
            self._known[file.id] = file
            self._size += len(file.content)
        if self._size > MOST_FILE_BYTES:
            raise errors.TooLarge(
                f"The files of all jobs are larger than {MOST_FILE_BYTES:,} bytes. Enqueue the "
                "jobs in several calls."
            )
        return self._known[file.id]
