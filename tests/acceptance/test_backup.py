"""The commands of docs/backup.md: a store is backed up while runs go on, lost, and restored."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.paths import ROOT
from tests.support.pauses import Pauses
from tests.support.processes.worker import Workers
from tests.support.provider_requests import is_speaking
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import Call, Pause, Reply, StandIn, Text, converse

one_api = pytest.mark.parametrize("api", ["responses"], indirect=True)

PAGE = (ROOT / "docs" / "backup.md").read_text()
COMMANDS = re.findall(r"^ *\$ (.*)$", PAGE, re.MULTILINE)


class Site:
    """A Redis with a data folder, as an operator has it, and the folder of the backup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.server = RedisServer(self.data, appendonly=True)
        self.server.start()

    def execute(self, begin: str, **replaced: str) -> str:
        """Execute the command of the page that begins like this; returns its output."""
        [command] = [one for one in COMMANDS if one.startswith(begin)]
        for old, new in replaced.items():
            command = command.replace(old, new)
        environment = {
            **os.environ,
            "THREADMILL_REDIS_URL": self.server.url(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lose_data(self) -> None:
        self.server.kill()
        self.data.rename(self.folder / "lost")
        self.data.mkdir()

    def start(self, *, appendonly: bool) -> None:
        """Start Redis on the data folder, on the port that it had."""
        port = self.server.port
        self.server = RedisServer(self.data, appendonly=appendonly)
        self.server.port = port
        self.server.start()

    def restore(self) -> None:
        """Steps 2 to 4 of the page."""
        shutil.copy(self.folder / "backup.rdb", self.data / "dump.rdb")
        self.start(appendonly=False)
        self.execute('redis-cli -u "$THREADMILL_REDIS_URL" CONFIG SET')
        wait_until(self._is_rewritten, "the append-only file is written")
        self.server.stop()
        self.start(appendonly=True)

    def _is_rewritten(self) -> bool:
        told = self.execute('redis-cli -u "$THREADMILL_REDIS_URL" INFO')
        return "aof_rewrite_in_progress:0" in told and "aof_last_bgrewrite_status:ok" in told


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.server.stop()


@pytest.fixture
def redis_url(site: Site) -> str:
    return site.server.url()


def texts(thread: Thread) -> list[str]:
    return [message.text for message in thread.get_messages()]


@one_api
def test_a_restored_store_has_what_it_had_and_goes_on(
    site: Site, workers: Workers, standin: StandIn
) -> None:
    plain = Assistant(name="plain")
    [worker] = workers.start("bot")
    thread = Thread(key="kept")
    finished = plain.say("One.", thread=thread)
    kept = texts(thread)
    pause = Pause(after_tokens=1)
    standin.brain = lambda _: Reply([Text(["Two ", "three."])], pause=pause)
    running = plain.enqueue("Go on.", thread=Thread(key="running"))
    standin.wait_until(lambda requests: bool(requests[-1].token_times))
    queued = plain.enqueue("Later.", thread=Thread(key="running"))
    site.execute("(umask 077;")
    assert (site.folder / "backup.rdb").stat().st_mode & 0o077 == 0
    pause.end()
    queued.wait(20)
    later = plain.say("Not in the backup.", thread=thread)
    worker.terminate()
    assert worker.ends()

    site.lose_data()
    site.restore()

    assert texts(thread) == kept
    assert Run.load(finished.id).status == "completed"
    assert [event.event for event in Run.load(finished.id).events()][-1] == "done"
    with pytest.raises(errors.RunNotFound):
        Run.load(later.id)
    assert queued.id in site.execute("threadmill runs --status")
    site.execute("threadmill cancel", RUN_ID=queued.id)
    workers.start("bot")
    assert running.wait(30).status == "completed"
    assert running.text == "Two three."
    assert Run.load(queued.id).status == "cancelled"
    assert plain.say("And on.", thread=thread).status == "completed"


@one_api
def test_processes_that_were_not_stopped_go_on_with_what_was_restored(
    site: Site, workers: Workers, standin: StandIn
) -> None:
    [worker] = workers.start("bot")
    plain, thread = Assistant(name="plain"), Thread(key="kept")
    pauses = Pauses(5, 30)
    standin.brain = lambda _: Reply([Text([f"{at} " for at in range(40)])], pause=pauses)
    running = plain.enqueue("Go on.", thread=thread)
    standin.wait_until(is_speaking)
    site.execute("(umask 077;")
    pauses.end()
    standin.wait_until(lambda requests: len(requests[-1].token_times) >= 30)
    standin.brain = converse
    later = plain.enqueue("Not in the backup.").wait(20)

    site.lose_data()
    site.restore()
    pauses.end()

    assert running.wait(40).status == "completed"
    assert Assistant.load("plain").say("And on.", thread=thread).status == "completed"
    with pytest.raises(errors.RunNotFound):
        Run.load(later.id)
    assert f"{running.id} continues from an earlier state" in worker.log()


def test_a_redis_that_starts_with_its_append_only_file_ignores_the_backup(site: Site) -> None:
    with site.server.connected() as client:
        client.set("kept", "1")
    site.execute("(umask 077;")
    site.lose_data()
    shutil.copy(site.folder / "backup.rdb", site.data / "dump.rdb")

    site.start(appendonly=True)

    with site.server.connected() as client:
        assert client.dbsize() == 0


@one_api
def test_a_tool_call_does_not_wait_for_a_backup_that_is_written(
    site: Site, workers: Workers, standin: StandIn
) -> None:
    workers.start("toolbox")
    replies = iter([Reply([Call("count_calls", {"of": "any"})]), Reply([Text("None.")])])
    standin.brain = lambda _: next(replies)
    with site.server.connected() as client:
        client.config_set("rdb-key-save-delay", 200_000)  # the backup takes as long as we want
        for number in range(200):
            client.set(f"other:{number}", number)
    backup = subprocess.Popen(
        ["redis-cli", "-p", str(site.server.port), "--rdb", str(site.folder / "slow.rdb")]
    )
    try:
        with site.server.connected() as client:
            wait_until(lambda: client.info("replication")["connected_slaves"], "it has begun")
        run = Assistant.load("toolbox").say("Count, please.", thread=Thread(), timeout=20)
        assert backup.poll() is None
    finally:
        backup.kill()
        backup.wait()
    assert run.status == "completed"
