"""Where a model provider takes its key and its base URL from."""

import asyncio

import pytest
from tests.support.scripted_provider import END, provider, request, sending

from threadmill_shared.errors import (
    NotConfigured,
)
from threadmill_workers.models import create_model


def test_without_key_and_base_url_the_cure_is_named(api, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    with pytest.raises(NotConfigured, match="Set OPENAI_API_KEY, or OPENAI_BASE_URL"):
        create_model(api.name)


def test_a_base_url_without_a_scheme_is_refused(api):
    with pytest.raises(NotConfigured, match="http://"):
        create_model(api.name, base_url="localhost:8000/v1")


@pytest.mark.parametrize(("key", "sent"), [("sk-env", "sk-env"), (None, "no-key-needed")])
def test_key_and_base_url_come_from_the_environment(api, monkeypatch, key, sent):
    async def ask():
        async with provider(sending(api.text("a"), api.end())) as served:
            monkeypatch.setenv("OPENAI_BASE_URL", served.url)
            model = create_model(api.name)
            try:
                assert [event async for event in model.stream(request())][-1] == END
            finally:
                await model.close()
            return served.requests[0].head

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    assert f"bearer {sent}" in asyncio.run(ask()).lower()
