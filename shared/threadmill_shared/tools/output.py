"""What a tool gives back: text for the model, or the end of the run."""

from __future__ import annotations

from typing import Any

import pydantic_core

from threadmill_shared.errors import ToolError

ENDRUN_TOKEN = "<|threadmill:end-run:b1f4c2d7|>"  # noqa: S105 - a mark, no secret
"""A tool that returns exactly this string ends its run, without data."""


class EndRun(Exception):
    """Raised or returned by a tool: the run ends at once as `cancelled`, with `run.data`.

    Attributes:
        data: what becomes `run.data`; anything that can be written as JSON.
    """

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.data = data

    def json_data(self) -> Any:
        """The data as plain JSON values.

        Raises:
            ToolError: the data cannot be written as JSON.
        """
        return pydantic_core.from_json(_to_json(self.data, "EndRun(data=...)"))


def render_output(value: Any) -> str:
    """A tool's return value as the model reads it.

    A `str` stays as it is, None is empty, and everything else becomes JSON.

    Raises:
        ToolError: the value cannot be written as JSON.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        # A str Enum's own __str__ would give its name, not its value.
        return encodable(str.__str__(value))
    return _to_json(value, "The tool's return value").decode()


def encodable(text: str) -> str:
    """The text with `?` for lone surrogates, which no store and no provider could take."""
    return text.encode("utf-8", "replace").decode()


def cut_output(output: str, most: int) -> str:
    """The output, or if it is too long, its beginning and how much was cut off.

    Args:
        output: what the model is to read.
        most: bytes of UTF-8; a few more if so few have no room for a note.
    """
    content = output.encode()
    if len(content) <= most:
        return output
    note = _cut_note(len(content), 2 * len(content))  # as long as it can become
    # Bytes of a character that was cut are left out.
    begin = content[: max(most - len(note), most // 2)].decode(errors="ignore")
    return begin + _cut_note(len(begin.encode()), len(content))


def _cut_note(shown: int, size: int) -> str:
    return (
        f"\n[The output was cut: these are the first {shown} of its {size} bytes. "
        f"Call the tool for less to read the other {size - shown}.]"
    )


def _to_json(value: Any, what: str) -> bytes:
    try:
        return pydantic_core.to_json(value, inf_nan_mode="null")
    except Exception as error:
        message = (
            f"{what} ({type(value).__name__}) cannot be written as JSON: {error}. "
            "Use a str, plain lists and dicts, a dataclass or a pydantic model."
        )
        raise ToolError(message) from error
