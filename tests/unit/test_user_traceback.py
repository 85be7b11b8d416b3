"""Tracebacks of users' code: where, and never what was said."""

from __future__ import annotations

from threadmill_shared.tools.plain_json import plain_json
from threadmill_shared.tools.user_traceback import user_traceback

SECRET = "canary"


def fail_first() -> None:
    raise LookupError(SECRET)


def caught(act: object) -> BaseException:
    try:
        act()  # type: ignore[operator]
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_it_has_places_and_classes_and_no_text() -> None:
    shown = user_traceback(caught(fail_first)).splitlines()
    assert shown[0] == "Traceback (most recent call last):"
    assert shown[-2:] == ["    raise LookupError(SECRET)", "LookupError"]
    assert SECRET not in "\n".join(shown)


def test_what_led_to_an_error_is_named_with_its_line() -> None:
    def fail_then() -> None:
        try:
            fail_first()
        except LookupError as error:
            raise RuntimeError(SECRET) from error

    *_, kind, cause = user_traceback(caught(fail_then)).splitlines()
    assert kind == "RuntimeError"
    assert cause.startswith("after LookupError at ")
    assert cause.partition(":")[0].endswith("test_user_traceback.py")


def test_a_cause_that_was_suppressed_is_not_named() -> None:
    def fail_alone() -> None:
        try:
            fail_first()
        except LookupError:
            raise RuntimeError(SECRET) from None

    assert "LookupError" not in user_traceback(caught(fail_alone)).replace("except LookupError", "")


def test_frames_of_threadmill_are_left_out() -> None:
    class Odd:
        def __iter__(self) -> None:
            raise ValueError(SECRET)

    error = caught(lambda: plain_json({"a": Odd()}))
    assert "plain_json.py" not in user_traceback(error)


def raise_group() -> None:
    inner = [caught(fail_first), ExceptionGroup(SECRET, [caught(lambda: int(SECRET))])]
    raise ExceptionGroup(SECRET, inner)


def test_the_errors_of_a_group_are_named_with_their_lines() -> None:
    shown = user_traceback(caught(raise_group)).splitlines()
    kind, first, second = shown[-3:]
    assert kind == "ExceptionGroup"
    assert first.startswith("with LookupError at ")
    assert second.startswith("with ValueError at ")
    assert SECRET not in "\n".join(shown)


def test_a_group_that_led_to_an_error_is_named_with_its_errors() -> None:
    def fail_then() -> None:
        try:
            raise_group()
        except ExceptionGroup as error:
            raise RuntimeError(SECRET) from error

    words = [line.partition(" at ")[0] for line in user_traceback(caught(fail_then)).splitlines()]
    assert words[-4:] == [
        "RuntimeError",
        "after ExceptionGroup",
        "with LookupError",
        "with ValueError",
    ]


def test_of_a_large_group_the_first_errors_are_named() -> None:
    error = ExceptionGroup(SECRET, [ValueError(SECRET) for _ in range(1000)])
    lines = user_traceback(error).splitlines()
    assert lines == ["ExceptionGroup", *["with ValueError"] * 5, "with others"]


def test_an_endless_recursion_has_few_lines() -> None:
    def ask() -> None:
        answer()

    def answer() -> None:
        ask()

    lines = user_traceback(caught(ask)).splitlines()
    assert lines[-1] == "RecursionError"
    assert 80 <= len(lines) < 100
    assert [line for line in lines if line.startswith("  ... ")] != []
