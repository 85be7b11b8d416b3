"""What a holder may write next, as its run stands."""

from __future__ import annotations

import itertools
from typing import Any

from tests.support.state_machine.commands import Write
from tests.support.state_machine.model import Run


def next_write(run: Run, act: str, name: str) -> Write:
    """The write that `begin`, `call`, `more` or `end` stands for, or comes nearest to."""
    if run.open_message is not None:
        return _end_message(run) if act == "end" else _deltas(run, name)
    if run.open_step is not None:
        return _end_calls(run) if act == "end" or not _open_calls(run) else _one_call(run)
    return _begin_calls(run, name) if act == "call" else _begin_message(run, name)


def _begin_message(run: Run, name: str) -> Write:
    message = run.log.count("mb") // 4
    return Write(
        records=(["mb", message, len(run.steps)], ["d", message, [name]]),
        fields={"open_message": message},
        steps=((len(run.steps), ""),),
    )


def _deltas(run: Run, name: str) -> Write:
    return Write(records=(["d", run.open_message, [name, f"{name} again"]],))


def _end_message(run: Run) -> Write:
    message, step = run.open_message, run.open_step
    assert message is not None
    assert step is not None
    return Write(
        records=(["me", message, step, "all", None],),
        fields={"open_message": ""},
        items=((f"msg_{run.id}_{message}", f"all of message {message}"),),
        steps=((step, "completed"),),
    )


def _begin_calls(run: Run, name: str) -> Write:
    calls = [f"{name}_0", f"{name}_1"]
    return Write(
        records=(["tb", len(run.steps), [[call, "roll", "{}"] for call in calls]],),
        items=tuple(("", f"{call} is to be made") for call in calls),
        steps=((len(run.steps), ""),),
        opened=(
            *((call, f"{call} was cut off") for call in calls),
            (f"~{calls[1]}", f"{calls[1]} was left to another worker"),
        ),
    )


def _one_call(run: Run) -> Write:
    """The next call begins, or has its output."""
    call = _open_calls(run)[0]
    if f"!{call}" not in run.calls:
        return Write(opened=((f"!{call}", "1"),))
    return Write(
        records=(["to", run.open_step, 0, call, "4"],),
        items=(("", f"{call} gave 4"),),
        closed=(call,),
    )


def _end_calls(run: Run) -> Write:
    calls = _open_calls(run)
    assert run.open_step is not None
    return Write(
        records=(["te", run.open_step, "completed", {"calls": []}],),
        items=tuple(("", f"{call} gave 4") for call in calls),
        steps=((run.open_step, "completed"),),
        closed=tuple(calls),
    )


def _open_calls(run: Run) -> list[str]:
    return [call for call in run.calls if call.startswith("call_")]


def parking_write(run: Run, waits_for: list[str]) -> Write:
    """What parks a run that has calls which no worker has begun; empty where it has none."""
    calls = [call for call in _open_calls(run) if f"!{call}" not in run.calls]
    marks = zip((f"?{call}" for call in calls), itertools.cycle(waits_for), strict=False)
    return Write(records=(["r", "requires_action", {}],), opened=tuple(marks)) if calls else Write()


def waiting_calls(run: Run) -> list[tuple[str, str]]:
    """The calls of a parked run that wait for somebody outside, and what for."""
    return [(name[1:], what) for name, what in run.calls.items() if name.startswith("?")]


def answer_write(run: Run, call: str) -> tuple[list[Any], ...]:
    """The events with which a parked call's output comes; the last one ends the step."""
    given: list[Any] = ["to", run.open_step, 0, call, "4"]
    if _open_calls(run) != [call]:
        return (given,)
    return given, ["te", run.open_step, "completed", {"calls": []}]


def answers_write(run: Run, calls: list[str]) -> tuple[tuple[list[Any], ...], bool]:
    """The same for several that have none yet, and whether the step ends."""
    pending = [call for call in calls if f"={call}" not in run.calls]
    given: list[list[Any]] = [["to", run.open_step, 0, call, "4"] for call in pending]
    is_last = set(_open_calls(run)) <= set(pending)
    if is_last:
        given.append(["te", run.open_step, "completed", {"calls": []}])
    return tuple(given), is_last
