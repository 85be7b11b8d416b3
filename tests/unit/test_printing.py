"""What is printed where there is no terminal; and what is printed of stored runs."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

import pytest
from tests.support.run_playback import AT, RUN_ID, THREAD_ID, RunPlayback, call, message

from threadmill import (
    EventHandler,
    PrintHandler,
    Run,
    Step,
    errors,
    pprint_messages,
    pprint_run,
    pprint_steps,
)
from threadmill.handlers.objects import ApiObjectFactory
from threadmill.handlers.session import HandlerSession
from threadmill.printing.text import arguments_text, cleaned, first_lines, one_line
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status
from threadmill_shared.tools import as_tool

Printed = pytest.CaptureFixture[str]

ROLL = call("roll_dice", '{"n_dice":5}')


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# ---- plain lines --------------------------------------------------------------------------------


def test_a_conversation_is_printed_as_plain_lines(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says="Roll five dice!")
    calls = story.begin_calls(ROLL)
    calls.output(0, "[6,4,3,5,2]")
    calls.end()
    story.say("I rolled ", "five dice.")
    story.end()
    assert capsys.readouterr().out == (
        "User: Roll five dice!\n"
        '  roll_dice({"n_dice": 5}) -> [6,4,3,5,2]\n'
        "Marvin: I rolled five dice.\n"
    )


def test_a_run_that_is_followed_anew_says_why_its_answer_comes_again(capsys: Printed) -> None:
    handler = PrintHandler()
    story = RunPlayback(handler, says="Roll five dice!")
    story.begin_message("I rolled ")
    handler.on_rewound(errors.LogRewound("it has gone back"))
    story.say("I rolled ", "five dice.")
    story.end()
    assert capsys.readouterr().out == (
        "User: Roll five dice!\n"
        "Marvin: I rolled  (not finished)\n"
        "  (Redis lost the latest events in a failover; following the run from its first event)\n"
        "Marvin: I rolled five dice.\n"
    )


@contextlib.contextmanager
def stdout_in_pipe() -> Iterator[int]:
    """The reading end of a pipe that is stdout."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stdout, contextlib.redirect_stdout(stdout):
        yield reading
    with contextlib.suppress(OSError):
        os.close(reading)


def test_each_delta_can_be_read_as_soon_as_it_came() -> None:
    with stdout_in_pipe() as pipe:
        story = RunPlayback(PrintHandler())
        assert os.read(pipe, 1000) == b"User: Hello!\n"
        opened = story.begin_message("To be")
        assert os.read(pipe, 1000) == b"Marvin: To be"
        opened.add(" or not")
        assert os.read(pipe, 1000) == b" or not"
        opened.complete()
        assert os.read(pipe, 1000) == b"\n"


def test_later_lines_of_a_message_are_indented_and_empty_ones_stay_empty(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says="one\n\ntwo")
    story.say("a\n", "b", "\n", "\n  c\n")
    story.end()
    assert capsys.readouterr().out == "User: one\n\n  two\nMarvin: a\n  b\n\n    c\n"


