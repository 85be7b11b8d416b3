"""What a process has imported when it has done its work: no package that it did not need."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from tests.support.environment import isolated_environment
from tests.support.processes.commands import STRICT, run_command

from threadmill.testing import StandIn

TELL = "\nimport sys\nprint('\\nmodules', *sys.modules)\n"
CELERY = {"celery", "kombu", "amqp", "billiard"}
OF_WORKERS = {"openai", "aiohttp", "httpx2", "jsonschema", "prometheus_client", "uvloop"}
FOR_PEOPLE = {"rich", "markdown_it", "click", "pygments"}

ENQUEUE = """
from threadmill import Assistant, Thread
ai = Assistant("ai", {instructions!r})
run = ai.enqueue("Hello!", thread=Thread())
assert run.status == "queued" and run.messages[0].text == "Hello!"
from threadmill.client.current import close_client
close_client()
"""


@pytest.fixture(autouse=True)
def environment(redis_url: str) -> Iterator[None]:
    with StandIn() as standin, isolated_environment(redis_url, standin, "responses"):
        yield


def imported_by(code: str, **settings: str) -> set[str]:
    """The modules of a fresh process that has executed this code."""
    ended = run_command(*STRICT, "-c", code + TELL, environment=os.environ | settings)
    assert ended.returncode == 0, ended
    return set(ended.stdout.rpartition("\nmodules ")[2].split())


def test_an_enqueue_imports_what_the_store_needs_and_no_more() -> None:
    found = imported_by(ENQUEUE.format(instructions="Be brief."))
    assert "redis" in found
    assert not found & (CELERY | OF_WORKERS | FOR_PEOPLE | {"jinja2", "threadmill_workers", "yaml"})
    assert not found & {"threadmill.printing.display", "threadmill.cli", "threadmill.embedded"}


def test_an_enqueue_builds_no_message_until_its_handle_is_asked_for_one() -> None:
    enqueue = "from threadmill import Assistant\nrun = Assistant('ai').enqueue('Hello!')\n"
    objects = "threadmill_shared.records.objects"
    assert objects not in imported_by(enqueue)
    look = "first = run.messages\nassert first is run.messages and first[0].text == 'Hello!'"
    assert objects in imported_by(enqueue + look)


def test_an_enqueue_imports_jinja_if_the_instructions_are_a_template() -> None:
    found = imported_by(ENQUEUE.format(instructions="You are {{ self_.name }}."))
    assert "jinja2" in found
    assert not found & (CELERY | OF_WORKERS | FOR_PEOPLE)


def test_an_enqueue_imports_celery_if_it_sends_through_it(redis_url: str) -> None:
    found = imported_by(
        ENQUEUE.format(instructions="Be brief."),
        THREADMILL_BROKER_URL=redis_url,
    )
    assert "celery" in found
    assert not found & (OF_WORKERS | {"rich", "jinja2"})


def test_the_status_command_imports_neither_rich_nor_the_workers_packages() -> None:
    found = imported_by(
        "import sys, threadmill.cli\n"
        "sys.argv = ['threadmill', 'status']\n"
        "try: threadmill.cli.main()\n"
        "except SystemExit as end: assert end.code == 0"
    )
    assert not found & (OF_WORKERS | {"rich", "markdown_it", "jinja2", "threadmill_workers"})
    assert not found & CELERY


WORKER = """
import threading
from threadmill_shared.settings import load_settings
from threadmill_workers import service
settings, ready = load_settings(), threading.Event()
process = service.WorkerProcess(settings, service.Catalog(), service.model_factory(settings))
process.start()
serving = threading.Thread(target=process.serve, args=(ready.set,))
serving.start()
assert ready.wait(30)
process.stop_consuming()
serving.join(30)
process.close()
"""


def test_a_worker_imports_neither_what_prints_nor_templates_nor_metrics() -> None:
    found = imported_by(WORKER)
    assert {"celery", "openai"} <= found
    assert not found & {"rich", "markdown_it", "jinja2", "prometheus_client", "jsonschema"}
    assert not any(name.partition(".")[0] == "threadmill" for name in found)


def test_an_enqueue_in_an_atexit_handler_is_stored_and_sent(redis_url: str) -> None:
    if sys.version_info >= (3, 12):
        pytest.skip("Python starts no threads when it ends")
    code = """
import atexit
from threadmill import Assistant
ai = Assistant("ai", "Be brief.")
def last() -> None:
    print(ai.enqueue("Hello!").status)
atexit.register(last)
"""
    ended = run_command(*STRICT, "-c", code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "queued\n", "")
