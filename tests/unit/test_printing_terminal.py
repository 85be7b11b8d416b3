"""What is printed on a terminal: a real one, as far as this process can tell."""

from __future__ import annotations

import contextlib
import io
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from rich.cells import cell_len
from tests.support.run_playback import AT, RunPlayback, call, message
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

from threadmill import PrintHandler, pprint_messages
from threadmill.printing.cards import MessageCard
from threadmill.printing.panels import MessageView
from threadmill.printing.renderer import Renderer
from threadmill.printing.screen import Screen
from threadmill.printing.terminal_display import LivePanel

ROLL = call("roll_dice", '{"n_dice":5}')

DOCUMENT = "".join(
    f"## Part {n}\n\nParagraph {n} is a **little** longer than a line of this terminal is.\n\n"
    f"- item {n}a\n- item {n}b\n\n| a | b |\n|---|---|\n| {n} | two |\n\n---\n\n"
    for n in range(4)
) + "".join(["```python\n", *(f"line_{n} = {n}\n" for n in range(40)), "```\n\nThe end."])


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {"TZ": "UTC", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@contextlib.contextmanager
def stdout_on(
    columns: int = 50, rows: int = 20, encoding: str = "utf-8"
) -> Iterator[Callable[[], str]]:
    """Gives a function that tells what a terminal shows, which is stdout meanwhile."""
    with terminal(columns, rows, encoding) as shown:
        yield shown.text


@contextlib.contextmanager
def terminal(
    columns: int = 50, rows: int = 20, encoding: str = "utf-8", wide: str = ""
) -> Iterator[Terminal]:
    """A terminal that is stdout meanwhile. It must have understood all it was told."""
    shown = Terminal(columns, rows, encoding, wide)
    try:
        with contextlib.redirect_stdout(shown.stream):
            yield shown
        shown.text()
        assert shown.emulator.unknown == []
    finally:
        shown.close()


# ---- panels -------------------------------------------------------------------------------------


def test_a_conversation_is_printed_in_panels_in_the_order_of_events() -> None:
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says="Roll five dice!")
        calls = story.begin_calls(ROLL)
        calls.output(0, "[6,4,3,5,2]")
        calls.end()
        story.say("I rolled ", "**five** dice.")
        story.end()
        assert shown() == (
            "╭─ User ─────────────────────────────────────────╮\n"
            "│ Roll five dice!                                │\n"
            "╰───────────────────────────────────── 22:13:20 ─╯\n"
            "╭─ Tool call ────────────────────────────────────╮\n"
            '│ ✓ roll_dice({"n_dice": 5})                     │\n'
            "│   → [6,4,3,5,2]                                │\n"
            "╰───────────────────────────────────── 22:13:20 ─╯\n"
            "╭─ Marvin ───────────────────────────────────────╮\n"
            "│ I rolled five dice.                            │\n"
            "╰───────────────────────────────────── 22:13:20 ─╯"
        )


def test_a_call_of_a_parked_run_shows_what_it_waits_for_until_the_run_goes_on() -> None:
    with stdout_on(columns=70) as shown:
        story = RunPlayback(PrintHandler(), says=None)
        calls = story.begin_calls(call("pay", '{"amount":5}'))
        waiting = {"id": "call_0", "function": {"name": "pay"}, "waits_for": "output"}
        action = {"submit_tool_outputs": {"tool_calls": [waiting]}}
        story.notice("thread.run.requires_action", id="run_1", required_action=action)
        wait_until(lambda: "waits for a process that has the function" in shown())
        assert "… pay" in shown()
        story.tell("r", "queued", {})
        wait_until(lambda: "waits for" not in shown())
        calls.output(0, "paid")
        calls.end()
        assert [line.strip("│ ") for line in shown().splitlines()[1:-1]] == [
            '✓ pay({"amount": 5})',
            "→ paid",
        ]


def test_a_call_shows_its_arguments_while_it_runs_then_what_came_of_it() -> None:
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        calls = story.begin_calls(ROLL, call("divide", '{"by":0}'), call("wait"))
        assert [line.strip("│ ") for line in shown().splitlines()[1:6]] == [
            "… roll_dice",
            "{",
            '"n_dice": 5',
            "}",
            "… divide",
        ]
        calls.output(0, "[6]")
        wait_until(lambda: "✓ roll_dice" in shown())
        assert "… divide" in shown()
        calls.output(1, "Error: division by zero")
        calls.fail(1, "ZeroDivisionError")
        calls.end("cancelled")
        assert [line.strip("│ ") for line in shown().splitlines()[1:-1]] == [
            '✓ roll_dice({"n_dice": 5})',
            "→ [6]",
            '✗ divide({"by": 0}) ZeroDivisionError',
            "→ Error: division by zero",
            "✗ wait({})",
        ]
        assert "cancelled" in shown().splitlines()[-1]


