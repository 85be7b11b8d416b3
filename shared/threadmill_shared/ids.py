"""Ids: how they are created and checked, and which keys they lead to.

A thread's id begins with the two hex digits of its bucket (one of 64 per namespace), and a run's
id takes them over from its thread. So any id finds its slot, and all that one transition touches
lies in one slot. Ids from outside are checked here before they become part of a key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import lru_cache

from threadmill_shared import errors

BUCKETS = 64
"""Fixed for ever: stored ids depend on it."""

_RUN = re.compile(r"run_[0-3][0-9a-f][0-9a-f]{30}")
_RUN_MESSAGE = re.compile(r"msg_([0-3][0-9a-f]{31})_([0-9]{1,6})")
_TASK = re.compile(rf"{_RUN.pattern}\.([0-9]{{1,6}})\.[0-9a-f]{{8}}")
_THREAD = re.compile(r"thread_[0-3][0-9a-f][0-9a-f]{30}")
_ASSISTANT = re.compile(r"asst_[0-9a-f]{24}")
_ATTACHED = re.compile(r"file_[0-9a-f]{32}")
_UPLOADED = re.compile(r"file-[0-3][0-9a-f]{27}")
"""No provider's have this form: OpenAI's mix cases, and Azure's have 32 digits."""
_MESSAGE = re.compile(r"msg_[0-9A-Za-z]{1,64}(_[0-9]{1,6})?")
"""Ours have 32 hex digits; imported ones keep the id that they had."""

_PROVIDERS_CALL = re.compile(r"[a-zA-Z0-9_-]{1,40}|(functions\.)?[a-zA-Z0-9_-]{1,40}:[0-9]{1,9}")
"""Chat Completions takes 40 characters. The second form is Kimi's: its prompt template reads the
function's name from the id."""


def bucket_of(id: str) -> str:
    """The two hex digits that a thread's, a run's or an uploaded file's id begins with."""
    start = id.index("-" if id.startswith("file-") else "_") + 1
    return id[start : start + 2]


def new_thread_id(bucket: str | None = None) -> str:
    """A random thread id, in this bucket or in a random one."""
    return f"thread_{bucket or _random_bucket()}{secrets.token_hex(15)}"


def _random_bucket() -> str:
    return f"{secrets.randbelow(BUCKETS):02x}"


def derived_thread_id(*parts: str) -> str:
    """The thread id that belongs to these words: the same words give the same id."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"thread_{int(digest[:2], 16) % BUCKETS:02x}{digest[2:32]}"


def keyed_thread_id(namespace: str, key: str) -> str:
    """The id of the thread that a user knows by a name of its own."""
    return derived_thread_id("thread", namespace, key)


def new_run_id(thread_id: str) -> str:
    """A random run id in the thread's bucket."""
    return f"run_{bucket_of(thread_id)}{secrets.token_hex(15)}"


def new_message_id() -> str:
    """An id for a message that a user wrote."""
    return f"msg_{secrets.token_hex(16)}"


def run_message_id(run_id: str, index: int) -> str:
    """The id of the run's message number `index`, so that a log need not repeat it."""
    return f"{run_messages_prefix(run_id)}{index}"


def run_messages_prefix(run_id: str) -> str:
    """What the ids of the messages that a run writes begin with."""
    return f"msg_{run_id[4:]}_"


def place_of_run_message(message_id: str) -> tuple[str, int] | None:
    """The run that has written the message with this id, and its number; None: a user has."""
    found = _RUN_MESSAGE.fullmatch(message_id)
    return (f"run_{found[1]}", int(found[2])) if found else None


def step_id(run_id: str, index: int) -> str:
    """The id of the run's step number `index`."""
    return f"step_{run_id[4:]}_{index}"


def step_number(run_id: str, step_id: str) -> int | None:
    """The number of the run's step with this id; None: it is not one of this run's."""
    found = re.fullmatch(f"step_{re.escape(run_id[4:])}_(0|[1-9][0-9]{{0,8}})", step_id)
    return int(found[1]) if found else None


