"""What an operator starts, started for real: Redis and the health checks as the compose file has
them, worker and Flower as the Procfile has them, each read out of its file and executed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import yaml
from honcho.environ import parse_procfile
from tests.support.paths import ROOT
from tests.support.processes.flower import CREDENTIAL, Flower
from tests.support.servers.ports import free_port
from tests.support.servers.programs import server_program
from tests.support.waiting import wait_until

from threadmill_shared.settings import Settings

BIN = Path(sys.executable).parent
MARK = "zebra-7f3a-said-by-a-user"
KEY = "the-gateways-key"
RUN_ID = "run_3f" + "0123456789" * 3

Environment = dict[str, str]


# ---- reading the files -----------------------------------------------------------------------


def given(**more: str) -> Environment:
    """The environment an operator has where compose or honcho is started."""
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "FLOWER_BASIC_AUTH": CREDENTIAL,
        "THREADMILL_API_KEY": KEY,
        **more,
    }


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """Fill in `${NAME}`, `${NAME:-default}` and `${NAME:?message}` as compose does."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if kind == "?" and not environment.get(name):
            raise LookupError(rest)
        return environment.get(name) or rest or ""

    return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", value, text)


def compose(environment: Mapping[str, str]) -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    services = yaml.safe_load(interpolated(text, environment))["services"]
    assert isinstance(services, dict)
    return services


def environment_of(name: str, environment: Mapping[str, str]) -> Environment:
    """What compose would set inside the service; a name without a value is passed on."""
    named = compose(environment)[name]["environment"]
    values = {key: environment.get(key) if value is None else value for key, value in named.items()}
    return {key: value for key, value in values.items() if value is not None}


def health_check(name: str) -> list[str]:
    kind, *command = compose(given())[name]["healthcheck"]["test"]
    assert kind == "CMD"
    return [str(word) for word in command]


def is_healthy(name: str, environment: Environment, *arguments: str) -> bool:
    """Execute the service's health check; the arguments follow its first word."""
    program, *rest = health_check(name)
    command = [program, *arguments, *rest]
    answer = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
    return answer.returncode == 0


# ---- starting what they say ------------------------------------------------------------------


def needed(*programs: str) -> None:
    """Skip the test where a program is missing, except in CI."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and "CI" in os.environ:
        pytest.fail(f"CI lacks {missing}; .ci/run should have installed them")
    if missing:
        pytest.skip(f"{missing} are not installed")


@contextmanager
def running(command: list[str], folder: Path, environment: Environment) -> Iterator[Path]:
    """Run the command in the folder; yields the file with its output, which a failure shows."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            process.kill()
            print(log.read_text())


def honcho(*processes: str) -> list[str]:
    return ["honcho", "start", "--no-colour", "-f", str(ROOT / "Procfile"), *processes]


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis started by the compose file's command, with a port and a folder of its own."""
    needed("redis-server", "redis-cli")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    _, *options = shlex.split(compose(given())["redis"]["command"])
    command = [server_program("redis"), *options]  # a package may have brought another one
    place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    assert not is_healthy("redis", given(), "-p", str(port))
    with running([*command, *place], folder, given()):
        wait_until(lambda: is_healthy("redis", given(), "-p", str(port)), "a healthy Redis", 30)
        yield port


def operated(redis_port: int, **more: str) -> Environment:
    """The compose file's environment for both services, with addresses of this machine."""
    environment = given(**more)
    return {
        **environment,
        **environment_of("worker", environment),
        **environment_of("flower", environment),
        **environment_of("gateway", environment),
        "THREADMILL_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "THREADMILL_GATEWAY_HOST": "127.0.0.1",
        "THREADMILL_GATEWAY_PORT": str(free_port()),
        "FLOWER_ADDRESS": "127.0.0.1",
        "FLOWER_PORT": str(free_port()),
    }


