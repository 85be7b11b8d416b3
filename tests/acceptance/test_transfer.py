"""Moving in and out: files of the Assistants API's own objects, and what is stored of a thread."""

from __future__ import annotations

import gzip
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.environment import isolated_environment
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Workers
from tests.support.provider_requests import said_to, tool_outputs
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, CodeInterpreter, Message, Thread, errors
from threadmill.client.current import current_client
from threadmill.client.operations import drive
from threadmill.testing import StandIn
from threadmill.transfer import Imported, export_file, import_file, import_file_async
from threadmill_shared.retirements.announcements import find_retirement, today
from threadmill_shared.settings import load_settings

T = TypeVar("T")

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

AI = {
    "id": "asst_abc123",
    "object": "assistant",
    "created_at": 1698984975,
    "name": "Math Tutor",
    "description": None,
    "model": "gpt-4o",
    "instructions": "Be {{ polite }}, {% as %} {# ever #}.",
    "tools": [
        {"type": "code_interpreter"},
        {"type": "retrieval"},
        {
            "type": "function",
            "function": {
                "name": "add",
                "description": "Add.",
                "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
                "strict": False,
            },
        },
    ],
    "tool_resources": {"code_interpreter": {"file_ids": []}},
    "metadata": {"team": "blue"},
    "top_p": 1.0,
    "temperature": 9,
    "reasoning_effort": "low",
    "response_format": "auto",
}
THREAD = {
    "id": "thread_abc123",
    "object": "thread",
    "created_at": 1699012949,
    "metadata": {"user": "7"},
    "tool_resources": {},
}


def message(number: int, at: int, thread: str = "thread_abc123", **more: Any) -> dict[str, Any]:
    return {
        "id": f"msg_abc{number}",
        "object": "thread.message",
        "created_at": at,
        "assistant_id": None if number % 2 else "asst_abc123",
        "thread_id": thread,
        "run_id": None if number % 2 else "run_abc123",
        "role": "user" if number % 2 else "assistant",
        "content": [{"type": "text", "text": {"value": f"text {number}", "annotations": []}}],
        "attachments": [],
        "metadata": {},
        **more,
    }