def test_a_long_output_is_shortened() -> None:
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        calls = story.begin_calls(ROLL)
        calls.output(0, "a line\n" * 500)
        calls.end()
        assert "... (500 lines)" in shown()
        assert shown().count("a line") == 12


def test_a_message_changes_in_place_while_it_is_written() -> None:
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        opened = story.begin_message("I am **bo")
        assert shown().splitlines()[1].strip("│ ") == "I am **bo"
        opened.add("ld**")
        wait_until(lambda: "│ I am bold " in shown())
        assert len(shown().splitlines()) == 3
        opened.complete()
        story.end()


def test_notices_are_lines_and_an_abandoned_message_is_told_from_the_next() -> None:
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        story.notice("threadmill.run.waiting", ahead=2)
        story.begin_message("I had beg").break_off("run_failed", "cancelled")
        story.say("Anew.")
        error = {"code": "server_error", "name": "ModelRefused", "message": "No [/red]."}
        story.end("failed", last_error=error)
        assert shown() == (
            "· waiting in line: 2 runs ahead\n"
            "╭─ Marvin ───────────────────────────────────────╮\n"
            "│ I had beg                                      │\n"
            "╰───────────────────────── 22:13:20 · abandoned ─╯\n"
            "╭─ Marvin ───────────────────────────────────────╮\n"
            "│ Anew.                                          │\n"
            "╰───────────────────────────────────── 22:13:20 ─╯\n"
            "✗ run failed: No [/red]."
        )


def test_markup_html_and_escapes_are_printed_as_they_are() -> None:
    text = "[/red] [bold]b[/bold] <b>h</b> \x1b[31m :smile: [1]\n\n[1]: http://x.y\n![p](a.png)"
    with stdout_on(columns=70) as shown:
        story = RunPlayback(PrintHandler(), says=text, name="[/red]\n\x1b[2J")
        calls = story.begin_calls(call("f[/x]", '{"a": "[/b]"}'))
        calls.output(0, "[/dim]")
        calls.fail(0, "[/E]")
        calls.end()
        story.say(*text)
        story.end()
        lines = [line.strip("│╭╮╰╯─ ") for line in shown().splitlines()]
    assert lines == [
        "User",
        *("[/red] [bold]b[/bold] <b>h</b> ␛[31m :smile: [1]", "", "[1]: http://x.y"),
        *("![p](a.png)", "22:13:20"),
        "Tool call",
        *('✗ f[/x]({"a": "[/b]"}) [/E]', "→ [/dim]", "22:13:20"),
        "[/red]\\n␛[2J",
        *("[/red] [bold]b[/bold] <b>h</b> ␛[31m :smile: [1]", "", "[1]: http://x.y"),
        *("p (a.png)", "22:13:20"),
    ]


def test_links_show_where_they_lead() -> None:
    with stdout_on() as shown:
        pprint_messages([message("[here](http://x.y) <http://a.b>", "assistant")])
        assert shown().splitlines()[1].strip("│ ") == "here (http://x.y) http://a.b"


def test_a_line_that_was_left_incomplete_is_not_written_over() -> None:
    with stdout_on() as shown:
        print("Thinking...", end="", flush=True)
        pprint_messages([message("Hi")])
        assert shown().splitlines()[0] == "Thinking..."
        assert shown().splitlines()[1].startswith("╭─ User")


def test_an_empty_message_has_no_panel() -> None:
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        story.say("")
        story.say()
        story.end()
        assert shown() == ""


def test_a_text_that_rich_cannot_bear_is_shown_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise IndexError

    monkeypatch.setattr("rich.markdown.CodeBlock.__rich_console__", fail)
    with stdout_on() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        story.say("**Look:**\n\n```python\nx = 1\n```")
        story.end()
        assert [line.strip("│ ") for line in shown().splitlines()[1:-1]] == [
            *("Look:", "", "```python", "x = 1", "```")
        ]