def call_id(run_id: str, turn: int, index: int) -> str:
    """Our identity of a tool call; a provider's id may be empty or repeat."""
    return f"call_{run_id[4:]}_{turn}_{index}"


def is_fit_call_id(id: str) -> bool:
    """Whether every provider takes this id of a call back."""
    return _PROVIDERS_CALL.fullmatch(id) is not None


def hosted_call_id(run_id: str, step: int) -> str:
    """Our identity of a call that the provider executed; such a call is a step of its own."""
    return f"call_{run_id[4:]}_s{step}"


def new_task_id(run_id: str, attempt: int) -> str:
    """A fresh id for a Celery task that sends a run out to be executed.

    No two sends share one: once somebody has revoked an id, workers drop whatever carries it.
    """
    return f"{run_id}.{attempt}.{secrets.token_hex(4)}"


def attempt_of_task(task_id: str) -> int:
    """The attempt that a task's id names; 1 if it is not one of ours."""
    found = _TASK.fullmatch(task_id)
    return int(found[1]) if found else 1


def produced_file_id(run_id: str, content: bytes) -> str:
    """The id of a file that a run has made: the same content is the same file."""
    return f"file_{run_id[4:]}_{hashlib.sha256(content).hexdigest()[:16]}"


def attached_file_id(name: str, content: bytes) -> str:
    """The id of a file that users attach: the same name and content are the same file."""
    digest = hashlib.sha256(name.encode() + b"\0" + content).hexdigest()
    return f"file_{digest[:32]}"


def new_file_id(bucket: str | None = None) -> str:
    """A random id for a file that users upload, in this bucket or in a random one."""
    return f"file-{bucket or _random_bucket()}{secrets.token_hex(13)}"


def is_uploaded_file_id(id: str) -> bool:
    """Whether it can be that of an uploaded file."""
    return _UPLOADED.fullmatch(id) is not None


def is_attached_file_id(id: str) -> bool:
    """Whether it is one of ours that messages name, and not an id of the provider's."""
    return _ATTACHED.fullmatch(id) is not None or is_uploaded_file_id(id)


def new_assistant_id() -> str:
    """An id for an assistant that is created in the store."""
    return f"asst_{secrets.token_hex(12)}"


@lru_cache
def named_assistant_id(name: str) -> str:
    """The id of an assistant that was never created: it follows from the name."""
    return f"asst_{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def is_assistant_id(id: str) -> bool:
    """Whether it is an id as ours are."""
    return _ASSISTANT.fullmatch(id) is not None


def checked_run_id(id: str) -> str:
    """Return the id if it can be a run's.

    Raises:
        RunNotFound: it cannot.
    """
    if not isinstance(id, str) or not _RUN.fullmatch(id):
        raise errors.RunNotFound(f"{id!r} is not a run's id (run_ and 32 hex digits).")
    return id


def checked_thread_id(id: str) -> str:
    """Return the id if it can be a thread's.

    Raises:
        ThreadNotFound: it cannot.
    """
    if not isinstance(id, str) or not _THREAD.fullmatch(id):
        raise errors.ThreadNotFound(f"{id!r} is not a thread's id (thread_ and 32 hex digits).")
    return id


def is_run_id(id: str) -> bool:
    """Whether it is an id as our runs have it."""
    return _RUN.fullmatch(id) is not None


def is_thread_id(id: str) -> bool:
    """Whether it is an id as ours are."""
    return _THREAD.fullmatch(id) is not None


def checked_message_id(id: str) -> str:
    """Return the id if it can be a message's.

    Raises:
        BadMessage: it cannot.
    """
    if not isinstance(id, str) or not _MESSAGE.fullmatch(id):
        raise errors.BadMessage(f"{id!r} is not a message's id.")
    return id
