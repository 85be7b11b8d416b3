"""Conversations in a terminal, and over a pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.commands import run_command
from tests.support.processes.interactive import InteractiveProcess
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Thread
from threadmill.testing import Fault, Reply, Request, StandIn, converse

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

THREADMILL = str(Path(sys.executable).parent / "threadmill")
LONG = "tokens=300 delay=0.05"
CTRL_C, CTRL_D = "\x03", "\x04"

SYNC = "from threadmill import Assistant; Assistant.load('toolbox').chat(*{arguments})"
ASYNC = (
    "import asyncio; from threadmill import Assistant; "
    "asyncio.run(Assistant.load('toolbox').chat_async(*{arguments}))"
)

Begin = Callable[..., InteractiveProcess]


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture(autouse=True)
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


@pytest.fixture(params=[SYNC, ASYNC], ids=["chat", "chat_async"])
def begin(request: pytest.FixtureRequest) -> Begin:
    """Begins a conversation, in each of the two ways."""
    source: str = request.param
    return lambda *arguments: InteractiveProcess(
        sys.executable, "-c", source.format(arguments=arguments)
    )


def test_each_line_is_said_and_its_answer_printed_below_it(begin: Begin, standin: StandIn) -> None:
    with begin() as chat:
        chat.wait_for_prompt()
        assert "Ctrl-D or 'exit' leaves" in chat.text()
        chat.press("Hello!\n")
        chat.wait_for("╭─ toolbox")
        chat.wait_for_prompt()
        chat.press('\n   \ncall show_int {"value": 7}\n')
        chat.wait_for("✓ show_int", "int 7")
        chat.wait_for_prompt()
        assert "User" not in chat.text()
        chat.press("exit\n")
        assert chat.ends() == 0
    assert len(standin.requests) == 3
    assert "Hello!" in str(standin.requests[-1].body)


def test_an_initial_message_is_said_first(begin: Begin) -> None:
    with begin("Good morning!") as chat:
        chat.wait_for("│ Good morning!", "╭─ toolbox")
        chat.wait_for_prompt()
        chat.press(CTRL_D)
        assert chat.ends() == 0


def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(
    begin: Begin, standin: StandIn
) -> None:
    with begin() as chat:
        chat.wait_for_prompt()
        chat.press(LONG + "\n")
        chat.wait_for("1 2 3 4")
        chat.press(CTRL_C)
        chat.wait_for("cancelled")
        chat.wait_for_prompt()
        standin.wait_until(lambda requests: requests[-1].closed_early)
        chat.press("Hello!\n")
        chat.wait_for("Hello! ")
        chat.wait_for_prompt()
        chat.press(CTRL_D)
        assert chat.ends() == 0
        assert "Traceback" not in chat.text()


def test_a_second_ctrl_c_does_not_wait_for_a_redis_that_stalls(
    begin: Begin, redis_server: RedisServer
) -> None:
    with begin() as chat:
        chat.wait_for_prompt()
        chat.press(LONG + "\n")
        chat.wait_for("1 2 3 4")
        os.kill(redis_server.pid, signal.SIGSTOP)
        pressed_at = 0.0

        def has_stopped() -> bool:
            """As a user would, who presses again when nothing happens."""
            nonlocal pressed_at
            if time.monotonic() - pressed_at > 0.7:
                pressed_at = time.monotonic()
                chat.press(CTRL_C)
            return "not finished" in chat.text()

        try:
            wait_until(has_stopped, "it stops", 10)
            chat.wait_for_prompt()
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        chat.press(CTRL_D)
        assert chat.ends() == 0
        assert "Traceback" not in chat.text()


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["ctrl-c", "ctrl-d"])
def test_at_the_prompt_both_keys_leave(begin: Begin, key: str) -> None:
    with begin() as chat:
        chat.wait_for_prompt()
        chat.press(key)
        assert chat.ends() == 0
        assert "Traceback" not in chat.text()


def test_what_goes_wrong_with_one_line_is_printed_and_the_next_one_may_fare_better(
    begin: Begin, standin: StandIn
) -> None:
    def brain(request: Request) -> Reply | Fault:
        return Fault(status=400) if "bad" in request.last_user_text else converse(request)

    standin.brain = brain
    with begin() as chat:
        chat.wait_for_prompt()
        chat.press("This is bad.\n")
        chat.wait_for("✗ run failed")
        chat.wait_for_prompt()
        chat.press("Hello!\n")
        chat.wait_for("╭─ toolbox")
        chat.wait_for_prompt()
        chat.press(CTRL_D)
        assert chat.ends() == 0
        assert chat.text().count("✗") == 1


def test_the_command_goes_on_with_a_thread_that_has_a_name() -> None:
    with InteractiveProcess(THREADMILL, "chat", "toolbox", "--key", "user-42") as chat:
        chat.wait_for_prompt()
        chat.press("Hello!\n")
        chat.wait_for("╭─ toolbox")
        chat.wait_for_prompt()
        chat.press(CTRL_C)
        assert chat.ends() == 0
    said = [message.text for message in Thread(key="user-42").get_messages()]
    assert said[0] == "Hello!"
    assert len(said) == 2


@pytest.mark.parametrize("source", [SYNC, ASYNC], ids=["chat", "chat_async"])
@pytest.mark.parametrize("is_file", [False, True], ids=["pipe", "file"])
def test_without_a_terminal_the_lines_of_stdin_are_said(
    source: str, is_file: bool, tmp_path: Path
) -> None:
    lines = "Hello!\n\ntokens=3\nexit\nNever said.\n"
    command = [sys.executable, "-W", "error", "-c", source.format(arguments=())]
    typed = tmp_path / "lines"
    typed.write_text(lines)
    with typed.open() as file:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            **({"stdin": file} if is_file else {"input": lines}),  # type: ignore[call-overload]
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    said = ended.stdout.splitlines()
    assert said[0] == "User: Hello!"
    assert said[2:] == ["User: tokens=3", "toolbox: 1 2 3 "]


def test_a_last_line_without_an_end_is_said_too() -> None:
    ended = run_command(THREADMILL, "chat", "toolbox", typed="tokens=2")
    assert ended.stdout == "User: tokens=2\ntoolbox: 1 2 \n"
    assert ended.stderr.startswith("continue with --thread thread_")
    assert ended.returncode == 0
