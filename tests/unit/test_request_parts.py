"""What no request can carry is left out of it, wherever it is."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import to_json

from threadmill_workers.models.request_parts import sendable, sendable_text

texts = st.text(st.sampled_from("aé😀\\u0\0\ud800\udc00"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.tuples(parts, parts)
        | st.dictionaries(texts, parts, max_size=3)
    ),
    max_leaves=10,
)


def plainly_sendable(value: Any) -> Any:
    """Each text on its own."""
    if isinstance(value, str):
        return sendable_text(value)
    if isinstance(value, dict):
        return {plainly_sendable(name): plainly_sendable(part) for name, part in value.items()}
    return [*map(plainly_sendable, value)] if isinstance(value, list | tuple) else value


@given(values)
@example({"a\0": ["b\0c", {"d": "\ud800"}]})
@example("a literal \\u0000")
def test_what_is_sendable_is_found_at_once_and_the_rest_text_by_text(value):
    assert to_json(sendable(value)) == to_json(plainly_sendable(value))
