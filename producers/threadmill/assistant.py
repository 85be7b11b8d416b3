"""An assistant: who it is, and the ways to talk to it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic_core import to_jsonable_python

from threadmill.checks import check_timeout
from threadmill.client import current_client
from threadmill.handlers import EventHandler, PrintHandler
from threadmill.hosted_tools import CodeInterpreter, FileSearch
from threadmill.run import GRACE_SECONDS, EventStream, Limit, Run, handle
from threadmill.thread import Thread
from threadmill.twins import awaitable, blocking, drive, drive_async
from threadmill_shared import errors, ids
from threadmill_shared.definition import Definition, Publishable
from threadmill_shared.requests import Ask, check_text
from threadmill_shared.runs import WhenBusy
from threadmill_shared.settings import load_settings
from threadmill_shared.tools import Tool, ToolSpec, as_tool

_POSITIONAL = ("name", "instructions", "model", "tools")
_CANCEL_SECONDS = 2.0
"""How long the first Ctrl-C waits for the run's end."""


class Assistant(BaseModel, Publishable):
    """A definition: a name, instructions, a model and tools. Making one registers nothing.

    Derive from it to add fields; the instructions' template sees them as `self_.<field>`.
    """

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, validate_assignment=True
    )

    name: str = Field(default="Assistant", min_length=1, max_length=256)
    id: str | None = None
    """Set by `create` and `load`."""
    description: str | None = None
    instructions: str = ""
    """A Jinja template; it sees `self_`, this assistant, and `context`."""
    model: str | None = None
    """None: `THREADMILL_MODEL`."""
    tools: list[Any] = Field(default_factory=list)
    """Functions, `@tool`s, or the specs of a loaded assistant."""
    tool_resources: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, str] = Field(default_factory=dict)
    response_format: str | dict[str, Any] | None = None
    queue: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of a queue of its own, for workers of its own."""
    default_thread: Thread = Field(default_factory=Thread, exclude=True, repr=False)
    """The conversation of a `say` that names no thread."""

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str = "Assistant",
            instructions: str = "",
            model: str | None = None,
            tools: Sequence[Any] = (),
            **fields: Any,
        ) -> None: ...

    else:

        def __init__(self, *positional: Any, **fields: Any) -> None:
            """A definition; name, instructions, model and tools may be given by position.

            Raises:
                pydantic.ValidationError: a field is unknown, or of the wrong type.
            """
            # Only what was given is passed on, so that a subclass may set defaults of its own.
            given = dict(zip(_POSITIONAL, positional, strict=False))
            if len(positional) > len(_POSITIONAL) or given.keys() & fields.keys():
                raise TypeError(f"By position go {', '.join(_POSITIONAL)}, each given once.")
            super().__init__(**given, **fields)

    _depth: int = PrivateAttr(default=0)
    _is_created: bool = PrivateAttr(default=False)

    # ---- what it is ------------------------------------------------------------------------------

    def definition(self) -> Definition:
        """This assistant without its functions, as it is stored and published.

        Raises:
            BadTool: something in `tools` cannot be a tool.
            Unsupported: it uses a hosted tool.
        """
        own = set(type(self).model_fields) - set(Assistant.model_fields)
        return Definition(
            id=self.id or ids.named_assistant_id(self.name),
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            model=self.model or load_settings().model,
            tools=_specs(self.tools),
            metadata=self.metadata,
            response_format=self.response_format,
            queue=self.queue,
            fields={name: to_jsonable_python(getattr(self, name), fallback=str) for name in own},
        )

    def functions(self) -> list[Tool]:
        """The functions among its tools."""
        return [as_tool(one) for one in self.tools if not isinstance(one, ToolSpec)]

    def get_tools(self) -> list[Any]:
        """The tools of the next run; derive to change them."""
        return list(self.tools)

    def get_instructions(self, thread: Thread | None = None) -> str:  # noqa: ARG002  Marvin's signature
        """The template of the next run's instructions; derive to change it."""
        return self.instructions

    def clear_default_thread(self) -> None:
        """Begin a new conversation; the old one stays stored."""
        self.default_thread = Thread()

    def pre_run_hook(self) -> None:
        """Called before a run of `say` or `Thread.run` is enqueued; derive to use it."""

    def post_run_hook(self, run: Run) -> None:
        """Called with the run when it has ended; derive to use it."""

    # ---- talking to it ---------------------------------------------------------------------------

    async def _say(
        self,
        message: str,
        thread: Thread | None = None,
        event_handler_class: type[EventHandler] | None = PrintHandler,
        event_handler_kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        *,
        code_interpreter_files: Sequence[str] | None = None,
        file_search_files: Sequence[str] | None = None,
        image_files: Sequence[str] | None = None,
        **run_options: Any,
    ) -> Run:
        """Say something, print the answer as it is made, and return the run when it has ended.

        Args:
            message: what the user says.
            thread: the conversation; None: `default_thread`.
            event_handler_class: is given each event; None: nothing is printed.
            event_handler_kwargs: for its constructor.
            timeout: seconds to wait; None: as long as it takes.
            code_interpreter_files: not supported yet.
            file_search_files: not supported yet.
            image_files: not supported yet.
            run_options: model, instructions (replaces), additional_instructions, tools (replaces),
                additional_tools, tool_choice, temperature, top_p, max_completion_tokens,
                parallel_tool_calls, response_format, truncation_strategy, metadata, when_busy,
                idempotency_key, context.

        Raises:
            RunFailed: the run failed or expired; `.run` tells why.
            WaitTimeout: it had not ended after `timeout` seconds; it goes on.
            TypeError: a run option is unknown.
            CallerError: the request is wrong; nothing was written.
            StoreUnavailable: Redis does not answer.
        """
        if code_interpreter_files or file_search_files or image_files:
            raise errors.Unsupported("Files with a message are not supported yet.")
        _refuse_no_message(message)
        return await self.perform(
            message,
            self.default_thread if thread is None else thread,
            event_handler_class,
            event_handler_kwargs,
            timeout,
            run_options,
        )

    say = blocking(_say)
    say_async = awaitable(_say)

    async def _enqueue(
        self,
        message: str,
        thread: Thread | None = None,
        when_busy: WhenBusy = "queue",
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
        **run_options: Any,
    ) -> Run:
        """Say something, and return as soon as that is stored; a worker does the rest.

        Args:
            message: what the user says.
            thread: the conversation; None: a new one, `run.thread_id`.
            when_busy: `queue` waits in the thread's line, `reject` raises ThreadLocked,
                `interrupt` cancels the run that holds the thread.
            idempotency_key: the same key on the same thread gives the same run, for 24 h.
            context: JSON that tools and the template see and the model does not.
            run_options: as for `say`.

        Raises:
            TypeError: a run option is unknown.
            ThreadLocked, ThreadFull, ThreadNotFound, IdempotencyMismatch: as they say.
            CallerError: the request is wrong; nothing was written.
            StoreUnavailable: Redis does not answer.
        """
        _refuse_no_message(message)
        return await self.submit(
            message,
            thread,
            when_busy=when_busy,
            idempotency_key=idempotency_key,
            context=context,
            **run_options,
        )

    enqueue = blocking(_enqueue)
    enqueue_async = awaitable(_enqueue)

    async def submit(
        self,
        message: str | None,
        thread: Thread | None,
        *,
        when_busy: WhenBusy = "queue",
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
        model: str | None = None,
        instructions: str | None = None,
        additional_instructions: str | None = None,
        tools: Sequence[Any] | None = None,
        additional_tools: Sequence[Any] = (),
        **options: Any,
    ) -> Run:
        """The operation behind all ways to enqueue; a message of None takes the thread as it is."""
        if thread is not None and not isinstance(thread, Thread):
            raise TypeError(
                f"thread is a Thread, not {type(thread).__name__}. Pass Thread(id=...) for one "
                "that exists, Thread(key=...) for one of your own name."
            )
        client = current_client()
        offered = [*(self.get_tools() if tools is None else tools), *additional_tools]
        if instructions is None:
            instructions = self.get_instructions(thread)
        definition = self.definition().model_copy(
            update={
                "tools": _specs(offered),
                "model": model or self.model or client.settings.model,
            }
        )
        ask = Ask(
            definition=definition,
            message=message,
            self_=self,
            thread=thread.reference() if thread else None,
            when_busy=when_busy,
            idempotency_key=idempotency_key,
            context=context,
            instructions=instructions,
            additional_instructions=additional_instructions,
            options=options,
        )
        functions = [as_tool(one) for one in offered if not isinstance(one, ToolSpec)]
        enqueued = await client.hop(client.enqueue(ask, functions))
        return await handle(enqueued.run_id)

    async def perform(
        self,
        message: str | None,
        thread: Thread,
        event_handler_class: type[EventHandler] | None,
        event_handler_kwargs: dict[str, Any] | None,
        timeout: float | None,
        run_options: dict[str, Any],
    ) -> Run:
        """The operation behind all ways to run and wait."""
        check_timeout(timeout)
        handler = None
        if event_handler_class is not None:
            handler = event_handler_class(**(event_handler_kwargs or {}))
        self.pre_run_hook()
        run = await self.submit(message, thread, **run_options)
        try:
            await _follow(run, handler, timeout)
        except KeyboardInterrupt:
            await _cancel_and_wait(run)
            raise
        self.post_run_hook(run)
        return run.raise_for_status()

    # ---- lifecycle -------------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        id: str | None = None,
        tools: Sequence[Any] | None = None,
        *,
        assistant_id: str | None = None,
    ) -> Self:
        """The assistant that was created with this id, or that workers publish under this name.

        Args:
            id: its id or name.
            tools: its functions; None: only their specs are known, which is enough where workers
                have the functions.
            assistant_id: the same as `id`.

        Raises:
            AssistantNotFound: there is none.
        """
        return drive(cls._load(id or assistant_id, tools))

    @classmethod
    async def load_async(
        cls,
        id: str | None = None,
        tools: Sequence[Any] | None = None,
        *,
        assistant_id: str | None = None,
    ) -> Self:
        """Async version of `load`."""
        return await drive_async(cls._load(id or assistant_id, tools))

    @classmethod
    async def _load(cls, id_or_name: str | None, tools: Sequence[Any] | None) -> Self:
        if not id_or_name:
            raise TypeError("load needs an assistant's id or name.")
        check_text(id_or_name, "An assistant's id or name")
        client = current_client()
        found = await client.hop(client.registry.load(id_or_name))
        known: dict[str, Any] = found.model_dump(exclude={"fields", "tools"})
        own: dict[str, Any] = {n: v for n, v in found.fields.items() if n in cls.model_fields}
        offered = list(found.tools) if tools is None else list(tools)
        return cls(**known, **own, tools=offered)

    async def _create(self) -> None:
        """Store the assistant, so that other processes can load it by its id.

        Raises:
            LifecycleError: it has an id already.
        """
        if self.id is not None:
            raise errors.LifecycleError(
                f"This assistant was created before; its id is {self.id}. Delete it first."
            )
        client = current_client()
        definition = self.definition().model_copy(update={"id": ids.new_assistant_id()})
        await client.hop(client.registry.create(definition))
        self.id, self._is_created = definition.id, True

    create = blocking(_create)
    create_async = awaitable(_create)

    async def _delete(self) -> None:
        """Remove the stored assistant.

        Raises:
            LifecycleError: it has no id.
        """
        if self.id is None:
            raise errors.LifecycleError("This assistant has no id; it was not created.")
        client = current_client()
        await client.hop(client.registry.delete(self.id))
        self.id, self._is_created = None, False

    delete = blocking(_delete)
    delete_async = awaitable(_delete)

    async def _enter(self) -> Self:
        if self.id is None:
            await self._create()
        # Only now: who could not enter does not leave either.
        self._depth += 1
        return self

    async def _exit(self) -> None:
        self._depth -= 1
        if self._depth == 0 and self._is_created:
            await self._delete()

    def __enter__(self) -> Self:
        return drive(self._enter())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        drive(self._exit())

    async def __aenter__(self) -> Self:
        return await drive_async(self._enter())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await drive_async(self._exit())


