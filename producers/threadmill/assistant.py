"""An assistant, as users know it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from pydantic_core import to_jsonable_python

from threadmill.client.context_manager import ContextManager
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking, drive, drive_async
from threadmill.handlers import PrintHandler
from threadmill.handlers.follow import cancel_and_wait, follow
from threadmill.handlers.session import listener
from threadmill.run import Run, handle
from threadmill.runs.attachments import Files, read_files
from threadmill.runs.checks import check_timeout
from threadmill.runs.options import EnqueueOptions, FileOptions, SayOptions
from threadmill.runs.registration import Entered, Registration
from threadmill.runs.result_types import ResultType
from threadmill.runs.tool_list import functions, specs
from threadmill.terminal.chat import chat
from threadmill.thread import Thread
from threadmill_shared import errors, ids
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.changes import WhenBusy
from threadmill_shared.records.definition import Definition, Publishable, RunOptions
from threadmill_shared.run_request import RunRequest, check_text
from threadmill_shared.settings import load_settings
from threadmill_shared.tools import Tool

_POSITIONAL = ("name", "instructions", "model", "tools")


class Assistant(ContextManager, BaseModel, Publishable):
    """A definition: a name, instructions, a model and tools. Making one registers nothing.

    Derive from it to add fields; the instructions' template sees them as `self_.<field>`.
    """

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, validate_assignment=True
    )

    name: str = Field(default="Assistant", min_length=1, max_length=256)
    id: str | None = None
    """Set by `create` and `load`. Given to the constructor it names what is registered: fields that
    are not given are read from there at the first use."""
    description: str | None = None
    instructions: str = ""
    """A Jinja template, given as a str or a `Template`; it sees `self_`, this assistant, and
    `context`."""
    model: str | None = Field(default=None, pattern=r"\S")
    """None: `THREADMILL_MODEL`."""
    tools: list[Any] = Field(default_factory=list)
    """Functions, `@tool`s, `CodeInterpreter`, `FileSearch`, or the specs of a loaded assistant."""
    tool_resources: dict[str, Any] = Field(default_factory=dict)
    """As in the Assistants API: `{"code_interpreter": {"file_ids": [...]}, "file_search":
    {"vector_store_ids": [...]}}`, with the provider's ids."""
    metadata: dict[str, str] = Field(default_factory=dict)
    response_format: str | dict[str, Any] | None = None
    queue: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of a queue of its own, for workers of its own."""
    default_thread: Thread = Field(default_factory=Thread, exclude=True, repr=False)
    """The conversation of a `say` that names no thread."""

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_fields(cls, given: Any) -> Any:
        fields = cls.model_fields
        has_aliases = any(field.validation_alias for field in fields.values())  # of a subclass
        if isinstance(given, dict) and cls.model_config["extra"] == "forbid" and not has_aliases:
            for name in given.keys() - fields.keys():
                raise ValueError(_not_a_field(name, fields))
        return given

    @field_validator("instructions", mode="before")
    @classmethod
    def _template_source(cls, given: Any) -> Any:
        return given.source if isinstance(given, Template) else given

    _version: int | None = PrivateAttr(default=None)
    """The number of the registered definition that this one was read from, or stored as."""
    _is_registered: bool = PrivateAttr(default=False)
    """Whether this handle has created, loaded or read what its id names."""
    _registration: Registration = PrivateAttr(default_factory=Registration)
    _entries: list[Entered] = PrivateAttr(default_factory=list)

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str = "Assistant",
            instructions: str | Template = "",
            model: str | None = None,
            tools: Sequence[Any] = (),
            *,
            id: str | None = None,
            description: str | None = None,
            tool_resources: Mapping[str, Any] = ...,
            metadata: Mapping[str, str] = ...,
            response_format: str | Mapping[str, Any] | None = None,
            queue: str | None = None,
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
                raise TypeError(
                    "Assistant() takes at most four positional arguments, each given once: "
                    f"{', '.join(_POSITIONAL)}."
                )
            super().__init__(**given, **fields)

    def note_registered(self, definition: Definition | None) -> None:
        """Take over id and version of what was registered; None: nothing is any more."""
        self.id = None if definition is None else definition.id
        self._version = None if definition is None else definition.version
        self._is_registered = definition is not None

    def definition(self) -> Definition:
        """This assistant without its functions, as it is stored and published.

        Raises:
            BadTool: something in `tools` or `tool_resources` cannot be what it is to be.
        """
        own = set(type(self).model_fields) - set(Assistant.model_fields)
        return Definition(
            id=self.id or ids.named_assistant_id(self.name),
            version=self._version,
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            model=load_settings().model if self.model is None else self.model,
            tools=specs(self.tools),
            hosted=hosted_tools(self.tools, self.tool_resources),
            metadata=self.metadata,
            response_format=self.response_format,
            queue=self.queue,
            fields={name: to_jsonable_python(getattr(self, name), fallback=str) for name in own},
        )

    def functions(self) -> list[Tool]:
        """The functions among its tools."""
        return functions(self.tools)

    def get_tools(self) -> list[Any]:
        """The tools of the next run; derive to change them."""
        return list(self.tools)

    def get_instructions(self, thread: Thread | None = None) -> str:  # noqa: ARG002  Marvin's signature
        """The template of the next run's instructions; derive to change it.

        What it returns is rendered, be it a str or a `Template`.
        """
        return self.instructions

    def clear_default_thread(self) -> None:
        """Begin a new conversation; the old one stays stored."""
        self.default_thread = Thread()

    def pre_run_hook(self) -> None:
        """Called before a run of `say` or `Thread.run` is enqueued; derive to use it."""

    def post_run_hook(self, run: Run) -> None:
        """Called with the run when it has ended; derive to use it."""

    # ---- registration ------------------------------------------------------------------------

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
        found = await client.hop(client.assistants.load(id_or_name))
        fields = cls._fields_of(found)
        if tools is not None:
            fields["tools"] = list(tools)
        loaded = cls(**fields)
        loaded._version = found.version
        loaded._is_registered = True
        return loaded

    @classmethod
    def _fields_of(cls, found: Definition) -> dict[str, Any]:
        fields: dict[str, Any] = found.known()
        for name in ("fields", "tools", "hosted", "version"):
            del fields[name]
        own = {name: value for name, value in found.fields.items() if name in cls.model_fields}
        return {**fields, **own, "tools": [*found.tools, *found.hosted]}

    async def adopt(self) -> None:
        """Read what is registered under an id that was given to the constructor.

        Fields that were given with it stay as they are.

        Raises:
            AssistantNotFound: nothing is registered under the id.
        """
        if self.id is None or self._is_registered:
            return
        check_text(self.id, "An assistant's id")
        client = current_client()
        found = await client.hop(client.assistants.load(self.id))
        fields = self._fields_of(found)
        for name in fields.keys() - self.model_fields_set:
            setattr(self, name, fields[name])
        self._version = found.version
        self._is_registered = True

    async def _create(self) -> None:
        """Store the assistant, so that other processes can load it by its id.

        Raises:
            LifecycleError: it has an id already.
        """
        definition, client = self._new_definition(), current_client()
        await client.hop(self._registration.create(self, definition, client.assistants))

    create = blocking(_create)
    create_async = awaitable(_create)

    async def _save(self) -> None:
        """Store the assistant as it is now, under its id; whoever loads it then gets this.

        Runs keep the definition that they were enqueued with.

        Raises:
            LifecycleError: it has no id, or is published by workers.
            AssistantNotFound: it was deleted.
        """
        self._refuse_unregistered("saved")
        await self.adopt()
        client = current_client()
        self._version = await client.hop(client.assistants.save(self.definition()))

    save = blocking(_save)
    save_async = awaitable(_save)

    async def _delete(self) -> None:
        """Remove the stored assistant; one that was removed already is no error.

        Raises:
            LifecycleError: it has no id, or is published by workers.
        """
        self._refuse_unregistered("deleted")
        client = current_client()
        await client.hop(self._registration.delete(self, client.assistants))

    delete = blocking(_delete)
    delete_async = awaitable(_delete)

    def _new_definition(self) -> Definition:
        return self.definition().model_copy(update={"id": ids.new_assistant_id(), "version": 1})

    def _refuse_unregistered(self, what: str) -> None:
        if self.id is None:
            raise errors.LifecycleError(
                "This assistant has no id: it was not created. Call create() first."
            )
        if self.id == ids.named_assistant_id(self.name):
            raise errors.LifecycleError(
                f"{self.name!r} is published by the workers that load its module, so it is not "
                f"{what} here: change the module."
            )

    async def _enter(self) -> Self:
        definition, client, entry = self._new_definition(), current_client(), Entered()
        try:
            await client.hop(self._registration.enter(entry, self, definition, client.assistants))
        except BaseException:
            await client.hop(self._registration.exit(entry, self, client.assistants))
            raise
        self._entries.append(entry)
        return self

    async def _exit(self, _error: BaseException | None) -> None:
        client, entry = current_client(), self._entries.pop()
        try:
            await client.hop(self._registration.exit(entry, self, client.assistants))
        except BaseException:  # a cancelled task must not leave its entry behind
            await client.hop(self._registration.exit(entry, self, client.assistants))
            raise

    # ---- runs --------------------------------------------------------------------------------

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
        await chat(self.name, self._say, initial_message)

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
        **run_options: Unpack[EnqueueOptions],
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
        ask = RunRequest(
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


def _not_a_field(name: str, known: Iterable[str]) -> str:
    if name in RunOptions.model_fields:
        return (
            f"{name!r} is a run option, not a field of an assistant. "
            f"Pass it to the run: say(..., {name}=...)."
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name!r} is not a field of an assistant.{hint} Known fields: {', '.join(known)}."


def _refuse_no_thread(thread: Any) -> None:
    if thread is not None and not isinstance(thread, Thread):
        raise TypeError(
            f"thread must be a Thread, not {type(thread).__name__}. Pass Thread(id=...) for an "
            "existing one, Thread(key=...) for one under a name of your own."
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
        raise errors.BadMessage("The message is missing. To run a thread as it is, use thread.run.")
