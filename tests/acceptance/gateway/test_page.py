"""What `docs/gateway.md` shows does what it says: its programs are taken from the page."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
import uvicorn
from tests.acceptance.gateway.conftest import Served
from tests.support.pages import page
from tests.support.processes.commands import COMMAND, run_command
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Run
from threadmill.client.current import close_client

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

GATEWAY = "http://127.0.0.1:8000"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def shown(language: str, words: str) -> str:
    """The page's example in this language that has these words."""
    found = re.findall(rf"^```{language}\n(.*?)^```", page("gateway"), re.MULTILINE | re.DOTALL)
    [example] = [one for one in found if words in one]
    return str(example)


def executed(source: str, **names: Any) -> dict[str, Any]:
    exec(compile(source, "gateway.md", "exec"), names)
    return names


# ---- what you change -----------------------------------------------------------------------------


def test_openais_client_needs_another_base_url(served: Served) -> None:
    had, changed = shown("python", "client = OpenAI(").strip().splitlines()
    assert had == "client = OpenAI()"
    names = executed(changed.replace(GATEWAY, served.gateway.url), OpenAI=openai.OpenAI)
    with names["client"] as client:
        assert client.beta.threads.create().object == "thread"


def test_azures_client_needs_another_endpoint(served: Served) -> None:
    source = shown("python", "AzureOpenAI(").replace(GATEWAY, served.gateway.url)
    with executed(source, AzureOpenAI=openai.AzureOpenAI)["client"] as client:
        assert client.beta.threads.create().object == "thread"


def curl(command: str, served: Served, **variables: str) -> str:
    words = shlex.split(command.strip().removeprefix("$ ").replace(GATEWAY, served.gateway.url))
    for name, value in variables.items():
        words = [word.replace(f"${name}", value) for word in words]
    options = ["--silent", "--show-error", "--fail", "--max-time", "20"]
    ended = subprocess.run([words[0], *options, *words[1:]], capture_output=True, check=True)
    return ended.stdout.decode()


@needs_curl
def test_curl_creates_a_thread(served: Served) -> None:
    assert json.loads(curl(shown("console", "/v1/threads -H"), served))["object"] == "thread"


@needs_curl
def test_curl_goes_on_behind_a_number(served: Served) -> None:
    client = served.client()
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Count!"}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id="toolbox")
    command = shown("console", "Last-Event-ID: 41").replace("41", "3")
    stream = curl(command, served, THREAD=thread.id, RUN=run.id)
    behind = [event.id for event in Run.load(run.id).events(after=3)]
    assert [int(id) for id in re.findall("^id: (.*)$", stream, re.MULTILINE)] == behind[:-1]
    assert stream.endswith("event: done\ndata: [DONE]\n\n")


# ---- in your own application ---------------------------------------------------------------------


