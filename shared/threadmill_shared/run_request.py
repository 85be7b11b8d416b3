"""From what a caller asks for to what an enqueue writes. All that can be wrong is found here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from threadmill_shared import errors, ids
from threadmill_shared.broker.queues import Queues
from threadmill_shared.instructions.parts import (
    Instructions,
    digested,
    hint_at_templates,
    rendered,
    source,
)
from threadmill_shared.instructions.plain_text import PlainText
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.changes import EnqueueCommand, WhenBusy, content_digest
from threadmill_shared.records.definition import (
    Definition,
    ResultForm,
    RunOptions,
    RunSnapshot,
    snapshot_json,
)
from threadmill_shared.records.fingerprints import (
    MOST_BYTES,
    MOST_KEPT,
    ByIdentity,
    fingerprint,
    restored,
)
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.texts import check_key, check_text
from threadmill_shared.records.thread import ThreadRef
from threadmill_shared.settings import DEFAULT_MODEL, FIRST_DEFAULT_MODEL, Settings
from threadmill_shared.tools import check_tool_count

_OTHER_OPTIONS = (
    "thread",
    "when_busy",
    "idempotency_key",
    "context",
    "timeout",
    "model",
    "instructions",
    "additional_instructions",
    "additional_messages",
    "tools",
    "additional_tools",
    "event_handler_class",
    "result_type",
    "code_interpreter_files",
    "file_search_files",
    "image_files",
)
"""What the ways to say something take beside `RunOptions`; listed for callers who mistype one."""

MAX_CONTEXT_BYTES = 64 * 1024
TOOL_CHOICES = ("none", "auto", "required")
"""What may be chosen besides one of the run's tools."""


class OptionError(TypeError):
    """A run option is not known, or cannot have the value that it was given.

    Attributes:
        reason: what is wrong, in words of ours: a log may say it, since it quotes nothing.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class RunRequest:
    """What a caller asks of an assistant, in whatever way it came."""

    definition: Definition
    message: str | None
    names_model: bool = False
    """Whether the caller has named the model. That of a registered assistant may be the default of
    the process that has registered it."""
    self_: Any = None
    """What the instructions' template sees as `self_`; None: the definition."""
    thread: ThreadRef | None = None
    """None: a new thread; with an idempotency key, the one that belongs to the key."""
    when_busy: WhenBusy = "queue"
    idempotency_key: str | None = None
    context: Mapping[str, Any] | None = None
    instructions: Instructions | None = None
    """Replaces the assistant's; a str is sent unchanged."""
    additional_instructions: Instructions | None = None
    """Behind them."""
    options: Mapping[str, Any] = field(default_factory=dict)
    local_tools: tuple[str, ...] = ()
    """Names of the tools whose functions the caller has."""
    result: ResultForm | None = None
    """Where the options' `response_format` is the schema of a result that has to fit it."""
    attached: Attached = NOTHING
    """Files that go with the message."""
    additional: tuple[NewMessage, ...] = ()
    """Messages that enter the thread before it."""


def enqueue_command(request: RunRequest, settings: Settings) -> EnqueueCommand:
    """Check a request, and make of it what the store is to write.

    Raises:
        TypeError: an option is unknown, of the wrong type, or not one of its values.
        CallerError: a text is not valid Unicode.
        BadTemplate, BadMessage, BadTool, TooLarge: as their names say.
    """
    _check(request, settings)
    snapshot = _snapshot(request, settings)
    thread = request.thread or _thread_for(request, settings)
    return EnqueueCommand(
        run_id=ids.new_run_id(thread.id),
        thread_id=thread.id,
        create_thread=thread.create,
        thread_metadata=thread.metadata,
        thread_key=thread.key,
        thread_tool_resources=thread.tool_resources,
        additional=request.additional,
        request=snapshot,
        message_id=ids.new_message_id(),
        message=request.message,
        attached=request.attached,
        when_busy=request.when_busy,
        idempotency_key=request.idempotency_key,
        content_digest=_digest(request, snapshot) if request.idempotency_key is not None else "",
        queue=Queues(settings.namespace).own(request.definition.queue),
        context=request.context or {},
        run_seconds=settings.run_seconds,
        park_seconds=settings.park_seconds,
        approval_seconds=settings.approval_seconds,
        log_seconds=settings.log_seconds,
        run_days=settings.run_days,
        max_waiting=settings.max_waiting,
        wait_seconds=settings.queue_seconds,
    )