RUN = {"id": "run_abc123", "object": "thread.run", "thread_id": "thread_abc123"}
NOTE = {
    "object": "threadmill.item",
    "thread_id": "thread_abc123",
    "created_at": 15,
    "threadmill": {},
}
STEP = {"id": "step_abc123", "object": "thread.run.step", "thread_id": "thread_abc123"}


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture(autouse=True)
def provider(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


@pytest.fixture
def elsewhere(redis_server: RedisServer, provider: StandIn, api: str) -> Iterator[None]:
    """Another store, empty."""
    with isolated_environment(redis_server.fresh_database(), provider, api):
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "saved.jsonl"


def write(file: Path, *lines: Any) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("".join(f"{text}\n" for text in texts))
    return file


def part(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": {"value": text, "annotations": []}}]


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def texts(key: str) -> list[str]:
    return [message.text for message in Thread(key=key).get_messages(limit=100)]


# ---- in ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("elsewhere")
def test_assistants_threads_and_messages_come_in_whatever_their_order(file: Path) -> None:
    lines = [message(2, 20), RUN, THREAD, message(3, 30), STEP, message(1, 10), AI]
    assert import_file(write(file, *lines)) == Imported(
        assistants=1,
        new_assistants=1,
        threads=1,
        messages=3,
        new_messages=3,
        skipped=2,
        left_out=["asst_abc123 (Math Tutor): retrieval, temperature 9"],
        retiring={"gpt-4o": 1},
    )
    first, second, third = Thread(key="thread_abc123").refresh().get_messages()
    assert [first.text, second.text, third.text] == ["text 1", "text 2", "text 3"]
    assert (first.id, first.role, first.created_at) == ("msg_abc1", "user", 10)
    assert (second.role, second.assistant_id, second.run_id) == (
        *("assistant", "asst_abc123"),
        "run_abc123",
    )
    assert second.assistant_name == "Math Tutor"
    assert Thread(key="thread_abc123").refresh().metadata == {"user": "7"}
    [before] = Thread(key="thread_abc123").get_messages(before_message="msg_abc2")
    assert before == first


@pytest.mark.usefixtures("elsewhere")
def test_an_assistant_is_loaded_by_its_old_id_with_its_instructions_word_by_word(
    file: Path, provider: StandIn
) -> None:
    import_file(write(file, AI))
    loaded = Assistant.load("asst_abc123")
    assert (loaded.name, loaded.model, loaded.metadata) == (
        *("Math Tutor", "gpt-4o"),
        {"team": "blue"},
    )
    function, hosted = loaded.tools
    assert (function.name, hosted) == ("add", CodeInterpreter())
    silent = Assistant.load("asst_abc123", tools=[])
    client = current_client()
    run = silent.enqueue("Hello!").cancel()
    record = drive(_hop(client.store.runs.record(run.id)))
    assert record.request.instructions == AI["instructions"]


async def _hop(work: Coroutine[Any, Any, T]) -> T:
    found: T = await current_client().call(work)
    return found


def test_its_options_are_kept(file: Path, provider: StandIn) -> None:
    import_file(write(file, AI | {"id": "asst_options", "temperature": 0.2, "top_p": 0.5}))
    ai = Assistant.load("asst_options")
    assert (ai.temperature, ai.top_p, ai.reasoning_effort) == (0.2, 0.5, "low")
    ai.say("Hi", thread=Thread(), tools=[], event_handler_class=None)
    body = provider.requests[-1].body
    assert (body["temperature"], body["top_p"], body["reasoning"]) == (0.2, 0.5, {"effort": "low"})


@pytest.mark.usefixtures("environment")
def test_its_functions_are_called_by_whoever_submits_their_outputs(
    file: Path, workers: Workers, standin: StandIn
) -> None:
    workers.start("bot")
    import_file(write(file, AI))
    run = Assistant.load("asst_abc123").enqueue('call add {"a": 1}')
    wait_until(lambda: run.refresh().status == "requires_action", "the run is parked")
    [call] = run.required_action.tool_calls
    run.submit_tool_outputs({call.id: "2"})
    assert run.wait(20).text == "add answered: 2."


def test_the_conversation_goes_on_with_all_that_was_said(file: Path, provider: StandIn) -> None:
    part = {"type": "image_file", "image_file": {"file_id": "file-1"}}
    lines = [message(1, 10, "thread_goes_on"), message(2, 20, "thread_goes_on", content=[part])]
    import_file(write(file, *lines))
    thread = Thread(key="thread_goes_on")
    run = Assistant(name="any").say("And now?", thread=thread, event_handler_class=None)
    assert run.status == "completed"
    assert said_to(provider.requests[-1])[0] == "text 1"
    assert said_to(provider.requests[-1])[-1] == "And now?"
    assert len(thread.get_messages()) == 4


@pytest.mark.usefixtures("elsewhere")
def test_importing_twice_adds_nothing_and_keeps_what_has_changed_since(file: Path) -> None:
    write(file, AI, THREAD, message(1, 10), message(2, 20))
    import_file(file)
    ai = Assistant.load("asst_abc123")
    ai.instructions = "Changed."
    ai.save()
    Thread(key="thread_abc123").add("later")
    again = import_file(file)
    assert (again.messages, again.new_messages, again.new_assistants) == (2, 0, 0)
    assert texts("thread_abc123") == ["text 1", "text 2", "later"]
    assert Assistant.load("asst_abc123").instructions == "Changed."


@pytest.mark.usefixtures("elsewhere")
def test_an_import_that_was_interrupted_is_repeated(file: Path) -> None:
    write(file, *[message(number, number) for number in range(1, 4)])
    import_file(file)
    write(file, *[message(number, number) for number in range(1, 1001)])
    assert import_file(file).new_messages == 997
    assert texts("thread_abc123") == [f"text {number}" for number in range(901, 1001)]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("times", "order"),
    [
        ([5, 5, 5], [1, 2, 3]),  # within one second: as in the file
        ([3, 2, 2, 1], [4, 3, 2, 1]),  # newest first, as the API listed them
        ([1, 2, 2, 3], [1, 2, 3, 4]),
        ([2, 1, 3], [2, 1, 3]),
    ],
)
def test_messages_of_one_second_keep_their_order(
    file: Path, times: list[int], order: list[int]
) -> None:
    import_file(write(file, *[message(n, at) for n, at in enumerate(times, 1)]))
    assert texts("thread_abc123") == [f"text {number}" for number in order]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "each line must be one whole JSON object.*EOF"),
        ("[]", r"not a list.*jq -c '.data\[\]'"),
        ('{"object": "list", "data": []}', "not a list; `jq"),
        ('{"object": "vector_store"}', "its 'object' must be assistant, thread"),
        (message(9, 10, role="system"), "role: "),
        (message(9, 10, id="9"), "'9' is not a message's id"),
        (message(9, "soon"), "created_at: "),
        (message(9, 10, content="plain"), "content: "),
        (message(9, 1_699_012_949_000), "created_at: "),
        ({**THREAD, "metadata": {"n": 1}}, "metadata.n: "),
        ({**AI, "model": None}, "model: "),
        ({**AI, "threadmill": {"id": "x"}}, "name: "),
        ({**AI, "tools": [{"type": "function", "function": {"name": "a b"}}]}, "A tool's name"),
        (message(9, 10, content=[{"type": "text", "text": {"value": 1}}]), "value"),
        ({**NOTE, "item": {"type": "note"}}, "with all its fields"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_line_is_named_and_nothing_of_the_file_is_written(
    file: Path, line: Any, reason: str
) -> None:
    write(file, AI, THREAD, message(1, 10), "", line, message(2, 20))
    for dry_run in (True, False):
        with pytest.raises(errors.CallerError, match=f"^Line 5: .*{reason}"):
            import_file(file, dry_run=dry_run)
    with pytest.raises(errors.AssistantNotFound):
        Assistant.load("asst_abc123")
    with pytest.raises(errors.ThreadNotFound):
        Thread(key="thread_abc123").refresh()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (message(9, 1_699_012_949_000), "created_at: is in milliseconds"),
        (message(9, "1699012949000"), "created_at: is in milliseconds"),
        (message(9, "2024-03-01T10:00:00Z"), "created_at: must be seconds since the epoch"),
        ({**THREAD, "created_at": 1.7e12}, "created_at: is in milliseconds"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_a_time_in_another_form_is_named(file: Path, line: Any, reason: str) -> None:
    with pytest.raises(errors.CallerError, match=f"^Line 2: {reason}"):
        import_file(write(file, AI, line), dry_run=True)


@pytest.mark.usefixtures("elsewhere")
def test_seconds_may_be_written_as_text_or_with_a_fraction(file: Path) -> None:
    import_file(write(file, message(1, "1710000000"), message(2, 1710000001.75)))
    found = Thread(key="thread_abc123").get_messages()
    assert [one.created_at for one in found] == [1710000000, 1710000001]


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "gzip"]
)
def test_files_of_other_systems_are_read(file: Path, encoding: str) -> None:
    key = f"thread_{encoding}"
    said = [message(n, n, key, content=part(f"Grüße {n} 🎉")) for n in (1, 2)]
    text = "".join(json.dumps(one, ensure_ascii=False) + "\r\n" for one in said)
    is_gzip = encoding == "gzip"
    file.write_bytes(gzip.compress(text.encode("utf-16")) if is_gzip else text.encode(encoding))
    assert import_file(file).new_messages == 2
    assert texts(key) == ["Grüße 1 🎉", "Grüße 2 🎉"]


