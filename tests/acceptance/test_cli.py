"""The command `threadmill` as a user has it: real processes, their output, their exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery
from tests.support.processes.worker import Worker, Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import Record, StandIn
from threadmill_shared.records.workers import REPLACE_CODE
from threadmill_shared.tools.threads import LEAST_SPARE

THREADMILL = str(Path(sys.executable).parent / "threadmill")
HELP_SECONDS = 0.3
"""CPU time that `threadmill --help` may take."""
MARK = "zebra-41c7-said-by-a-user"

DICE = """
    import random
    from threadmill import Assistant

    def roll_dice(n_dice: int) -> list[int]:
        "Roll dice."
        return [random.randint(1, 6) for _ in range(n_dice)]

    ai = Assistant(name="dicer", tools=[roll_dice])
"""

STUCK = """
    import time
    from threadmill import Assistant

    def hang() -> None:
        "Never return."
        time.sleep(3600)

    ai = Assistant(name="stuck", tools=[hang])
"""


@dataclass
class Shell:
    """A terminal without a screen: a folder, and the settings of the user who sits there."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        prefixes = ("THREADMILL_", "OPENAI_", "FLOWER_")
        plain = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
        return {**plain, **self.settings, **more}

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [THREADMILL, *words],
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def running(self, *words: str, **more: str) -> Iterator[Running]:
        """Run a command in the background; it is ended at the end if it is still there."""
        log = self.folder / "stderr"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [THREADMILL, *words],
                cwd=self.folder,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            yield Running(process, log)
        finally:
            with process:  # SIGTERM first: a killed `dev` could not end its processes
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                process.kill()

    def write(self, name: str, source: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(source))


@dataclass
class Running:
    """A command in the background."""

    process: subprocess.Popen[str]
    errors: Path

    def line_with(self, words: str) -> str:
        """Read its output up to a line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if words in line:
                return line
        raise AssertionError(f"it ended without {words!r}: {self.errors.read_text()}")

    def signal(self, number: int) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


@dataclass
class Place:
    """A Redis, a provider and a worker; a user in a terminal, and this process as a producer."""

    shell: Shell
    standin: StandIn
    worker: Worker
    assistant: Assistant

    def say(self, key: str, *messages: str) -> list[str]:
        """Say these one after the other; returns the runs' ids."""
        thread = Thread(key=key)
        runs = [self.assistant.enqueue(message, thread=thread) for message in messages]
        return [run.wait(20).id for run in runs]

    def begin(self, key: str, message: str) -> Run:
        """Say something; returns once its answer has begun."""
        asked = len(self.standin.requests)
        run = self.assistant.enqueue(message, thread=Thread(key=key))
        self.standin.wait_until(lambda requests: len(requests) > asked, timeout=20)
        return run


