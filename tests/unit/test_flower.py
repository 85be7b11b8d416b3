"""What Flower is allowed to remember of Celery's events."""

from __future__ import annotations

import pytest

from threadmill_workers.flower import ids_only

RUN = "run_3f" + "0123456789" * 3
THREAD = "thread_" + RUN.removeprefix("run_")


@pytest.mark.parametrize(
    "arguments",
    [
        "()",
        "{}",
        f"('{RUN}',)",
        f"['{RUN}']",
        f"('{RUN}', '{THREAD}')",
        f"{{'run_id': '{RUN}', 'thread_id': '{THREAD}'}}",
    ],
)
def test_arguments_that_are_ids_are_shown(arguments: str) -> None:
    assert ids_only({"args": arguments, "kwargs": arguments}) == {
        "args": arguments,
        "kwargs": arguments,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        "('hello',)",
        f"('{RUN}', 'hello')",
        f"('{RUN} hello',)",
        f"{{'message': 'hello', 'run_id': '{RUN}'}}",
        f"{{'hello world': '{RUN}'}}",
        f"('{RUN}',)\nhello",
        f"'{RUN}'",
        None,
    ],
)
def test_arguments_that_hold_anything_else_are_hidden(arguments: str | None) -> None:
    assert ids_only({"args": arguments}) == {"args": "hidden"}


def test_results_and_errors_are_dropped_and_the_rest_is_kept() -> None:
    event = {"type": "task-failed", "uuid": "1", "runtime": 0.5, "hostname": "worker@here"}
    contents = {"result": "hello", "exception": "Hello()", "traceback": "hello"}
    assert ids_only(event | contents) == event
