"""Brains: functions that decide what the stand-in answers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from threadmill.testing.standin.conversation import Request
from threadmill.testing.standin.default_brain import converse
from threadmill.testing.standin.faults import Answer, Fault
from threadmill.testing.standin.replies import Reply, Text

Brain: TypeAlias = Callable[[Request], Answer | str | Awaitable[Answer | str]]
"""Decides an answer; a plain text means a reply with that text. Called on the server's loop,
one request after the other: a brain that has to wait is a coroutine function."""


def scripted(*answers: Answer | str) -> Brain:
    """A brain that gives these answers in turn, whatever it is asked.

    Once none is left it raises LookupError, which the client gets to see as HTTP 400.
    """
    left = _in_turn(answers)

    def brain(request: Request) -> Answer | str:
        return left(request.last_user_text)

    return brain


def by_text(
    answers: Mapping[str, Answer | str | Sequence[Answer | str]], otherwise: Brain = converse
) -> Brain:
    """A brain that looks up the user's last message.

    It takes the first key that the message is equal to, else the first that it contains, else
    asks `otherwise`. A sequence of answers is given in turn: a tool call, say, then what is said
    about its output. A single answer is given every time.
    """
    choices = {key: _choice(answer) for key, answer in answers.items()}

    def brain(request: Request) -> Answer | str | Awaitable[Answer | str]:
        text = request.last_user_text
        if text in choices:
            return choices[text](text)
        found = next((choice for key, choice in choices.items() if key in text), None)
        return found(text) if found else otherwise(request)

    return brain


async def answer_of(brain: Brain, request: Request) -> Answer:
    """Ask the brain.

    Raises:
        TypeError: it answered something else.
    """
    answer = brain(request)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, str):
        return Reply([Text(answer)])
    if not isinstance(answer, Reply | Fault):
        raise TypeError(
            f"A brain must return a Reply, a Fault or a str, not {type(answer).__name__}."
        )
    return answer


def _choice(answer: Answer | str | Sequence[Answer | str]) -> Callable[[str], Answer | str]:
    if isinstance(answer, str | Reply | Fault):
        return lambda _: answer
    return _in_turn(answer)


def _in_turn(answers: Sequence[Answer | str]) -> Callable[[str], Answer | str]:
    left: Iterator[Answer | str] = iter(answers)

    def answer(text: str) -> Answer | str:
        for given in left:
            return given
        raise LookupError(
            f"All {len(answers)} scripted answers were used, and another request came; the user "
            f"said last: {text!r}. Script another answer, or find out why it was sent."
        )

    return answer
