"""Threads of any kind of turns, and providers that refuse some of what is in them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from threadmill_workers.execution.reduction import LONG_OUTPUT, PartKind

RUN = "run_now"
WORDS = {
    PartKind.REASONING: "The encrypted content for item rs_{} could not be verified.",
    PartKind.HOSTED_CALLS: "Container cntr_{} is expired.",
    PartKind.FILES: "Image {} could not be read.",
    PartKind.LONG_OUTPUTS: "A tool result has {} characters.",
    PartKind.TURNS: "The prompt violates our content management policy ({}).",
}
"""What providers say of each kind, with something that differs."""


def places(items: Sequence[Any]) -> range:
    """The positions of a thread's items from which none was deleted."""
    return range(1, len(items) + 1)


def message(role: str, text: str, run_id: str | None, *, image: bool = False) -> Any:
    content: list[Any] = [{"type": "text", "text": {"value": text, "annotations": []}}]
    if image:
        url = f"https://example.org/{text.split(maxsplit=1)[0]}.png"
        content.append({"type": "image_url", "image_url": {"url": url}})
    return {
        "type": "message",
        "id": f"msg_{text}",
        "role": role,
        "content": content,
        "status": "completed",
        "run_id": run_id,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }


def turn(name: str, run_id: str, parts: Sequence[str]) -> list[Any]:
    """A turn that has these parts, among `PartKind` and `call`, `note`, `answer`."""
    items = [message("user", f"{name} asks", run_id, image="files" in parts)]
    if "reasoning" in parts:
        data = {"type": "reasoning", "id": f"rs_{name}", "summary": [], "encrypted_content": name}
        items.append({"type": "reasoning", "model": "m", "data": data, "run_id": run_id})
    if "hosted_calls" in parts:
        data = {"type": "code_interpreter_call", "id": f"ci_{name}", "code": "1", "outputs": []}
        data |= {"container_id": f"cntr_{name}", "status": "completed"}
        item = {"type": "hosted_call", "kind": "code_interpreter", "data": data, "run_id": run_id}
        items.append(item | {"at": int(time.time())})
    if "odd_call" in parts:
        items += _odd_call(name, run_id)
    if "call" in parts or "long_outputs" in parts:
        size = 2 * LONG_OUTPUT if "long_outputs" in parts else 5
        own = {"provider_id": f"call_{name}", "run_id": run_id}
        items.append(
            {"type": "tool_call", "id": f"c_{name}", "name": "f", "arguments": "{}", **own}
        )
        output = {"call_id": f"c_{name}", "output": name[0] * size, "failed": False}
        items.append({"type": "tool_output", **output, **own})
    if "note" in parts:
        items.append({"type": "note", "text": f"{name} again", "run_id": run_id})
    if "blank" in parts:
        items.append(message("assistant", "", run_id))
    if "answer" in parts:
        items.append(message("assistant", f"{name} answers", run_id))
    return items


def _odd_call(name: str, run_id: str) -> list[Any]:
    """A call that no provider takes as it is, and that has no output."""
    own = {"provider_id": f"call {name} {'x' * 80}", "run_id": run_id}
    call = {"id": f"odd_{name}", "name": f"functions.{name}<|channel|>", "arguments": '{"n": NaN'}
    return [{"type": "tool_call", **call, **own}]


ODD_PARTS = ["odd_call", "blank"]
PARTS = [*(kind.value for kind in PartKind if kind is not PartKind.TURNS), "call", "note", "answer"]
_turns = st.lists(st.lists(st.sampled_from(PARTS), unique=True, max_size=6), min_size=1, max_size=6)


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Items of a thread whose last turn is of the run `RUN`."""
    *earlier, current = draw(_turns)
    own = [part for part in current if part != "answer"]
    return earlier_turns(earlier) + turn("now", RUN, own)


def earlier_turns(all_parts: Sequence[Sequence[str]]) -> list[Any]:
    """The turns t0, t1 and so on, which have these parts."""
    items: list[Any] = []
    for number, parts in enumerate(all_parts):
        items += turn(f"t{number}", f"run_{number}", parts)
    return items


@dataclass(frozen=True)
class Rule:
    """Refuses what is of one kind, or any turn that has this item."""

    kind: PartKind
    item: Any
    words: str

    def refuses(self, sent: Sequence[Any]) -> bool:
        """Whether the request carries the item as it is stored."""
        return self.item in sent
