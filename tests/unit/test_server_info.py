"""Fields of INFO's answers."""

from __future__ import annotations

import pytest

from threadmill_shared.store.server_info import info_field

SENT = (
    "# Server\r\nredis_version:7.0.15\r\nrun_id:4ac8\r\nempty:\r\nmaxmemory_policy:noeviction\r\n"
)


@pytest.mark.parametrize(
    ("name", "value"),
    [("redis_version", "7.0.15"), ("maxmemory_policy", "noeviction"), ("id", ""), ("empty", "")],
)
def test_a_field_is_found_as_the_server_sends_it_and_as_redis_py_reads_it(
    name: str, value: str
) -> None:
    assert info_field(SENT, name) == value
    read = dict(line.split(":") for line in SENT.splitlines()[1:])
    assert info_field(read, name) == value
