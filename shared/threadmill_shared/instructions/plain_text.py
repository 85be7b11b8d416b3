"""An assistant's instructions that are a text, not a template.

What is stored has a template as well, since releases before texts know only that: they render it,
and send the same text.
"""

from __future__ import annotations

import re
from typing import TypedDict

_UNSAFE = re.compile(r"\{[{%#]|\{?\r")
"""What a template changes: syntax, and line ends that are not newlines, each with a brace before it
that would begin syntax."""


class PlainText(str):
    """Instructions that are sent as they are, whatever braces are in them.

    A str in `Assistant(instructions=...)` is a template.
    """

    __slots__ = ()


class InstructionFields(TypedDict):
    """The fields of a definition that have its instructions."""

    instructions: str
    instructions_text: str | None


def stored_instructions(given: str) -> InstructionFields:
    """The fields for a template, or for a `PlainText`."""
    if isinstance(given, PlainText) and (template := as_template(given)) != given:
        return {"instructions": template, "instructions_text": str(given)}
    return {"instructions": str(given), "instructions_text": None}


def read_instructions(template: str, text: str | None) -> str:
    """What was given: a template as a str, or a `PlainText`.

    A release that does not know texts replaces the template, and leaves the former text beside it.
    """
    if text is None or as_template(text) != template:
        return template
    return PlainText(text)


def as_template(text: str) -> str:
    """A template that renders to the text."""
    template = _UNSAFE.sub(lambda found: "{{ " + repr(found[0]) + " }}", text)
    return f"{template}\n" if template.endswith("\n") else template  # rendering removes the last