def test_an_encoding_that_cannot_be_told_is_named(file: Path) -> None:
    text = json.dumps(message(1, 1, content=part("Grüße")), ensure_ascii=False)
    file.write_bytes(b"\n" + text.encode("latin-1"))
    with pytest.raises(errors.CallerError, match=r"^Line 2: .*0xfc\) is not UTF-8.*Latin-1"):
        import_file(file)


def test_a_damaged_gzip_file_is_named(file: Path) -> None:
    file.write_bytes(gzip.compress(json.dumps(message(1, 1)).encode())[:-9])
    with pytest.raises(errors.CallerError, match="gzip, and damaged"):
        import_file(file, dry_run=True)


@pytest.mark.usefixtures("elsewhere")
def test_half_of_a_surrogate_pair_becomes_a_replacement_character(file: Path) -> None:
    said = ["a \ud83c", "\ud83c and \udf89", "\udf89\ud83c", "whole 🎉", "a backslash: \\ud83c"]
    import_file(write(file, *[message(n, n, content=part(text)) for n, text in enumerate(said)]))
    assert texts("thread_abc123") == [
        "a \ufffd",
        "\ufffd and \ufffd",
        "\ufffd\ufffd",
        "whole 🎉",
        "a backslash: \\ud83c",
    ]


@pytest.mark.usefixtures("elsewhere")
def test_what_the_file_has_twice_is_stored_and_counted_once(file: Path) -> None:
    pages = [message(n, n) for n in (*range(6), *range(4, 8))]
    write(file, AI, THREAD, *pages, message(4, 4, "thread_other"), AI, THREAD)
    found = import_file(file)
    assert (found.messages, found.new_messages, found.repeated) == (9, 9, 3)
    assert (found.assistants, found.new_assistants, found.threads) == (1, 1, 2)
    assert texts("thread_abc123") == [f"text {n}" for n in range(8)]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("is_newest_first", [True, False])
