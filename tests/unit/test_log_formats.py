"""How log lines look, whatever is logged."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.config import BaseConfigurator
from typing import Any

import pytest

from threadmill_shared.log_text import OF_PROCESS, about
from threadmill_shared.records.workers import process_name
from threadmill_workers.logs.fields import log_fields
from threadmill_workers.logs.formats import ConsoleFormatter, JsonFormatter

IDS: dict[str, str | int] = {"run": "run_1", "thread": "thread_2", "assistant": "a b", "attempt": 3}


def record(message: object, *arguments: object, name: str = "shop", **more: Any) -> Any:
    made = logging.getLogger(name).makeRecord(
        name, logging.WARNING, "shop.py", 7, message, arguments, more.pop("exc_info", None), **more
    )
    made.created = 1_764_500_000.5
    made.msecs = 500.0
    return made


def as_json(*arguments: Any, **more: Any) -> dict[str, Any]:
    text = JsonFormatter("host:1").format(record(*arguments, **more))
    assert text.isascii()
    assert len(text.splitlines()) == 1
    entry: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return entry


def as_text(*arguments: Any, **more: Any) -> str:
    return ConsoleFormatter("host:1").format(record(*arguments, **more)).partition(" ")[2]


def test_a_line_has_its_time_in_utc_and_the_fields_of_its_run() -> None:
    with log_fields(IDS):
        entry = as_json("sold %d", 5)
    own = {"level": "WARNING", "logger": "shop", "message": "sold 5", "worker": "host:1"}
    assert entry == {"time": "2025-11-30T10:53:20.500Z", **own, **IDS}
    assert as_json("sold") == {"time": "2025-11-30T10:53:20.500Z", **own, "message": "sold"}


def test_a_line_can_be_about_another_run_or_about_none() -> None:
    with log_fields(IDS):
        assert as_json("lost", extra=about(run="run_9"))["run"] == "run_9"
        assert not IDS.keys() & as_json("lost", extra=OF_PROCESS).keys()


def test_ids_that_the_message_has_are_not_repeated_for_people() -> None:
    with log_fields(IDS):
        assert as_text("gone").endswith(
            'WARNING shop: gone  run=run_1 thread=thread_2 assistant="a b" attempt=3 worker=host:1'
        )
        said = "run_1 failed, thread thread_2, assistant 'a b', attempt 3, 5 tokens"
        assert as_text(said).endswith("5 tokens  worker=host:1")


class Faulty:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"order": 7}, {"order": 7}),
        ({"price": float("nan")}, {"price": "nan"}),
        ({"order": object}, {"order": "<class 'object'>"}),
        ({"order": Faulty()}, {"order": "<Faulty>"}),
        ({"order": {(1, 2): 3}}, {"order": "{(1, 2): 3}"}),
        ({"order": "\ud800\u2028"}, {"order": "\ud800\u2028"}),
        ({"order": datetime(2026, 1, 2, tzinfo=UTC)}, {"order": "2026-01-02 00:00:00+00:00"}),
        ({"order": {"a b"}}, {"order": "{'a b'}"}),
        ({"order": 10**5000}, {"order": "<int>"}),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ({"time": "now", "worker": "me"}, {}),
    ],
)
def test_what_a_tool_adds_is_a_field_whatever_it_is(given: Any, shown: Any) -> None:
    entry = as_json("sold", extra=given)
    plain = as_json("sold")
    if "time" in given:
        assert entry == plain
    else:
        added = {name: value for name, value in entry.items() if name not in plain}
        assert added == shown


def test_arguments_that_do_not_fit_are_not_shown() -> None:
    assert as_json("%d of %d", "secret")["message"] == "%d of %d (its arguments do not fit it)"


def test_a_value_that_json_does_not_know_changes_no_other_one() -> None:
    with log_fields(IDS):
        entry = as_json("two words", extra={"price": float("inf"), "shop": "a b"})
    assert (entry["message"], entry["price"], entry["shop"]) == ("two words", "inf", "a b")
    assert entry["attempt"] == 3


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        (Faulty(), (), "<Faulty>"),
        ("sold %s", (Faulty(),), "sold %s (its arguments do not fit it)"),
        (b"sold", (), "b'sold'"),
        (7, (), "7"),
    ],
)
def test_no_record_is_lost_whatever_its_message_is(
    message: object, arguments: Any, shown: str
) -> None:
    assert as_json(message, *arguments)["message"] == shown
    assert f" shop: {shown}  worker" in as_text(message, *arguments)


def test_a_record_with_a_traceback_that_is_none_is_not_lost() -> None:
    given = (ValueError, ValueError("a"), "no traceback")
    assert as_json("failed", exc_info=given)["traceback"].endswith(
        "(it is no error with its traceback)"
    )
    assert "failed  worker" in as_text("failed", exc_info=given)


def test_names_of_loggers_and_fields_cannot_pass_for_lines() -> None:
    text = as_text("sold", name="shop\nERROR", extra={"a\nERROR": 1})
    assert len(text.splitlines()) == 1


def test_the_formats_can_be_named_in_a_configuration_of_logging() -> None:
    name = process_name()
    for formatter in (JsonFormatter, ConsoleFormatter):
        made = BaseConfigurator({}).configure_custom(
            {"()": f"{formatter.__module__}.{formatter.__name__}"}
        )
        assert name in made.format(record("sold"))


def test_further_lines_are_indented_for_people_and_cannot_pass_for_lines() -> None:
    text = as_text("one\n2026-11-30 00:00:00.000 ERROR forged: two\u2028three")
    assert text.split("\n")[0].endswith("one  worker=host:1")
    assert [line[:8] for line in text.splitlines()[1:]] == ["    2026", "    three"[:8]]


def raised(text: str) -> Any:
    try:
        int(text)
    except ValueError:
        return sys.exc_info()


def test_a_tools_own_traceback_is_a_field_or_indented() -> None:
    found = raised("its text")
    entry = as_json("failed", exc_info=found)
    assert entry["traceback"].startswith("Traceback")
    assert entry["traceback"].endswith(": 'its text'")
    assert as_text("failed", exc_info=found).endswith(": 'its text'")


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        ("Timer error: %r", (ValueError("secret"),), "Timer error (ValueError)"),
        ("Could not restore message: %r", ("secret",), "Could not restore message"),
        ("UNABLE TO RESTORE 2 MESSAGES: ('secret',)", (), "UNABLE TO RESTORE 2 MESSAGES"),
        ("%s", ("secret",), "a message without words"),
        ("Task %(name)s failed", ({"name": "secret"},), "Task"),
    ],
)
def test_of_a_librarys_line_only_the_words_are_shown(
    message: str, arguments: Any, shown: str
) -> None:
    entry = as_json(message, *arguments, name="celery.worker", extra={"data": "secret"})
    assert entry["message"] == shown
    assert "secret" not in str(entry)


def test_a_librarys_traceback_is_left_out() -> None:
    found = raised("secret")
    assert as_json("It failed", name="kombu", exc_info=found)["message"] == "It failed (ValueError)"
