"""The ways to talk to an assistant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking
from threadmill.handlers import PrintHandler
from threadmill.handlers.session import listener
from threadmill.lifecycle import Lifecycle
from threadmill.run import Run, handle
from threadmill.runs.attachments import Files, read_files
from threadmill.runs.checks import check_timeout
from threadmill.runs.follow import cancel_and_wait, follow
from threadmill.runs.options import FileOptions, RunOptions, SayOptions
from threadmill.runs.result_types import ResultType
from threadmill.runs.tool_list import functions, specs
from threadmill.terminal.chat import converse
from threadmill.thread import Thread
from threadmill_shared import errors
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.changes import WhenBusy
from threadmill_shared.records.definition import Definition
from threadmill_shared.run_request import Ask


class Talking(Lifecycle):
    """An assistant that can be asked."""

    async def _say(
        self,
        message: str,
        thread: Thread | None = None,
        event_handler_class: type[Any] | None = PrintHandler,
        event_handler_kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        *,
        code_interpreter_files: Files = None,
        file_search_files: Files = None,
        image_files: Files = None,
        **run_options: Unpack[SayOptions],
    ) -> Run:
        """Say something, print the answer as it is made, and return the run when it has ended.

        Args:
            message: what the user says.
            thread: the conversation; None: `default_thread`.
            event_handler_class: is told what the run does, a class derived from `EventHandler` or
                from `openai.AsyncAssistantEventHandler`; None: nothing is printed. What one of its
                hooks raises is raised when the run has ended.
            event_handler_kwargs: for its constructor.
            timeout: seconds to wait; None: as long as it takes.
            code_interpreter_files: paths of files that the code interpreter can read.
            file_search_files: paths of files that the file search looks into.
            image_files: paths of images that the model is to see, or their https URLs.
            run_options: model, instructions (replaces) and additional_instructions (each a text, or
                a `Template` to be rendered), tools (replaces), additional_tools, tool_choice,
                temperature, top_p, max_completion_tokens, parallel_tool_calls, response_format,
                truncation_strategy, metadata, when_busy, idempotency_key, context, result_type
                (the type of `run.result`).

        Raises:
            RunFailed: the run failed or expired; `.run` tells why.
            WaitTimeout: it had not ended after `timeout` seconds; it goes on.
            TypeError: a run option is unknown, or the handler cannot be made.
            CallerError: the request is wrong; nothing was written.
            StoreUnavailable: Redis does not answer.
        """
        _refuse_no_message(message)
        return await self.perform(
            message,
            self.default_thread if thread is None else thread,
            event_handler_class,
            event_handler_kwargs,
            timeout,
            run_options,
            {
                "code_interpreter_files": code_interpreter_files,
                "file_search_files": file_search_files,
                "image_files": image_files,
            },
        )

    say = blocking(_say)
    say_async = awaitable(_say)

    async def _chat(self, initial_message: str | None = None) -> None:
        """Converse in the terminal, on `default_thread`; each line that is typed is a `say`.

        Ctrl-C stops an answer, and leaves at the prompt, as Ctrl-D and the line `exit` do. Without
        a terminal the lines of stdin are said. What goes wrong with one is printed.

        Args:
            initial_message: is said first.
        """
        await converse(self, initial_message)

    chat = blocking(_chat)
    chat_async = awaitable(_chat)

    async def _enqueue(
        self,
        message: str,
        thread: Thread | None = None,
        when_busy: WhenBusy = "queue",
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
        *,
        code_interpreter_files: Files = None,
        file_search_files: Files = None,
        image_files: Files = None,
        **run_options: Unpack[RunOptions],
    ) -> Run:
        """Say something, and return as soon as that is stored; a worker does the rest.

        Args:
            message: what the user says.
            thread: the conversation; None: a new one, `run.thread_id`.
            when_busy: `queue` waits in the thread's line, `reject` raises ThreadLocked,
                `interrupt` cancels the run that holds the thread.
            idempotency_key: the same key on the same thread gives the same run, for 24 h.
            context: JSON that tools and the template see and the model does not.
            code_interpreter_files: as for `say`, and the next two.
            file_search_files: paths.
            image_files: paths or URLs.
            run_options: as for `say`.

        Raises:
            TypeError: a run option is unknown.
            ThreadLocked, ThreadFull, ThreadNotFound, IdempotencyMismatch: as they say.
            CallerError: the request is wrong; nothing was written.
            StoreUnavailable: Redis does not answer.
        """
        _refuse_no_message(message)
        return await self.request_run(
            message,
            thread,
            when_busy=when_busy,
            idempotency_key=idempotency_key,
            context=context,
            code_interpreter_files=code_interpreter_files,
            file_search_files=file_search_files,
            image_files=image_files,
            **run_options,
        )

    enqueue = blocking(_enqueue)
    enqueue_async = awaitable(_enqueue)

    async def request_run(
        self,
        message: str | None,
        thread: Thread | None,
        *,
        when_busy: WhenBusy = "queue",
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
        model: str | None = None,
        instructions: str | Template | None = None,
        additional_instructions: str | Template | None = None,
        tools: Sequence[Any] | None = None,
        additional_tools: Sequence[Any] = (),
        result_type: Any = None,
        code_interpreter_files: Files = None,
        file_search_files: Files = None,
        image_files: Files = None,
        **options: Any,
    ) -> Run:
        """The operation behind all ways to enqueue; a message of None takes the thread as it is."""
        _refuse_no_thread(thread)
        expected = _expected(result_type, options)
        client = current_client()
        await self.adopt()
        offered = [*(self.get_tools() if tools is None else tools), *additional_tools]
        own_functions = functions(offered)
        files = (code_interpreter_files, file_search_files, image_files)
        ask = Ask(
            definition=self._definition_for(offered, model, client.settings.model),
            message=message,
            names_model=self._names_model(model),
            self_=self,
            thread=thread.reference() if thread else None,
            when_busy=when_busy,
            idempotency_key=idempotency_key,
            context=context,
            instructions=self._template(thread) if instructions is None else instructions,
            additional_instructions=additional_instructions,
            options=options,
            local_tools=()
            if client.has_own_worker
            else tuple(one.spec.name for one in own_functions),
            result=None if expected is None else expected.form,
            attached=await read_files(client, *files),
        )
        enqueued = await client.hop(client.enqueue(ask, own_functions))
        run = await handle(enqueued.run_id)
        run.offer(own_functions)
        run.expect(expected)
        return run

    def _template(self, thread: Thread | None) -> Template | None:
        own: Any = self.get_instructions(thread)  # a subclass may return a Template as well
        return own if own is None or isinstance(own, Template) else Template(own)

    def _names_model(self, model: str | None) -> bool:
        """Whether the caller's code names the model of a run."""
        return model is not None or (self.model is not None and not self._is_registered)

    def _definition_for(self, tools: list[Any], model: str | None, default: str) -> Definition:
        """The definition of one run, which may have other tools and another model."""
        own = default if self.model is None else self.model
        changed = {
            "tools": specs(tools),
            "hosted": hosted_tools(tools, self.tool_resources),
            "model": own if model is None else model,
        }
        return self.definition().model_copy(update=changed)

    async def perform(
        self,
        message: str | None,
        thread: Thread,
        event_handler_class: type[Any] | None,
        event_handler_kwargs: dict[str, Any] | None,
        timeout: float | None,
        run_options: SayOptions,
        files: FileOptions | None = None,
    ) -> Run:
        """The operation behind all ways to run and wait."""
        check_timeout(timeout)
        told = listener(event_handler_class, event_handler_kwargs)
        self.pre_run_hook()
        run = await self.request_run(message, thread, **(files or {}), **run_options)
        try:
            await follow(run, told, timeout)
        except KeyboardInterrupt:
            await cancel_and_wait(run)
            raise
        self.post_run_hook(run)
        if told is not None and told.failure is not None:
            raise told.failure
        return run.raise_for_status()


def _refuse_no_thread(thread: Any) -> None:
    if thread is not None and not isinstance(thread, Thread):
        raise TypeError(
            f"thread is a Thread, not {type(thread).__name__}. Pass Thread(id=...) for one that "
            "exists, Thread(key=...) for one of your own name."
        )


def _expected(result_type: Any, options: dict[str, Any]) -> ResultType[Any] | None:
    """The type of the result, which the options then ask for."""
    if result_type is None:
        return None
    if options.get("response_format") is not None:
        raise TypeError("Give result_type or response_format, not both.")
    expected = ResultType(result_type)
    options["response_format"] = expected.response_format
    return expected


def _refuse_no_message(message: Any) -> None:
    if message is None:
        raise errors.BadMessage("There is no message. To run a thread as it is, use thread.run.")