def test_the_rest_of_the_file_tells_the_order_of_a_thread_of_one_second(
    file: Path, is_newest_first: bool
) -> None:
    lines = [message(n, at, f"thread_{at // 100}") for n, at in enumerate((1, 100, 100, 2, 3))]
    import_file(write(file, *(lines[::-1] if is_newest_first else lines)))
    assert texts("thread_0") == ["text 0", "text 3", "text 4"]
    assert texts("thread_1") == ["text 1", "text 2"]


@pytest.mark.usefixtures("elsewhere")
def test_all_that_is_not_kept_is_named(file: Path) -> None:
    strict = {"type": "function", "function": {"name": "add", "strict": True}}
    ai = {**AI, "temperature": 1, "reasoning_effort": "low", "tools": [strict], "file_ids": ["f"]}
    thread = {**THREAD, "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}}
    image = {"type": "image_file", "image_file": {"file_id": "file-1"}}
    pictures = [message(n, n, content=[image, image], mood="good") for n in (1, 2)]
    write(file, ai, thread, *pictures, message(3, 3, completed_at=4, mood=None))
    found = import_file(file)
    assert found.left_out == ["asst_abc123 (Math Tutor): file_ids"]
    assert Assistant.load("asst_abc123").tools[0].strict is True
    assert found.dropped == {
        "thread: tool_resources": 1,
        "message: image_file": 2,
        "message: mood": 2,
    }


@pytest.mark.usefixtures("elsewhere")
def test_invalid_lines_are_skipped_on_demand_and_listed(file: Path) -> None:
    write(file, AI, "{", message(1, 10), "[]", message(2, "soon"), message(3, 30))
    found = import_file(file, skip_invalid=True)
    assert (found.new_assistants, found.new_messages) == (1, 2)
    assert [line.partition(":")[0] for line in found.invalid] == ["line 2", "line 4", "line 5"]
    assert texts("thread_abc123") == ["text 1", "text 3"]
    done = run_threadmill("import", str(file), "--skip-invalid")
    assert done.returncode == 0
    assert "skipped line 5: created_at: must be seconds" in done.stderr
    assert run_threadmill("import", str(file)).returncode == 1


@pytest.mark.usefixtures("elsewhere")
def test_a_dry_run_needs_no_store_and_writes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, AI, THREAD, message(1, 10))
    found = import_file(file, dry_run=True)
    assert (found.assistants, found.threads, found.messages) == (1, 1, 1)
    assert (found.new_assistants, found.new_messages) == (0, 0)
    with pytest.raises(errors.ThreadNotFound):
        Thread(key="thread_abc123").refresh()


