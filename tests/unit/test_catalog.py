"""What a worker takes in of the modules that it loads."""

from __future__ import annotations

import logging

import pytest

from threadmill import Assistant
from threadmill_workers.catalog import Catalog


def test_two_assistants_of_one_name_are_told_and_the_later_one_is_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    catalog = Catalog()
    for instructions in ("Be gloomy.", "Be cheerful."):
        catalog.add(Assistant(name="Marvin", instructions=instructions))
    assert "two assistants are named 'Marvin'" in caplog.text
    assert catalog.definitions["Marvin"].instructions == "Be cheerful."


def test_an_assistant_that_several_modules_have_is_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    catalog, marvin = Catalog(), Assistant(name="Marvin", instructions="Be gloomy.")
    catalog.add(marvin)
    catalog.add(marvin)
    assert caplog.text == ""
    assert list(catalog.definitions) == ["Marvin"]
