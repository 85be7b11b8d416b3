"""Instructions that are a text: nothing renders them, and older releases send the same text."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from threadmill import Assistant, PlainText
from threadmill.runs.registration import fields_of
from threadmill.transfer.lines import AssistantLine, read_line
from threadmill.transfer.objects import assistant as exported
from threadmill_shared.instructions.parts import rendered
from threadmill_shared.instructions.plain_text import as_template, stored_instructions
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.definition import Definition
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings

ODD = "{{ 7 * 7 }} {% if %} {# none #} {{{%\r\n{\r}}\n"
TEXTS = st.lists(
    st.sampled_from(["{", "}", "%", "#", "\n", "\r", " ", "'", "\\", "-", "a", "raw", "\u2028"])
).map("".join)


def defined(text: str) -> Definition:
    return Definition(id="asst_1", name="Ada", model="m", **stored_instructions(PlainText(text)))


def sent(definition: Definition) -> str:
    return enqueue_command(RunRequest(definition, "Hello!"), Settings()).request.instructions


@given(TEXTS)
@example(ODD)
@example("{{{{")
@example("{\r%")
def test_a_release_that_renders_the_template_sends_the_text(text: str) -> None:
    assert rendered([Template(as_template(text))], self_=None, context={}) == [text]
    assert sent(defined(text)) == text


@given(TEXTS)
@example(ODD)
def test_a_text_is_loaded_and_exported_and_imported_as_it_was_given(text: str) -> None:
    definition = defined(text)
    loaded = Assistant(**fields_of(definition, Assistant.model_fields))
    assert loaded.instructions == text
    assert stored(loaded.definition()) == stored(definition)
    line = read_line(json.dumps(exported(definition)).encode())
    assert isinstance(line, AssistantLine)
    assert line.instructions == text
    assert line.definition() == definition


def stored(definition: Definition) -> tuple[Any, ...]:
    return definition.instructions, definition.instructions_text


def test_a_text_without_anything_that_is_rendered_is_stored_as_ever() -> None:
    definition = Assistant(instructions=PlainText("Be brief. {x}")).definition()
    assert stored(definition) == ("Be brief. {x}", None)
    assert "instructions_text" not in definition.model_dump()


def test_an_assistant_keeps_that_its_instructions_are_a_text() -> None:
    ada = Assistant(instructions=PlainText(ODD))
    for one in (ada, copy.deepcopy(ada), ada.model_copy()):
        assert isinstance(one.instructions, PlainText)
        assert one.definition().instructions_text == ODD
    ada.instructions = "{{ self_.name }}"
    assert ada.definition().instructions_text is None


def test_what_an_older_release_has_put_in_the_place_of_a_text_counts() -> None:
    changed = defined(ODD).model_copy(update={"instructions": "{{ self_.name }}!"})
    assert sent(changed) == "Ada!"
    assert exported(changed)["instructions"] == "{{ self_.name }}!"


@pytest.mark.parametrize("given", [ODD, "{{ self_.name }}"])
def test_a_text_with_syntax_is_other_content_than_the_template(given: str) -> None:
    def digest(definition: Definition) -> str:
        request = RunRequest(definition, "Hello!", idempotency_key="k")
        return enqueue_command(request, Settings()).content_digest

    of_text = digest(defined(given))
    of_template = Definition(id="asst_1", name="Ada", model="m", instructions=as_template(given))
    assert of_text != digest(of_template)
    assert of_text == digest(defined(given))
