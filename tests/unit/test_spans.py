"""Spans of positions, as a thread's notes have them."""

from hypothesis import given
from hypothesis import strategies as st

from threadmill_workers.execution.spans import is_within, joined, up_to

spans = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 5)).map(lambda span: (span[0], sum(span)))
)


@given(spans, st.integers(1, 50))
def test_joined_spans_have_the_same_positions_in_order(found, at):
    assert is_within(at, joined(found)) == is_within(at, found)
    ends = [end for span in joined(found) for end in span]
    assert ends == sorted(ends)
    assert all(after - before > 1 for before, after in zip(ends[1::2], ends[2::2], strict=False))


@given(spans, st.integers(1, 50), st.integers(1, 50))
def test_nothing_behind_a_position_is_left(found, last, at):
    assert is_within(at, up_to(last, found)) == (at <= last and is_within(at, found))


def test_of_very_many_spans_the_oldest_become_one():
    made = joined((at, at) for at in range(1, 2000, 2))
    assert len(made) == 50
    assert made[0][0] == 1
    assert made[-1] == (1999, 1999)
    assert joined([*made, (2001, 2001)])[0][0] == 1
