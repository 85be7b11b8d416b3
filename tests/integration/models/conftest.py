"""Each test of a model provider is about both of its APIs."""

from __future__ import annotations

import pytest
from tests.support.scripted_provider import Api, Chat, Responses


@pytest.fixture(params=[Responses(), Chat()], ids=lambda api: api.name)
def api(request: pytest.FixtureRequest) -> Api:
    chosen: Api = request.param
    return chosen
