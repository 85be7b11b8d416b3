"""How settings are read from the environment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from threadmill_shared.settings import Settings


class _Plain(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="THREADMILL_", frozen=True, extra="ignore")


def fit_index(given: str | None) -> str | None:
    return Settings._fit_index(given)


# The same fields, read by pydantic-settings.
Plain: type[BaseModel] = create_model(
    "Plain",
    __base__=_Plain,
    __validators__={"fit": field_validator("index")(fit_index)},
    **{name: (field.annotation, field) for name, field in Settings.model_fields.items()},  # type: ignore[call-overload]
)

NAMES = st.sampled_from([*Settings.model_fields, "unknown"]).flatmap(
    lambda name: st.sampled_from(
        [
            *(f"THREADMILL_{name.upper()}", f"THREADMILL_{name.upper()}", f"threadmill_{name}"),
            *(f"Threadmill_{name.title()}", name.upper(), f"THREADMILL__{name.upper()}"),
        ]
    )
)
VALUES = st.one_of(
    st.integers(-1, 20_000).map(str),
    st.floats().map(str),
    st.sampled_from(["", " ", "true", "FALSE", "off", "1", "null", "None", "json", "chat", "a,b"]),
    st.sampled_from(['{"a": 1}', "[1]", '"1"', "a" * 70, "ä", " 7 ", "1_0", "1e3", "redis://x"]),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=5),
)
GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "namespace": st.sampled_from(["own", "no name"]),
        "concurrency": st.integers(-1, 5),
        "redis_url": st.just(SecretStr("redis://given")),
        "more": st.just(1),
    },
)


def read(kind: type[BaseModel], given: dict[str, Any]) -> Any:
    """The values, or what is wrong with them."""
    try:
        return repr(kind(**given)).replace("Plain", "Settings")
    except ValidationError as error:
        return [(one["loc"], one["type"], one["msg"], one["input"]) for one in error.errors()]


@settings(max_examples=300, deadline=None)
@given(environment=st.dictionaries(NAMES, VALUES, max_size=6), values=GIVEN)
def test_settings_are_read_as_pydantic_settings_reads_them(
    environment: dict[str, str], values: dict[str, Any]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert read(Settings, values) == read(Plain, values)


def test_urls_are_hidden_however_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_REDIS_URL", "redis://:secret@localhost")
    found = Settings(broker_url="redis://:secret@localhost")  # type: ignore[arg-type]
    assert "secret" not in f"{found!r} {found} {found.model_dump()}"
    assert found.store_url() == "redis://:secret@localhost"