def test_a_thread_that_a_run_holds_does_not_grow_under_it(file: Path) -> None:
    thread = Thread(key="thread_held")
    run = Assistant(name="slow").enqueue("tokens=500 delay=0.05", thread)
    with pytest.raises(errors.ThreadLocked, match=run.id):
        import_file(write(file, message(1, 10, "thread_held")))
    run.cancel().wait(10)
    assert import_file(file).new_messages == 1


@pytest.mark.usefixtures("elsewhere")
async def test_the_async_twin(file: Path) -> None:
    assert (await import_file_async(write(file, message(1, 10)))).new_messages == 1


# ---- models --------------------------------------------------------------------------------------


def announced(model: str) -> str:
    found = find_retirement(model)
    assert found is not None
    return found.announced(today())


def assistants(*models: str) -> list[dict[str, Any]]:
    """One of each of these models, `asst_0` and so on."""
    return [{**AI, "id": f"asst_{n}", "model": model} for n, model in enumerate(models)]


def stored_models(number: int) -> list[str | None]:
    return [Assistant.load(f"asst_{n}").model for n in range(number)]


@pytest.mark.usefixtures("elsewhere")
def test_models_are_replaced_and_the_others_stay_and_those_that_go_are_counted(file: Path) -> None:
    write(file, *assistants("gpt-4", "gpt-4o", "gpt-4", "mine", "gpt-4o"))
    models = {"gpt-4": "gpt-5.4-mini", "mine": "gpt-4o", "gpt-5.4-mini": "no-chain", "none": "x"}
    for dry_run in (True, False):
        found = import_file(file, dry_run=dry_run, map_model=models)
        assert found.mapped == {"gpt-4": 2, "mine": 1, "gpt-5.4-mini": 0, "none": 0}
        assert found.retiring == {"gpt-4o": 3}
    assert stored_models(5) == ["gpt-5.4-mini", "gpt-4o", "gpt-5.4-mini", "gpt-4o", "gpt-4o"]


@pytest.mark.usefixtures("elsewhere")
def test_models_of_what_we_exported_ourselves_are_replaced_too(file: Path) -> None:
    ai = Assistant(name="Ada", instructions="{{ 1 + 1 }}", model="gpt-4o")
    ai.create()
    export_file(file)
    assert ai.id is not None
    identity = ai.id
    ai.delete()
    assert import_file(file, map_model={"gpt-4o": "gpt-5.4-mini"}).mapped == {"gpt-4o": 1}
    loaded = Assistant.load(identity)
    assert (loaded.model, loaded.instructions) == ("gpt-5.4-mini", "{{ 1 + 1 }}")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("models", "error"),
    [
        ({"gpt-4o": ""}, errors.CallerError),
        ({" ": "gpt-5.4-mini"}, errors.CallerError),
        ({"gpt-4o": "\ud800"}, errors.CallerError),
        ({"gpt-4o": None}, TypeError),
        ({4: "gpt-5.4-mini"}, TypeError),
        ("gpt-4o=gpt-5.4-mini", TypeError),
        ([("gpt-4o", "gpt-5.4-mini")], TypeError),
    ],
)
def test_what_is_no_mapping_of_models_is_refused_and_nothing_is_written(
    file: Path, models: Any, error: type[Exception]
) -> None:
    write(file, *assistants("gpt-4o"), message(1, 10))
    for dry_run in (True, False):
        with pytest.raises(error):
            import_file(file, dry_run=dry_run, map_model=models)
    with pytest.raises(errors.AssistantNotFound):
        Assistant.load("asst_0")