# ---- tall texts ---------------------------------------------------------------------------------


def printed_whole(text: str, columns: int) -> str:
    with stdout_on(columns, rows=300) as shown:
        pprint_messages([message(text, "assistant", assistant_name="Marvin")])
        return shown()


@pytest.mark.parametrize("columns", [40, 60])
def test_a_text_taller_than_the_terminal_is_there_once_and_whole(columns: int) -> None:
    with terminal(columns, rows=12) as shown:
        message = MessageCard("Marvin", at=AT)
        renderer, screen = Renderer("utf-8"), Screen(shown.stream)
        panel = LivePanel(MessageView(message, renderer), renderer, screen)
        for at in range(0, len(DOCUMENT), 7):
            message.parts.append(DOCUMENT[at : at + 7])
            panel._paint()
        assert shown.emulator.paints > 100
        panel.close()
        assert shown.text() == printed_whole(DOCUMENT, columns)


def test_the_newest_words_of_a_tall_text_are_to_be_seen() -> None:
    code = "```python\n" + "".join(f"line_{n} = {n}\n" for n in range(100))
    with terminal(rows=12) as shown:
        story = RunPlayback(PrintHandler(), says=None)
        opened = story.begin_message("# Title\n\n", code)
        wait_until(lambda: "line_99 = 99" in shown.text())
        assert "… more above, shown at the end" in shown.text()
        assert "Title" in shown.text()
        assert "line_50 " not in shown.text()
        opened.complete()
        story.end()
        assert "more above" not in shown.text()
        assert all(shown.text().count(f" line_{n} =") == 1 for n in range(100))


def test_of_long_code_only_the_end_is_drawn_while_it_is_written() -> None:
    code = "".join(f"line_{n} = {n}\n" for n in range(500))
    view = MessageView(
        MessageCard("Marvin", parts=["Look:\n\n```python\n", code]), Renderer("utf-8")
    )
    assert len(view.lines(50, room=10)) < 20
    assert "line_499" in "".join(view.lines(50, room=10))
    assert len(view.lines(50)) > 500


PIECES = [
    *("\n", "\n\n", "- ", "* ", "1. ", "2. ", "2", "10) ", "> ", "```", "```py\n", "    ", "\t"),
    *("# ", "## ", "===\n", "---\n", "***", "**", "*", "_", "`", "|", "| a | b |\n", "|---|---|\n"),
    *("| 1 | 2 |\n", "[x]", "[x](u)", "![i](s)", "](", "<b>", "</kbd>", "<http://a.b>", "word "),
    *("two words ", "[/red]", "日本語", "👩‍👩‍👧", "é", "\x1b[31m", "\\", "&amp;", "~~", "[1]: u\n"),
    *("- [ ] ", "999999999. ", "\x00", ".", "> > > - 1. ", "      - "),
]


@pytest.mark.parametrize("seed", range(150))
def test_what_has_scrolled_away_is_what_the_whole_text_begins_with(seed: int) -> None:
    dice = random.Random(seed)
    text = "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 60)))
    renderer, width = Renderer("utf-8"), dice.choice([5, 20, 40, 80])
    message = MessageCard("Marvin")
    view = MessageView(message, renderer)
    printed = []
    for character in text:
        message.parts.append(character)
        printed += view.settle(width) if dice.random() < 0.3 else []
    printed += view.lines(width)
    assert printed == MessageView(MessageCard("Marvin", parts=[text]), renderer).lines(width), repr(
        text
    )


def test_deeply_nested_text_is_shown_as_it_was_written_where_there_is_no_room() -> None:
    text = "\n".join("  " * depth + f"- depth{depth}" for depth in range(40)) + "\n\n" + "> " * 200
    shown = printed_whole(text + "quoted", 40)
    assert all(f"depth{depth}" in shown for depth in range(40))
    assert "quoted" in shown


@pytest.mark.parametrize("columns", [1, 2, 4, 7, 12])
def test_the_narrowest_terminals_do_no_harm(columns: int) -> None:
    with terminal(columns, rows=3) as shown:
        story = RunPlayback(PrintHandler())
        story.begin_calls(ROLL).end()
        story.say(DOCUMENT[:300])
        story.end("cancelled")
        assert all(cell_len(line) <= columns for line in shown.text().splitlines())


# ---- painting -----------------------------------------------------------------------------------


