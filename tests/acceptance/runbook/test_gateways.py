"""Incidents of gateways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from tests.support.pauses import Pause
from tests.support.processes.gateway import Gateways
from tests.support.processes.worker import Workers
from tests.support.runbook import Operator

from threadmill import Assistant
from threadmill.testing import Reply, StandIn, Text

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@pytest.fixture
def gateways(tmp_path: Path, workers: Workers) -> Iterator[Gateways]:
    workers.start("bot")
    with Gateways(tmp_path) as started:
        yield started


def test_a_gateway_refuses_streams(
    operator: Operator, gateways: Gateways, standin: StandIn
) -> None:
    pause = Pause(1)
    standin.brain = lambda _: Reply([Text(["Once ", "upon ", "a time"])], pause=pause)
    full = gateways.start(THREADMILL_GATEWAY_STREAMS="1")
    run = Assistant.load("plain").enqueue("Hello!")
    where = f"/threads/{run.thread_id}/runs/{run.id}/events"

    def stream(url: str) -> openai.Stream[object]:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        return client.get(where, cast_to=object, stream=True, stream_cls=openai.Stream[object])

    with stream(full.url):
        with pytest.raises(openai.RateLimitError):
            stream(full.url)
        operator.look(log=full.log)
        started = []
        line = "THREADMILL_GATEWAY_STREAMS=4000 threadmill serve"
        operator.instead(
            line, lambda: started.append(gateways.start(THREADMILL_GATEWAY_STREAMS="4000"))
        )
        operator.cure()
        with stream(started[0].url), stream(started[0].url):
            pause.end()
    assert run.wait(20).status == "completed"


def test_a_gateway_rejects_the_key(operator: Operator, gateways: Gateways) -> None:
    def listed(url: str) -> int:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="right", max_retries=0) as client:
            return len(list(client.models.list()))

    wrong = gateways.start(THREADMILL_API_KEY="another")
    with pytest.raises(openai.AuthenticationError):
        listed(wrong.url)
    operator.look(log=wrong.log)
    right = []
    line = "THREADMILL_API_KEY=KEY threadmill serve"
    operator.instead(line, lambda: right.append(gateways.start(THREADMILL_API_KEY="right")))
    operator.cure()
    assert listed(right[0].url) > 0
    assert Assistant.load("plain").enqueue("Hello!").wait(20).status == "completed"
