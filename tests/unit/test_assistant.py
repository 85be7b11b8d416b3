"""Assistants: what their constructor takes, and what cannot be enqueued yet."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pydantic
import pytest

from threadmill import Assistant, CodeInterpreter, FileSearch, errors
from threadmill_shared.records.model_options import MODEL_OPTIONS
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings


def test_name_instructions_model_and_tools_may_be_given_by_position() -> None:
    ai = Assistant("Marvin", "Be gloomy.", "some-model", [len])
    assert (ai.name, ai.instructions, ai.model, ai.tools) == (
        *("Marvin", "Be gloomy.", "some-model"),
        [len],
    )


def test_a_subclass_sets_defaults_and_fields_of_its_own() -> None:
    class Gloomy(Assistant):
        name: str = "Marvin"
        mood: str = "gloomy"

    assert Gloomy(mood="worse").definition().fields == {"mood": "worse"}
    assert Gloomy().name == "Marvin"


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(pydantic.ValidationError, match="colour"):
        Assistant(colour="red")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("instruction", "Did you mean 'instructions'"),
        ("when_busy", r"say\(..., when_busy=...\)"),
        ("colour", "Known fields: name, id, "),
    ],
)
def test_an_unknown_field_is_told_with_what_may_be_meant(name: str, advice: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=f"'{name}' is .*{advice}"):
        Assistant(**{name: 0.5})  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["", " ", "\n"])
def test_a_model_without_a_name_is_refused(model: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="model"):
        Assistant(model=model)


def test_a_field_given_twice_is_an_error() -> None:
    with pytest.raises(TypeError, match="each given once"):
        Assistant("Marvin", name="Zaphod")  # type: ignore[misc]


def test_a_hosted_tool_is_given_as_a_class_an_instance_or_in_the_assistants_apis_form() -> None:
    searches = (
        FileSearch(vector_store_ids=["vs_1"], max_num_results=3),
        {
            "type": "file_search",
            "vector_store_ids": ["vs_1"],
            "file_search": {"max_num_results": 3},
        },
    )
    for search in searches:
        code, found = Assistant(tools=[CodeInterpreter, search, len]).definition().hosted
        assert code == CodeInterpreter()
        assert found == searches[0]
    assert [one.spec.name for one in Assistant(tools=[CodeInterpreter, len]).functions()] == ["len"]


def test_the_assistants_apis_tool_resources_join_what_the_tools_name_themselves() -> None:
    resources = {
        "code_interpreter": {"file_ids": ["file_2"]},
        "file_search": {"vector_store_ids": ["vs_1"]},
    }
    tools = [CodeInterpreter(file_ids=["file_1"]), FileSearch]
    definition = Assistant(tools=tools, tool_resources=resources).definition()
    assert [tool.model_dump(exclude_defaults=True) for tool in definition.hosted] == [
        {"file_ids": ("file_1", "file_2")},
        {"vector_store_ids": ("vs_1",)},
    ]


@pytest.mark.parametrize(
    ("tools", "resources", "said"),
    [
        ([CodeInterpreter, CodeInterpreter()], {}, "twice"),
        ([{"type": "file_search", "colour": "red"}], {}, "colour"),
        ([CodeInterpreter], {"code_interpreter": {"files": []}}, "file_ids"),
        ([CodeInterpreter], {"code_interpreter": {"file_ids": "file_1"}}, "list of ids"),
    ],
)
def test_a_hosted_tool_that_cannot_be_meant_is_refused(
    tools: list[Any], resources: dict[str, Any], said: str
) -> None:
    with pytest.raises(errors.BadTool, match=said):
        Assistant(tools=tools, tool_resources=resources).definition()


def test_a_hosted_tool_is_refused_where_the_provider_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THREADMILL_MODEL_API", "chat")
    definition = Assistant(tools=[CodeInterpreter]).definition()
    with pytest.raises(errors.Unsupported, match="THREADMILL_MODEL_API=responses"):
        enqueue_command(RunRequest(definition, "Plot it"), Settings())
    # The workers of a queue of its own may have another provider.
    elsewhere = Assistant(tools=[CodeInterpreter], queue="openai").definition()
    assert enqueue_command(RunRequest(elsewhere, "Plot it"), Settings())


OFFLINE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise AssertionError(f"{event} {arguments}")

sys.addaudithook(refuse)
import threadmill
for name in threadmill.__all__:
    getattr(threadmill, name)
ai = threadmill.Assistant(name="Marvin", instructions="{{ self_.name }}", tools=[len])
ai.default_thread
"""


def test_importing_and_defining_need_no_network() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", OFFLINE], check=True, timeout=60)


def test_an_assistant_has_the_models_options_and_checks_them() -> None:
    ai = Assistant(reasoning_effort="low", verbosity="high", temperature=0.5, extra_body={"a": 1})
    definition = ai.definition()
    assert definition.model_options() == {
        "temperature": 0.5,
        "reasoning_effort": "low",
        "verbosity": "high",
        "extra_body": {"a": 1},
    }
    ai.reasoning_effort = None
    assert "reasoning_effort" not in ai.definition().model_options()
    for name, value in {
        "reasoning_effort": "ultra",
        "temperature": 3,
        "extra_body": {"stream": False},
        "max_prompt_tokens": 0,
        "truncation_strategy": {"type": "x"},
    }.items():
        with pytest.raises(pydantic.ValidationError, match=name):
            Assistant(**{name: value})  # type: ignore[arg-type]
        with pytest.raises(pydantic.ValidationError, match=name):
            setattr(ai, name, value)
    assert ai.temperature == 0.5


def test_an_assistant_without_options_is_stored_as_the_last_release_stored_it() -> None:
    assert not set(Assistant().definition().model_dump()) & set(MODEL_OPTIONS)