@contextmanager
def application(app: Any) -> Iterator[str]:
    """Serve an application, and say where."""
    config = uvicorn.Config(app, port=free_port(), log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the application is served")
    try:
        yield f"http://127.0.0.1:{config.port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("key", [None, "a-key"])
def test_a_service_of_your_own_mounts_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key:
        monkeypatch.setenv("THREADMILL_API_KEY", key)
    close_client()  # the next settings are read anew
    app = executed(shown("python", "app.mount("))["app"]
    with application(app) as url:
        client = openai.OpenAI(
            base_url=f"{url}/assistants/v1", api_key=key or "none", max_retries=0
        )
        with client:
            thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello!"}])
            stream = client.beta.threads.runs.stream(thread_id=thread.id, assistant_id="toolbox")
            with stream as events:
                assert [event.event for event in events][-1] == "thread.run.completed"
        for path in ("docs", "openapi.json", "healthz"):
            with urllib.request.urlopen(f"{url}/assistants/{path}", timeout=10) as answer:
                assert answer.status == 200
        if key:
            stranger = openai.OpenAI(base_url=f"{url}/assistants/v1", api_key="x", max_retries=0)
            with stranger, pytest.raises(openai.AuthenticationError):
                stranger.beta.threads.create()


# ---- threads that were saved ---------------------------------------------------------------------

ASSISTANT = {
    "id": "asst_abc123",
    "object": "assistant",
    "created_at": 1698984975,
    "name": "Math Tutor",
    "description": None,
    "model": "gpt-4o",
    "instructions": "You are a {patient} tutor.",
    "tools": [{"type": "code_interpreter"}],
    "tool_resources": {"code_interpreter": {"file_ids": []}},
    "metadata": {},
    "top_p": 1.0,
    "temperature": 1.0,
    "response_format": "auto",
}
THREAD = {
    "id": "thread_abc123",
    "object": "thread",
    "created_at": 1699012949,
    "metadata": {"customer": "7"},
    "tool_resources": {"code_interpreter": {"file_ids": []}},
}


def message(number: int, role: str, *content: Any, **more: Any) -> dict[str, Any]:
    """A message as the API returned it."""
    is_ours = role == "assistant"
    return {
        "id": f"msg_abc{number}",
        "object": "thread.message",
        "created_at": 1699012950 + number,
        "assistant_id": "asst_abc123" if is_ours else None,
        "thread_id": "thread_abc123",
        "run_id": "run_abc123" if is_ours else None,
        "role": role,
        "content": list(content),
        "attachments": [],
        "metadata": {},
        **more,
    }


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": []}}


ATTACHED = [{"file_id": "file-abc1", "tools": [{"type": "code_interpreter"}]}]
SAVED = [
    ASSISTANT,
    THREAD,
    # The API's lists had the newest first.
    message(
        3, "user", text("See this"), {"type": "image_file", "image_file": {"file_id": "file-abc2"}}
    ),
    message(2, "assistant", text("They are 4."), metadata={"rated": "yes"}),
    message(1, "user", text("What are 2 and 2?"), attachments=ATTACHED),
]


@pytest.fixture(scope="module")
def saved(served: Served, tmp_path_factory: pytest.TempPathFactory) -> openai.OpenAI:
    """A client of a gateway whose store has what the page's commands import."""
    folder = tmp_path_factory.mktemp("saved")
    lines = "".join(json.dumps(one) + "\n" for one in SAVED)
    (folder / "saved.jsonl").write_text(lines, encoding="utf-8")
    commands = re.findall(
        r"^\$ threadmill (.*)$", shown("console", "threadmill import"), re.MULTILINE
    )
    assert [command.split()[0] for command in commands] == ["import", "import"]
    for command in commands:
        ended = run_command(*COMMAND, *shlex.split(command), folder=folder)
        assert ended.returncode == 0, ended.stderr
        assert "3 messages" in ended.stdout
    return served.client()


def told(client: openai.OpenAI) -> list[tuple[str, str]]:
    listed = client.beta.threads.messages.list("thread_abc123", order="asc")
    return [(one.id, one.content[0].to_dict()["text"]["value"]) for one in listed]


def test_a_saved_thread_is_read_and_continued_by_the_ids_that_customers_databases_have(
    saved: openai.OpenAI, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    standin = served.fleet.fresh_standin()
    standin.brain = lambda _: "They are 5."
    former = [("msg_abc1", "What are 2 and 2?"), ("msg_abc2", "They are 4.")]
    assert told(saved)[:2] == former
    names = executed(shown("python", "thread_abc123"), client=saved)
    assert "msg_abc2 assistant They are 4." in capsys.readouterr().out
    run = names["run"]
    assert (run.status, run.thread_id, run.assistant_id) == (
        *("completed", "thread_abc123"),
        "asst_abc123",
    )
    body = standin.requests[-1].body
    assert (body["model"], body["instructions"]) == ("gpt-5.4-mini", ASSISTANT["instructions"])
    sent = json.dumps(body["input"])
    for told_before in ("What are 2 and 2?", "They are 4.", "See this", "And 2 and 3?"):
        assert told_before in sent
    assert told(saved)[-1][1] == "They are 5."
    assert [one.id for one in saved.beta.threads.runs.list("thread_abc123")] == [run.id]


def test_the_objects_keep_their_ids_times_and_metadata(saved: openai.OpenAI) -> None:
    threads = saved.beta.threads
    thread = threads.retrieve("thread_abc123")
    assert (thread.id, thread.created_at) == ("thread_abc123", 1699012949)
    assert thread.metadata == {"customer": "7"}
    answer = threads.messages.retrieve("msg_abc2", thread_id="thread_abc123")
    assert answer.metadata == {"rated": "yes"}
    assert (answer.run_id, answer.created_at) == ("run_abc123", 1699012952)
    assistant = saved.beta.assistants.retrieve("asst_abc123")
    assert (assistant.name, assistant.created_at) == ("Math Tutor", 1698984975)
    with pytest.raises(openai.NotFoundError):
        threads.runs.retrieve("run_abc123", thread_id="thread_abc123")
    with pytest.raises(openai.NotFoundError):
        threads.retrieve("thread_abc124")


def test_files_of_saved_messages_are_named_and_the_model_is_told_if_they_are_gone(
    saved: openai.OpenAI, served: Served
) -> None:
    threads, standin = saved.beta.threads, served.fleet.fresh_standin()
    asked = threads.messages.retrieve("msg_abc1", thread_id="thread_abc123")
    assert asked.attachments is not None
    assert [one.file_id for one in asked.attachments] == ["file-abc1"]
    with pytest.raises(openai.NotFoundError):
        saved.files.retrieve("file-abc1")
    pictured = threads.messages.retrieve("msg_abc3", thread_id="thread_abc123")
    texts = [part.to_dict()["text"]["value"] for part in pictured.content]  # type: ignore[index]
    assert texts == ["See this", "[image_file: file-abc2]"]
    run = threads.runs.create_and_poll(thread_id="thread_abc123", assistant_id="asst_abc123")
    assert run.status == "completed"
    assert "The file file-abc1 cannot be read" in json.dumps(standin.requests[-1].body)