def test_each_of_several_calls_has_its_line_as_soon_as_it_is_done(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    calls = story.begin_calls(call("slow"), call("fast", '{"a":1}'))
    assert capsys.readouterr().out == ""
    calls.output(1, "quick")
    assert capsys.readouterr().out == '  fast({"a": 1}) -> quick\n'
    calls.output(0, "late")
    calls.end()
    assert capsys.readouterr().out == "  slow({}) -> late\n"


def test_a_failed_call_names_its_error_in_whichever_order_that_is_told(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    calls = story.begin_calls(call("before"), call("after"))
    calls.fail(0, "ValueError")
    calls.output(0, "Error: bad")
    calls.output(1, "Error: worse")
    calls.fail(1, "KeyError")
    calls.end()
    assert capsys.readouterr().out == (
        "  before({}) failed (ValueError) -> Error: bad\n"
        "  after({}) -> Error: worse\n"
        "  after failed (KeyError)\n"
    )


def test_calls_of_a_cancelled_step_say_so(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    story.begin_calls(ROLL).end("cancelled")
    assert capsys.readouterr().out == '  roll_dice({"n_dice": 5}) -> (cancelled)\n'


def park(story: RunPlayback, **waits: str) -> None:
    """The run waits for these calls, each for `approval` or for its `output`."""
    waiting = [
        {"id": id, "type": "function", "function": {"name": "pay"}, "waits_for": what}
        for id, what in waits.items()
    ]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": waiting}}
    story.notice("thread.run.requires_action", id=RUN_ID, required_action=action)


def test_a_parked_run_tells_what_its_calls_wait_for(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    calls = story.begin_calls(call("pay", '{"amount":5}'), call("ask"), call("quick"))
    calls.output(2, "done")
    park(story, call_0="approval", call_1="output")
    assert capsys.readouterr().out == (
        "  quick({}) -> done\n"
        f'  pay({{"amount": 5}}) waits for approval: threadmill approve {RUN_ID} call_0\n'
        "  ask({}) waits for a process that has the function, or for submit_tool_outputs\n"
    )
    story.tell("r", "queued", {})
    calls.output(0, "paid")
    calls.output(1, "42")
    calls.end()
    assert capsys.readouterr().out == '  pay({"amount": 5}) -> paid\n  ask({}) -> 42\n'


def test_a_call_that_this_process_executes_itself_waits_for_nobody(capsys: Printed) -> None:
    def pay() -> None: ...

    handler = PrintHandler()
    HandlerSession(handler, EventHandler, ApiObjectFactory()).set_functions([as_tool(pay)])
    story = RunPlayback(handler, says=None)
    calls = story.begin_calls(call("pay"))
    park(story, call_0="output")
    calls.output(0, "paid")
    calls.end()
    assert capsys.readouterr().out == "  pay({}) -> paid\n"


def test_a_parked_run_tells_what_it_waits_for_though_no_calls_are_printed(
    capsys: Printed,
) -> None:
    story = RunPlayback(PrintHandler(print_steps=False), says=None)
    story.begin_calls(call("pay"))
    park(story, call_0="approval")
    assert capsys.readouterr().out == (
        f"  (pay waits for approval: threadmill approve {RUN_ID} call_0)\n"
    )


def test_long_outputs_and_line_ends_are_kept_to_one_short_line(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    calls = story.begin_calls(ROLL)
    calls.output(0, "x\n" * 5_000)
    calls.end()
    [line] = capsys.readouterr().out.splitlines()
    assert len(line) < 600
    assert line.endswith("... (9,999 characters)")
    assert "x\\nx" in line


def test_an_abandoned_message_is_never_mixed_with_the_one_that_replaces_it(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    story.begin_message("I had beg").break_off("run_failed", "cancelled")
    story.notice("threadmill.run.takeover", worker="vm:12", attempt=2)
    story.say("I began anew.")
    story.end()
    assert capsys.readouterr().out == (
        "Marvin: I had beg (abandoned)\n"
        "  (vm:12 took the run over (attempt 2))\n"
        "Marvin: I began anew.\n"
    )


@pytest.mark.parametrize(
    ("reason", "step_status", "note"),
    [
        ("run_cancelled", "cancelled", "cancelled"),
        ("run_failed", "failed", "failed"),
        ("run_expired", "expired", "expired"),
        ("max_tokens", "failed", "incomplete: max_tokens"),
    ],
)
def test_a_partial_message_tells_why_it_ends(
    capsys: Printed, reason: str, step_status: str, note: str
) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    story.begin_message("So f").break_off(reason, step_status)
    assert capsys.readouterr().out == f"Marvin: So f ({note})\n"


def test_what_happens_to_a_run_is_a_line_each(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    story.notice("threadmill.run.waiting", ahead=2)
    story.notice("threadmill.run.waiting", ahead=1)
    story.notice("threadmill.run.dispatched")
    story.notice("threadmill.model.retry", error="ModelUnavailable", tries=1, seconds=1.52)
    left_out = {"turns": 1, "long_outputs": 2}
    story.notice("threadmill.model.reduced", error="ModelRefused", status=400, left_out=left_out)
    story.notice("threadmill.result.invalid", error="$.people: -3 is too few\n$.town: none")
    error = {"code": "server_error", "name": "ModelRefused", "message": "It said\nno."}
    story.end("failed", last_error=error)
    RunPlayback(PrintHandler(), says=None).end("cancelled")
    RunPlayback(PrintHandler(), says=None).end("incomplete", reason="max_turns")
    assert capsys.readouterr().out == (
        "  (waiting in line: 2 runs ahead)\n"
        "  (waiting in line: 1 run ahead)\n"
        "  (the model did not answer (ModelUnavailable); asking again in 1.5 s (try 2))\n"
        "  (the provider refused the request; asking again with less of earlier turns "
        "(left out: turns 1, long outputs 2))\n"
        "  (the result does not match its type: $.people: -3 is too few\\n$.town: none)\n"
        "  (run failed: It said\\nno.)\n"
        "  (run cancelled)\n"
        "  (run incomplete: max_turns)\n"
    )


@pytest.mark.parametrize(
    ("kinds", "printed"),
    [
        ({"print_messages": False}, "  f({}) -> 1\n  (run cancelled)\n"),
        ({"print_steps": False}, "User: Hello!\nMarvin: Hi.\n  (run cancelled)\n"),
        ({"print_steps": False, "print_messages": False}, ""),
    ],
)
def test_messages_or_steps_can_be_left_out(
    capsys: Printed, kinds: dict[str, bool], printed: str
) -> None:
    story = RunPlayback(PrintHandler(**kinds))
    calls = story.begin_calls(call("f"))
    calls.output(0, "1")
    calls.end()
    story.say("Hi.")
    story.end("cancelled")
    assert capsys.readouterr().out == printed


def test_a_caller_that_stops_waiting_leaves_a_whole_line(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says=None)
    story.begin_message("And so")
    story.leave()
    story = RunPlayback(PrintHandler(), says=None)
    story.begin_calls(call("f"))
    story.leave()
    assert capsys.readouterr().out == "Marvin: And so (not finished)\n  f({}) -> (not finished)\n"


def test_two_runs_that_print_at_once_do_not_mix_their_words(capsys: Printed) -> None:
    one = RunPlayback(PrintHandler(), says=None, name="One")
    two = RunPlayback(PrintHandler(), says=None, name="Two")
    three = RunPlayback(PrintHandler(), says=None, name="Three")
    first = one.begin_message("fir")
    second = two.begin_message("sec")
    three.say("third")
    three.end()
    first.add("st")
    second.add("ond")
    first.complete()
    second.add("!")
    second.complete()
    one.end()
    two.end()
    assert capsys.readouterr().out == "One: first\nTwo: second!\nThree: third\n"


# ---- harmless text ------------------------------------------------------------------------------


def test_control_characters_are_shown_and_never_obeyed(capsys: Printed) -> None:
    story = RunPlayback(
        PrintHandler(), says="\x1b[31mred\x07 \x9b2J \u202egnp.exe", name="M\x1b]0;x\x07"
    )
    story.say("\x1b", "[2J\r\nback\x08", "\x7f\ttab")
    calls = story.begin_calls(call("f\x1b[1m", '{"a":"\\u001b[31m","b":"\x1b"'))
    calls.output(0, "\x1b[H\x00")
    calls.end()
    printed = capsys.readouterr().out
    assert printed == (
        "User: ␛[31mred␇ �2J gnp.exe\n"
        "M␛]0;x␇: ␛[2J\n"
        "  back␈␡\ttab\n"
        '  f␛[1m({"a":"\\u001b[31m","b":"␛") -> ␛[H␀\n'
    )


def test_a_text_cleaned_in_pieces_is_the_same_as_one_cleaned_whole() -> None:
    text = "".join(map(chr, range(0x2070))) + "a\r\nb"
    assert "".join(map(cleaned, text)) == cleaned(text)
    assert not [c for c in cleaned(text) if (c < " " and c not in "\n\t") or "\x7f" <= c < "\xa0"]


def test_arguments_that_are_no_json_are_shown_as_they_are() -> None:
    assert arguments_text('{"a": ') == '{"a": '
    assert arguments_text("[" * 100_000).startswith("[[[")
    assert arguments_text('{"ä":1}', indent=2) == '{\n  "ä": 1\n}'


def test_shortened_text_tells_how_long_it_was() -> None:
    assert one_line("a\nb\n", 10) == "a\\nb"
    assert first_lines("a\nb\nc\nd", 2, 100) == "a\nb\n... (4 lines)"
    assert first_lines("a" * 50, 2, 10) == "a" * 10 + "... (50 characters)"


# ---- streams that are no use --------------------------------------------------------------------


def test_a_reader_that_went_away_does_not_stop_the_run() -> None:
    with stdout_in_pipe() as pipe:
        story = RunPlayback(PrintHandler())
        os.close(pipe)
        story.say("nobody ", "reads this")
        story.end()
        sys.stdout.flush()


def test_a_closed_stdout_or_none_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    streams: list[TextIO | None] = [closed, None]
    for stream in streams:
        monkeypatch.setattr(sys, "stdout", stream)
        story = RunPlayback(PrintHandler())
        story.say("into nothing")
        story.end()
        pprint_messages([message("into nothing")])


def test_what_the_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    RunPlayback(PrintHandler(), says="naïve 😀 \ud800").end()
    assert raw.getvalue() == b"User: na?ve ? ?\n"


SCRIPT = """
import sys
from threadmill import PrintHandler
from tests.support.run_playback import RunPlayback
story = RunPlayback(PrintHandler())
for number in range(5000):
    story.say(f"line {number}")
story.end()
print("the run went on", file=sys.stderr)
"""


def test_head_ends_a_script_neither_early_nor_loudly() -> None:
    script = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert script.stdout is not None
    assert script.stdout.readline() == b"User: Hello!\n"
    script.stdout.close()
    assert script.stderr is not None
    assert script.stderr.read() == b"the run went on\n"
    assert script.wait(30) == 0
    script.stderr.close()


def test_a_slow_reader_of_a_pipe_that_does_not_block_gets_all() -> None:
    text = "0123456789" * 50_000
    with stdout_in_pipe() as pipe:
        os.set_blocking(sys.stdout.fileno(), False)
        story = RunPlayback(PrintHandler(), says=None)
        printing = threading.Thread(target=story.say, args=[text])
        printing.start()
        read = b""
        while len(read) < len(text) + 9:
            read += os.read(pipe, 4096)
        printing.join()
    assert read == f"Marvin: {text}\n".encode()


def test_nothing_imports_rich_where_there_is_no_terminal() -> None:
    script = SCRIPT + "assert not [name for name in sys.modules if name.startswith('rich')]"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


# ---- what is stored -----------------------------------------------------------------------------


def finished_run() -> Run:
    run = Run(RUN_ID, THREAD_ID)
    run.status = Status.COMPLETED
    run.messages = [
        message("Roll!"),
        message("Rolling.", "assistant", id="msg_1", assistant_name="Marvin"),
        message("Five.", "assistant", id="msg_2", assistant_name="Marvin"),
    ]
    made = {"id": "call_1", "name": "roll_dice", "arguments": "{}", "output": "[5]"}
    run.steps = [
        step("step_0", "message_creation", message_id="msg_1"),
        step("step_1", "tool_calls", tool_calls=[made]),
        step("step_2", "message_creation", message_id="msg_2"),
    ]
    return run


def step(id: str, type: str, status: str = "completed", **fields: object) -> Step:
    known = {"id": id, "run_id": RUN_ID, "type": type, "status": status, "created_at": AT}
    return Step.model_validate({**known, **fields})


def test_a_run_is_printed_in_the_order_in_which_it_happened(capsys: Printed) -> None:
    pprint_run(finished_run())
    assert capsys.readouterr().out == (
        "User: Roll!\nMarvin: Rolling.\n  roll_dice({}) -> [5]\nMarvin: Five.\n"
    )


def test_a_run_that_failed_says_why(capsys: Printed) -> None:
    run = finished_run()
    run.status = Status.FAILED
    run.last_error = LastError(code="server_error", name="ModelRefused", message="No more.")
    pprint_run(run)
    assert capsys.readouterr().out.endswith("Marvin: Five.\n  (run failed: No more.)\n")


def test_messages_are_printed_in_the_order_given(capsys: Printed) -> None:
    partial = message("So f", "assistant", status="incomplete", incomplete_reason="run_cancelled")
    pprint_messages([message("a"), message("b", "assistant", assistant_name="Zed"), partial])
    assert capsys.readouterr().out == "User: a\nZed: b\nAssistant: So f (cancelled)\n"


def test_steps_are_printed_with_their_outputs(capsys: Printed) -> None:
    open_call = {"id": "call_2", "name": "wait", "arguments": "{}"}
    pprint_steps(
        [
            *finished_run().steps[1:],
            step("step_3", "tool_calls", "in_progress", tool_calls=[open_call]),
            step("step_4", "tool_calls", "cancelled", tool_calls=[open_call]),
        ]
    )
    assert capsys.readouterr().out == (
        "  roll_dice({}) -> [5]\n"
        "  (message msg_2: completed)\n"
        "  wait({}) -> (no output yet)\n"
        "  wait({}) -> (cancelled)\n"
    )


def test_stdout_is_what_it_is_when_something_is_printed(capsys: Printed) -> None:
    pprint_messages([message("before")])
    other = io.StringIO()
    with contextlib.redirect_stdout(other):
        pprint_messages([message("meanwhile")])
    pprint_messages([message("after")])
    assert other.getvalue() == "User: meanwhile\n"
    assert capsys.readouterr().out == "User: before\nUser: after\n"