@pytest.fixture(scope="module")
def place(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    shell = Shell(tmp_path_factory.mktemp("shell"))
    shell.write("dice.py", DICE)
    with (
        pytest.MonkeyPatch.context() as patch,
        StandIn() as standin,
        Workers(shell.folder) as workers,
    ):
        shell.settings |= {
            "THREADMILL_REDIS_URL": redis_server.fresh_database(),
            "OPENAI_BASE_URL": standin.base_url,
        }
        [worker] = workers.start("dice", 1, shell.folder, **shell.settings)
        patch.setenv("THREADMILL_REDIS_URL", shell.settings["THREADMILL_REDIS_URL"])
        close_client()
        yield Place(shell, standin, worker, Assistant.load("dicer"))
        close_client()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A terminal without any setting."""
    return Shell(tmp_path)


def one_line(answer: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that could not do it."""
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def children_seconds() -> float:
    """CPU time of all processes that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system


# ---- all commands -----------------------------------------------------------------------------


def test_help_lists_every_command_and_is_quick(shell: Shell) -> None:
    spent = []
    for _ in range(3):
        before = children_seconds()
        answer = shell.run("--help")
        spent.append(children_seconds() - before)
    commands = ["worker", "dev", "serve", "doctor", "demo", "say", "chat"]
    commands += [
        "status",
        "show",
        "tail",
        "cancel",
        "approve",
        "reject",
        "runs",
        "threads",
        "approvals",
    ]
    commands += ["assistants", "tools", "workers", "health", "flower", "import", "export"]
    assert (
        re.findall(r"^  (\w+) ", answer.stdout.partition("Commands:")[2], re.MULTILINE) == commands
    )
    assert min(spent) < HELP_SECONDS


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(kind: str, shell: Shell) -> None:
    if kind == "bash" and shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = shell.run(_THREADMILL_COMPLETE=f"{kind}_source")
    assert script.returncode == 0, script.stderr
    assert "_THREADMILL_COMPLETE" in script.stdout
    commands = shell.run(
        _THREADMILL_COMPLETE="zsh_complete", COMP_WORDS="threadmill wor", COMP_CWORD="1"
    )
    assert commands.stdout.split("\n")[1::3] == ["worker", "workers"]
    options = shell.run(
        _THREADMILL_COMPLETE="bash_complete", COMP_WORDS="threadmill runs --js", COMP_CWORD="2"
    )
    assert options.stdout == "plain,--json\n"


def test_python_m_is_the_same_command(shell: Shell) -> None:
    command = [sys.executable, "-m", "threadmill", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert answer.stdout == shell.run("--version").stdout
    assert re.fullmatch(r"threadmill \d+\.\d+\.\d+\n", answer.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["nope"],
        ["tail"],
        ["runs", "--status", "nope"],
        ["runs", "--since", "nope"],
        ["runs", "thread_x", "--key", "k"],
        ["say", "ai", "hi", "--thread", "t", "--key", "k"],
        ["say", "ai", "hi", "--timeout", "0"],
        ["say", "ai", "hi", "--context", "{"],
        ["say", "ai", "hi", "--context", "[1]"],
        ["worker", "--concurrency", "0"],
    ],
    ids=" ".join,
)
def test_a_command_used_wrongly_exits_with_2_and_its_usage(words: list[str], shell: Shell) -> None:
    answer = shell.run(*words)
    assert answer.returncode == 2
    assert answer.stderr.startswith("Usage: threadmill")


def test_a_command_without_a_redis_says_how_to_get_one(shell: Shell) -> None:
    line = one_line(shell.run("tail", "run_00" + 30 * "0"))
    assert "THREADMILL_REDIS_URL" in line
    assert "threadmill dev" in line


# ---- worker -----------------------------------------------------------------------------------


NO_REDIS = "redis://user:secret-word@127.0.0.1:1/0"
REFUSALS: dict[str, tuple[dict[str, str | None], str]] = {
    "no key": ({"OPENAI_BASE_URL": ""}, "OPENAI_API_KEY"),
    "no url": ({"THREADMILL_REDIS_URL": None}, "THREADMILL_REDIS_URL is not set"),
    "no redis": ({"THREADMILL_REDIS_URL": NO_REDIS}, "Redis cannot be reached"),
    "bad setting": ({"THREADMILL_MAX_TURNS": "many"}, "THREADMILL_MAX_TURNS"),
    "no extra": ({"PYTHONPATH": "."}, "pip install './threadmill[worker]' in the folder"),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_worker_that_cannot_start_says_why_in_one_line(reason: str, shell: Shell) -> None:
    settings, words = REFUSALS[reason]
    given = {"OPENAI_BASE_URL": "http://127.0.0.1:1", "THREADMILL_REDIS_URL": NO_REDIS, **settings}
    shell.settings = {name: value for name, value in given.items() if value is not None}
    shell.write("openai.py", "raise ModuleNotFoundError(\"No module\", name='openai')")
    shell.write("dice.py", DICE)
    line = one_line(shell.run("worker", "dice"))
    assert words in line
    assert "secret-word" not in line


def test_a_worker_says_which_module_it_cannot_find(shell: Shell) -> None:
    settings = {"OPENAI_BASE_URL": "http://127.0.0.1:1", "THREADMILL_REDIS_URL": NO_REDIS}
    line = one_line(shell.run("worker", "nowhere", **settings))
    assert "'nowhere'" in line
    assert str(shell.folder) in line


@pytest.mark.parametrize("source", ["import os\nos.nope", "def f(:", "import not_installed"])
def test_a_modules_own_error_is_shown_from_the_module_on(source: str, shell: Shell) -> None:
    settings = {"OPENAI_BASE_URL": "http://127.0.0.1:1", "THREADMILL_REDIS_URL": NO_REDIS}
    shell.write("wrong.py", source)
    answer = shell.run("worker", "wrong", **settings)
    *shown, last = answer.stderr.splitlines()
    assert answer.returncode == 1
    files = [line for line in shown if line.lstrip().startswith("File ")]
    assert all("wrong.py" in line for line in files)
    assert len(files) == 1
    assert last.startswith("Error: The module 'wrong' could not be imported: ")


def test_a_ready_worker_tells_its_name_and_what_it_executes(place: Place) -> None:
    [line] = [line for line in place.worker.log().splitlines() if " ready" in line]
    assert re.fullmatch(
        rf"worker \S+:{place.worker.pid} ready: 1 assistant, 1 tool, "
        r"queues threadmill threadmill\.begun threadmill\.door( .*)?",
        line,
    )


def test_modules_are_taken_from_the_environment_where_none_is_named(
    place: Place, tmp_path: Path
) -> None:
    settings = {"THREADMILL_MODULES": "dice more", "THREADMILL_NAMESPACE": "other"}
    place.shell.write("more.py", "import threadmill\nmore = threadmill.Assistant(name='more')")
    with place.shell.running("worker", **settings) as worker:
        assert " 2 assistants, 1 tool, queues other " in worker.line_with(" ready")
        assert worker.signal(signal.SIGINT) == 0
        told, ended = worker.errors.read_text().splitlines()
        assert " INFO threadmill.worker: told to stop; 0 runs may continue for " in told
        assert " INFO threadmill.worker: this worker has ended  worker=" in ended


@pytest.mark.parametrize("by_setting", [True, False])
def test_a_worker_takes_runs_from_the_queues_that_it_is_given(
    place: Place, *, by_setting: bool
) -> None:
    settings = {"THREADMILL_QUEUES": "local slow"} if by_setting else {}
    options = [] if by_setting else ["--queue", "local", "--queue", "slow"]
    with place.shell.running("worker", *options, "dice", **settings) as worker:
        queues = worker.line_with(" ready").split(" queues ")[1].split()
        assert worker.signal(signal.SIGINT) == 0
    named = {"local", "slow", "local.begun", "slow.begun", "door"}
    assert {f"threadmill.{name}" for name in named} < {*queues}
    assert not {"threadmill", "threadmill.begun"} & {*queues}


def test_a_queue_with_its_namespace_is_refused(place: Place) -> None:
    done = place.shell.run("worker", "--queue", "threadmill.local", "dice")
    assert done.returncode == 2
    assert "without the namespace" in done.stderr


def about(words: str, asked: list[Record]) -> list[Record]:
    """The requests that are answered and had these words in their last message."""
    return [one for one in asked if words in one.user_text and one.ended_at is not None]


LOUD = """
    from threadmill import Assistant

    def echo(text: str) -> str:
        return text

    def fail(text: str) -> str:
        raise ValueError(text)

    ai = Assistant(name="loud", tools=[echo, fail])
"""


def test_a_worker_that_logs_everything_logs_nothing_that_a_user_said(place: Place) -> None:
    settings = {"THREADMILL_NAMESPACE": "loud"}
    said = [MARK, *(f'call {call} {{"text": "{MARK}"}}' for call in ("echo", "fail"))]
    said.append(f'call echo {{"wrong": "{MARK}"}}')
    place.shell.write("loud.py", LOUD)
    with place.shell.running("worker", "loud", "--log-level", "debug", **settings) as worker:
        worker.line_with(" ready")
        with Celery(broker=place.shell.settings["THREADMILL_REDIS_URL"]) as service:
            for text in said:
                words = {"assistant": "loud", "message": text, "thread_key": text}
                service.send_task("threadmill.say", kwargs=words, queue="loud.door")
        # The first one takes one request, the others a second one for the tool.
        place.standin.wait_until(
            lambda asked: (
                sum(MARK in one.user_text and one.ended_at is not None for one in asked) == 7
            ),
            timeout=30,
        )
        assert worker.signal(signal.SIGTERM) == 0
        log = worker.errors.read_text()
    assert "DEBUG" in log
    assert MARK not in log


# ---- say --------------------------------------------------------------------------------------


def test_say_prints_the_answer_and_how_to_go_on(place: Place) -> None:
    first = place.shell.run("say", "dicer", "Please roll five dice")
    assert first.returncode == 0, first.stderr
    assert 'roll_dice({"n_dice": 5})' in first.stdout
    assert "I rolled five dice: " in first.stdout
    [hint] = first.stderr.splitlines()
    thread = re.search(r"--thread (thread_\w{32})$", hint)
    assert thread is not None

    second = place.shell.run("say", "dicer", "Hello!", "--thread", thread[1])
    assert "I have seen 2 messages from you" in second.stdout


def test_say_goes_on_with_a_thread_that_the_user_has_named(place: Place) -> None:
    place.say("named", "Hello!")
    answer = place.shell.run("say", "dicer", "Hello!", "--key", "named")
    assert "I have seen 2 messages from you" in answer.stdout
    assert answer.stderr == ""


def test_say_gives_a_context_to_the_template(place: Place) -> None:
    with Assistant(name="contextual", instructions="For {{ context.user }}.") as ai:
        answer = place.shell.run("say", str(ai.id), "Hello!", "--context", '{"user": "ada"}')
    assert answer.returncode == 0, answer.stderr
    assert place.standin.requests[-1].body["instructions"] == "For ada."


def test_say_to_nobody_is_refused(place: Place) -> None:
    assert "'nobody'" in one_line(place.shell.run("say", "nobody", "Hello!"))


def test_say_stops_waiting_after_its_timeout_and_the_run_goes_on(place: Place) -> None:
    words = ("tokens=40 delay=0.05", "--key", "slow", "--timeout", "0.5")
    answer = place.shell.run("say", "dicer", *words)
    assert answer.returncode == 1
    assert "it continues" in answer.stderr.splitlines()[-1]
    [run] = Thread(key="slow").runs()
    assert run.wait(20).status == "completed"


def test_ctrl_c_cancels_what_say_waits_for(place: Place) -> None:
    with place.shell.running("say", "dicer", "tokens=999 delay=0.05", "--key", "stopped") as say:
        place.standin.wait_until(lambda asked: "tokens=999" in asked[-1].user_text, timeout=20)
        assert say.signal(signal.SIGINT) == 130
        assert "Traceback" not in say.errors.read_text()
    [run] = Thread(key="stopped").runs()
    assert run.status == "cancelled"


# ---- tail, cancel, runs -----------------------------------------------------------------------


def test_tail_shows_each_event_once_and_a_message_on_one_line(place: Place) -> None:
    [run_id] = place.say("tailed", "Please roll two dice")
    lines = place.shell.run("tail", run_id).stdout.splitlines()
    assert all(re.match(r" *\d+  \d\d:\d\d:\d\d\.\d{3}  \S", line) for line in lines)
    assert not any(line.endswith(" ") for line in lines)
    names = [line.split()[2] for line in lines]
    assert names[0] == "thread.run.created"
    assert names[-2:] == ["thread.run.completed", "done"]
    assert names.count("thread.message.delta") == 1
    assert any(re.search(r" I rolled two dice: \d and \d\. That makes \d+\.$", x) for x in lines)
    assert any(line.endswith('roll_dice({"n_dice":2})') for line in lines)
    assert any(re.search(r"-> \[\d,\d\]$", line) for line in lines)


def test_tail_as_json_gives_the_same_events_in_one_piece_or_two(place: Place) -> None:
    [run_id] = place.say("json", "tokens=5")
    whole = [json.loads(x) for x in place.shell.run("tail", run_id, "--json").stdout.splitlines()]
    rest = place.shell.run("tail", run_id, "--json", "--after", "7").stdout.splitlines()
    events = list(Run.load(run_id).events())
    assert [(one["id"], one["at"], one["event"]) for one in whole] == [
        (event.id, event.at, event.event) for event in events
    ]
    assert [json.loads(line)["id"] for line in rest] == [one["id"] for one in whole[7:]]
    assert joined(whole) == joined([json.loads(line) for line in rest])


def joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The run as it was at the end, made of all that the events say of it; the last word counts."""
    objects: dict[str, Any] = {}
    for one in events:
        if isinstance(one["data"], dict) and not one["event"].endswith("delta"):
            objects.setdefault(one["data"].get("id"), {}).update(one["data"])
    run = objects[events[-2]["data"]["id"]]
    return {name: value for name, value in run.items() if value is not None}


def test_tail_as_json_does_not_repeat_what_has_not_changed(place: Place) -> None:
    [run_id] = place.say("short", "tokens=5")
    told = [json.loads(x) for x in place.shell.run("tail", run_id, "--json").stdout.splitlines()]
    ours = [one for one in told if re.fullmatch(r"thread\.run\.\w+", one["event"])]
    first, *rest = [one["data"] for one in ours]
    assert first["thread_id"] == Run.load(run_id).thread_id
    assert all({"id", "object", "status"} <= data.keys() for data in rest)
    assert not any({"instructions", "tools"} & data.keys() for data in (first, *rest))
    assert not any({"thread_id", "model", "assistant_id"} & data.keys() for data in rest)
    assert {"usage", "completed_at"} <= rest[-1].keys()
    assert joined(told)["status"] == "completed"


def test_an_event_as_json_is_one_line_for_every_reader(place: Place) -> None:
    text, thread = "a\u2028b\u2029c\x85d", Thread(key="line ends")
    run = place.assistant.enqueue("tokens=2", thread=thread, metadata={"note": text}).wait(20)
    lines = place.shell.run("tail", run.id, "--json").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert told[0]["data"]["metadata"]["note"] == text


def test_tail_follows_a_run_until_another_process_cancels_it(place: Place) -> None:
    run = place.begin("followed", "tokens=999 delay=0.02")
    with place.shell.running("tail", run.id, "--json") as tail:
        tail.line_with("thread.message.delta")
        answer = place.shell.run("cancel", run.id)
        assert answer.stdout == f"{run.id} is cancelled\n"
        tail.line_with('"event":"thread.run.cancelled"')
        tail.line_with('"event":"done"')
        assert tail.process.wait(10) == 0


def test_tail_says_that_there_is_no_such_place_to_go_on_from(place: Place) -> None:
    run = place.begin("beyond", "tokens=999 delay=0.02")
    line = one_line(place.shell.run("tail", run.id, "--after", "99999"))
    assert line.startswith(f"Error: {run.id} has no event 99999 to continue from: its log")
    run.cancel()


def test_a_cancel_that_comes_too_late_says_what_became_of_the_run(place: Place) -> None:
    [run_id] = place.say("late", "Hello!")
    answer = place.shell.run("cancel", run_id)
    assert (answer.returncode, answer.stdout) == (0, f"{run_id} is completed\n")


def test_a_tail_that_nobody_reads_any_more_ends_in_silence(place: Place) -> None:
    run = place.begin("unread", "tokens=999 delay=0.01")
    with place.shell.running("tail", run.id, "--json") as tail:
        tail.line_with("thread.message.delta")
        assert tail.process.stdout is not None
        tail.process.stdout.close()
        assert tail.process.wait(10) == 1
        assert tail.errors.read_text() == ""
    run.cancel()


def test_runs_lists_the_newest_runs_of_a_thread(place: Place) -> None:
    run_ids = place.say("listed", "Hello!", "Hello!", "Hello!")
    answer = place.shell.run("runs", "--key", "listed", "--limit", "2").stdout
    header, *rows = [re.split(r" {2,}", line) for line in answer.splitlines()]
    assert header == [
        *("run", "status", "start", "duration", "assistant", "tokens", "attempt", "worker"),
        *("thread", "error"),
    ]
    assert [[row[0], row[1], row[4]] for row in rows] == [
        [id, "completed", "dicer"] for id in run_ids[1:]
    ]
    assert all(row[7].endswith(f":{place.worker.pid}") for row in rows)
    assert place.shell.run("runs", rows[0][8], "--limit", "2").stdout == answer
    assert place.shell.run("runs", "--key", "never").stderr == "There are no such runs.\n"


@pytest.mark.parametrize("command", ["tail", "cancel", "runs"])
def test_what_does_not_exist_is_named(command: str, place: Place) -> None:
    id = f"{'thread' if command == 'runs' else 'run'}_3f{30 * '0'}"
    assert id in one_line(place.shell.run(command, id))


# ---- dev --------------------------------------------------------------------------------------


@pytest.fixture
def dev(place: Place, tmp_path: Path) -> Iterator[tuple[Shell, Running]]:
    """`threadmill dev dice` without a Redis of its own, in a folder of its own, and ready."""
    shell = Shell(tmp_path, {"OPENAI_BASE_URL": place.standin.base_url})
    shell.write("dice.py", DICE)
    with shell.running("dev", "dice") as dev:
        dev.line_with("worker | worker ")
        yield shell, dev


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    wait_until(
        lambda: not any(p.is_running() and p.status() != "zombie" for p in processes),
        "all processes of dev have ended",
        5,
    )


def test_dev_runs_all_that_a_folder_needs_and_ctrl_c_ends_it(dev: tuple[Shell, Running]) -> None:
    shell, running = dev
    running.line_with("Flower listens")
    del shell.settings["OPENAI_BASE_URL"]
    answer = shell.run("say", "dicer", "Please roll two dice")
    assert "I rolled two dice" in answer.stdout, answer.stderr

    processes = family(running.process)
    commands = " ".join(word for process in processes for word in process.cmdline())
    assert all(
        word in commands for word in ("supervisor.py", "worker", "threadmill_workers.flower")
    )
    assert running.signal(signal.SIGINT) == 130
    assert_gone(processes)
    assert "Traceback" not in running.errors.read_text()


def test_dev_ends_when_one_of_its_processes_does(dev: tuple[Shell, Running]) -> None:
    _, running = dev
    running.line_with("Flower listens")
    processes = family(running.process)
    [worker] = [process for process in processes if "worker" in process.cmdline()]
    worker.kill()
    assert "worker | ended with exit code 137" in running.line_with("ended")
    assert running.process.wait(20) == 137
    assert_gone(processes)


def test_dev_uses_the_redis_that_is_set_and_leaves_it_alone(place: Place, tmp_path: Path) -> None:
    settings = {**place.shell.settings, "THREADMILL_NAMESPACE": "dev"}
    with place.shell.running("dev", "dice", **settings) as dev:
        assert settings["THREADMILL_REDIS_URL"] in dev.line_with("redis  |")
        dev.line_with("worker | worker ")
        processes = family(dev.process)
        assert dev.signal(signal.SIGTERM) == 143
        assert_gone(processes)
    with redis.Redis.from_url(settings["THREADMILL_REDIS_URL"]) as client:
        assert client.ping()
    assert not (place.shell.folder / ".threadmill").exists()


def test_dev_starts_a_worker_again_that_too_many_stuck_calls_have_ended(
    place: Place, tmp_path: Path
) -> None:
    settings = {**place.shell.settings, "THREADMILL_NAMESPACE": "stuck"}
    shell = Shell(tmp_path, settings | {"THREADMILL_TOOL_SECONDS": "0.5"})
    shell.write("stuck.py", STUCK)
    with shell.running("dev", "stuck", THREADMILL_TOOL_THREADS=str(LEAST_SPARE)) as dev:
        dev.line_with(" ready: ")
        shell.run("say", "stuck", "call hang {} " * LEAST_SPARE)
        assert f"ended with exit code {REPLACE_CODE}" in dev.line_with("ended with")
        dev.line_with(" ready: ")
        answer = shell.run("say", "stuck", "Hello!")
        assert answer.returncode == 0, answer.stderr


def test_dev_shows_why_its_worker_does_not_start_and_ends(shell: Shell) -> None:
    began = time.monotonic()
    answer = shell.run("dev", "nowhere", OPENAI_BASE_URL="http://127.0.0.1:1")
    assert answer.returncode == 1
    assert "worker | Error: There is no module 'nowhere'" in answer.stdout
    assert time.monotonic() - began < 20


def test_dev_prints_only_objects_if_the_log_is_json(shell: Shell) -> None:
    settings = {"OPENAI_BASE_URL": "http://127.0.0.1:1", "THREADMILL_LOG_FORMAT": "json"}
    answer = shell.run("dev", "nowhere", **settings)
    assert answer.returncode == 1
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {entry.get("process", "the worker") for entry in found} == {
        "redis",
        "the worker",
        "worker",
    }
    [told] = [entry for entry in found if entry["level"] == "CRITICAL"]
    assert "There is no module 'nowhere'" in told["message"]
