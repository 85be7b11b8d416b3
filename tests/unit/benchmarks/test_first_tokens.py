"""The figures of first tokens follow from the samples."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("count", "found"), [(1, 1), (20, 20), (99, 99), (100, 99), (101, 100), (200, 198), (1000, 990)]
)
def test_a_percentile_is_exceeded_by_one_in_a_hundred_at_most(count: int, found: int) -> None:
    from measurements.first_token import percentile

    assert percentile([*range(count, 0, -1)], 0.99) == found


def test_medians_are_those_of_rounds_and_the_percentile_is_that_of_all_calls() -> None:
    from measurements.first_token import Sample, first_tokens

    rounds = [[Sample(10, 4), Sample(12, 4), Sample(90, 6)], [Sample(20, 8)] * 3]
    found = {result.name: result for result in first_tokens(rounds)}
    assert found["first_token.p50"].values == [12, 20]
    assert found["first_token.p50"].peers == {"direct call": [4, 8]}
    assert found["first_token.p99"].values == [90]
    assert found["first_token.p99"].peers == {"direct call": [8]}
    assert found["first_token.later"].values == [8, 12]
