"""Providers that refuse some of what a request carries, in words and ways of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from tests.support.histories import WORDS

from threadmill_workers.execution.reduction import LONG_OUTPUT, PartKind

Body = dict[str, Any]
CURRENT = "now"
"""What of the current turn has in it; no rule is broken by that."""
IN_STREAM = 0
"""In place of a status: the refusal is told inside the stream."""
MOST_ITEMS = 8
VAGUE = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
"""What tells refusals apart that do not say what they are about."""


def entries(body: Body) -> list[Body]:
    """The conversation of a request, in either API."""
    found: list[Body] = body.get("input") or body.get("messages") or []
    return found


def _parts(body: Body) -> list[Body]:
    contents = [entry.get("content") for entry in entries(body)]
    return [part for content in contents if isinstance(content, list) for part in content]


def _image_urls(body: Body) -> list[str]:
    urls = [part.get("image_url") for part in _parts(body)]
    return [url["url"] if isinstance(url, dict) else url for url in urls if url]


def _outputs(body: Body) -> list[str]:
    return [
        str(entry.get("output") or entry.get("content"))
        for entry in entries(body)
        if entry.get("type") == "function_call_output" or entry.get("role") == "tool"
    ]


def texts(body: Body) -> str:
    """All that the conversation has in it."""
    return json.dumps(entries(body), ensure_ascii=False)


_BREAKS: dict[PartKind, Callable[[Body], bool]] = {
    PartKind.REASONING: lambda body: any(e.get("type") == "reasoning" for e in entries(body)),
    PartKind.HOSTED_CALLS: lambda body: any(
        str(e.get("type")).endswith("_call") and e["type"] != "function_call" for e in entries(body)
    ),
    PartKind.FILES: lambda body: any(CURRENT not in url for url in _image_urls(body)),
    PartKind.LONG_OUTPUTS: lambda body: any(len(o) > LONG_OUTPUT for o in _outputs(body)),
}


@dataclass(frozen=True)
class Refusal:
    """How a provider says no."""

    status: int
    """`IN_STREAM`, or that of HTTP."""
    message: str
    code: str | None
    param: str | None


@dataclass(frozen=True)
class BodyRule:
    """What a provider refuses: all of one kind, any turn with a text, or what is too long."""

    kind: PartKind
    refusal: Refusal
    text: str = ""
    """Refuses what has this text in it, whatever its kind."""
    most_items: int = 0
    """Refuses more items than that as too long."""

    def is_broken_by(self, body: Body) -> bool:
        """Whether this provider refuses the request."""
        if self.most_items:
            return len(entries(body)) > self.most_items
        if self.text:
            return self.text in texts(body)
        return _BREAKS[self.kind](body)


def refusal_of(rules: Sequence[BodyRule], body: Body) -> Refusal | None:
    """What the provider with these rules says to a request; None: it takes it."""
    return next((rule.refusal for rule in rules if rule.is_broken_by(body)), None)


@st.composite
def rules(draw: st.DrawFn, texts: Sequence[str], kinds: Sequence[PartKind]) -> list[BodyRule]:
    """Rules about some of these kinds, some of these texts, and perhaps the number of items.

    No two have the same words, so that a provider's refusals can be told apart.
    """
    vague = list(draw(st.permutations(VAGUE)))
    chosen = draw(st.lists(st.sampled_from(kinds), unique=True)) if kinds else []
    made = [BodyRule(kind, draw(_refusals(kind, vague.pop()))) for kind in chosen]
    if texts and draw(st.booleans()):
        text = draw(st.sampled_from(texts))
        refusal = draw(_refusals(PartKind.TURNS, vague.pop()))
        made.append(BodyRule(PartKind.TURNS, refusal, text=text))
    if draw(st.integers(0, 3)) == 0:
        too_long = draw(st.sampled_from(_TOO_LONG))
        made.append(BodyRule(PartKind.TURNS, too_long, most_items=MOST_ITEMS))
    return list(draw(st.permutations(made)))


_TOO_LONG = [
    Refusal(400, "The maximum context length is 8 items.", "context_length_exceeded", "messages"),
    Refusal(422, "prompt is too long: 9 tokens > 8 maximum", None, None),
    Refusal(IN_STREAM, "The input exceeds the context window.", "context_length_exceeded", None),
]


def _refusals(kind: PartKind, vague: str) -> st.SearchStrategy[Refusal]:
    """A refusal that names the kind, or says nothing but a word of its own."""
    named = st.builds(
        Refusal,
        st.sampled_from([400, 404, 422, IN_STREAM]),
        st.integers(1, 99).map(WORDS[kind].format),
        st.sampled_from([None, "invalid_prompt", "invalid_value"]),
        st.sampled_from([None, "input", "messages", "input[1]", "messages.[1].content"]),
    )
    silent = st.builds(
        Refusal,
        st.sampled_from([400, 422, IN_STREAM]),
        st.just(f"Bad request: {vague}."),
        st.sampled_from([None, "invalid_prompt"]),
        st.sampled_from([None, "input", "messages"]),
    )
    return named | silent