def test_a_fast_stream_is_painted_about_twelve_times_a_second() -> None:
    with terminal() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        opened = story.begin_message("a")
        began = time.monotonic()
        while time.monotonic() - began < 1:
            opened.add("b")
            time.sleep(0.001)
        assert 2 <= shown.emulator.paints <= 15
        opened.complete()
        story.end()


def test_a_repaint_writes_only_what_has_changed() -> None:
    with terminal() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        opened = story.begin_message("first line\n\nsecond")
        shown.text()
        shown.emulator.fed.clear()
        opened.add(" line")
        wait_until(lambda: "second line" in shown.text())
        assert b"second line" in shown.emulator.fed
        assert b"first line" not in shown.emulator.fed
        opened.complete()


def test_a_terminal_with_other_ideas_of_width_keeps_its_lines() -> None:
    with terminal(wide="⚠é") as shown:
        story = RunPlayback(PrintHandler(), says=None)
        opened = story.begin_message("⚠ é ⚠ é")
        for number in range(3):
            opened.add(f"\n\n⚠ {number}")
            wait_until(lambda: f"⚠ {number}" in shown.text())  # noqa: B023  called before it changes
        opened.complete()
        story.end()
        assert len(shown.text().splitlines()) == 9


class SlowView:
    """Is drawn slowly by the thread that paints."""

    def __init__(self) -> None:
        self.is_drawn = threading.Event()
        self.go_on = threading.Event()

    def lines(self, width: int, room: int | None = None) -> list[str]:
        if threading.current_thread().name == "threadmill-printer":
            self.is_drawn.set()
            self.go_on.wait()
            return ["while it was made"]
        return ["at its end"]

    def settle(self, width: int) -> list[str]:
        return []


def test_a_painting_under_way_never_comes_after_the_last_one() -> None:
    with terminal() as shown:
        view = SlowView()
        panel = LivePanel(view, Renderer("utf-8"), Screen(shown.stream))
        panel.touch()
        view.is_drawn.wait()
        closing = threading.Thread(target=panel.close)
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
        view.go_on.set()
        closing.join()
        assert shown.text() == "at its end"


def test_no_thread_and_no_stand_in_for_a_stream_is_left() -> None:
    before = threading.active_count()
    with terminal() as shown:
        story = RunPlayback(PrintHandler())
        story.begin_calls(ROLL).end()
        story.begin_message("And so")
        assert sys.stdout is not shown.stream
        story.leave()
        assert sys.stdout is shown.stream
        assert "not finished" in shown.text()
        assert threading.active_count() == before + 1, "the terminal's reader is the only other"


