"""What the doctor says of the settings of gateways."""

from __future__ import annotations

import pytest

from threadmill.inspection.doctor.gateway import HOST, examine_gateway
from threadmill_shared.settings import load_settings


@pytest.mark.parametrize(
    ("host", "key", "states"),
    [
        (None, None, []),
        (None, "k" * 32, ["ok"]),
        ("0.0.0.0", "k" * 32, ["ok"]),
        (None, "secret", ["warning"]),
        ("127.0.0.1", None, ["ok"]),
        ("0.0.0.0", None, ["error"]),
    ],
)
def test_a_gateway_that_others_reach_must_have_a_key_that_cannot_be_guessed(
    host: str | None, key: str | None, states: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ((HOST, host), ("THREADMILL_API_KEY", key)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    found = examine_gateway(load_settings())
    assert [one.state for one in found] == states
    assert all(bool(one.cure) == (one.state != "ok") for one in found)
    assert not any(key in one.cause + one.cure for one in found if key)
    load_settings.cache_clear()
