"""Printing what is stored: a run, messages, steps."""

from __future__ import annotations

from collections.abc import Iterable

import threadmill
from threadmill.printing.cards import CallsCard, Card, MessageCard
from threadmill.printing.display import open_display
from threadmill.printing.text import end_notice
from threadmill_shared.records.objects import Message, Step
from threadmill_shared.records.run import Status


def pprint_messages(messages: Iterable[Message]) -> None:
    """Print messages in the order given: `run.messages`, or what `thread.get_messages` returns."""
    display = open_display()
    for message in messages:
        display.finish(MessageCard.of(message))


def pprint_steps(steps: Iterable[Step]) -> None:
    """Print the tool calls of `run.steps`; a step that wrote a message is a line that says so."""
    display = open_display()
    for step in steps:
        if step.type == "tool_calls":
            display.finish(CallsCard.of(step))
        else:
            display.notice(f"message {step.message_id}: {step.status}")


def pprint_run(run: threadmill.Run) -> None:
    """Print a run: its messages and its tool calls in the order in which they happened."""
    display = open_display()
    for card in _cards(run):
        display.finish(card)
    if run.status != Status.COMPLETED:
        reason = run.last_error.message if run.last_error else run.incomplete_reason
        display.notice(end_notice(run.status, reason), is_bad=run.last_error is not None)


def _cards(run: threadmill.Run) -> Iterable[Card]:
    """What no step wrote comes first: the user's message."""
    written = {step.message_id for step in run.steps}
    messages = {message.id: message for message in run.messages}
    for message in run.messages:
        if message.id not in written:
            yield MessageCard.of(message)
    for step in run.steps:
        if step.type == "tool_calls":
            yield CallsCard.of(step)
        elif step.message_id in messages:
            yield MessageCard.of(messages[step.message_id])