def test_what_a_tool_prints_lands_above_the_panel(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal() as shown, contextlib.redirect_stderr(shown.stream):
        story = RunPlayback(PrintHandler(), says=None)
        calls = story.begin_calls(ROLL)
        kept = sys.stdout
        print("printed\nby a tool, and", end=" ")
        print("warned", file=sys.stderr)
        print("more")
        print("no line end", end="")
        calls.output(0, "[6]")
        calls.end()
        kept.write("kept by somebody")
        kept.flush()
        assert [line.strip("│╭╮╰╯─ ") for line in shown.text().splitlines()] == [
            *("printed", "warned", "by a tool, and more", "no line end"),
            *("Tool call", '✓ roll_dice({"n_dice": 5})', "→ [6]", "22:13:20"),
            "kept by somebody",
        ]


def test_two_runs_that_print_at_once_have_whole_panels() -> None:
    with terminal() as shown:
        one = RunPlayback(PrintHandler(), says=None, name="One")
        two = RunPlayback(PrintHandler(), says=None, name="Two")
        first = one.begin_message("fir")
        second = two.begin_message("sec")
        assert "sec" not in shown.text()
        first.add("st")
        second.add("ond")
        second.complete()
        first.complete()
        one.end()
        two.end()
        assert [line.strip("│╭╮╰╯─ ") for line in shown.text().splitlines()] == [
            *("Two", "second", "22:13:20"),
            *("One", "first", "22:13:20"),
        ]


def test_streams_that_come_and_go_do_not_part_runs_that_share_a_terminal() -> None:
    with terminal() as shown:
        one = RunPlayback(PrintHandler(), says=None, name="One")
        first = one.begin_message("first")
        with contextlib.redirect_stdout(io.StringIO()):
            pprint_messages([message("elsewhere")])
        two = RunPlayback(PrintHandler(), says=None, name="Two")
        two.say("second")
        first.complete()
        assert [line.strip("│╭╮╰╯─ ") for line in shown.text().splitlines()] == [
            *("Two", "second", "22:13:20"),
            *("One", "first", "22:13:20"),
        ]


def test_a_terminal_that_grows_shows_the_panel_anew() -> None:
    with terminal() as shown:
        story = RunPlayback(PrintHandler(), says=None)
        opened = story.begin_message("Some words")
        shown.resize(70)
        wait_until(lambda: cell_len(shown.text().splitlines()[0]) == 70)
        opened.complete()
        story.end()
        assert len(shown.text().splitlines()) == 3


# ---- terminals that can do less -----------------------------------------------------------------


def test_without_colours_the_panels_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def styles() -> set[str]:
        with terminal() as shown:
            story = RunPlayback(PrintHandler())
            story.say("```python\nprint('hi')\n```\n\n*a* `b`")
            story.end("failed")
            assert "╭─ Marvin" in shown.text()
            return {one for style in shown.emulator.styles for one in style.split(";")}

    colours = {str(code) for code in (*range(30, 50), *range(90, 108))}
    assert styles() & colours
    monkeypatch.setenv("NO_COLOR", "1")
    assert not styles() & colours


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    with terminal() as shown:
        story = RunPlayback(PrintHandler())
        story.say("# Hi")
        story.end()
        assert shown.text() == "User: Hello!\nMarvin: # Hi"
        assert shown.emulator.styles == set()


def test_a_terminal_of_ascii_gets_panels_of_ascii() -> None:
    with terminal(encoding="ascii") as shown:
        story = RunPlayback(PrintHandler(), says="naïve")
        calls = story.begin_calls(ROLL)
        calls.output(0, "[6]")
        calls.end()
        story.end()
        assert shown.text().isascii()
        assert "| na?ve " in shown.text()
        assert "| + roll_dice" in shown.text()


# ---- processes ----------------------------------------------------------------------------------

FORKING = """
import os, sys, threading
from threadmill import PrintHandler
from threadmill.printing import display
from tests.support.run_playback import RunPlayback, call
story = RunPlayback(PrintHandler(), says=None)
calls = story.begin_calls(call("fork"))
[screen] = display._outputs.values()
held, go_on = threading.Event(), threading.Event()
def hold():
    with screen._lock, display._lock:
        held.set()
        go_on.wait()
holding = threading.Thread(target=hold)
holding.start()
held.wait()
child = os.fork()
if child == 0:
    print("the child prints")
    RunPlayback(PrintHandler(), says="the child says").end()
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
holding.join()
calls.output(0, "forked")
calls.end()
story.end()
"""


def run_on_terminal(script: str) -> str:
    shown = Terminal()
    options = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    try:
        subprocess.run(
            [sys.executable, *options, "-c", script],
            stdin=shown.stream,
            stdout=shown.stream,
            stderr=shown.stream,
            check=True,
            timeout=15,
        )
        return shown.text()
    finally:
        shown.close()


def test_a_script_in_a_terminal_prints_panels() -> None:
    shown = run_on_terminal(
        "from threadmill import PrintHandler\n"
        "from tests.support.run_playback import RunPlayback, call\n"
        "story = RunPlayback(PrintHandler())\n"
        "calls = story.begin_calls(call('cry'))\n"
        "print('boohoo')\n"
        "calls.output(0, '')\n"
        "calls.end()\n"
        "story.say('I cried ', 'a *lot*.')\n"
        "story.end()\n"
    )
    assert [line.strip("│╭╮╰╯─ ") for line in shown.splitlines()] == [
        *("User", "Hello!", "22:13:20"),
        "boohoo",
        *("Tool call", "✓ cry({})", "22:13:20"),
        *("Marvin", "I cried a lot.", "22:13:20"),
    ]


def test_a_child_forked_while_a_panel_is_live_can_print_and_end() -> None:
    assert "✓ fork({})" in run_on_terminal(FORKING)


def test_a_terminal_that_is_gone_does_not_stop_the_run() -> None:
    shown = Terminal()
    with contextlib.redirect_stdout(shown.stream):
        story = RunPlayback(PrintHandler())
        opened = story.begin_message("Hello")
        os.close(shown.master)
        opened.add(" there")
        opened.complete()
        story.end()
    shown.close()
