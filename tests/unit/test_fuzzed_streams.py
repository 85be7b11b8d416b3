"""Every stream that holds a whole answer gives exactly that; every other one an error of ours."""

from __future__ import annotations

import os

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.odd_streams import TOOLS
from tests.support.stream_grammar import SentStream, sent_streams
from tests.support.stream_reading import answer_in, read_stream

from threadmill_shared.errors import ModelError
from threadmill_shared.model import FinishReason

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
"""Of each API."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("api", ["responses", "chat"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 300,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_whole_answer_counts_exactly_and_any_other_is_an_error_of_ours(api, data):
    sent: SentStream = data.draw(sent_streams(api))
    broken = httpx2.ReadError("reset") if sent.is_broken else None
    events, error = read_stream(api, *sent.pieces, tools=TOOLS, failure=broken)
    if sent.answer is None:
        assert isinstance(error, ModelError)
        return
    assert error is None
    found = answer_in(events)
    calls = found.calls if found.stop is FinishReason.END else ()
    assert (found.text, found.stop) == (sent.answer.text, sent.answer.stop)
    # The end of a response may hold calls before those that came in events of their own.
    assert sorted(calls) == sorted(sent.answer.calls)
