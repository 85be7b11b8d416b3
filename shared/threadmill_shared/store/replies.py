"""From a script's refusal to the error that a caller gets: the one place for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared import errors
from threadmill_shared.log_text import counted
from threadmill_shared.records.changes import EnqueueCommand

ENQUEUE_REFUSALS = ("mismatch", "no_thread", "locked", "full")


def enqueue_refusal(
    outcome: str, new: EnqueueCommand, holder: str, waiting: int
) -> errors.CallerError:
    """The error for an enqueue that wrote nothing."""
    match outcome:
        case "mismatch":
            return errors.IdempotencyMismatch(
                f"The idempotency key belongs to {holder}, which was enqueued with different "
                "content. Use a new key for a new request."
            )
        case "no_thread":
            return thread_not_found(new.thread_id)
        case "locked":
            return errors.ThreadLocked(
                f"{new.thread_id} is held by {holder}. Wait for it, or enqueue with "
                "when_busy='queue' or 'interrupt'.",
                run_id=holder,
            )
    return errors.ThreadFull(
        f"The line of {new.thread_id} has {counted(waiting, 'run')}, as many as "
        "THREADMILL_MAX_WAITING allows."
    )


def refuse_thread(reply: Sequence[Any], thread_id: str, what: str) -> None:
    """Raise what a script that changes a thread has refused; `what` is to be done later."""
    if reply[0] == "no_thread":
        raise thread_not_found(thread_id)
    if reply[0] == "locked":
        raise errors.ThreadLocked(
            f"{thread_id} is held by {reply[1]}; {what} when that run has ended.", run_id=reply[1]
        )


def refuse_message(reply: Sequence[Any], thread_id: str, message_id: str) -> None:
    """Raise what a script that changes or deletes a thread's message has refused."""
    if reply[0] == "no_message":
        raise message_not_found(message_id)
    refuse_thread(reply, thread_id, "messages can be deleted")


def refuse_other_content(reply: Sequence[Any]) -> None:
    """Raise that the key of a client's request belongs to another request."""
    if reply[0] == "mismatch":
        raise errors.IdempotencyMismatch(
            f"The idempotency key belongs to {reply[1]}, which was created with different content. "
            "Use a new key for a new request."
        )


def thread_not_found(thread_id: str) -> errors.ThreadNotFound:
    """The error for an id without a thread."""
    return errors.ThreadNotFound(
        f"There is no thread {thread_id}. Thread() creates a new one, Thread(key=...) one under a "
        "name of your own."
    )


def message_not_found(message_id: str) -> errors.MessageNotFound:
    """The error for an id without a message."""
    return errors.MessageNotFound(f"The thread has no message {message_id}.")


def run_lost(run_id: str) -> errors.RunLost:
    """The error for a run that was there a moment ago."""
    return errors.RunLost(
        f"The record of {run_id} is gone: its thread was deleted, or Redis lost it."
    )


def run_not_found(run_id: str) -> errors.RunNotFound:
    """The error for an id without a run."""
    return errors.RunNotFound(
        f"There is no run {run_id}: it never existed, its thread was deleted, or its record has "
        "expired."
    )
