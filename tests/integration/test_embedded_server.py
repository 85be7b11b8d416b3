"""The server of a folder: shared while it is used, gone when it is not."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from pydantic import SecretStr
from tests.support.waiting import wait_until

from threadmill.embedded import server_connections
from threadmill.embedded.server import (
    FOLDER,
    _socket_path,
    end_server,
    ensure_server,
    find_program,
    find_server,
    keep_server,
)
from threadmill.embedded.supervisor import LOOK_SECONDS
from threadmill_shared.broker.app import make_app
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect

KEEPER = """
import sys
from pathlib import Path
from threadmill.embedded import supervisor
supervisor.IDLE_SECONDS, supervisor.LOOK_SECONDS = 0.3, 0.1
supervisor.supervise(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name) / "data"


def is_kept(folder: Path) -> bool:
    """Whether the folder's keeper lives."""
    with (folder / "keeper").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_a_server_that_is_used_is_not_ended_and_one_that_is_not_ends_at_once(folder: Path) -> None:
    url = ensure_server(folder)
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        client.set("kept", "yes")
        assert not end_server(folder)
        assert client.get("kept") == b"yes"
    assert end_server(folder)
    assert not is_kept(folder)
    assert end_server(folder)


CLIENT = """
from pathlib import Path
from threadmill.client.current import current_client
from threadmill.embedded.supervisor import LOOK_SECONDS
from threadmill.embedded.server import FOLDER, end_server
current_client()
assert not end_server(Path(FOLDER)), "nobody used it"
"""


def test_a_script_uses_its_server_from_the_beginning_however_late_its_worker_comes(
    folder: Path,
) -> None:
    folder.mkdir()
    environment = {n: v for n, v in os.environ.items() if not n.startswith("THREADMILL_")}
    subprocess.run(
        [sys.executable, "-W", "error", "-c", CLIENT],
        cwd=folder,
        env=environment,
        check=True,
        timeout=60,
    )
    assert end_server(folder / FOLDER)


def test_a_server_that_was_killed_is_started_again_with_its_data(folder: Path) -> None:
    url = ensure_server(folder)
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        client.set("kept", "yes")
        killed = psutil.Process(client.info("server")["process_id"])
        wait_until(lambda: time.time() - killed.create_time() > 2 * LOOK_SECONDS, "it has run")
        killed.kill()
        wait_until(lambda: kept(url) == b"yes", "it is there again")
        assert client.info("server")["process_id"] != killed.pid
    assert end_server(folder)
    assert not is_kept(folder)


def kept(url: str) -> bytes | None:
    with contextlib.suppress(redis.RedisError), contextlib.closing(redis.Redis.from_url(url)) as c:
        found: bytes | None = c.get("kept")
        return found
    return None


def test_a_server_that_was_ended_starts_again_on_its_data(folder: Path) -> None:
    with contextlib.closing(redis.Redis.from_url(ensure_server(folder))) as client:
        client.set("kept", "yes")
    end_server(folder)
    with contextlib.closing(redis.Redis.from_url(ensure_server(folder))) as client:
        assert client.get("kept") == b"yes"
    assert end_server(folder)


@pytest.mark.parametrize("is_deleted", [False, True], ids=["unused", "unused, folder deleted"])
def test_a_keeper_leaves_no_server_behind(folder: Path, is_deleted: bool) -> None:
    folder.mkdir()
    socket = folder.parent / "socket"
    command = [sys.executable, "-c", KEEPER, find_program(), str(folder), str(socket)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as keeper:
        wait_until(socket.exists, "the server listens")
        [server] = psutil.Process(keeper.pid).children()
        if is_deleted:
            wait_until(lambda: _is_deleted(folder), "the folder is deleted")
        keeper.wait(10)
        assert not server.is_running()


def test_a_server_that_is_kept_outlasts_the_time_without_a_client(folder: Path) -> None:
    folder.mkdir()
    command = [sys.executable, "-c", KEEPER, find_program(), str(folder), str(_socket_path(folder))]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as keeper:
        wait_until(_socket_path(folder).exists, "the server listens")
        with keep_server(folder) as url:
            time.sleep(1)  # three times as long as it waits
            with contextlib.closing(redis.Redis.from_url(url)) as client:
                assert client.ping()
        keeper.wait(10)
    assert not _socket_path(folder).exists()


def test_a_server_that_nobody_could_hold_is_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(url: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server_connections, "hold", interrupted)
    with pytest.raises(KeyboardInterrupt), keep_server(folder):
        pytest.fail("nobody holds it")
    assert find_server(folder) is None


def _is_deleted(folder: Path) -> bool:
    """Delete it; the server may be writing a file meanwhile, and then it is not empty."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


async def test_a_folder_may_have_a_name_that_is_no_part_of_a_url(folder: Path) -> None:
    odd = folder / "a#b?c=d%41 e@f"
    url = ensure_server(odd)
    client = connect(url)
    try:
        assert await client.ping()
    finally:
        await client.aclose()
    with make_app(Settings(redis_url=SecretStr(url))).connection_for_write() as connection:
        assert connection.default_channel.client.ping()
