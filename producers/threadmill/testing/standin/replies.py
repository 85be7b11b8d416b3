"""What a brain answers: text, tool calls and reasoning, cut into tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any, Literal, TypeAlias

from threadmill_shared.model import FinishReason, Usage

_TOKEN = re.compile(r"\s*(?:\w{1,8}|[^\w\s])|\s+")


def tokens_of(text: str) -> tuple[str, ...]:
    """Cut a text into word pieces, each with the space before it; joined they are the text."""
    return tuple(_TOKEN.findall(text))


@dataclass(frozen=True, slots=True)
class Text:
    """One message."""

    content: str | Sequence[str]
    """The text, or its tokens, if a test specifies them."""
    cites: Sequence[str] = ()
    """Names of files that code has written or a search has found, titles or addresses of pages
    of the web (Responses API)."""
    phase: str | None = None
    """`commentary` or `final_answer` (Responses API), from models that have phases."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is streamed, one delta each."""
        return tokens_of(self.content) if isinstance(self.content, str) else tuple(self.content)

    @property
    def text(self) -> str:
        """The whole text."""
        return self.content if isinstance(self.content, str) else "".join(self.content)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    name: str
    arguments: Mapping[str, Any] | str = "{}"
    """An object; or the text to send in its place, which need not be valid JSON."""
    id: str | None = None
    """The provider's id of the call. Default: one that is unique in its conversation. Some
    servers leave it empty, or repeat it: `id=""` and `id="call_0"` do as they do."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the call in Chat Completions, such as Gemini's `extra_content`."""

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments), ensure_ascii=False, separators=(",", ":"))

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is streamed of the arguments, one delta each."""
        return tokens_of(self.text)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """One reasoning item of the Responses API; Chat Completions leaves it out, or has a field."""

    summary: str = ""
    encrypted: str | None = None
    """Default: a text that the stand-in takes back from the same model only."""
    chat_field: str | None = None
    """The field with the summary in Chat Completions, such as DeepSeek's `reasoning_content`."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is streamed of the summary, one delta each."""
        return tokens_of(self.summary)


@dataclass(frozen=True, slots=True)
class Code:
    """Code that the provider's code interpreter has executed; only the Responses API has such."""

    code: str
    logs: str = ""
    """What it has printed."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What it has written, by name; images among them are its outputs, too."""
    status: Literal["completed", "failed"] = "completed"

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is streamed of the code, one delta each."""
        return tokens_of(self.code)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a search has found."""

    name: str
    text: str
    score: float = 1.0
    file_id: str = "file-standin"


@dataclass(frozen=True, slots=True)
class Search:
    """A search in files that the provider has made; only the Responses API has such."""

    queries: Sequence[str]
    results: Sequence[Found] | None = None
    """None: those files of the request's vector stores in which a word of a query stands."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """None are streamed."""
        return ()


@dataclass(frozen=True, slots=True)
class WebSource:
    """A page that a search of the web has found."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class WebQuery:
    """A search of the web that the provider has made; only the Responses API has such."""

    query: str
    sources: Sequence[WebSource] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """None are streamed."""
        return ()


class Pause:
    """A halt in an answer: for tests of what happens while the model is still speaking.

    The stand-in sends `after_tokens` tokens, and no other until the test calls `end()`.
    """

    def __init__(self, after_tokens: int) -> None:
        """A pause that begins when so many tokens have been sent."""
        self.after_tokens = after_tokens
        self._over = Event()

    @property
    def is_over(self) -> bool:
        """Whether `end` has been called."""
        return self._over.is_set()

    def end(self) -> None:
        """Let the stand-in continue, in every answer that waits for this pause; from any thread."""
        self._over.set()


Part: TypeAlias = Text | Call | Reasoning | Code | Search | WebQuery


@dataclass(frozen=True, slots=True)
class Reply:
    """All that the model says in one turn.

    Raises:
        ValueError: `stop` is not one of the three words.
    """

    parts: Sequence[Part]
    delay: float | None = None
    """Seconds from one token to the next. Default: the server's."""
    first_delay: float = 0.0
    """Seconds from the opening of the stream to the first token."""
    stop: FinishReason | Literal["end", "length", "content_filter"] = FinishReason.END
    usage: Usage | None = None
    """Default: a count of what was sent and streamed."""
    pause: Pause | None = None
    """Default: the tokens are sent without a halt."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", FinishReason(self.stop))

    def limited(self, limit: int | None) -> Reply:
        """This reply, or its beginning with `limit` tokens and the stop `length`."""
        if limit is None or sum(len(part.tokens) for part in self.parts) <= limit:
            return self
        kept: list[Part] = []
        for part in self.parts:
            if len(part.tokens) > limit:
                # Half a call is none; half a message is what the user gets to see.
                kept += [Text(part.tokens[:limit])] if isinstance(part, Text) else []
                break
            kept.append(part)
            limit -= len(part.tokens)
        return replace(self, parts=kept, stop=FinishReason.LENGTH)
