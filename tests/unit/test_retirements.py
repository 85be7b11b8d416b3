"""What is known of models that OpenAI shuts down, and the warning that one is used."""

from __future__ import annotations

import inspect
import json
import re
import typing
from datetime import date
from importlib import resources
from threading import Barrier, Thread
from typing import Any

import pytest
from openai.types.responses import response_compact_params
from openai.types.shared import ChatModel

from threadmill_shared.retirements import announcements
from threadmill_shared.retirements.announcements import find_retirement, warn_of_retirement
from threadmill_shared.settings import Settings

FILE = resources.files("threadmill_shared.retirements") / "models.json"
ENTRIES: list[dict[str, Any]] = json.loads(FILE.read_text())
DEFAULT: str = Settings.model_fields["model"].default
ELSEWHERE = [
    *("http://127.0.0.1:8099/v1", "https://notopenai.com/v1", "https://api.openai.com.cn/v1"),
    *("https://gateway/api.openai.com", "http://["),
]


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process is that has used no model yet."""
    monkeypatch.setattr(announcements, "_warned", set())
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


# ---- the list ------------------------------------------------------------------------------------


def test_every_entry_has_models_and_a_date_and_says_where_and_when_it_was_read() -> None:
    for entry in ENTRIES:
        assert entry.keys() - {"fine_tuned"} == {"shutdown", "source", "seen", "models"}
        assert entry["models"]
        assert date.fromisoformat(entry["shutdown"])
        assert date.fromisoformat(entry["seen"]) <= announcements.today()
        for source in (entry["source"], entry.get("fine_tuned", entry["source"])):
            assert source.startswith("https://"), entry


def test_every_model_is_listed_once_and_the_list_has_the_newest_first() -> None:
    models = [model for entry in ENTRIES for model in entry["models"]]
    assert len(models) == len(set(models))
    dates = [entry["shutdown"] for entry in ENTRIES]
    assert dates == sorted(dates, reverse=True)


def test_all_that_the_openai_package_knows_of_is_listed_with_the_same_date() -> None:
    text = inspect.getsource(response_compact_params)
    groups = re.findall(
        r'((?:"[^"]+",?\s+)*"[^"]+"):\s+Announced\s+shutdown\s+date:\s+(\S+?)\.', text
    )
    told = {name: day for names, day in groups for name in re.findall(r'"([^"]+)"', names)}
    assert len(told) > 50
    listed = {name: entry["shutdown"] for entry in ENTRIES for name in entry["models"]}
    assert {name: listed.get(name) for name in told} == told


def test_the_default_model_stays_and_is_no_snapshot_and_one_that_the_openai_package_knows() -> None:
    assert find_retirement(DEFAULT) is None
    assert DEFAULT in typing.get_args(ChatModel)
    assert not re.search(r"\d{4}-\d\d-\d\d|preview|latest", DEFAULT)


# ---- finding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-4o"),
        "ft:gpt-4.1-mini-2025-04-14:acme:support:AbC123",
        "ft:gpt-4.1-mini",
    ],
)
def test_a_listed_model_and_what_was_made_of_it_is_found_with_its_date(model: str) -> None:
    found = find_retirement(model)
    assert found is not None
    assert (found.model, found.shutdown) == (model, date(2027, 1, 14))


@pytest.mark.parametrize(
    "model",
    [
        *("", "GPT-4", "gpt-4-mine", "ft", "ft:", "ft:mine:acme::1"),
        "openai/gpt-4.1-mini",  # a router's
        "gpt-4.1-mini-2025",
        "my-gpt-4.1-mini",  # a deployment's
        "ft:gpt-3.5-turbo-0613:acme::1",  # OpenAI said that these are not concerned
    ],
)
def test_what_is_merely_named_alike_is_not_found(model: str) -> None:
    assert find_retirement(model) is None


def test_what_is_said_is_true_before_and_on_the_day() -> None:
    found = find_retirement("gpt-4.1-mini")
    assert found is not None
    assert found.announced(date(2027, 1, 13)) == (
        "OpenAI has announced that it will shut down gpt-4.1-mini on 2027-01-14."
    )
    assert found.announced(date(2027, 1, 14)) == (
        "OpenAI announced that it would shut down gpt-4.1-mini on 2027-01-14."
    )


# ---- warning -------------------------------------------------------------------------------------


def test_a_process_warns_once_for_each_model(caplog: pytest.LogCaptureFixture) -> None:
    for model in ("gpt-4.1-mini", DEFAULT, "gpt-4.1-mini", "gpt-4", "gpt-4.1-mini", "gpt-4"):
        warn_of_retirement(model)
    assert [re.findall(r"shut down (\S+) on", message) for message in caplog.messages] == [
        ["gpt-4.1-mini"],
        ["gpt-4"],
    ]
    assert {(record.name, record.levelname) for record in caplog.records} == {
        ("threadmill", "WARNING")
    }
    assert "THREADMILL_MODEL" in caplog.text


def test_so_it_is_when_many_threads_use_it_at_once(caplog: pytest.LogCaptureFixture) -> None:
    together = Barrier(8)

    def use() -> None:
        together.wait()
        warn_of_retirement("gpt-4o")

    threads = [Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("url", ELSEWHERE)
def test_nothing_is_said_where_another_provider_is_asked(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    warn_of_retirement("gpt-4.1-mini")
    assert not caplog.messages


@pytest.mark.parametrize("url", ["", "https://api.openai.com/v1", "https://eu.api.openai.com/v1/"])
def test_openai_by_its_own_addresses_is_no_other_provider(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    warn_of_retirement("gpt-4.1-mini")
    assert len(caplog.messages) == 1
