"""The stand-in that a test asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from threadmill.testing import StandIn


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running
