"""How long a failed model request waits for its next try, and whether that is worth it."""

from __future__ import annotations

import random

from threadmill_shared.errors import ModelError, ModelUnavailable

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 20.0


def pause_before_retry(error: ModelError, tries: int) -> float:
    """Seconds before the next try: doubling, with jitter, and no less than the provider asks for.

    If it asks for none at all, it is still not asked again within a moment.

    Args:
        error: how the last try has failed.
        tries: how many have.
    """
    asked: float = getattr(error, "retry_after", None) or 0.0
    longest: float = min(_FIRST_SECONDS * 2 ** (tries - 1), _LONGEST_SECONDS)
    jitter = random.uniform(0.5, 1.0)  # noqa: S311  not a secret
    return max(asked + 0.1 * longest * jitter, longest * jitter)


def refuse_pause(error: ModelError, pause: float, seconds_left: float) -> None:
    """Raise if the run would end during the pause: nobody gains by waiting for that.

    Args:
        error: how the last try has failed.
        pause: seconds to wait.
        seconds_left: until the run's deadline.

    Raises:
        ModelUnavailable: the provider asks for a pause that is too long; the run has reached its
            rate limit.
        ModelError: our own pause would be too long; this is the error of the last try.
    """
    if pause < seconds_left:
        return
    asked: float | None = getattr(error, "retry_after", None)
    if asked is None or asked < seconds_left:
        raise error
    raise ModelUnavailable(
        f"{error} The provider asks for a pause of {asked:.0f} s, and the run's deadline is in"
        f" {max(seconds_left, 0):.0f} s (THREADMILL_RUN_SECONDS).",
        retry_after=asked,
        rate_limited=True,
    )
