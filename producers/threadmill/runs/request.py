"""Enqueueing a run: shared by all calls that start one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from threadmill.client.client import Client, NewRun, RunView
from threadmill.client.current import current_client
from threadmill.runs.attachments import read_files
from threadmill.runs.handles import AssistantHandle, ThreadHandle
from threadmill.runs.options import RequestOptions
from threadmill.runs.result_types import ResultType
from threadmill.runs.tool_list import read_tools
from threadmill_shared import records
from threadmill_shared.instructions.parts import Instructions
from threadmill_shared.instructions.plain_text import PlainText
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.run_request import RunRequest, check_model
from threadmill_shared.tools import Tool


@dataclass(frozen=True)
class PreparedRun:
    """A run that is to be enqueued, with its caller's functions and types."""

    request: RunRequest
    functions: list[Tool]
    """Executed in this process if the run waits for their calls."""
    expected: ResultType[Any] | None
    """The type of its result."""


@dataclass(frozen=True)
class RequestedRun:
    """A run that was enqueued, with its caller's functions and types."""

    run: NewRun | RunView
    functions: list[Tool]
    """As in `PreparedRun`."""
    expected: ResultType[Any] | None


async def request_run(
    assistant: AssistantHandle,
    message: str | None,
    thread: ThreadHandle | None,
    options: RequestOptions,
) -> RequestedRun:
    """Enqueue a run.

    Args:
        assistant: the run's assistant.
        message: what the user says; None: no message is added to the thread.
        thread: the conversation; None: a new one.
        options: the caller's options.

    Raises:
        TypeError: `thread` is not a thread, or an option is invalid.
        CallerError: the request is invalid; nothing was written.
        StoreUnavailable: Redis does not answer.
    """
    prepared = await prepare_run(assistant, message, thread, options)
    client = current_client()
    run = await client.call(client.enqueue(prepared.request, prepared.functions))
    return RequestedRun(run, prepared.functions, prepared.expected)


async def prepare_run(
    assistant: AssistantHandle,
    message: str | None,
    thread: ThreadHandle | None,
    options: RequestOptions,
) -> PreparedRun:
    """Collect what a run needs, as `request_run` is given it; nothing is written.

    Raises:
        TypeError: `thread` is not a thread, or an option is invalid.
        CallerError: a tool or a file is invalid.
        StoreUnavailable: Redis does not answer.
    """
    _refuse_no_thread(thread)
    expected = _expected(options)
    client = current_client()
    is_registered = await assistant.__adopt__()
    tools = _tools(assistant, options)
    offered = read_tools(tools)
    model = _model(assistant, options, client.settings.model)
    request = RunRequest(
        definition=assistant.__define__(tools, offered, model),
        message=message,
        names_model=_names_model(assistant, options, is_registered=is_registered),
        self_=assistant,
        thread=None if thread is None else thread.__reference__(),
        when_busy=options.when_busy,
        idempotency_key=options.idempotency_key,
        context=options.context,
        instructions=_instructions(assistant, thread, options),
        additional_instructions=options.additional_instructions,
        options=_run_options(options, expected),
        local_tools=() if client.has_own_worker else offered.function_names,
        result=None if expected is None else expected.form,
        attached=await _attached(client, options),
        additional=await _additional(client, options),
    )
    return PreparedRun(request, offered.functions, expected)


def _names_model(
    assistant: AssistantHandle, options: RequestOptions, *, is_registered: bool
) -> bool:
    """Whether the caller's code names the model of a run."""
    return options.model is not None or (assistant.model is not None and not is_registered)


def _refuse_no_thread(thread: Any) -> None:
    # A class has the methods of its instances, and isinstance looks no further for a protocol.
    is_class = isinstance(thread, type)
    if thread is not None and (is_class or not isinstance(thread, ThreadHandle)):
        found = f"the class {thread.__name__}" if is_class else type(thread).__name__
        raise TypeError(
            f"thread must be a Thread, not {found}. Pass Thread(id=...) for an "
            "existing one, Thread(key=...) for one under a name of your own."
        )


def _expected(options: RequestOptions) -> ResultType[Any] | None:
    if options.result_type is None:
        return None
    if options.others.get("response_format") is not None:
        raise TypeError("Give result_type or response_format, not both.")
    return ResultType(options.result_type)


def _run_options(options: RequestOptions, expected: ResultType[Any] | None) -> Mapping[str, Any]:
    if expected is None:
        return options.others
    return {**options.others, "response_format": expected.response_format}


def _tools(assistant: AssistantHandle, options: RequestOptions) -> list[Any]:
    own = assistant.get_tools() if options.tools is None else options.tools
    return [*own, *options.additional_tools]


def _model(assistant: AssistantHandle, options: RequestOptions, default: str) -> str:
    if options.model is not None:
        check_model(options.model)
        return options.model
    return default if assistant.model is None else assistant.model


def _instructions(
    assistant: AssistantHandle, thread: ThreadHandle | None, options: RequestOptions
) -> Instructions | None:
    if options.instructions is not None:
        return options.instructions
    own: Any = assistant.get_instructions(thread)  # a subclass may return a Template as well
    return own if own is None or isinstance(own, Template | PlainText) else Template(own)


async def _additional(client: Client, options: RequestOptions) -> tuple[NewMessage, ...]:
    if options.additional_messages is None:
        return ()
    most = client.settings.max_message_bytes
    read = records.new_messages.read_new_messages(options.additional_messages, max_bytes=most)
    supplied: tuple[NewMessage, ...] = await client.call(client.store.uploaded_files.supply(read))
    return supplied


async def _attached(client: Client, options: RequestOptions) -> Attached:
    return await read_files(
        client,
        code_interpreter_files=options.code_interpreter_files,
        file_search_files=options.file_search_files,
        image_files=options.image_files,
    )