@pytest.fixture(scope="module")
def flower(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """The Procfile's Flower with a password and no other option of Flower's but its port.

    The folder it is started in holds modules that are named like those that it needs.
    """
    folder, port = tmp_path_factory.mktemp("flower"), free_port()
    environment = given(
        THREADMILL_REDIS_URL=f"redis://127.0.0.1:{redis_port}/0", FLOWER_PORT=str(port)
    )
    for trap in ("flower.py", "celery.py", "flowerconfig.py"):
        (folder / trap).write_text("raise SystemExit('taken from the current folder')")
    assert not is_healthy("flower", environment)
    with running(honcho("flower"), folder, environment):
        wait_until(lambda: is_healthy("flower", environment), "a healthy Flower", 30)
        yield Flower(port)


# ---- the compose file ------------------------------------------------------------------------


def docker_compose(environment: Environment) -> subprocess.CompletedProcess[str]:
    needed("docker-compose")
    command = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), "config"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_docker_compose_accepts_the_file_and_reads_it_as_we_do() -> None:
    answer = docker_compose(given())
    assert answer.returncode == 0, answer.stderr
    read = yaml.safe_load(answer.stdout)["services"]
    ours = compose(given())
    assert set(read) == set(ours) == {"redis", "worker", "flower", "gateway"}
    for name in ("redis", "flower", "gateway"):
        command = read[name]["command"]  # Compose 2 shows it as a list
        words = command if isinstance(command, list) else shlex.split(command)
        assert words == shlex.split(ours[name]["command"])


@pytest.mark.parametrize("name", ["FLOWER_BASIC_AUTH", "THREADMILL_API_KEY"])
def test_docker_compose_asks_for_flowers_password_and_the_gateways_key(name: str) -> None:
    answer = docker_compose({key: value for key, value in given().items() if key != name})
    assert answer.returncode != 0
    assert name in answer.stderr
    with pytest.raises(LookupError, match="USER:PASSWORD"):
        compose({})


def test_ports_are_published_to_this_machine_only() -> None:
    for service in compose(given()).values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_workers_can_be_scaled_and_are_given_the_time_to_drain() -> None:
    worker, longest = compose(given())["worker"], Settings.model_fields["drain_seconds"].default
    assert not {"container_name", "ports"} & set(worker)
    assert int(worker["stop_grace_period"].removesuffix("s")) > longest + 3


def test_every_setting_reaches_the_worker() -> None:
    settings = {f"THREADMILL_{name.upper()}" for name in Settings.model_fields}
    elsewhere = {"THREADMILL_BROKER_URL", "THREADMILL_EMBEDDED"}
    of_gateways = {name for name in settings if name.startswith("THREADMILL_GATEWAY_")}
    of_gateways.add("THREADMILL_API_KEY")
    services = compose(given())
    assert settings - elsewhere - of_gateways == {
        name for name in services["worker"]["environment"] if name.startswith("THREADMILL_")
    }
    assert of_gateways <= set(services["gateway"]["environment"])


def test_both_files_start_the_same_processes() -> None:
    processes = parse_procfile((ROOT / "Procfile").read_text()).processes
    services = compose(given(THREADMILL_MODULES="$THREADMILL_MODULES"))
    assert processes == {name: services[name]["command"] for name in processes}


def test_redis_keeps_an_append_only_file_and_evicts_nothing(redis_port: int) -> None:
    with redis.Redis(port=redis_port, decode_responses=True) as client:
        config: dict[str, str] = client.config_get("appendonly", "maxmemory*")
    assert config["appendonly"] == "yes"
    assert config["maxmemory-policy"] == "noeviction"
    assert int(config["maxmemory"]) > 0