def _check(request: RunRequest, settings: Settings) -> None:
    if request.when_busy not in get_args(WhenBusy):
        message = f"when_busy must be one of {', '.join(get_args(WhenBusy))}."
        raise OptionError(message, reason=message)
    check_model(request.definition.model)
    if request.idempotency_key is not None:
        check_key(request.idempotency_key, "An idempotency key")
    if request.instructions is None:
        check_text(request.definition.instructions, "An assistant's instructions")
    for name in ("instructions", "additional_instructions"):
        _check_instructions(getattr(request, name), name)
    check_tool_count(len(request.definition.tools) + len(request.definition.hosted))
    # The workers of a queue of its own may have another provider than this process.
    if request.definition.hosted and request.definition.queue is None:
        check_hosted(request.definition.hosted[0].type, settings)
    if request.attached and request.message is None:
        raise errors.BadMessage(
            "Files can only be attached to a message: use say, enqueue or thread.add."
        )
    request.attached.check(request.definition.hosted)
    if request.message is not None:
        check_message(request.message, settings)
    if request.context is not None:
        _check_context(request.context)


def _snapshot(request: RunRequest, settings: Settings) -> RunSnapshot:
    instructions = _instructions(request)
    given = (request.local_tools, request.result, settings.max_turns)
    kept = None
    if len(instructions) <= MOST_BYTES and (key := fingerprint(dict(request.options))) is not None:
        kept = _kept_snapshot(ByIdentity([request.definition]), instructions, key, *given)
    return kept or _new_snapshot(request.definition, instructions, request.options, *given)


@lru_cache(maxsize=MOST_KEPT)
def _kept_snapshot(
    definition: ByIdentity[Definition], instructions: str, options: bytes, *given: Any
) -> RunSnapshot | None:
    """Most runs of an assistant have the same snapshot, and to make it everything is validated."""
    plain, [found] = restored(options), definition.items
    return None if plain is None else _new_snapshot(found, instructions, plain, *given)


def _new_snapshot(
    definition: Definition,
    instructions: str,
    options: Mapping[str, Any],
    local_tools: tuple[str, ...],
    result: ResultForm | None,
    max_turns: int,
) -> RunSnapshot:
    snapshot = RunSnapshot(
        assistant_id=definition.id,
        assistant_name=definition.name,
        assistant_version=definition.version,
        model=definition.model,
        instructions=instructions,
        tools=definition.tools,
        local_tools=local_tools,
        hosted=definition.hosted,
        options=_options(definition, options),
        result=result,
        max_turns=max_turns,
    )
    _check_json(snapshot)
    return snapshot


def _check_json(snapshot: RunSnapshot) -> None:
    """Find what cannot be stored before anything is: a schema or a tool may have any values."""
    try:
        snapshot_json(snapshot)
    except ValueError as error:
        message = "The run's options and tools must be JSON"
        raise OptionError(f"{message}: {error}", reason=f"{message}.") from None


def _digest(request: RunRequest, snapshot: RunSnapshot) -> str:
    """Of all that makes the answer another one; where a tool's function lives does not."""
    return content_digest(
        snapshot.assistant_name,
        _digested_model(request),
        request.message,
        digested(_parts(request)),
        request.context or {},
        sorted((tool.name, tool.digest) for tool in snapshot.tools),
        # What not every run has is left out, so that the others keep the digest they always had.
        *([[tool.model_dump() for tool in snapshot.hosted]] if snapshot.hosted else ()),
        *([request.attached.named()] if request.attached else ()),
        *([[one.digested() for one in request.additional]] if request.additional else ()),
        snapshot.options.model_dump(),
    )


def _digested_model(request: RunRequest) -> str:
    """The model in a digest. The default is there as the one that the first release had.

    So a new default changes no digest, and a repeat of a call by another release is the same call.
    """
    model = request.definition.model
    return FIRST_DEFAULT_MODEL if model == DEFAULT_MODEL and not request.names_model else model


def check_hosted(what: str, settings: Settings) -> None:
    """Refuse what only a provider with hosted tools can do.

    Raises:
        Unsupported: the provider speaks Chat Completions, which knows no such tools.
    """
    if settings.model_api == "chat":
        raise errors.Unsupported(
            f"{what}: Chat Completions has no hosted tools. Leave it out, or use a provider with "
            "the Responses API (THREADMILL_MODEL_API=responses)."
        )


def check_model(model: Any) -> None:
    """Reject what cannot be a model's name.

    Raises:
        TypeError: it is not a str.
        CallerError: it is empty, or has lone surrogates.
    """
    check_text(model, "The model's name")
    if not model.strip():
        raise errors.CallerError(
            "The model's name must not be empty. Leave it out to use the default model."
        )


