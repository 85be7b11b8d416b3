"""Which instructions are texts, and which are templates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from threadmill import Assistant, Template
from threadmill_shared import errors
from threadmill_shared.records.changes import content_digest
from threadmill_shared.records.definition import Definition
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import DEFAULT_MODEL, FIRST_DEFAULT_MODEL, Settings

ADA = Definition(id="asst_1", name="Ada", model="m", instructions="{{ self_.name }} is kind.")
SYNTAX = ["{{ context.token }}", "{% if %}", "{# hidden #}", "{{", "{%", "{{ 7 * 7 }}"]
OPTIONS = ["instructions", "additional_instructions"]


def ask(**given: Any) -> RunRequest:
    return RunRequest(ADA, "Hello!", context={"token": "t0k3n"}, idempotency_key="k", **given)


def told(**given: Any) -> str:
    return enqueue_command(ask(**given), Settings()).request.instructions


def digest(**given: Any) -> str:
    return enqueue_command(ask(**given), Settings()).content_digest


@pytest.mark.parametrize("text", [*SYNTAX, "{", "}}", "{}", '{"a": {"b": 1}}', " Hi.\r\n\n"])
def test_a_text_is_sent_as_it_stands(text: str) -> None:
    assert told(instructions=text) == text
    assert told(additional_instructions=text) == f"Ada is kind.\n\n{text}"
    assert told(instructions=text, additional_instructions=text) == f"{text}\n\n{text}"


def test_a_template_is_rendered() -> None:
    rendered = Template("{{ self_.name }}/{{ context.token }}")
    assert told(instructions=rendered) == "Ada/t0k3n"
    assert told(additional_instructions=rendered) == "Ada is kind.\n\nAda/t0k3n"
    assert told(instructions="{{ x }}", additional_instructions=rendered) == "{{ x }}\n\nAda/t0k3n"


@pytest.mark.parametrize("empty", ["", Template("")])
def test_empty_instructions_replace_and_add_nothing(empty: Any) -> None:
    assert told(instructions=empty) == ""
    assert told(additional_instructions=empty) == "Ada is kind."


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("source", ["{{", "{% if %}", "{{ nothing }}", "{{ self_.__class__ }}"])
def test_a_template_that_cannot_be_rendered_is_refused(option: str, source: str) -> None:
    with pytest.raises(errors.BadTemplate):
        told(**{option: Template(source)})


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("given", [{"template": "x"}, {"template": 3}, 0, 3, b"x", ["x"], False])
def test_what_is_neither_is_refused_with_the_options_name(option: str, given: Any) -> None:
    with pytest.raises(TypeError, match=f"'{option}' must be a str or a threadmill.Template"):
        told(**{option: given})


@pytest.mark.parametrize("source", [None, 3, b"x", Template("x")])
def test_a_template_has_a_text(source: Any) -> None:
    with pytest.raises(TypeError, match="must be a str, not"):
        Template(source)


def test_a_text_that_is_too_large_is_refused() -> None:
    with pytest.raises(errors.TooLarge, match="262145 bytes; 262144 are allowed"):
        told(additional_instructions="x" * 262_145)


# ---- digests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("text", SYNTAX[:3])
def test_a_text_and_the_same_template_are_different_content(option: str, text: str) -> None:
    source = Template("{{ context.token }}") if text == SYNTAX[0] else Template("{# hidden #}")
    assert digest(**{option: text}) != digest(**{option: source})
    assert digest(**{option: text}) == digest(**{option: text})


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, [ADA.instructions]),
        ({"instructions": "Be brief. {x}"}, ["Be brief. {x}"]),
        ({"additional_instructions": "Be brief."}, [ADA.instructions, "Be brief."]),
        ({"instructions": Template("{{ context.token }}")}, ["{{ context.token }}"]),
    ],
)
def test_what_an_older_release_understands_has_the_digest_that_it_gives(
    given: dict[str, Any], parts: list[str]
) -> None:
    options = enqueue_command(ask(), Settings()).request.options.model_dump()
    first_format = content_digest("Ada", "m", "Hello!", parts, {"token": "t0k3n"}, [], options)
    assert digest(**given) == first_format


# ---- an assistant's own ------------------------------------------------------------------------


def test_an_assistant_takes_its_template_either_way() -> None:
    given = Assistant(instructions=Template("{{ self_.name }}"))
    assert given.instructions == "{{ self_.name }}"
    given.instructions = Template("{{ context }}")  # type: ignore[assignment]  # taken all the same
    assert given.definition().instructions == "{{ context }}"
    with pytest.raises(ValidationError):
        Assistant(instructions={"template": "x"})  # type: ignore[arg-type]  # that is the point


def test_what_is_registered_is_a_template() -> None:
    assert told() == "Ada is kind."
    with pytest.raises(errors.BadTemplate):
        enqueue_command(
            replace(ask(), definition=ADA.model_copy(update={"instructions": "{{"})), Settings()
        )


def test_a_new_default_model_leaves_the_digest_as_it_was() -> None:
    def of(model: str, *, named: bool = False) -> str:
        given = ask()
        definition = given.definition.model_copy(update={"model": model})
        changed = replace(given, definition=definition, names_model=named)
        return enqueue_command(changed, Settings()).content_digest

    assert of(DEFAULT_MODEL) == of(FIRST_DEFAULT_MODEL) == of(FIRST_DEFAULT_MODEL, named=True)
    named = {of(model, named=True) for model in (DEFAULT_MODEL, FIRST_DEFAULT_MODEL, "another")}
    assert len(named) == 3
