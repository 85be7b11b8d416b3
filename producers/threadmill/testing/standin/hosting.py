"""What the stand-in keeps for its hosted tools: files, containers and vector stores."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill.testing.standin.conversation import Request, dicts
from threadmill.testing.standin.replies import Found

Json = dict[str, Any]

FOLDER = "/mnt/data/"
"""Where code finds its files, and leaves them."""


FILE_BYTES = 512 * 1024 * 1024
"""The largest file that OpenAI takes: https://platform.openai.com/docs/api-reference/files/create"""
SEARCHABLE = (
    *(".c", ".cpp", ".cs", ".css", ".doc", ".docx", ".go", ".html", ".java", ".js", ".json"),
    *(".md", ".pdf", ".php", ".pptx", ".py", ".rb", ".sh", ".tex", ".ts", ".txt"),
)
"""What OpenAI can search:
https://platform.openai.com/docs/guides/tools-file-search#supported-files"""


class FileNotTaken(Exception):
    """The provider refuses a file; the message says why."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that was uploaded, or that code has written."""

    id: str
    name: str
    content: bytes
    purpose: str = "assistants_output"
    created_at: int = field(default_factory=lambda: int(time.time()))
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class VectorStore:
    """Files that can be searched."""

    id: str
    name: str
    file_ids: list[str] = field(default_factory=list)
    expires_after: Mapping[str, Any] | None = None
    created_at: int = field(default_factory=lambda: int(time.time()))


class Hosting:
    """All that is kept, in memory; written by the server's thread, read by any."""

    def __init__(self) -> None:
        self.files: dict[str, KeptFile] = {}
        """Those that clients have uploaded, by id."""
        self.containers: dict[str, dict[str, KeptFile]] = {}
        """Files of each container, by id."""
        self.vector_stores: dict[str, VectorStore] = {}
        self.lost: set[str] = set()
        """Names of files whose content is not given, as when their container has expired."""
        self.file_bytes = FILE_BYTES
        """Larger uploads are refused, as empty ones are."""
        self.searchable = SEARCHABLE
        """Endings of the names of files that can be searched."""
        self.refused: dict[str, str] = {}
        """Names of files whose upload is refused, and why."""
        self.unsearchable: dict[str, str] = {}
        """Names of files that cannot be searched, and why, besides those of unknown types."""
        self.never_indexed: set[str] = set()
        """Names of files whose indexing does not end."""
        self.given_reasoning: dict[str, str] = {}
        """Scripted encrypted contents of reasoning that were sent, with the model they are of."""
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """An id that was never given before."""
        return f"{prefix}{next(self._numbers):024x}"

    def upload(
        self, name: str, content: bytes, purpose: str, seconds: int | None = None
    ) -> KeptFile:
        """Keep a file that a client has sent.

        Raises:
            FileNotTaken: a provider would refuse it.
        """
        if name in self.refused:
            raise FileNotTaken(self.refused[name])
        if not content:
            raise FileNotTaken("File is empty.")
        if len(content) > self.file_bytes:
            raise FileNotTaken(f"File exceeds the maximum size of {self.file_bytes} bytes.")
        expires_at = None if seconds is None else int(time.time()) + seconds
        file = KeptFile(self.new_id("file-"), name, content, purpose, expires_at=expires_at)
        self.files[file.id] = file
        return file

    def new_container(self, file_ids: Iterable[str]) -> str:
        """A container with copies of these files."""
        container_id = self.new_id("cntr_")
        self.containers[container_id] = {}
        self.copy_into(container_id, file_ids)
        return container_id

    def copy_into(self, container_id: str, file_ids: Iterable[str]) -> None:
        """Give the container those of these files that it has not got."""
        container = self.containers[container_id]
        names = {file.name for file in container.values()}
        for file in map(self.files.__getitem__, file_ids):
            if file.name not in names:
                self.write(container_id, file.name, file.content, "user")

    def write(
        self, container_id: str, name: str, content: bytes, source: str = "assistant"
    ) -> KeptFile:
        """Write a file into a container; one of the same name is replaced."""
        container = self.containers[container_id]
        for old in [file.id for file in container.values() if file.name == name]:
            del container[old]
        file = KeptFile(self.new_id("cfile_"), name, content, source)
        container[file.id] = file
        return file

    def container_of(self, request: Request) -> str:
        """The container in which the code of an answer to this request is executed."""
        tool = _tool(request, "code_interpreter")
        wanted = tool.get("container")
        if isinstance(wanted, str):
            return wanted
        file_ids = (wanted or {}).get("file_ids") or ()
        items = reversed(dicts(request.body.get("input")))
        used = (item.get("container_id") for item in items)
        container_id: str | None = next((id for id in used if id in self.containers), None)
        if container_id is None:
            return self.new_container(file_ids)
        self.copy_into(container_id, file_ids)
        return container_id

    def index_state(self, file_id: str) -> tuple[str, str]:
        """The status of a file in a vector store, and why it has failed."""
        name = self.files[file_id].name
        if name in self.unsearchable:
            return "failed", self.unsearchable[name]
        if not name.lower().endswith(self.searchable):
            return "failed", "The file type is not supported."
        return ("in_progress" if name in self.never_indexed else "completed"), ""

    def search(self, request: Request, queries: Iterable[str]) -> list[Found]:
        """Files of the request's vector stores in which a word of a query stands."""
        tool = _tool(request, "file_search")
        words = {word.lower() for query in queries for word in re.findall(r"\w{3,}", query)}
        stores = (self.vector_stores[id] for id in tool.get("vector_store_ids") or ())
        ids = (id for store in stores for id in store.file_ids)
        files = (self.files[id] for id in ids if self.index_state(id)[0] == "completed")
        found = []
        for file in files:
            text = file.content.decode(errors="replace")
            hits = sum(word in text.lower() for word in words)
            if hits:
                found.append(Found(file.name, text, round(hits / len(words), 2), file.id))
        return sorted(found, key=lambda one: -one.score)[: tool.get("max_num_results") or 20]


def _tool(request: Request, type: str) -> Json:
    tools = dicts(request.body.get("tools"))
    return next((tool for tool in tools if tool.get("type") == type), {})
