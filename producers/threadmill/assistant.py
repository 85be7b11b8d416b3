"""The assistant: a definition, and the calls that start runs with it."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self, Unpack

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

import threadmill
import threadmill_shared.tools
from threadmill import handlers, runs, terminal
from threadmill.client.context_manager import ContextManager
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking, drive, drive_async
from threadmill.handlers import PrintHandler
from threadmill.runs.late_schema import LateSchema
from threadmill.thread import Thread
from threadmill_shared import ids, records
from threadmill_shared.instructions.plain_text import PlainText
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.model_options import MODEL_OPTIONS
from threadmill_shared.records.publishable import Publishable
from threadmill_shared.records.texts import check_queue_name, check_text

if TYPE_CHECKING:
    from threadmill.client.client import Client
    from threadmill.run import Run
    from threadmill.runs.registration import Registrant, Registration
    from threadmill.runs.request import RequestedRun
    from threadmill_shared.records.model_options import ReasoningEffort, Verbosity

_POSITIONAL = ("name", "instructions", "model", "tools")


def _new_list() -> list[Any]:
    # pydantic asks for a factory's signature, and Python has to parse that of `list`.
    return []


def _new_registration() -> Registration:
    return runs.registration.Registration()


class Assistant(ContextManager, LateSchema, Publishable):
    """A definition: a name, instructions, a model and tools. Creating one registers nothing.

    Derive from it to add fields; the instructions' template sees them as `self_.<field>`.
    """

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, validate_assignment=True
    )

    name: str = Field(default="Assistant", min_length=1, max_length=256)
    id: str | None = None
    """Set by `create` and `load`. If given to the constructor, it names a registered assistant,
    from which fields that are not given are read at the first use."""
    description: str | None = None
    instructions: str = ""
    """A Jinja template, given as a str or a `Template`; it sees `self_`, this assistant, and
    `context`. A `PlainText` is sent as it is."""
    model: str | None = Field(default=None, pattern=r"\S")
    """None: `THREADMILL_MODEL`."""
    tools: builtins.list[Any] = Field(default_factory=_new_list)
    """Functions, `@tool`s, `CodeInterpreter`, `FileSearch`, `WebSearch`, or the specs of a loaded
    assistant."""
    tool_resources: dict[str, Any] = Field(default_factory=dict)
    """As in the Assistants API: `{"code_interpreter": {"file_ids": [...]}, "file_search":
    {"vector_store_ids": [...]}}`, with the provider's ids."""
    metadata: dict[str, str] = Field(default_factory=dict)
    response_format: str | dict[str, Any] | None = None
    temperature: float | None = None
    """Of each run, as are the options below; one that is given to a run replaces this one."""
    top_p: float | None = None
    max_completion_tokens: int | None = None
    max_prompt_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    tool_choice: str | dict[str, Any] | None = None
    truncation_strategy: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    extra_body: dict[str, Any] | None = None
    queue: Annotated[str, AfterValidator(check_queue_name)] | None = None
    """The name of a separate queue, for separate workers."""
    default_thread: Thread = Field(default_factory=Thread, exclude=True, repr=False)
    """The conversation that `say` continues if no thread is given."""

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_fields(cls, given: Any) -> Any:
        fields = cls.model_fields
        has_aliases = any(field.validation_alias for field in fields.values())  # of a subclass
        if isinstance(given, dict) and cls.model_config["extra"] == "forbid" and not has_aliases:
            for name in given.keys() - fields.keys():
                raise ValueError(runs.checks.unknown_field(name, fields))
        return given

    @field_validator("instructions", mode="wrap")
    @classmethod
    def _template_or_text(cls, given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(given, PlainText):  # as a field of type str it would become a str
            return given
        return validate(given.source if isinstance(given, Template) else given)

    @field_validator(*(name for name in MODEL_OPTIONS if name != "tool_choice"))
    @classmethod
    def _valid_option(cls, given: Any, info: ValidationInfo) -> Any:
        return records.definition.checked_option(str(info.field_name), given)

    _version: int | None = PrivateAttr(default=None)
    """The version under which this definition was read or stored."""
    _created_at: int | None = PrivateAttr(default=None)
    _is_registered: bool = PrivateAttr(default=False)
    """Whether this handle has created, loaded or read the assistant that its id names."""
    # Their types would be imported by pydantic.
    _registration: Any = PrivateAttr(default_factory=_new_registration)
    """A `Registration`."""
    _entries: builtins.list[Any] = PrivateAttr(default_factory=_new_list)
    """An `Entry` for each `with` block that is entered."""

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
            temperature: float | None = None,
            top_p: float | None = None,
            max_completion_tokens: int | None = None,
            max_prompt_tokens: int | None = None,
            parallel_tool_calls: bool | None = None,
            tool_choice: str | Mapping[str, Any] | None = None,
            truncation_strategy: Mapping[str, Any] | None = None,
            reasoning_effort: ReasoningEffort | None = None,
            verbosity: Verbosity | None = None,
            service_tier: str | None = None,
            safety_identifier: str | None = None,
            extra_body: Mapping[str, Any] | None = None,
            queue: str | None = None,
        ) -> None: ...

    else:

        def __init__(self, *positional: Any, **fields: Any) -> None:
            """A definition; name, instructions, model and tools can be positional.

            Raises:
                pydantic.ValidationError: a field is unknown, or of the wrong type.
            """
            # Only what was given is passed on, so that a subclass can set its own defaults.
            given = dict(zip(_POSITIONAL, positional, strict=False))
            if len(positional) > len(_POSITIONAL) or given.keys() & fields.keys():
                raise TypeError(
                    "Assistant() takes at most four positional arguments, each given once: "
                    f"{', '.join(_POSITIONAL)}."
                )
            super().__init__(**given, **fields)

    def definition(self) -> records.definition.Definition:
        """This assistant without its functions, as it is stored and published.

        Raises:
            BadTool: an entry of `tools` or `tool_resources` is invalid.
        """
        own = _own_fields(type(self))
        return runs.definitions.definition_of(self, version=self._version, own=own)

    def __define__(
        self, tools: Sequence[Any], offered: runs.tool_list.ToolList, model: str
    ) -> records.definition.Definition:
        """The definition of one run, which may have other tools and another model.

        Raises:
            BadTool: as `definition` does.
        """
        if type(self).definition is not _DEFINITION:  # a subclass's own
            return runs.definitions.changed_definition(self, tools, offered, model)
        return runs.definitions.definition_of_run(
            self, tools, offered, model, version=self._version, own=_own_fields(type(self))
        )

    @property
    def created_at(self) -> int | None:
        """Seconds since the epoch, when it was created, or published for the first time.

        None: it is not registered, or was before this was noted.
        """
        return self._created_at

    def functions(self) -> builtins.list[threadmill_shared.tools.Tool]:
        """The functions among its tools."""
        return runs.tool_list.functions(self.tools)

    def get_tools(self) -> builtins.list[Any]:
        """The tools of the next run; override it to change them."""
        return list(self.tools)

    def get_instructions(self, thread: Thread | None = None) -> str:  # noqa: ARG002  Marvin's signature
        """The template of the next run's instructions; override it to change it.

        Its return value, a str or a `Template`, is rendered.
        """
        return self.instructions

    def clear_default_thread(self) -> None:
        """Start a new conversation; the old one stays stored."""
        self.default_thread = Thread()

    def pre_run_hook(self) -> None:
        """Called before `say` or `Thread.run` enqueues a run; override it to use it."""

    def post_run_hook(self, run: threadmill.Run) -> None:
        """Called with the run when it has ended; override it to use it."""

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
            tools: its functions; None: only their specs are known, which is enough if workers have
                the functions.
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
        found = await client.call(client.store.assistants.load(id_or_name))
        return cls._registered(found, tools)

    @classmethod
    def _registered(
        cls, found: records.definition.Definition, tools: Sequence[Any] | None = None
    ) -> Self:
        fields = runs.registration.fields_of(found, cls.model_fields)
        if tools is not None:
            fields["tools"] = [*tools]
        loaded = cls(**fields)
        loaded._version, loaded._created_at = found.version, found.created_at
        loaded._is_registered = True
        return loaded

    @classmethod
    def list(cls, *, limit: int = 20, cursor: str | None = None) -> threadmill.Page[Self]:
        """A page of the assistants that were created or that workers publish, newest first.

        Args:
            limit: how many, 1 to 1000.
            cursor: the `cursor` of the page before.

        Raises:
            TypeError, ValueError: a value is not one that it may be.
        """
        return drive(cls._list(limit=limit, cursor=cursor))

    @classmethod
    async def list_async(
        cls, *, limit: int = 20, cursor: str | None = None
    ) -> threadmill.Page[Self]:
        """Async version of `list`."""
        return await drive_async(cls._list(limit=limit, cursor=cursor))

    @classmethod
    async def _list(cls, *, limit: int, cursor: str | None) -> threadmill.Page[Self]:
        page = await runs.lists.assistant_page(limit=limit, cursor=cursor)
        return records.page.Page(
            [cls._registered(found) for found in page], page.cursor, page.incomplete
        )

    async def __adopt__(self) -> bool:
        """Read the assistant that is registered under the id given to the constructor.

        Fields that were given with it are kept. Returns whether it is registered.

        Raises:
            AssistantNotFound: nothing is registered under the id.
        """
        if self.id is None or self._is_registered:
            return self._is_registered
        check_text(self.id, "An assistant's id")
        client = current_client()
        found = await client.call(client.store.assistants.load(self.id))
        fields = runs.registration.fields_of(found, type(self).model_fields)
        for name in fields.keys() - self.model_fields_set:
            setattr(self, name, fields[name])
        self._version, self._created_at = found.version, found.created_at
        self._is_registered = True
        return True

    async def _create(self) -> None:
        """Store the assistant, so that other processes can load it by its id.

        Raises:
            LifecycleError: it has an id already.
        """
        definition, client = self._new_definition(), current_client()
        await client.call(self._registration.create(self._registrant(client), definition))

    create = blocking(_create)
    create_async = awaitable(_create)

    async def _save(self) -> None:
        """Store the assistant as it is now, under its id; whoever loads it then gets this version.

        Runs keep the definition with which they were enqueued.

        Raises:
            LifecycleError: it has no id, or is published by workers.
            AssistantNotFound: it was deleted.
        """
        runs.registration.refuse_unregistered(self, "saved")
        await self.__adopt__()
        client = current_client()
        self._version = await client.call(client.store.assistants.save(self.definition()))

    save = blocking(_save)
    save_async = awaitable(_save)

    async def _delete(self) -> None:
        """Remove the stored assistant; it is not an error if it is already removed.

        Raises:
            LifecycleError: it has no id, or is published by workers.
        """
        runs.registration.refuse_unregistered(self, "deleted")
        client = current_client()
        await client.call(self._registration.delete(self._registrant(client)))

    delete = blocking(_delete)
    delete_async = awaitable(_delete)

    def _new_definition(self) -> records.definition.Definition:
        return self.definition().model_copy(update={"id": ids.new_assistant_id(), "version": 1})

    def _registrant(self, client: Client) -> Registrant:
        return runs.registration.Registrant(self, self._note_registered, client.store.assistants)

    def _note_registered(self, definition: records.definition.Definition | None) -> None:
        self.id = None if definition is None else definition.id
        self._version = None if definition is None else definition.version
        self._created_at = None if definition is None else definition.created_at
        self._is_registered = definition is not None

    async def _enter(self) -> Self:
        definition, client, entry = (
            self._new_definition(),
            current_client(),
            runs.registration.Entry(),
        )
        try:
            await client.call(self._registration.enter(entry, self._registrant(client), definition))
        except BaseException:
            await client.call(self._registration.exit(entry, self._registrant(client)))
            raise
        self._entries.append(entry)
        return self

    async def _exit(self, _error: BaseException | None) -> None:
        client, entry = current_client(), self._entries.pop()
        try:
            await client.call(self._registration.exit(entry, self._registrant(client)))
        except BaseException:  # a cancelled task must not leave its entry behind
            await client.call(self._registration.exit(entry, self._registrant(client)))
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
        code_interpreter_files: runs.attachments.Files = None,
        file_search_files: runs.attachments.Files = None,
        image_files: runs.attachments.Files = None,
        **run_options: Unpack[runs.options.SayOptions],
    ) -> threadmill.Run:
        """Send a message, print the answer as it streams, and return the run when it has ended.

        Args:
            message: what the user says.
            thread: the conversation; None: `default_thread`.
            event_handler_class: receives the run's events; a class derived from `EventHandler` or
                from `openai.AsyncAssistantEventHandler`; None: nothing is printed. An exception in
                one of its hooks is raised when the run has ended.
            event_handler_kwargs: arguments of its constructor.
            timeout: seconds to wait; None: without a limit.
            code_interpreter_files: paths of files that the code interpreter can read.
            file_search_files: paths of files that the file search searches.
            image_files: paths of images for the model, or their https URLs.
            run_options: model, instructions (replaces) and additional_instructions (each a text, or
                a `Template` to be rendered), additional_messages (which come before the message),
                tools (replaces), additional_tools, tool_choice, temperature, top_p,
                max_completion_tokens, parallel_tool_calls, response_format, truncation_strategy,
                max_prompt_tokens, reasoning_effort, verbosity, service_tier, safety_identifier,
                extra_body, metadata, when_busy, idempotency_key, context,
                result_type (the type of `run.result`).

        Raises:
            RunFailed: the run failed or expired; `.run` has the reason.
            WaitTimeout: it has not ended after `timeout` seconds; it continues.
            TypeError: a run option is unknown, or the handler cannot be created.
            CallerError: the request is invalid; nothing was written.
            StoreUnavailable: Redis does not answer.
        """
        runs.checks.check_message_given(message)
        return await handlers.follow.run_and_follow(
            self,
            message,
            self.default_thread if thread is None else thread,
            runs.options.WaitOptions(event_handler_class, event_handler_kwargs, timeout),
            runs.options.RequestOptions.of(
                code_interpreter_files=code_interpreter_files,
                file_search_files=file_search_files,
                image_files=image_files,
                **run_options,
            ),
        )

    say = blocking(_say)
    say_async = awaitable(_say)

    async def _chat(self, initial_message: str | None = None) -> None:
        """Chat in the terminal, on `default_thread`; each line that the user types is a `say`.

        Ctrl-C stops an answer; at the prompt it leaves, like Ctrl-D and the line `exit`. Without a
        terminal, the lines are read from stdin. Errors are printed.

        Args:
            initial_message: is sent first.
        """
        await terminal.chat.chat(self.name, self._say, initial_message)

    chat = blocking(_chat)
    chat_async = awaitable(_chat)

    async def _enqueue(
        self,
        message: str,
        thread: Thread | None = None,
        when_busy: records.changes.WhenBusy = "queue",
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
        *,
        code_interpreter_files: runs.attachments.Files = None,
        file_search_files: runs.attachments.Files = None,
        image_files: runs.attachments.Files = None,
        **run_options: Unpack[runs.options.EnqueueOptions],
    ) -> threadmill.Run:
        """Send a message, and return as soon as the run is stored; a worker does the rest.

        Args:
            message: what the user says.
            thread: the conversation; None: a new one, `run.thread_id`.
            when_busy: `queue` waits in the thread's line, `reject` raises ThreadLocked,
                `interrupt` cancels the run that holds the thread.
            idempotency_key: a second call with this key on the thread returns the same run, until
                24 h after its end.
            context: JSON for tools and the template; the model does not see it.
            code_interpreter_files: as for `say`, and the next two.
            file_search_files: paths.
            image_files: paths or URLs.
            run_options: as for `say`.

        Raises:
            TypeError: a run option is unknown.
            ThreadLocked, ThreadFull, ThreadNotFound, IdempotencyMismatch: as their names say.
            CallerError: the request is invalid; nothing was written.
            StoreUnavailable: Redis does not answer.
        """
        runs.checks.check_message_given(message)
        options = runs.options.RequestOptions.of(
            when_busy=when_busy,
            idempotency_key=idempotency_key,
            context=context,
            code_interpreter_files=code_interpreter_files,
            file_search_files=file_search_files,
            image_files=image_files,
            **run_options,
        )
        return _run_of(await runs.request.request_run(self, message, thread, options))

    enqueue = blocking(_enqueue)
    enqueue_async = awaitable(_enqueue)

    async def _enqueue_many(
        self, jobs: Iterable[str | threadmill.Job]
    ) -> builtins.list[threadmill.Run]:
        """Send many messages, in few round trips; return when all runs are stored.

        All jobs are checked before anything is written. Those of one thread keep their order.

        Args:
            jobs: at most 10,000 messages, or arguments of `enqueue` by name, such as
                `{"message": "Hello!", "thread": thread, "idempotency_key": "order-1"}`.

        Returns:
            The runs, in the order of the jobs.

        Raises:
            NotAllEnqueued: some runs could not be stored; `.runs` has the others, and `.errors`
                what `enqueue` would have raised, by the job's index.
            TypeError, CallerError: a job is invalid; nothing was written.
            StoreUnavailable: Redis does not answer; nothing was written.
        """
        from threadmill.run import requested_runs  # noqa: PLC0415  see `_run_of`

        return requested_runs(await runs.many.request_many(self, jobs))

    enqueue_many = blocking(_enqueue_many)
    enqueue_many_async = awaitable(_enqueue_many)


def _run_of(requested: RequestedRun) -> Run:
    from threadmill.run import requested_run  # noqa: PLC0415  it needs the records of runs

    return requested_run(requested)


def _own_fields(kind: type[Assistant]) -> list[str]:
    """The further fields of a subclass."""
    if kind is Assistant:
        return []
    return [name for name in kind.model_fields if name not in Assistant.model_fields]


_DEFINITION = Assistant.definition