# ---- Flower ----------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", ["", "operator", "operator:", ":correct-horse"])
def test_flower_refuses_to_start_without_a_password(credential: str, tmp_path: Path) -> None:
    environment = operated(free_port()) | {"FLOWER_BASIC_AUTH": credential}
    answer = subprocess.run(
        honcho("flower"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode != 0
    assert "Set FLOWER_BASIC_AUTH to USER:PASSWORD" in answer.stdout


def test_flower_asks_for_the_password_and_only_reads(flower: Flower) -> None:
    assert flower.ask("/api/tasks")[0] == 200
    assert flower.ask("/api/tasks", credential="operator:wrong")[0] == 401
    assert flower.ask("/tasks", credential=":")[0] == 401
    assert flower.ask("/api/worker/shutdown/any", method="POST")[0] == 403
    assert flower.ask("/api/task/send-task/threadmill.say", method="POST")[0] == 403


def test_flower_listens_on_loopback_unless_told_otherwise(flower: Flower) -> None:
    listening = [
        tuple(connection.laddr)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and flower.port in connection.laddr
    ]
    assert listening == [("127.0.0.1", flower.port)]


SERVICE = """
    import os, sys
    import redis
    from celery import Celery

    app = Celery("service", broker=os.environ["THREADMILL_REDIS_URL"])
    app.conf.update(task_send_sent_event=True, worker_send_task_events=True, task_default_queue="s")

    @app.task(name="service.hold")
    def hold(text):
        redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"]).blpop("release", 30)

    @app.task(name="service.echo")
    def echo(text):
        return text

    @app.task(name="service.fail")
    def fail(text):
        raise ValueError(text)

    if __name__ == "__main__":
        for task, text in ((hold, sys.argv[1]), (echo, sys.argv[1]), (fail, sys.argv[1])):
            task.delay(text)
        echo.delay(sys.argv[2])
        echo.apply_async(kwargs={"text": sys.argv[1]})
"""


@pytest.fixture
def service(redis_port: int, flower: Flower, tmp_path: Path) -> Iterator[str]:
    """Another service's Celery worker on our broker, busy with marked texts; yields its name."""
    environment = operated(redis_port)
    (tmp_path / "service.py").write_text(textwrap.dedent(SERVICE))
    worker = shlex.split("celery -A service worker --pool threads --concurrency 1 -n service@here")
    with running(worker, tmp_path, environment):
        wait_until(lambda: "service@here" in flower.workers(), "the service's worker in Flower", 30)
        send = [sys.executable, "service.py", MARK, RUN_ID]
        subprocess.run(send, cwd=tmp_path, env=environment, check=True, timeout=30)
        yield "service@here"


def test_flower_shows_ids_and_no_text_whatever_a_service_announces(
    redis_port: int, flower: Flower, service: str
) -> None:
    states = ["FAILURE", *["SUCCESS"] * 4]
    wait_until(lambda: "STARTED" in str(flower.tasks()), "the task that holds the others up", 30)
    assert MARK not in flower.ask(f"/api/workers?refresh=1&workername={service}")[1]
    with redis.Redis(port=redis_port) as client:
        client.lpush("release", "now")
    wait_until(
        lambda: sorted(task["state"] for task in flower.tasks().values()) == states,
        "five tasks",
        30,
    )

    assert [task["args"] for task in flower.tasks().values()].count(f"('{RUN_ID}',)") == 1
    pages = ["/api/tasks", f"/worker/{service}", f"/api/tasks?search={MARK}"]
    for task in flower.tasks():
        pages += [f"/api/task/info/{task}", f"/task/{task}"]
    for page in pages:
        status, text = flower.ask(page)
        assert status == 200, page
        assert MARK not in text, page


# ---- all of it -------------------------------------------------------------------------------

ASSISTANTS = """
    from threadmill import Assistant

    clerk = Assistant("clerk", instructions="Answer in one sentence.")
"""

SAY = """
    import json, sys
    from threadmill import Assistant, Thread

    run = Assistant.load("clerk").say(sys.argv[1], thread=Thread(), timeout=30)
    print(json.dumps({"id": run.id, "status": run.status, "text": run.text}))
"""


@pytest.mark.any_api
@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_say_goes_through_what_the_procfile_starts_and_flower_shows_its_id(
    api: str, redis_port: int, tmp_path: Path
) -> None:
    from threadmill.testing import StandIn

    (tmp_path / "clerks.py").write_text(textwrap.dedent(ASSISTANTS))
    (tmp_path / "say.py").write_text(textwrap.dedent(SAY))
    with StandIn() as provider:
        environment = operated(
            redis_port,
            THREADMILL_MODULES="clerks",
            THREADMILL_MODEL_API=api,
            THREADMILL_NAMESPACE=api,
            OPENAI_BASE_URL=provider.base_url,
            OPENAI_API_KEY="a-stand-in-asks-for-none",
        )
        flower = Flower(int(environment["FLOWER_PORT"]))
        assert not is_healthy("worker", environment)
        with running(honcho(), tmp_path, environment) as log:
            wait_until(lambda: is_healthy("worker", environment), "a healthy worker", 30)
            wait_until(lambda: is_healthy("flower", environment), "a healthy Flower", 30)
            wait_until(lambda: is_healthy("gateway", environment), "a healthy gateway", 30)
            wait_until(flower.workers, "the worker in Flower", 30)
            run = said(tmp_path, environment)
            wait_until(lambda: run["id"] in str(flower.tasks()), "the run's task in Flower", 30)
            pages = [flower.ask(page)[1] for page in ("/api/tasks", "/tasks", "/api/workers")]
        wait_until(lambda: not is_healthy("worker", environment), "no worker after its end", 30)

    assert run["status"] == "completed"
    for text in (*pages, log.read_text()):
        assert MARK not in text
        assert run["text"] not in text


def said(folder: Path, environment: Environment) -> dict[str, str]:
    """Say the marked text from a process of its own; the run as that process saw it end."""
    answer = subprocess.run(
        [sys.executable, "say.py", MARK],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    run: dict[str, str] = json.loads(answer.stdout.splitlines()[-1])
    assert run["text"]
    return run
