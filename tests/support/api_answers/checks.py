"""Whether answers are what OpenAI's package and its OpenAPI document say.

The package itself checks nothing: it takes each answer as it comes. Whether an answer matches the
gateway's own description is checked by `described_answers`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from openai.types import ErrorObject
from openai.types.beta import AssistantStreamEvent
from pydantic import TypeAdapter, ValidationError
from tests.support.api_answers import specification
from tests.support.api_answers.kinds import Kind, kind_of

_OWN = "threadmill."
_WORDS = ("object", "type", "status", "role", "code", "reason", "purpose", "detail", "event")
"""Members whose values matter to a schema."""

Json = dict[str, Any]


class AnswerChecks:
    """Checks answers; each kind of violation is kept once."""

    def __init__(self) -> None:
        self.violations: dict[str, str] = {}
        """Each with the call at which it was found first."""
        self.checked = 0
        self._known: set[tuple[str, object]] = set()

    def check_file(self, file: Path) -> None:
        """Check the answers that a gateway has recorded."""
        if not file.exists():
            return
        with file.open() as lines:
            for line in lines:
                if line.endswith("\n"):  # a gateway may have been killed
                    self.check(json.loads(line))

    def check(self, answer: Json) -> None:
        """Check one answer."""
        for found in self._violations(answer):
            where = f"{answer['method']} {answer['path']} -> {answer.get('status')}"
            self.violations.setdefault(found, where)

    def _violations(self, answer: Json) -> Iterator[str]:
        kind = kind_of(answer["method"], answer["path"])
        if "status" not in answer:
            return  # the client was gone before
        self.checked += 1
        if answer["status"] >= 400:
            yield from self._check_error(answer)
        elif answer["content_type"].startswith("text/event-stream"):
            yield from self._check_stream(answer)
        elif kind is not None:
            yield from self._check_object(kind, answer)

    def _check_error(self, answer: Json) -> Iterator[str]:
        if answer["content_type"] != "application/json":
            yield f"an error has the content type {answer['content_type']}"
        elif answer["method"] != "HEAD" and answer["is_whole"]:
            body = json.loads(answer["body"])
            yield from self._compare("ErrorResponse", body)
            yield from _mistyped(ErrorObject, body.get("error"))

    def _check_object(self, kind: Kind, answer: Json) -> Iterator[str]:
        if answer["status"] != 200:
            yield f"the status is {answer['status']}"
        if answer["content_type"] != "application/json":
            yield f"an object has the content type {answer['content_type']}"
        elif answer["is_whole"]:
            body = json.loads(answer["body"])
            yield from _mistyped(kind.type, body)
            yield from self._compare(kind.schema, body)

    def _check_stream(self, answer: Json) -> Iterator[str]:
        frames = answer["body"].split("\n\n")
        for frame in frames[:-1]:  # the last one may be cut
            fields = dict(
                line.split(": ", 1) for line in frame.splitlines() if not line.startswith(":")
            )
            name, data = fields.get("event", ""), fields.get("data", "null")
            if name == "done":
                yield from [] if data == "[DONE]" else [f"done has the data {data}"]
            elif not name.startswith(_OWN):
                yield from self._check_event({"event": name, "data": json.loads(data)})

    def _check_event(self, event: Json) -> Iterator[str]:
        found = [*_mistyped(AssistantStreamEvent, event), *self._compare(_STREAMED, event)]
        yield from (f"{event['event']}: {one}" for one in found)

    def _compare(self, schema: str, value: Any) -> Iterator[str]:
        """Compare a value with a schema, unless one of its form was compared before."""
        form = schema, _form(value)
        if form in self._known:
            return
        self._known.add(form)
        yield from specification.violations(schema, value)


_STREAMED = "AssistantStreamEvent"


def _mistyped(kind: Any, value: Any) -> Iterator[str]:
    try:
        _adapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            path = ".".join("#" if isinstance(part, int) else part for part in one["loc"])
            yield f"{path}: {one['msg']}"


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _form(value: Any, name: str = "") -> object:
    """What a schema can see of a value, but for the texts and numbers in it."""
    if isinstance(value, dict):
        return tuple((key, _form(one, key)) for key, one in sorted(value.items()))
    if isinstance(value, list):
        return ("list", frozenset(_form(one, name) for one in value))
    return value if name in _WORDS else type(value).__name__
