"""Whatever a provider streams, a run completes with the whole answer, or fails and says why.

Many more streams are read without a worker by `tests/unit/test_fuzzed_streams.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support.environment import isolated_environment
from tests.support.processes.worker import Workers
from tests.support.servers.raw_provider import FINE, RawProvider
from tests.support.servers.redis_server import RedisServer
from tests.support.stream_grammar import SentStream, sent_streams

from threadmill import Assistant, Run, Thread, errors
from threadmill_shared.model import FinishReason

EXAMPLES = int(os.environ.get("FUZZ_RUNS", "150"))
"""Of each API; each takes about a twentieth of a second."""
RUN_SECONDS = 20.0
STATUSES = {FinishReason.END: "completed"}
"""Of runs, by the end of their answer; others are incomplete."""
OURS = {"ModelGarbled", "ModelUnavailable", "ModelRefused"}


@pytest.fixture(scope="module")
def provider() -> Iterator[RawProvider]:
    with RawProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def weighing(
    api: str,
    provider: RawProvider,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Assistant]:
    settings = {"THREADMILL_MODEL_RETRIES": "0", "THREADMILL_RUN_SECONDS": str(int(RUN_SECONDS))}
    url = redis_server.fresh_database()
    with (
        isolated_environment(url, provider, api, **settings),
        Workers(tmp_path_factory.mktemp(api)) as workers,
    ):
        workers.start("weighing")
        yield Assistant.load("weighing")


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 150,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_run_completes_with_a_whole_answer_and_any_other_fails_by_name(
    api: str, provider: RawProvider, weighing: Assistant, data: st.DataObject
) -> None:
    sent: SentStream = data.draw(sent_streams(api))
    provider.bodies.clear()
    provider.bodies.append((sent.pieces, sent.is_broken))
    thread = Thread()
    began = time.monotonic()
    check_end(sent, said(weighing, "Do it.", thread), thread)
    assert time.monotonic() - began < RUN_SECONDS
    following = said(weighing, "And now?", thread)
    assert (following.status, following.text) == ("completed", FINE)


def said(assistant: Assistant, text: str, thread: Thread) -> Run:
    try:
        return assistant.say(text, thread=thread, event_handler_class=None, timeout=30)
    except errors.RunFailed as failed:
        run: Run = failed.run
        return run


def check_end(sent: SentStream, run: Run, thread: Thread) -> None:
    if sent.answer is None:
        assert run.status == "failed"
        assert run.last_error is not None
        assert run.last_error.name in OURS
        return
    answer = sent.answer
    assert run.status == STATUSES.get(answer.stop, "incomplete"), run.last_error
    texts = [message.text for message in thread.get_messages() if message.role == "assistant"]
    expected = [answer.text, FINE] if answer.calls else [answer.text]
    assert sorted(texts) == sorted(filter(None, expected))
    calls = [call for step in run.steps for call in step.tool_calls]
    made = [(one.name, json.loads(one.arguments)) for one in calls]
    asked = [(name, json.loads(arguments)) for name, arguments in answer.calls]
    assert sorted(made, key=str) == sorted(asked, key=str)
