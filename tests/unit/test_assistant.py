"""Assistants: what their constructor takes, and what cannot be enqueued yet."""

from __future__ import annotations

import pydantic
import pytest

from threadmill import Assistant, CodeInterpreter, errors


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


@pytest.mark.parametrize("model", ["", " ", "\n"])
def test_a_model_without_a_name_is_refused(model: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="model"):
        Assistant(model=model)


def test_a_field_given_twice_is_an_error() -> None:
    with pytest.raises(TypeError, match="each given once"):
        Assistant("Marvin", name="Zaphod")  # type: ignore[misc]


def test_a_hosted_tool_is_refused() -> None:
    with pytest.raises(errors.Unsupported, match="CodeInterpreter"):
        Assistant(tools=[CodeInterpreter]).definition()
