"""Tools that meet a marked text in every way, and what makes the stand-in answer with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from pydantic import BaseModel

from threadmill import Assistant, EndRun, current_call, tool
from threadmill.testing import Answer, Call, Fault, Reply

MARK = "zebra-7f3a-said-by-a-user"


class Note(BaseModel):
    """Takes short texts only."""

    text: int


def repeat(text: str) -> str:
    """Give the text back, and the context."""
    return f"{text} {current_call().context}"


def fail(text: str) -> str:
    """Fail with the text."""
    raise ValueError(text) from RuntimeError(text)


async def fail_in_a_group(text: str) -> str:
    """Fail with the text, twice."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_fail(text))
        group.create_task(_fail(text))
    return ""


async def _fail(text: str) -> None:
    raise LookupError(text)


def leave(text: str) -> str:
    """Try to end the process with the text."""
    raise SystemExit(text)


@tool(timeout=0.2)
async def dawdle(text: str) -> str:
    """Take longer than it may."""
    await asyncio.sleep(30)
    return text


def take_note(note: Note) -> str:
    """Is given the wrong arguments."""
    return note.model_dump_json()


def end(text: str) -> str:
    """End the run with the text."""
    raise EndRun(data={"text": text})


secretive = Assistant(
    name="secretive",
    instructions=f"The secret is {MARK}." + "{% if context %}{{ context.secret }}{% endif %}",
    description=MARK,
    metadata={"secret": MARK},
    tools=[repeat, fail, fail_in_a_group, leave, dawdle, take_note, end],
)
strict = Assistant(name="strict", instructions="Say {{ context.mood }}.")

_SENTENCE = f"Invalid prompt: {MARK}."
ANSWERS: Mapping[str, list[Answer | str]] = {
    "say": [MARK],
    "tools": [
        Reply(
            [
                *(Call(name, {"text": MARK}) for name in ("repeat", "fail", "fail_in_a_group")),
                *(Call(name, {"text": MARK}) for name in ("leave", "dawdle", MARK, "length")),
                Call("take_note", {"note": {"text": MARK}}),
                Call("repeat", {MARK: MARK}),
                Call("repeat", f"{{{MARK}"),
            ]
        ),
        MARK,
    ],
    "end": [Reply([Call("end", {"text": MARK})])],
    "400": [Fault.status(400, message=_SENTENCE, code=MARK)],
    "401": [Fault.status(401, message=_SENTENCE)],
    "500": [Fault.status(500, message=_SENTENCE), MARK],
    "failed": [Fault.event_error(2, message=_SENTENCE, code=MARK), MARK],
    "error": [Fault.event_error(2, kind="error", message=_SENTENCE), MARK],
    "garbage": [Fault.garbage(data=f"data: {MARK}\n\n".encode()), MARK],
    "no stream": [Fault.garbage(data=f"<html>{MARK}</html>\n\n".encode()), MARK],
}
"""What the model answers to each wish."""


def wish(name: str) -> str:
    """What a user says."""
    return f"{MARK} <{name}>"


def options() -> dict[str, object]:
    """The text in every option that takes any."""
    return {
        "additional_instructions": MARK,
        "context": {"secret": MARK, MARK: MARK},
        "idempotency_key": f"{MARK}-{os.getpid()}",
        "metadata": {"secret": MARK},
    }
