"""Hosted tools in an answer of the Responses API: what is executed, and the items that tell it."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator, Sequence
from typing import Any

from threadmill.testing.standin.conversation import Request
from threadmill.testing.standin.hosting import Hosting, KeptFile
from threadmill.testing.standin.replies import Code, Found, Part, Search, Text, WebQuery, WebSource

Json = dict[str, Any]


class HostedOutput:
    """Executes the hosted calls of one reply, and knows what they gave."""

    def __init__(self, request: Request, parts: Sequence[Part], hosting: Hosting) -> None:
        self._hosting = hosting
        self._include = request.body.get("include") or ()
        self._container = ""
        self._files: dict[str, KeptFile] = {}
        """What was written, by name."""
        self._found: dict[int, Sequence[Found]] = {}
        """What each search found, by its place among the parts."""
        self._pages: dict[str, WebSource] = {}
        """What searches of the web found, by title and by address."""
        codes = [part for part in parts if isinstance(part, Code)]
        if codes or any(isinstance(part, Text) and part.cites for part in parts):
            self._container = hosting.container_of(request)
            self._files = {f.name: f for f in hosting.containers[self._container].values()}
        for code in codes:
            for name, content in code.files.items():
                self._files[name] = hosting.write(self._container, name, content)
        for index, part in enumerate(parts):
            if isinstance(part, WebQuery):
                self._pages |= {page.url: page for page in part.sources}
                self._pages |= {page.title: page for page in part.sources if page.title}
            if isinstance(part, Search):
                found = part.results
                self._found[index] = (
                    hosting.search(request, part.queries) if found is None else found
                )

    def give_reasoning(self, encrypted: str, model: str) -> None:
        """Remember a scripted content of reasoning, so that its model takes it back."""
        self._hosting.given_reasoning[encrypted] = model

    def code_item(self, id: str, part: Code) -> Json:
        """The item of executed code."""
        wanted = "code_interpreter_call.outputs" in self._include
        return {
            "id": id,
            "type": "code_interpreter_call",
            "code": part.code,
            "container_id": self._container,
            "outputs": list(self._outputs(part)) if wanted else None,
        }

    def search_item(self, id: str, index: int, part: Search) -> Json:
        """The item of a search."""
        wanted = "file_search_call.results" in self._include
        results = [
            {
                "attributes": {},
                "file_id": found.file_id,
                "filename": found.name,
                "score": found.score,
                "text": found.text,
            }
            for found in self._found[index]
        ]
        return {
            "id": id,
            "type": "file_search_call",
            "queries": list(part.queries),
            "results": results if wanted else None,
        }

    def web_item(self, id: str, part: WebQuery) -> Json:
        """The item of a search of the web."""
        action: Json = {"type": "search", "query": part.query, "queries": [part.query]}
        if "web_search_call.action.sources" in self._include:
            action["sources"] = [{"type": "url", "url": page.url} for page in part.sources]
        return {"id": id, "type": "web_search_call", "action": action}

    def annotations(self, part: Text) -> list[Json]:
        """What a message cites."""
        return [self._annotation(part.text, name) for name in part.cites]

    def _annotation(self, text: str, name: str) -> Json:
        start = max(text.find(name), 0)
        if name in self._files:
            return {
                "type": "container_file_citation",
                "container_id": self._container,
                "file_id": self._files[name].id,
                "filename": name,
                "start_index": start,
                "end_index": start + len(name),
            }
        if page := self._pages.get(name):
            place = {"start_index": start, "end_index": start + len(name)}
            return {"type": "url_citation", "url": page.url, "title": page.title, **place}
        found = (one for results in self._found.values() for one in results)
        cited = next((one for one in found if one.name == name), None)
        if cited is None:
            raise LookupError(f"A reply cites {name!r}, which its code did not write.")
        file = {"file_id": cited.file_id, "filename": name}
        return {"type": "file_citation", "index": start + len(name), **file}

    def _outputs(self, part: Code) -> Iterator[Json]:
        if part.logs:
            yield {"type": "logs", "logs": part.logs}
        for name, content in part.files.items():
            kind = mimetypes.guess_type(name)[0] or ""
            if kind.startswith("image/"):
                data = base64.b64encode(content).decode()
                yield {"type": "image", "url": f"data:{kind};base64,{data}"}