def check_message(message: Any, settings: Settings) -> None:
    """Refuse what cannot be a message.

    Raises:
        BadMessage: it is not a text, or is empty.
        TooLarge: it is larger than `THREADMILL_MAX_MESSAGE_BYTES`.
    """
    if not isinstance(message, str):
        raise errors.BadMessage(f"A message must be a str, not {type(message).__name__}.")
    if not message:
        raise errors.BadMessage(
            "A message must not be empty. To run a thread as it is, use thread.run."
        )
    try:
        size = len(message.encode())
    except UnicodeEncodeError as error:
        raise errors.BadMessage(
            "A message must be valid Unicode, without lone surrogates."
        ) from error
    if size > settings.max_message_bytes:
        raise errors.TooLarge(
            f"The message has {size} bytes; THREADMILL_MAX_MESSAGE_BYTES allows "
            f"{settings.max_message_bytes}."
        )


def _thread_for(request: RunRequest, settings: Settings) -> ThreadRef:
    if request.idempotency_key is None:
        return ThreadRef(ids.new_thread_id(), create=True)
    # A repeat must meet the same slot, so the thread follows from the key.
    words = ("key", settings.namespace, request.definition.name, request.idempotency_key)
    return ThreadRef(ids.derived_thread_id(*words), create=True)


def _check_instructions(given: Any, name: str) -> None:
    if given is None:
        return
    what = f"The run option {name!r}"
    if not isinstance(given, Instructions):
        found = type(given).__name__
        raise TypeError(f"{what} must be a str or a threadmill.Template, not {found}.")
    check_text(source(given), what)
    hint_at_templates(name, given)


def _parts(request: RunRequest) -> list[Instructions]:
    own = request.instructions
    first = _template_or_text(request.definition.given_instructions()) if own is None else own
    return [part for part in (first, request.additional_instructions) if part and source(part)]


def _template_or_text(given: str) -> Instructions:
    return given if isinstance(given, PlainText) else Template(given)


def _instructions(request: RunRequest) -> str:
    self_ = request.definition if request.self_ is None else request.self_
    texts = rendered(_parts(request), self_=self_, context=dict(request.context or {}))
    for text in texts:  # what a template computes may be no Unicode, though itself it is
        check_text(text, "The text of the instructions")
    return "\n\n".join(texts)


def _options(definition: Definition, given: Mapping[str, Any]) -> RunOptions:
    own = {"response_format": definition.response_format, **definition.model_options()}
    options = {**own, **given}
    if "tool_choice" in options:
        options["tool_choice"] = _tool_choice(options["tool_choice"], definition)
    try:
        return RunOptions.model_validate(options)
    except ValidationError as error:
        raise _option_error(error) from None


def _tool_choice(choice: Any, definition: Definition) -> Any:
    """The choice in the Assistants API's form; a tool's name alone will do for it."""
    if choice in (None, *TOOL_CHOICES):
        return choice
    functions: dict[str, dict[str, Any]] = {
        tool.name: {"type": "function", "function": {"name": tool.name}}
        for tool in definition.tools
    }
    functions |= {tool.type: {"type": tool.type} for tool in definition.hosted}
    for name, function in functions.items():
        if choice in (name, function):
            return function
    words = f"it must be {', '.join(TOOL_CHOICES)}, or one of the run's tools"
    raise OptionError(
        f"The run option 'tool_choice' is not valid: {words} "
        f"({', '.join(functions) or 'there are none'}).",
        reason=f"tool_choice is not valid: {words}.",
    )


def _option_error(error: ValidationError) -> OptionError:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    option = str(first["loc"][0]) if first["loc"] else "options"
    if first["type"] == "extra_forbidden":
        return _unknown_option(name)
    reason = first["msg"].removeprefix("Value error, ")
    return OptionError(
        f"The run option {name!r} is not valid: {reason}.",
        reason=f"{option} is not valid: {reason}.",
    )


def _unknown_option(name: str) -> OptionError:
    known = sorted({*RunOptions.model_fields, *_OTHER_OPTIONS})
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    options = ", ".join(sorted(RunOptions.model_fields))
    return OptionError(
        f"{name!r} is not a run option.{hint} Known options: {', '.join(known)}.",
        reason=f"a name in options is unknown.{hint} Known options: {options}.",
    )


def _check_context(context: Any) -> None:
    if not isinstance(context, Mapping):
        message = f"context must be a mapping of JSON values, not {type(context).__name__}."
        raise OptionError(message, reason=message)
    try:
        size = len(to_json(context))
    except (PydanticSerializationError, ValueError) as error:
        raise TypeError(f"context must be JSON: {error}") from None
    if size > MAX_CONTEXT_BYTES:
        raise errors.TooLarge(f"context has {size} bytes; {MAX_CONTEXT_BYTES} are allowed.")
