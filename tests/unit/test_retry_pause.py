"""How long a failed model request waits, and when it does not wait at all."""

import pytest

from threadmill_shared.errors import ModelGarbled, ModelUnavailable
from threadmill_workers.execution.retry_pause import pause_before_retry, refuse_pause


@pytest.mark.parametrize("asked", [None, 0.0, 0.001])
@pytest.mark.parametrize(("tries", "least"), [(1, 0.25), (2, 0.5), (3, 1.0), (9, 10.0)])
def test_pauses_grow_even_if_the_provider_asks_for_none(asked, tries, least):
    pause = pause_before_retry(ModelUnavailable("Busy.", retry_after=asked), tries)
    assert least <= pause <= 2.2 * least


def test_a_pause_is_as_long_as_the_provider_asks():
    assert 30 < pause_before_retry(ModelUnavailable("Busy.", retry_after=30.0), 1) < 31


@pytest.mark.parametrize("error", [ModelUnavailable("Busy.", retry_after=3.0), ModelGarbled("No.")])
def test_a_pause_that_ends_before_the_deadline_is_made(error):
    refuse_pause(error, 3.1, 4.0)


@pytest.mark.parametrize("limited", [True, False])
def test_a_pause_beyond_the_deadline_fails_at_once_and_names_the_time(limited):
    error = ModelUnavailable("Busy.", retry_after=86_400.0, rate_limited=limited)
    with pytest.raises(ModelUnavailable, match=r"Busy\. .* 86400 s.* 8 s") as caught:
        refuse_pause(error, 86_401.0, 8.0)
    assert caught.value.rate_limited


def test_a_pause_of_our_own_beyond_the_deadline_ends_with_the_last_error():
    error = ModelGarbled("No.")
    with pytest.raises(ModelGarbled) as caught:
        refuse_pause(error, 9.0, 8.0)
    assert caught.value is error
