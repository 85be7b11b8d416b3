"""Headers that are read once say what Starlette's say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from starlette.datastructures import Headers

from threadmill_gateway.access.headers import headers_of

NAMES = some.sampled_from([b"host", b"origin", b"authorization", b"x-forwarded-for"])


@given(some.lists(some.tuples(NAMES, some.binary(max_size=5))))
def test_of_several_headers_with_one_name_the_first_counts(
    given_: list[tuple[bytes, bytes]],
) -> None:
    theirs = Headers(scope={"headers": given_})
    assert headers_of({"headers": given_}) == {name: theirs[name] for name in theirs}


def test_a_servers_iterator_can_be_read_again() -> None:
    scope = {"headers": iter([(b"host", b"localhost")])}
    assert headers_of(scope) == {"host": "localhost"}
    assert Headers(scope=scope)["host"] == "localhost"
