"""When something that fails again and again is logged."""

from __future__ import annotations

from threadmill_shared.servers.trouble import OTHER_CAUSE_SECONDS, Trouble


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_failure_is_told_and_so_is_the_end_with_its_length() -> None:
    clock = Clock()
    trouble = Trouble(clock)
    assert trouble.note_success() is None
    assert [trouble.note_failure() for _ in range(3)] == [True, False, False]
    assert trouble.failures == 3
    clock.now += 20
    assert trouble.note_success() == 20
    assert trouble.note_success() is None
    assert trouble.note_failure()


def test_a_short_trouble_is_not_told_at_all_if_it_may_last_for_a_while() -> None:
    clock = Clock()
    trouble = Trouble(clock)
    assert not trouble.note_failure(after=5)
    clock.now += 4
    assert not trouble.note_failure(after=5)
    assert trouble.note_success() is None

    assert not trouble.note_failure(after=5)
    clock.now += 5
    assert [trouble.note_failure(after=5) for _ in range(2)] == [True, False]
    clock.now += 1
    assert trouble.note_success() == 6


def test_another_cause_is_told_once_if_it_lasts() -> None:
    clock = Clock()
    trouble = Trouble(clock)
    assert trouble.note_failure("refused")
    clock.now += 100
    assert not trouble.note_failure("loading")
    clock.now += 1
    assert not trouble.note_failure("password")
    clock.now += OTHER_CAUSE_SECONDS
    assert [trouble.note_failure("password") for _ in range(2)] == [True, False]
    assert not trouble.note_failure("refused")
    clock.now += OTHER_CAUSE_SECONDS
    assert not trouble.note_failure("refused")
    assert trouble.note_success() is not None
    assert trouble.note_failure("password")


def test_another_cause_is_not_told_of_a_trouble_that_was_not() -> None:
    clock = Clock()
    trouble = Trouble(clock)
    assert not trouble.note_failure("refused", after=5)
    clock.now += 4
    assert not trouble.note_failure("loading", after=5)
    clock.now += 1
    assert trouble.note_failure("password", after=5)
