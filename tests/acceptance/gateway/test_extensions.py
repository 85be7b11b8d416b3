"""What clients may say beyond OpenAI's API, and under which names they find things."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_runs import ADD, thread_saying
from tests.support.processes.gateway import Gateways

from threadmill import Thread

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return served.client()


def test_an_assistant_of_the_workers_is_found_by_its_name_and_its_id_and_its_functions_run_there(
    client: openai.OpenAI,
) -> None:
    for assistant_id in ("toolbox", None):
        thread_id = thread_saying(client, 'call show_int {"value": 7}')
        known = assistant_id or client.beta.assistants.retrieve(published_id(client)).id
        run = client.beta.threads.runs.create_and_poll(thread_id=thread_id, assistant_id=known)
        assert run.status == "completed"
        [message] = client.beta.threads.messages.list(thread_id, run_id=run.id).data
        assert message.content[0].to_dict()["text"]["value"] == "show_int answered: int 7."


def published_id(client: openai.OpenAI) -> str:
    thread_id = thread_saying(client, "hello")
    run = client.beta.threads.runs.create_and_poll(thread_id=thread_id, assistant_id="toolbox")
    return run.assistant_id


@pytest.mark.parametrize("by_header", [True, False])
def test_a_run_waits_for_the_active_one_if_the_client_says_so(
    client: openai.OpenAI, by_header: bool
) -> None:
    assistant = client.beta.assistants.create(model="gpt-5.4-mini", tools=[ADD])
    thread_id = thread_saying(client, "call add {}")
    runs = client.beta.threads.runs
    first = runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    said = (
        {"extra_headers": {"Threadmill-When-Busy": "queue"}}
        if by_header
        else {"extra_body": {"threadmill": {"when_busy": "queue"}}}
    )
    second = runs.create(thread_id=thread_id, assistant_id=assistant.id, **said)  # type: ignore[arg-type]
    assert second.status == "queued"
    runs.cancel(first.id, thread_id=thread_id)
    # It runs the thread as it is, and calls again.
    assert runs.poll(second.id, thread_id=thread_id).status in ("requires_action", "completed")
    with pytest.raises(openai.BadRequestError, match="Supported values are: reject, queue"):
        runs.create(
            thread_id=thread_id,
            assistant_id=assistant.id,
            extra_headers={"Threadmill-When-Busy": "wait"},
        )


def test_a_run_with_an_idempotency_key_is_created_once(client: openai.OpenAI) -> None:
    assistant = client.beta.assistants.create(model="gpt-5.4-mini")
    where = {"thread_id": thread_saying(client, "hello"), "assistant_id": assistant.id}
    said = {"extra_body": {"threadmill": {"idempotency_key": "once"}}}
    first = client.beta.threads.runs.create(**where, **said)  # type: ignore[arg-type]
    assert client.beta.threads.runs.create(**where, **said).id == first.id  # type: ignore[arg-type]
    with pytest.raises(openai.UnprocessableEntityError):
        client.beta.threads.runs.create(**where, **said, instructions="x")  # type: ignore[arg-type]


def test_vector_stores_cannot_be_made_with_a_thread(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="tool_resources"):
        client.beta.threads.create(tool_resources={"file_search": {"vector_stores": [{}]}})


def test_a_thread_with_a_key_is_the_same_thread_for_all(client: openai.OpenAI) -> None:
    made = client.beta.threads.create(
        metadata={"a": "b"}, extra_body={"threadmill": {"key": "customer-1"}}
    )
    again = client.beta.threads.create(extra_body={"threadmill": {"key": "customer-1"}})
    assert again == made
    assert Thread(key="customer-1").id == made.id


def test_a_thread_that_was_imported_is_found_by_its_former_id(client: openai.OpenAI) -> None:
    former = "thread_Abc123xyzDEF456"
    Thread(key=former).create(["hello"])
    threads = client.beta.threads
    assert threads.retrieve(former).id == former
    assistant = client.beta.assistants.create(model="gpt-5.4-mini")
    handled = []
    with threads.runs.stream(thread_id=former, assistant_id=assistant.id) as stream:
        handled += [event.data.thread_id for event in stream if hasattr(event.data, "thread_id")]
    assert set(handled) == {former}
    run = stream.get_final_run()
    assert threads.runs.retrieve(run.id, thread_id=former).thread_id == former
    assert {one.thread_id for one in threads.messages.list(former)} == {former}
    threads.messages.create(former, role="user", content="call add {}")
    with pytest.raises(openai.NotFoundError, match="No thread found with id 'thread_Unknown'"):
        threads.messages.create("thread_Unknown", role="user", content="hello")


def test_clients_set_the_context_only_if_the_operator_allows_it(
    served: Served, client: openai.OpenAI, tmp_path: Path
) -> None:
    said = {"extra_body": {"threadmill": {"context": {"user": "u1"}}}}
    thread_id = thread_saying(client, "hello")
    where = {"thread_id": thread_id, "assistant_id": "toolbox"}
    with pytest.raises(openai.PermissionDeniedError, match="THREADMILL_GATEWAY_CONTEXT=1"):
        client.beta.threads.runs.create(**where, **said)  # type: ignore[arg-type]
    with Gateways(tmp_path) as gateways:
        gateway = gateways.start(THREADMILL_GATEWAY_CONTEXT="1")
        other = served.client(base_url=f"{gateway.url}/v1")
        run = other.beta.threads.runs.create_and_poll(**where, **said)  # type: ignore[arg-type]
        assert run.status == "completed"


def test_azures_client_finds_the_same(served: Served, client: openai.OpenAI) -> None:
    azure = openai.AzureOpenAI(
        azure_endpoint=served.gateway.url, api_version="2024-05-01-preview", api_key="none"
    )
    served.clients.callback(azure.close)
    assistant = azure.beta.assistants.create(model="my-deployment")
    thread_id = thread_saying(client, "tokens=3")
    with azure.beta.threads.runs.stream(thread_id=thread_id, assistant_id=assistant.id) as stream:
        assert "".join(stream.text_deltas) == "1 2 3 "


def test_with_a_key_nobody_gets_in_without_it(served: Served, tmp_path: Path) -> None:
    with Gateways(tmp_path) as gateways:
        gateway = gateways.start("--host", "0.0.0.0", THREADMILL_API_KEY="the-key")
        url = gateway.url.replace("0.0.0.0", "127.0.0.1")
        right = served.client(base_url=f"{url}/v1", api_key="the-key")
        assert right.beta.threads.create().id
        wrong = served.client(base_url=f"{url}/v1", api_key="another-key")
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided"):
            wrong.beta.threads.create()
        assert "another-key" not in gateway.log()
        assert "the-key" not in gateway.log()