@pytest.mark.usefixtures("elsewhere")
def test_the_command_replaces_models_and_says_which(file: Path) -> None:
    write(file, *assistants("gpt-4", "gpt-4o", "gpt-4", "gpt-5.4-mini"))
    words = ("import", str(file), "--map-model", "gpt-4=gpt-5.4-mini", "--map-model", "none=mine")
    replaces = "1 assistant has it: --map-model gpt-4o=NEW replaces it in new assistants"
    for done in (run_threadmill(*words, "--dry-run"), run_threadmill(*words)):
        assert done.returncode == 0
        told = [line for line in done.stderr.splitlines() if not line.startswith("not kept")]
        assert told == [
            "gpt-4 becomes gpt-5.4-mini in 2 assistants",
            "warning: --map-model: no imported assistant has the model none",
            f"warning: {announced('gpt-4o')} {replaces}",
        ]
    assert stored_models(4) == ["gpt-5.4-mini", "gpt-4o", "gpt-5.4-mini", "gpt-5.4-mini"]
    again = run_threadmill("import", str(file), "--map-model", "gpt-4=another")
    assert "4 assistants were there already and did not change" in again.stderr
    assert "becomes" not in again.stderr
    assert f"{announced('gpt-4o')} 1 assistant has it" in again.stderr  # of what is stored
    assert stored_models(4) == ["gpt-5.4-mini", "gpt-4o", "gpt-5.4-mini", "gpt-5.4-mini"]


@pytest.mark.usefixtures("elsewhere")
def test_the_command_warns_of_a_model_that_goes_and_was_given_by_the_option(file: Path) -> None:
    write(file, *assistants("mine"))
    done = run_threadmill("import", str(file), "--dry-run", "--map-model", "mine=gpt-4o")
    assert done.stderr.endswith(
        f"warning: {announced('gpt-4o')} 1 assistant has it: name another one in --map-model\n"
    )


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["gpt-4o"], "'gpt-4o' must be OLD=NEW"),
        (["=gpt-5.4-mini"], "must be OLD=NEW"),
        (["gpt-4o="], "must be OLD=NEW"),
        (["gpt-4o= "], "must be OLD=NEW"),
        (["gpt-4o=a=b"], "must be OLD=NEW"),
        ([""], "must be OLD=NEW"),
        (["gpt-4o=a", "gpt-4o=b"], "gpt-4o is given more than once"),
        (["gpt-4o=a", " gpt-4o =a"], "gpt-4o is given more than once"),
    ],
)
def test_the_command_refuses_what_is_no_pair_of_models(
    file: Path, options: list[str], reason: str
) -> None:
    write(file, *assistants("gpt-4o"))
    words = [word for option in options for word in ("--map-model", option)]
    done = run_threadmill("import", str(file), *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    with pytest.raises(errors.AssistantNotFound):
        Assistant.load("asst_0")


# ---- out -----------------------------------------------------------------------------------------


def lead(thread: Thread) -> list[str]:
    """A conversation with a tool call; returns what the model would be sent of it."""
    toolbox = Assistant.load("toolbox")
    context = {"user": "ada"}
    for text in ('call wait_on_loop {"seconds": 0.01}', "Thanks!"):
        toolbox.say(text, thread=thread, event_handler_class=None, context=context)
    return [message.text for message in thread.get_messages()]


def test_all_that_is_stored_of_a_thread_is_written(tmp_path: Path) -> None:
    thread = Thread(key="export me", metadata={"team": "blue"})
    said = lead(thread)
    exported = export_file(tmp_path / "out.jsonl", [thread])
    lines = read(tmp_path / "out.jsonl")
    kinds = [line["object"] for line in lines]
    assert (exported.threads, exported.messages, exported.runs) == (1, 4, 2)
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "thread": 1,
        "thread.message": 4,
        "threadmill.item": 2,
        "thread.run": 2,
        "thread.run.step": 3,
    }
    assert [
        line["content"][0]["text"]["value"] for line in lines if line["object"] == "thread.message"
    ] == said
    runs = [line for line in lines if line["object"] == "thread.run"]
    assert [run["threadmill"]["context"] for run in runs] == [{"user": "ada"}] * 2
    assert runs[0]["status"] == "completed"
    call = next(line for line in lines if line.get("type") == "tool_calls")
    function = call["step_details"]["tool_calls"][0]["function"]
    assert (function["name"], function["output"]) == ("wait_on_loop", "waited on the loop")


