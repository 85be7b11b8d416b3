"""`THREADMILL_INDEX`: the keys of metadata that have indexes."""

from __future__ import annotations

import pytest

from threadmill_shared.settings import Settings


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (None, ()),
        ("", ()),
        (" , ", ()),
        ("customer", ("customer",)),
        (" customer , team,customer", ("customer", "team")),
        (",".join("abcdefgh"), tuple("abcdefgh")),
    ],
)
def test_keys_have_commas_between_them(given: str | None, keys: tuple[str, ...]) -> None:
    assert Settings(index=given).index_keys == keys


@pytest.mark.parametrize(
    "given", ["a b", "a=b", "ä", "a" * 65, "a\nb", ",".join("abcdefghi"), "{a}"]
)
def test_keys_that_no_index_can_have_and_too_many_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"at most 8 keys|letters, digits"):
        Settings(index=given)