def _refuse_no_message(message: Any) -> None:
    if message is None:
        raise errors.BadMessage("There is no message. To run a thread as it is, use thread.run.")


def _specs(tools: Sequence[Any]) -> tuple[ToolSpec, ...]:
    specs = tuple(_spec(one) for one in tools)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise errors.BadTool(
                f"Two tools are called {name!r}. Give one another name: @tool(name=...)."
            )
    return specs


def _spec(one: Any) -> ToolSpec:
    spec = one if isinstance(one, ToolSpec) else _spec_of(one)
    if spec.needs_approval:
        # Calling it without asking anybody would be the one thing its author did not want.
        raise errors.Unsupported(f"Tool {spec.name!r}: approvals are not supported yet.")
    return spec


def _spec_of(one: Any) -> ToolSpec:
    hosted = one if isinstance(one, type) else type(one)
    if issubclass(hosted, (CodeInterpreter, FileSearch)):
        raise errors.Unsupported(f"{hosted.__name__} is not supported yet.")
    return as_tool(one).spec


async def _follow(run: Run, handler: EventHandler | None, timeout: float | None) -> None:
    """Feed the handler until the run has ended.

    Raises:
        WaitTimeout: it had not ended after `timeout` seconds.
    """
    if handler is None:
        await run._wait(timeout)  # noqa: SLF001  one package
        return
    limit = Limit(timeout)
    try:
        handler.begin(run)
        while (rewound := await _feed(run, handler, limit)) is not None:
            handler.start_anew(rewound)
        await run._read(limit.left(GRACE_SECONDS))  # noqa: SLF001  one package
    except TimeoutError as error:
        raise await run._timed_out(timeout) from error  # noqa: SLF001  one package
    finally:
        handler.end()


async def _feed(run: Run, handler: EventHandler, limit: Limit) -> errors.LogRewound | None:
    """Feed the handler from the first event to the last, or until the log has gone back."""
    stream = EventStream(current_client(), run.id, 0)
    try:
        while (events := await stream.next(limit.left())) is not None:
            for event in events:
                handler.on_event(event)
    except errors.LogRewound as error:
        return error
    finally:
        await stream.close()
    return None


async def _cancel_and_wait(run: Run) -> None:
    """What the first Ctrl-C does; the second one raises at once, and the cancel stays sent."""
    await run._cancel()  # noqa: SLF001  one package
    try:
        await run._wait(_CANCEL_SECONDS)  # noqa: SLF001  one package
    except errors.WaitTimeout:
        return
