"""The texts that are printed, and the cleaning of others' texts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

_PICTURES = {code: 0x2400 + code for code in range(0x20)}
_C1 = dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_HARMLESS: dict[int, int | None] = {
    **_PICTURES,
    **_C1,
    **_BIDI,
    0x7F: 0x2421,
    0x09: 0x09,
    0x0A: 0x0A,
    0x0D: None,
    0x2028: 0x0A,
    0x2029: 0x0A,
}

STARTED_ANEW = "Redis lost the latest events in a failover; following the run from its first event"

_USES = {
    "code_interpreter": "cannot be read by the code interpreter",
    "file_search": "cannot be searched",
    "image": "cannot be seen by the model",
}
_INCOMPLETE = {"run_cancelled": "cancelled", "run_expired": "expired", "run_failed": "failed"}


def cleaned(text: str) -> str:
    """The text without anything that would control a terminal or hide what it says.

    Control characters become visible symbols. Each character is cleaned alone, so that a text
    cleaned in pieces equals the text cleaned as a whole.
    """
    return text.translate(_HARMLESS)


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of the text, with their total number if the text is cut."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text):,} characters)"


def one_line(text: str, limit: int) -> str:
    r"""The text on one line, its line ends written as `\n`."""
    return shortened(cleaned(text).strip("\n"), limit).replace("\n", "\\n")


def first_lines(text: str, lines: int, limit: int) -> str:
    """The text's first lines, with their total number if the text is cut."""
    found = cleaned(text).strip("\n").split("\n")
    if len(found) > lines:
        found[lines:] = [f"... ({len(found):,} lines)"]
    return shortened("\n".join(found), limit)


def arguments_text(arguments: str, *, indent: int | None = None) -> str:
    """A call's arguments as readable JSON, or unchanged if they are not JSON."""
    try:
        readable = json.dumps(json.loads(arguments), ensure_ascii=False, indent=indent)
    except (ValueError, RecursionError):
        readable = arguments
    return cleaned(readable)


def clock(at: int | None) -> str:
    """A time in the user's time zone."""
    return "" if at is None else time.strftime("%H:%M:%S", time.localtime(at))


def notice_of(event: str, data: Any) -> str | None:
    """The text about an event that is neither a message nor a call; None: nothing is printed."""
    match event:
        case "threadmill.run.waiting":
            ahead = data["ahead"]
            return f"waiting in line: {ahead} {'run' if ahead == 1 else 'runs'} ahead"
        case "threadmill.run.takeover":
            return f"{data['worker']} took the run over (attempt {data['attempt']})"
        case "threadmill.model.retry" | "threadmill.model.reduced":
            return _asking_again(data)
        case "threadmill.result.invalid" | "threadmill.file.failed":
            return one_line(f"{_invalid(data)}: {data['error']}", 400)
        case (
            "thread.run.cancelled"
            | "thread.run.failed"
            | "thread.run.expired"
            | "thread.run.incomplete"
        ):
            return end_notice(event.rpartition(".")[2], _reason(data))
        case _:
            return None


def _asking_again(data: dict[str, Any]) -> str:
    if "left_out" in data:
        counts = data["left_out"].items()
        parts = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in counts)
        return (
            "the provider refused the request; asking again with less of earlier turns "
            f"(left out: {parts})"
        )
    return (
        f"the model did not answer ({data['error']}); "
        f"asking again in {data['seconds']:.1f} s (try {data['tries'] + 1})"
    )


def _invalid(data: dict[str, Any]) -> str:
    if "filename" not in data:
        return "the result does not match its type"
    uses = " and ".join(_USES.get(use, use) for use in data["uses"])
    return f"{data['filename']} {uses}"


def files_note(attachments: Iterable[dict[str, Any]], images: int) -> str:
    """A message's attachments: the names of its files, and the number of images."""
    names = [_file_note(one) for one in attachments]
    count = [f"{images} image{'' if images == 1 else 's'}"] if images else []
    return ", ".join([*names, *count])


def _file_note(attachment: dict[str, Any]) -> str:
    name = one_line(str(attachment.get("filename") or attachment.get("file_id")), 80)
    error = attachment.get("error")
    return f"{name}: {one_line(str(error), 200)}" if error else name


def waiting_note(waits_for: str, run_id: str, call_id: str) -> str:
    """What a call of a parked run waits for, and how to provide it."""
    if waits_for == "approval":
        return f"waits for approval: threadmill approve {run_id} {call_id}"
    return "waits for a process that has the function, or for submit_tool_outputs"


def end_notice(status: str, reason: str | None) -> str:
    """How a run ended that did not complete."""
    return one_line(f"run {status}: {reason}" if reason else f"run {status}", 400)


def incomplete_note(reason: str | None) -> str:
    """The outcome of a message that was not completed, from the Assistants API's reason."""
    return _INCOMPLETE.get(reason or "", f"incomplete: {reason}")


def _reason(data: Any) -> str | None:
    """Why a run did not complete."""
    details = data.get("incomplete_details") or {}
    error = data.get("last_error") or {}
    return error.get("message") or details.get("detail") or details.get("reason")
