"""Hosted tools of the stand-in, asked by the real openai package: all is of the package's types."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai.types import ContainerCreateResponse, FileObject, VectorStore
from openai.types.containers import FileRetrieveResponse
from openai.types.responses import Response, ResponseInputItemParam, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from threadmill.testing import Call, Code, Found, Reply, Search, StandIn, Text

PLOT = b"\x89PNG\r\n\x1a\n a plot"
CODE = Code("plot()\n", "done\n", {"plot.png": PLOT, "data.csv": b"1,2"})
DRAWN = Reply([Text("Let me see."), CODE, Text("Here: plot.png, data.csv", ["plot.png"])])
FOUND = Reply([Search(["cats"], [Found("cats.txt", "Cats purr.")]), Text("Purr.", ["cats.txt"])])
MIXED = Reply([CODE, Call("add", {"a": 1})])
REPLIES = {"drawn": DRAWN, "found": FOUND, "mixed": MIXED}

ADD = {
    "type": "function",
    "name": "add",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
CODE_TOOL = {"type": "code_interpreter", "container": {"type": "auto"}}
INCLUDE = ["code_interpreter_call.outputs", "file_search_call.results"]


def with_client(standin: StandIn, act: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with openai.AsyncOpenAI(
            base_url=standin.base_url,
            api_key="none",
            max_retries=0,
            _strict_response_validation=True,
        ) as api:
            return await act(api)

    return asyncio.run(run())


def ask(standin: StandIn, **options: Any) -> Any:
    async def act(api: openai.AsyncOpenAI) -> Any:
        asked = {"model": "m", "input": "Hello!", "include": INCLUDE, "store": False}
        answer = await api.responses.create(**asked | options)
        return [event async for event in answer] if options.get("stream") else answer

    return with_client(standin, act)


def assert_of_type(kind: Any, value: BaseModel) -> None:
    validated = TypeAdapter(kind).validate_python(value.to_dict(mode="json"))  # type: ignore[attr-defined]
    assert type(validated) is type(value)
    assert not _unknown(validated)


def _unknown(value: object) -> list[str]:
    if isinstance(value, list):
        return [name for one in value for name in _unknown(one)]
    if not isinstance(value, BaseModel):
        return []
    fields = (getattr(value, name) for name in type(value).model_fields)
    return [*(value.model_extra or {}), *(name for one in fields for name in _unknown(one))]


def tools(standin: StandIn) -> list[dict[str, Any]]:
    standin.hosting.files.setdefault("file-1", standin.hosting.upload("cats.txt", b"purr", "x"))

    async def act(api: openai.AsyncOpenAI) -> str:
        return (await api.vector_stores.create(name="cats", file_ids=["file-1"])).id

    search = {"type": "file_search", "vector_store_ids": [with_client(standin, act)]}
    return [CODE_TOOL, search, ADD]


@pytest.mark.parametrize("name", REPLIES)
def test_streams_and_answers_are_of_the_packages_types(standin: StandIn, name: str) -> None:
    standin.brain = lambda _: REPLIES[name]
    events = ask(standin, stream=True, tools=tools(standin))
    for event in events:
        assert_of_type(ResponseStreamEvent, event)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert_of_type(Response, ask(standin, tools=tools(standin)))


def test_code_arrives_token_by_token_and_its_item_tells_what_it_gave(standin: StandIn) -> None:
    standin.brain = lambda _: Reply([CODE])
    events = ask(standin, stream=True, tools=[CODE_TOOL])
    names = [event.type.removeprefix("response.") for event in events]
    deltas = [e.delta for e in events if e.type == "response.code_interpreter_call_code.delta"]
    assert "".join(deltas) == CODE.code
    assert len(deltas) > 1
    assert [name for name in dict.fromkeys(names) if name.startswith(("output", "code"))] == [
        "output_item.added",
        "code_interpreter_call.in_progress",
        "code_interpreter_call_code.delta",
        "code_interpreter_call_code.done",
        "code_interpreter_call.interpreting",
        "code_interpreter_call.completed",
        "output_item.done",
    ]
    [item] = events[-1].response.output
    logs, image = item.outputs
    assert (item.status, logs.logs) == ("completed", "done\n")
    assert image.url.startswith("data:image/png;base64,")


def test_what_a_message_cites_is_fetched_from_its_container(standin: StandIn) -> None:
    standin.brain = lambda _: DRAWN

    async def act(api: openai.AsyncOpenAI) -> bytes:
        said = (await api.responses.create(model="m", input="Plot", tools=[CODE_TOOL])).output[-1]  # type: ignore[list-item]
        [cited] = said.content[0].annotations  # type: ignore[union-attr]
        assert said.content[0].text[cited.start_index : cited.end_index] == "plot.png"  # type: ignore[union-attr]
        place = {"file_id": cited.file_id, "container_id": cited.container_id}  # type: ignore[union-attr]
        told = await api.containers.files.retrieve(**place)
        assert_of_type(FileRetrieveResponse, told)
        assert told.path == "/mnt/data/plot.png"
        return (await api.containers.files.content.retrieve(**place)).content

    assert with_client(standin, act) == PLOT


def test_what_it_said_is_taken_back_and_goes_on_in_the_same_container(standin: StandIn) -> None:
    standin.brain = lambda _: DRAWN
    first = ask(standin, tools=[CODE_TOOL])
    back = [item.to_dict() for item in first.output]
    TypeAdapter(list[ResponseInputItemParam]).validate_python(back)
    again = ask(standin, tools=[CODE_TOOL], input=[*back, {"role": "user", "content": "More"}])
    assert again.output[1].container_id == first.output[1].container_id


def test_outputs_and_results_are_told_only_where_they_are_asked_for(standin: StandIn) -> None:
    standin.brain = lambda _: REPLIES["mixed"]
    assert ask(standin, tools=[CODE_TOOL, ADD], include=[]).output[0].outputs is None


def test_files_containers_and_vector_stores_are_of_the_packages_types(standin: StandIn) -> None:
    async def act(api: openai.AsyncOpenAI) -> None:
        expiry = {"anchor": "created_at", "seconds": 3600}
        kept = await api.files.create(
            file=("cats.txt", b"Cats purr."),
            purpose="assistants",
            expires_after=expiry,  # type: ignore[arg-type]
        )
        assert_of_type(FileObject, kept)
        assert kept.expires_at is not None
        assert (await api.files.content(kept.id)).content == b"Cats purr."
        container = await api.containers.create(name="c", file_ids=[kept.id])
        assert_of_type(ContainerCreateResponse, container)
        store = await api.vector_stores.create(name="s", file_ids=[kept.id])
        assert_of_type(VectorStore, store)
        assert store.file_counts.completed == 1
        added = await api.vector_stores.files.create(store.id, file_id=kept.id)
        assert added.status == "completed"

    with_client(standin, act)


def test_a_search_finds_files_of_the_requests_vector_stores(standin: StandIn) -> None:
    standin.brain = lambda _: Reply([Search(["Do cats purr?"])])
    [item] = ask(standin, tools=tools(standin)).output
    [result] = item.results
    assert (result.filename, result.text) == ("cats.txt", "purr")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": [{"type": "code_interpreter"}]}, r"'tools\[0\].container'"),
        (
            {
                "tools": [
                    {
                        "type": "code_interpreter",
                        "container": {"type": "auto", "file_ids": ["file-0"]},
                    }
                ]
            },
            "File with id 'file-0' not found",
        ),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, "vector_store_ids"),
        ({"include": ["everything"]}, "Invalid value: 'everything'"),
        ({"input": [{"type": "code_interpreter_call", "id": "ci_1"}]}, r"'input\[0\].code'"),
        ({"input": [{"type": "file_search_call", "id": "f", "status": "completed"}]}, "queries"),
    ],
)
def test_what_a_provider_would_refuse_is_refused(
    standin: StandIn, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        ask(standin, **options)