@pytest.mark.parametrize("name", ["by key", "by id"])
def test_what_was_exported_is_the_same_conversation_where_it_is_imported(
    tmp_path: Path, redis_server: RedisServer, provider: StandIn, api: str, name: str
) -> None:
    thread = Thread(key="move me") if name == "by key" else Thread()
    lead(thread)
    before, messages = tmp_path / "before.jsonl", thread.get_messages()
    export_file(before, [thread])
    thread.run(Assistant(name="any"))
    asked = provider.requests[-1]
    more = {"THREADMILL_NAMESPACE": "another"} if name == "by key" else {}
    with isolated_environment(redis_server.fresh_database(), provider, api, **more):
        assert import_file(before).new_messages == 4
        assert import_file(before).new_messages == 0
        moved = Thread(key="move me") if name == "by key" else Thread(id=thread.id)
        found = moved.get_messages()
        assert [said(one) for one in found] == [said(one) for one in messages]
        after = tmp_path / "after.jsonl"
        export_file(after, [moved])
    assert _items(after) == _items(before)
    assert tool_outputs(asked) == ["waited on the loop"]


def said(message: Message) -> dict[str, Any]:
    """All of it but the thread's id, which follows from key and namespace."""
    return message.model_dump(exclude={"thread_id"})


def _items(file: Path) -> list[Any]:
    """What the model would be sent, with times and positions."""
    return [
        (line.get("item") or line["content"], line["created_at"], line["threadmill"])
        for line in read(file)
        if line["object"] in ("thread.message", "threadmill.item")
    ]


@pytest.mark.usefixtures("elsewhere")
def test_metadata_that_were_changed_are_written_as_they_are_now(tmp_path: Path) -> None:
    thread = Thread(metadata={"team": "blue"}).create(["zero", "one"])
    thread.save_message(thread.get_messages()[0].id, {"rating": "up"})
    thread.metadata = {"team": "red"}
    thread.save()

    export_file(output := tmp_path / "out.jsonl", [thread])

    assert [line["metadata"] for line in read(output)] == [{"team": "red"}, {"rating": "up"}, {}]


def test_what_is_exported_of_a_thread_with_gaps_has_its_own_positions(tmp_path: Path) -> None:
    thread = Thread().create(["zero", "one", "two"])
    thread.delete_message(thread.get_messages()[1].id)

    export_file(output := tmp_path / "out.jsonl", [thread])

    messages = [line for line in read(output) if line["object"] == "thread.message"]
    assert [one["threadmill"]["position"] for one in messages] == [1, 3]


def test_a_call_without_an_output_is_left_out(file: Path) -> None:
    call = {
        "type": "tool_call", "id": "call_1", "provider_id": "call_1", "name": "add",
        "arguments": "{}", "run_id": "run_1",
    }  # fmt: skip
    import_file(write(file, message(1, 10), {**NOTE, "item": call}, message(2, 20)))
    export_file(file, [Thread(key="thread_abc123")])
    assert [one["object"] for one in read(file)] == ["thread", "thread.message", "thread.message"]


