"""A request for a stream that the gateway cannot serve changes nothing."""

from __future__ import annotations

from pathlib import Path

import httpx2 as httpx
import openai
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.support.processes.gateway import Gateways

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


def test_a_run_is_not_created_if_its_stream_is_one_too_many(served: Served, tmp_path: Path) -> None:
    with Gateways(tmp_path) as gateways:
        url = f"{gateways.start(THREADMILL_GATEWAY_STREAMS='1').url}/v1"
        client = served.client(base_url=url)
        threads = client.beta.threads
        assistant = client.beta.assistants.create(model="gpt-5.4-mini").id
        long, other = (
            threads.create(messages=[{"role": "user", "content": text}]).id
            for text in ("tokens=3000 delay=0.02", "hello")
        )
        stream = threads.runs.create(long, assistant_id=assistant, stream=True)
        run = next(iter(stream)).data
        with pytest.raises(openai.RateLimitError, match="THREADMILL_GATEWAY_STREAMS"):
            threads.runs.create(other, assistant_id=assistant, stream=True)
        assert threads.runs.list(other).data == []
        threads.runs.cancel(run.id, thread_id=long)  # type: ignore[union-attr]
        for _ in stream:
            pass
        events = list(threads.runs.create(other, assistant_id=assistant, stream=True))
        assert events[-1].event == "thread.run.completed"


def test_a_run_is_not_cancelled_by_a_request_with_an_invalid_header(served: Served) -> None:
    client = served.client()
    threads = client.beta.threads
    assistant = client.beta.assistants.create(model="gpt-5.4-mini").id
    run = threads.create_and_run(
        assistant_id=assistant,
        thread={"messages": [{"role": "user", "content": "tokens=3000 delay=0.02"}]},
    )
    odd = {"Threadmill-Approvals": "hide"}
    with pytest.raises(openai.BadRequestError, match="Threadmill-Approvals"):
        threads.runs.cancel(run.id, thread_id=run.thread_id, extra_headers=odd)
    now = threads.runs.retrieve(run.id, thread_id=run.thread_id).status
    assert now in ("queued", "in_progress")
    url = f"{served.gateway.url}/v1/threads/{run.thread_id}/runs/{run.id}/events"
    answer = httpx.head(url, timeout=5)  # whose answer does not last as long as the run
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    threads.runs.cancel(run.id, thread_id=run.thread_id)
