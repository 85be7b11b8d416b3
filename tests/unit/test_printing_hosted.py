"""What is printed of the provider's tools: code as it is written, links, pictures."""

from __future__ import annotations

import base64
import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.run_playback import RunPlayback, message
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

from threadmill import PrintHandler, pprint_messages
from threadmill.printing.display import open_display
from threadmill.printing.pictures import picture, protocol_of
from threadmill.testing.standin.plot import sine_plot

PLOT = sine_plot()
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TERM_PROGRAM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@contextlib.contextmanager
def terminal(columns: int = 60) -> Iterator[Terminal]:
    """A terminal that is stdout meanwhile."""
    shown = Terminal(columns)
    with contextlib.redirect_stdout(shown.stream):
        try:
            yield shown
        finally:
            sys.stdout.flush()
    shown.close()


# ---- code --------------------------------------------------------------------------------------


def test_code_is_shown_while_it_is_written_and_then_with_what_it_printed() -> None:
    with terminal(40) as shown:
        story = RunPlayback(PrintHandler(), says=None)
        code = story.begin_hosted()
        code.write("print(")
        wait_until(lambda: "print(" in shown.text(), "the code is shown")
        assert "Code interpreter" in shown.text()
        assert "✓" not in shown.text()
        code.write("6 * 7)\n")
        code.end(input="print(6 * 7)\n", outputs=[{"type": "logs", "logs": "42\n"}])
        story.end()
        assert [line.strip("│ ") for line in shown.text().splitlines()[1:-1]] == [
            *("print(6 * 7)", "✓ →", "42"),
        ]


def test_code_that_failed_or_was_left_shows_that() -> None:
    with terminal(40) as shown:
        story = RunPlayback(PrintHandler(), says=None)
        story.begin_hosted().end("failed", input="1/0", outputs=[{"type": "logs", "logs": "no"}])
        left = story.begin_hosted()
        left.write("x")
        story.tell(
            *("te", left.step, "cancelled"),
            {"type": "tool_calls", "hosted": [left.id, "code_interpreter", {"input": "x"}]},
        )
        story.end()
        assert shown.text().count("✗") == 2
        assert "failed" in shown.text()
        assert "cancelled" in shown.text()


def test_the_providers_tools_are_lines_where_there_is_no_terminal(capsys: Printed) -> None:
    story = RunPlayback(PrintHandler(), says="Go")
    code = story.begin_hosted()
    code.write("print(1)\n")
    code.end(input="print(1)\n", outputs=[{"type": "logs", "logs": "1\n"}])
    found = [{"file_id": "f", "file_name": "cats.txt", "score": 0.9, "content": []}]
    story.begin_hosted("file_search").end(queries=["cats"], results=found)
    story.end()
    assert capsys.readouterr().out.splitlines() == [
        "User: Go",
        "  code_interpreter(print(1)) -> 1",
        "  file_search(cats) -> cats.txt",
    ]


def test_a_stored_message_tells_the_names_of_its_files(capsys: Printed) -> None:
    attached = [{"file_id": "file_1", "tools": [], "filename": "a\x1b[2J.csv"}]
    pprint_messages([message("Look", attachments=attached)])
    assert capsys.readouterr().out == "User: Look (a␛[2J.csv)\n"


# ---- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "program", "protocol"),
    [
        ("xterm-kitty", "", "kitty"),
        ("xterm-ghostty", "ghostty", "kitty"),
        ("xterm-256color", "kitty", "kitty"),
        ("xterm-256color", "iTerm.app", "iterm2"),
        ("xterm-256color", "WezTerm", "iterm2"),
        ("xterm-256color", "Apple_Terminal", None),
        ("xterm-256color", "", None),
        ("screen-256color", "iTerm.app", None),
        ("tmux-256color", "tmux", None),
    ],
)
def test_the_terminals_protocol_is_told_by_its_names(
    term: str, program: str, protocol: str | None
) -> None:
    assert protocol_of({"TERM": term, "TERM_PROGRAM": program}) == protocol


def test_a_picture_for_iterm2_is_one_command_to_the_byte() -> None:
    data = base64.b64encode(PLOT).decode()
    expected = f"\x1b]1337;File=size={len(PLOT)};inline=1:{data}\x07\r\n"
    assert picture(PLOT, "iterm2", 80) == expected


def test_a_picture_for_kitty_comes_in_pieces_of_4096_characters_to_the_byte() -> None:
    small = PLOT[:300]
    data = base64.b64encode(small).decode()
    assert picture(small, "kitty", 80) == f"\x1b_Ga=T,f=100,q=2,m=0;{data}\x1b\\\r\n"

    large = PLOT + b"\0" * 9000
    drawn = picture(large, "kitty", 80)
    pieces = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", drawn)
    assert [head for head, _ in pieces] == [
        "a=T,f=100,q=2,m=1",
        *["m=1"] * (len(pieces) - 2),
        "m=0",
    ]
    assert all(len(data) == 4096 for _, data in pieces[:-1])
    assert base64.b64decode("".join(data for _, data in pieces)) == large
    assert drawn == "".join(f"\x1b_G{head};{data}\x1b\\" for head, data in pieces) + "\r\n"


def test_a_picture_that_is_wider_than_the_terminal_is_fitted() -> None:
    assert picture(PLOT, "kitty", 20).startswith("\x1b_Ga=T,f=100,q=2,c=20,m=")
    assert picture(b"GIF89a...", "kitty", 80) == ""


@pytest.mark.parametrize(("program", "protocol"), [("kitty", "kitty"), ("iTerm.app", "iterm2")])
def test_a_terminal_that_can_is_sent_the_link_and_the_picture(
    program: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM_PROGRAM", program)
    path = tmp_path / "plot.png"
    path.write_bytes(PLOT)
    # The device makes two characters of each line end.
    expected = picture(PLOT, protocol, 60).removesuffix("\r\n").encode()  # type: ignore[arg-type]
    with terminal() as shown:
        open_display().link(path)
        wait_until(lambda: expected in bytes(shown.emulator.fed), "it is drawn")
        link = re.compile(b"\x1b\\]8;[^;]*;" + re.escape(path.as_uri().encode()) + b"\x1b")
        assert link.search(bytes(shown.emulator.fed))


def test_a_terminal_that_cannot_is_sent_the_link_alone(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(PLOT)
    with terminal() as shown:
        open_display().link(path)
        wait_until(lambda: b"plot.png: " in bytes(shown.emulator.fed), "the link is shown")
        text = re.sub(
            r"\x1b\][^\x1b]*\x1b\\|\x1b\[[?\d;]*\w|[\r\n]", "", shown.emulator.fed.decode()
        )
        assert path.as_uri() in text
        assert b"]1337;" not in shown.emulator.fed  # the path may have the number
