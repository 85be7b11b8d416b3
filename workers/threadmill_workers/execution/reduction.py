"""What a model request leaves out of earlier turns, as a function of a thread's items.

Calls and outputs stay together: only whole turns and items that stand alone are left out; an
output is shortened, and a hosted call is told as text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from threadmill_shared.records import lenient
from threadmill_shared.records.items import HostedCallItem, Item, text_part
from threadmill_shared.records.told_calls import tell_hosted_call
from threadmill_workers.execution.spans import Span, is_within, joined, up_to

LONG_OUTPUT = 1000
"""Characters; a tool's longer output is shortened."""
KEPT_OF_OUTPUT = 400
_IMAGE_LEFT_OUT = "\n[An image was left out.]"
"""A line of its own: a message's texts are sent as one."""


class PartKind(StrEnum):
    """A kind of what can be left out, in the order in which it is tried."""

    REASONING = "reasoning"
    HOSTED_CALLS = "hosted_calls"
    FILES = "files"
    """Images, and files for hosted tools."""
    LONG_OUTPUTS = "long_outputs"
    TURNS = "turns"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is left out: of each kind, all in some spans of the thread."""

    spans: Mapping[PartKind, tuple[Span, ...]] = field(default_factory=dict)

    def adding(self, kinds: Iterable[PartKind], spans: Iterable[Span]) -> LeftOut:
        """The same, and all of these kinds in the spans."""
        added = tuple(spans)
        more = {kind: joined([*self.spans.get(kind, ()), *added]) for kind in kinds}
        return LeftOut({**self.spans, **more})

    def up_to(self, last: int, but: Collection[PartKind]) -> LeftOut:
        """The same, but of other kinds than these nothing behind a position."""
        kept = {k: s if k in but else up_to(last, s) for k, s in self.spans.items()}
        return LeftOut({kind: spans for kind, spans in kept.items() if spans})

    def is_left_out(self, kind: PartKind, position: int) -> bool:
        """Whether what is of this kind is left out at the position."""
        return is_within(position, self.spans.get(kind, ()))

    def apply(self, items: Sequence[Item], positions: Sequence[int]) -> list[Item]:
        """The items that are sent.

        Args:
            items: of the thread, oldest first.
            positions: theirs; of some, items may be missing between them.
        """
        if not self.spans:
            return list(items)
        placed = zip(items, positions, strict=True)
        return [kept for item, at in placed if (kept := self._keep(item, at))]

    def _keep(self, item: Item, position: int) -> Item | None:
        if self.is_left_out(PartKind.TURNS, position):
            return None
        for kind in kinds_of(item):
            if kind is not PartKind.TURNS and self.is_left_out(kind, position):
                return _without(item, kind)
        return item


def count_parts(
    items: Sequence[Item], positions: Sequence[int], left_out: LeftOut
) -> dict[PartKind, int]:
    """How many items of each kind are left out, or are not whole; and how many turns are."""
    counts: dict[PartKind, int] = {}
    starts = set(turn_starts(items))
    for at, item in enumerate(items):
        for kind in kinds_of(item):
            if left_out.is_left_out(kind, positions[at]):
                is_counted = kind is not PartKind.TURNS or at in starts or kind not in counts
                counts[kind] = counts.get(kind, 0) + is_counted
                break
    return counts


def kinds_of(item: Item) -> Iterator[PartKind]:
    """The kinds of what the item has or is; each item belongs to a turn."""
    yield PartKind.TURNS
    match item["type"]:
        case "reasoning":
            yield PartKind.REASONING
        case "hosted_call":
            yield PartKind.HOSTED_CALLS
        case "message" if item["role"] == "user" and _has_files(item):
            yield PartKind.FILES
        case "tool_output" if len(lenient.text(item["output"])) > LONG_OUTPUT:
            yield PartKind.LONG_OUTPUTS


def _has_files(item: Mapping[str, Any]) -> bool:
    return bool(item.get("attachments")) or any(map(_is_image, item["content"]))


def _is_image(part: Mapping[str, Any]) -> bool:
    return part["type"] in ("image_file", "image_url")


def _without(item: Item, kind: PartKind) -> Item | None:
    """The item without what is of this kind; None if nothing is left."""
    match kind:
        case PartKind.FILES:
            return _without_files(item)
        case PartKind.LONG_OUTPUTS:
            return _with_short_output(item)
        case PartKind.HOSTED_CALLS:
            return _as_note(cast("HostedCallItem", item))
        case _:
            return None


def _as_note(call: HostedCallItem) -> Item | None:
    """What the model still has to know of a call that the provider does not take back."""
    text = tell_hosted_call(lenient.storable(call["data"]))
    return {"type": "note", "text": text, "run_id": call["run_id"]} if text else None


def _without_files(item: Item) -> Item:
    message: dict[str, Any] = dict(item)
    content = message["content"]
    message["content"] = [text_part(_IMAGE_LEFT_OUT) if _is_image(p) else p for p in content]
    message.pop("attachments", None)
    return cast("Item", message)


def _with_short_output(item: Item) -> Item:
    output: dict[str, Any] = dict(item)
    text = lenient.text(output["output"])
    rest = len(text) - KEPT_OF_OUTPUT
    output["output"] = f"{text[:KEPT_OF_OUTPUT]}\n[{rest} more characters were left out.]"
    return cast("Item", output)


# ---- turns ---------------------------------------------------------------------------------------


def turn_starts(items: Sequence[Item]) -> list[int]:
    """Where turns begin: at a user's message that follows something else, or at the beginning."""
    return [
        at
        for at, item in enumerate(items)
        if _is_users(item) and (at == 0 or not _is_users(items[at - 1]))
    ]


def current_turn_start(items: Sequence[Item], run_id: str, refused: int = 0) -> int:
    """Where the current turn begins: the user's last messages, and what this run has added.

    The message of an earlier run, which may have failed for it, is of an earlier turn. So is a
    message that nobody's run has added, if a provider has refused it and another follows.

    Args:
        items: of the thread, oldest first.
        run_id: the run that asks.
        refused: how many items a provider has refused as the current turn of earlier runs.
    """
    at = len(items)
    while at and _is_current(items[at - 1], run_id, is_refused=at <= refused):
        at -= 1
    if not any(map(_is_users, items[at:])):  # the run answers messages of earlier ones
        at = min(at, _last_turn_start(items, refused))
    return at


def _is_current(item: Item, run_id: str, *, is_refused: bool) -> bool:
    if _is_users(item) and item.get("run_id") is None:
        return not is_refused
    return item.get("run_id") == run_id


def _last_turn_start(items: Sequence[Item], refused: int) -> int:
    start = (turn_starts(items) or [0])[-1]
    return max(start, refused) if any(map(_is_users, items[refused:])) else start


def _is_users(item: Item) -> bool:
    return item["type"] == "message" and item["role"] == "user"
