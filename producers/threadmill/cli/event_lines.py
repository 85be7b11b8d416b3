"""A run's events for people: a line for each, and one line for the pieces of a text."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console
from rich.text import Text

from threadmill import Event
from threadmill.cli.texts import time_of_day
from threadmill_shared.records.json_lines import json_line

_NUMBER_WIDTH = 5
_NAME_WIDTH = 27
_TIME_WIDTH = 12
_INDENT = " " * (_NUMBER_WIDTH + _TIME_WIDTH + _NAME_WIDTH + 6)
_LONGEST = 300
"""Characters of one event's details."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""Characters that would control the terminal, except the newline."""

_SHOWN_FIELDS = {
    "thread.run.created": "thread_id",
    "thread.run.queued": "assistant_id",
    "thread.run.in_progress": "model",
}
"""What is shown of a run's first events."""
_STYLES = {
    "thread.run.completed": "bold green",
    "thread.run.failed": "bold red",
    "thread.run.expired": "bold red",
    "thread.run.cancelled": "bold yellow",
    "thread.run.incomplete": "bold yellow",
    "thread.message.delta": "cyan",
}


class EventLines:
    """Prints events; the pieces of a message, or of code, follow each other as they arrive."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._open: str | None = None

    def show(self, event: Event) -> None:
        """Print one event."""
        piece = _piece(event)
        if piece:
            self._show_piece(event, piece)
        else:
            self.end()
            self._begin(event, _details(event))
            self._write("\n")

    def end(self) -> None:
        """End the line of the last text's pieces, if there is one."""
        if self._open is not None:
            self._write("\n")
        self._open = None

    def _show_piece(self, event: Event, piece: str) -> None:
        if self._open != event.data["id"]:
            self.end()
            self._begin(event, "")
            self._open = event.data["id"]
        self._write(_printable(piece).replace("\n", f"\n{_INDENT}"))

    def _begin(self, event: Event, details: str) -> None:
        self._write(f"{event.id:>{_NUMBER_WIDTH}}  {time_of_day(event.at):<{_TIME_WIDTH}}  ", "dim")
        is_alone = not details and "delta" not in event.event
        name = event.event if is_alone else f"{event.event:<{_NAME_WIDTH}}  "
        self._write(name, _STYLES.get(event.event, "dim" if not details else ""))
        self._write(details.replace("\n", " "))

    def _write(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), end="", soft_wrap=True)


def _piece(event: Event) -> str:
    """The text that a delta adds to a message or to code; empty if it adds something else."""
    if event.event == "thread.message.delta":
        parts = event.data["delta"]["content"]
        return "".join(part["text"]["value"] for part in parts if part["type"] == "text")
    if event.event == "thread.run.step.delta":
        calls = event.data["delta"]["step_details"]["tool_calls"]
        return "".join(call.get("code_interpreter", {}).get("input") or "" for call in calls)
    return ""


def _printable(text: str) -> str:
    return _CONTROL.sub("", text.replace("\t", "    "))


def _details(event: Event) -> str:
    text = _printable(_words(event.event, event.data))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _words(name: str, data: Any) -> str:
    if name == "thread.run.step.delta":
        return ", ".join(map(_call, data["delta"]["step_details"]["tool_calls"]))
    if name.startswith("thread.run.step."):
        return str(data["type"])
    if name.startswith("thread.run."):
        return _progress(name, data)
    if name.startswith("thread.message."):
        return _message(data)
    return json_line(data) if name.startswith("threadmill.") else ""


def _message(data: dict[str, Any]) -> str:
    images = [
        part["image_file"]["file_id"]
        for part in data.get("delta", {}).get("content", ())
        if part["type"] == "image_file"
    ]
    reason = (data.get("incomplete_details") or {}).get("reason")
    return " ".join(images) or " ".join([data["id"], *([str(reason)] if reason else [])])


def _call(call: dict[str, Any]) -> str:
    if call["type"] != "function":
        return _hosted(call["type"], call[call["type"]])
    function = call["function"]
    if "arguments" in function:
        return f"{function['name']}({function['arguments']})"
    return f"-> {function['output']}"


def _hosted(kind: str, details: dict[str, Any]) -> str:
    if "results" in details:
        return f"-> {', '.join(one['file_name'] for one in details['results'])}"
    if "sources" in details:
        return f"-> {', '.join(details['sources']) or details.get('url', kind)}"
    outputs = details.get("outputs")
    if not outputs:
        return kind
    return f"-> {''.join(one.get('logs') or one['image']['file_id'] + ' ' for one in outputs)}"


def _progress(name: str, data: dict[str, Any]) -> str:
    if name in _SHOWN_FIELDS:
        return str(data[_SHOWN_FIELDS[name]])
    if error := data["last_error"]:
        return f"{error['code']}: {error['message']}"
    if data["incomplete_details"]:
        return str(data["incomplete_details"]["detail"])
    if usage := data["usage"]:
        return f"{usage['prompt_tokens']} tokens read, {usage['completion_tokens']} written"
    return ""