def test_an_exported_line_is_one_line_for_every_reader(tmp_path: Path) -> None:
    text, out = "a\u2028b\u2029c\x85d\x1ce\x0bf", tmp_path / "lines.jsonl"
    thread = Thread(key="line ends", metadata={"note": text})
    thread.add(text)
    export_file(out, [thread])
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["object"] for line in lines] == ["thread", "thread.message"]
    assert lines[0]["metadata"]["note"] == text
    assert lines[1]["content"][0]["text"]["value"] == text


@pytest.mark.usefixtures("elsewhere")
def test_all_threads_and_created_assistants_are_written(tmp_path: Path, file: Path) -> None:
    lines = [message(n, n, f"thread_{n}") for n in range(1, 31)]
    import_file(write(file, AI, *lines))
    exported = export_file(file)
    assert (exported.assistants, exported.threads, exported.messages) == (1, 30, 30)
    keys = {line["threadmill"]["key"] for line in read(file) if line["object"] == "thread"}
    assert keys == {f"thread_{n}" for n in range(1, 31)}


def test_a_thread_that_is_not_stored_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(errors.ThreadNotFound):
        export_file(tmp_path / "out.jsonl", [Thread()])


# ---- the commands --------------------------------------------------------------------------------


@pytest.mark.usefixtures("elsewhere")
def test_the_commands_say_what_they_did(file: Path, tmp_path: Path) -> None:
    write(file, AI, THREAD, message(1, 10), RUN)
    dry = run_threadmill("import", str(file), "--dry-run")
    assert dry.stdout == "1 assistant, 1 thread, 1 message: nothing was written\n"
    first = run_threadmill("import", str(file))
    assert first.stdout == "1 assistant, 1 thread, 1 message: 1 assistant and 1 message were new\n"
    assert first.stderr == (
        "not kept of asst_abc123 (Math Tutor): retrieval, temperature 9\nskipped 1 run or step\n"
        f"warning: {announced('gpt-4o')} 1 assistant has it: --map-model gpt-4o=NEW replaces it "
        "in new assistants\n"
    )
    out = run_threadmill("export", "--key", "thread_abc123")
    assert [json.loads(line)["object"] for line in out.stdout.splitlines()] == [
        *("thread", "thread.message")
    ]
    assert out.stderr == "exported 0 assistants, 1 thread, 1 message, 0 runs\n"
    every = run_threadmill("export", "--all", "--output", str(tmp_path / "all.jsonl"))
    assert every.stderr == "exported 1 assistant, 1 thread, 1 message, 0 runs\n"
    assert len(read(tmp_path / "all.jsonl")) == 3


@pytest.mark.usefixtures("elsewhere")
def test_the_commands_refuse_what_is_wrong(file: Path) -> None:
    write(file, "{}")
    bad = run_threadmill("import", str(file))
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("Error: Line 1: its 'object' must be")
    assert run_threadmill("export").returncode == 2
    assert run_threadmill("export", "--all", "--key", "x").returncode == 2
    assert load_settings().namespace == "threadmill"


def test_a_conversation_whose_files_stayed_behind_goes_on_without_them(
    lasting: Lasting, provider: StandIn, tmp_path: Path
) -> None:
    lasting.workers.start("hosted")
    thread = Thread()
    table = tmp_path / "data.csv"
    table.write_text("x,y\n1,2\n")
    thread.add("Look at this", code_interpreter_files=[table])
    path = tmp_path / "exported.jsonl"
    export_file(path, [thread])
    thread.delete()
    import_file(path)
    again = Thread(id=thread.id)
    [message] = again.get_messages()
    assert message.attachments[0]["filename"] == "data.csv"
    ai = Assistant(tools=[CodeInterpreter])
    assert ai.say("Hello!", again, event_handler_class=None, timeout=20).status == "completed"
