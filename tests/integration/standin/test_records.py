"""The stand-in keeps time, records what it is asked, and ends when it is told to."""

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from tests.support.environment import stretched
from tests.support.openai_client import USER, ask_chat, ask_responses, client

from threadmill.testing import (
    Pause,
    Record,
    Reply,
    StandIn,
    Text,
    by_text,
)


def stream_of(standin: StandIn, text: str) -> socket.socket:
    """A bare connection on which a Responses stream was asked for."""
    port = int(re.search(r":(\d+)/", standin.base_url)[1])
    body = json.dumps({"model": "m", "input": text, "stream": True})
    head = f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall((head + body).encode())
    return connection


def reads_of(standin: StandIn, text: str) -> list[bytes]:
    reads = [b""]
    with stream_of(standin, text) as connection:
        while not reads[-1].endswith(b"0\r\n\r\n"):
            reads.append(connection.recv(65536))
    return reads


def test_tokens_are_spaced(standin):
    reads_of(standin, "tokens=10 delay=0.02")
    [record] = standin.requests
    waited = [written - record.begun_at for written in record.token_times]
    assert len(waited) == 10
    assert all(wait > index * 0.02 - 0.002 for index, wait in enumerate(waited))


def test_each_token_is_sent_by_itself(standin):
    # With Nagle's algorithm, or a buffer, they would come in pairs at best. A busy machine may
    # read two at once, but not three times in a row.
    def arrive_alone() -> bool:
        reads = reads_of(standin, "tokens=20 delay=0.02")
        deltas = [read.count(b"event: response.output_text.delta") for read in reads]
        assert sum(deltas) == 20
        return deltas.count(1) > 15

    assert any(arrive_alone() for _ in range(3))


def test_the_first_token_can_be_late(standin):
    standin.brain = lambda _: Reply([Text("Now.")], first_delay=0.1)
    ask_responses(standin, stream=True)
    ask_responses(standin)
    streamed, whole = standin.requests
    # The clock of an event loop has a resolution of 1 ms.
    assert 0.098 < streamed.token_times[0] - streamed.begun_at < 1
    assert 0.098 < whole.ended_at - whole.begun_at < 1


def test_a_pause_halts_an_answer_until_the_test_ends_it(standin):
    pause = Pause(after_tokens=2)
    standin.brain = lambda _: Reply([Text(["one ", "two ", "three"])], pause=pause)
    with stream_of(standin, "Hello!") as answer:
        said = b""
        while b"two" not in said:
            said += answer.recv(65536)
        [record] = standin.requests
        assert len(record.token_times) == 2
        assert b"three" not in said
        pause.end()
        while b"three" not in said:
            said += answer.recv(65536)
    assert ask_chat(standin)  # a pause that has ended halts nobody


def any_token(requests: list[Record]) -> bool:
    return any(record.token_times for record in requests)


def test_a_pause_halts_an_answer_in_one_piece_and_the_end_of_a_stream(standin):
    pause = Pause(after_tokens=1)
    standin.brain = lambda _: Reply([Text(["one"])], pause=pause)
    with ThreadPoolExecutor() as threads:
        whole = threads.submit(ask_chat, standin)
        streamed = threads.submit(ask_chat, standin, stream=True)
        standin.wait_until(lambda requests: len(requests) == 2 and any_token(requests))
        assert [record.ended_at for record in standin.requests] == [None, None]
        pause.end()
        assert whole.result(5)
        assert streamed.result(5)


def test_the_servers_delay_is_used_where_the_reply_has_none():
    with StandIn(delay=0.03) as standin:
        ask_chat(standin, messages=[{"role": "user", "content": "tokens=5"}], stream=True)
    [record] = standin.requests
    assert 0.115 < record.token_times[-1] - record.begun_at < 1


def test_a_client_that_leaves_is_noticed_within_milliseconds(standin):
    standin.brain = lambda _: Reply([Text(["one ", "two"])], delay=60)
    connection = stream_of(standin, "Hello!")
    [record] = standin.wait_until(lambda requests: requests and requests[0].token_times)
    assert not record.closed_early
    connection.close()
    closed = time.monotonic()
    standin.wait_until(lambda requests: requests[0].closed_early)
    assert record.closed_at - closed < stretched(0.2)
    assert record.ended_at == record.closed_at
    assert len(record.token_times) == 1


def test_a_client_that_leaves_before_the_brain_has_decided_is_noticed(standin):
    async def brain(request):
        await asyncio.sleep(60)

    standin.brain = brain
    connection = stream_of(standin, "Hello!")
    standin.wait_until(lambda requests: requests and requests[0].user_text == "Hello!")
    connection.close()
    standin.wait_until(lambda requests: requests[0].closed_early)


def test_an_answer_that_was_read_to_its_end_is_not_closed_early(standin):
    ask_responses(standin, input="Hello!", stream=True)
    ask_chat(standin)
    for record in standin.requests:
        assert not record.closed_early
        assert record.status == 200
        assert record.begun_at < record.ended_at
        assert record.user_text == "Hello!"
        assert record.items == [USER]
    assert [record.api for record in standin.requests] == ["responses", "chat"]


def test_an_answer_has_ended_before_its_client_can_ask_again(standin):
    async def ask_often():
        async with client(standin) as api:
            for _ in range(20):
                async for _ in await api.responses.create(model="m", input="Hi", stream=True):
                    pass

    asyncio.run(ask_often())
    for before, after in itertools.pairwise(standin.requests):
        assert before.ended_at <= after.begun_at


def test_stopping_breaks_off_what_is_being_answered_at_once():
    standin = StandIn(lambda _: Reply([Text(["one ", "two"])], delay=60)).start()
    with stream_of(standin, "Hello!"):
        standin.wait_until(lambda requests: requests and requests[0].token_times)
        before = time.monotonic()
        standin.stop()
        assert time.monotonic() - before < 2
    [record] = standin.requests
    assert record.ended_at is not None
    assert not record.closed_early


def test_a_stand_in_can_be_started_again_and_forgets_when_it_is_told(standin):
    with pytest.raises(RuntimeError, match="running already"):
        standin.start()
    ask_responses(standin)
    standin.stop()
    with pytest.raises(RuntimeError, match="not running"):
        standin.base_url  # noqa: B018
    standin.start()
    ask_responses(standin)
    assert len(standin.requests) == 2
    standin.forget()
    assert standin.requests == []


def test_a_port_that_is_taken_is_an_error_at_once(standin):
    port = int(re.search(r":(\d+)/", standin.base_url)[1])
    with pytest.raises(OSError, match="address already in use"):
        StandIn(port=port).start()


def test_a_wait_that_is_not_fulfilled_says_so(standin):
    with pytest.raises(TimeoutError, match=r"Not fulfilled within 0\.01 s"):
        standin.wait_until(bool, timeout=0.01)


def test_a_brain_that_fails_is_shown_to_the_client_and_kept(standin, caplog):
    standin.brain = by_text({"Hello": []})
    with pytest.raises(openai.BadRequestError, match="brain failed: LookupError: All 0 scripted"):
        ask_responses(standin)
    [record] = standin.requests
    assert isinstance(record.error, LookupError)
    assert "brain failed" in caplog.text


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_process_of_its_own_until_it_is_told_to_stop(sign):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "threadmill.testing.standin", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        line = process.stdout.readline()
        url = re.fullmatch(r"stand-in on (http://127\.0\.0\.1:\d+/v1)\n", line)[1]
        api = openai.OpenAI(base_url=url, api_key="none")
        with api:
            assert api.responses.create(model="m", input="tokens=3").output_text == "1 2 3 "
        process.send_signal(sign)
        output = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, output) == (0, ("", ""))


def test_a_process_that_cannot_have_its_port_says_so(standin):
    port = re.search(r":(\d+)/", standin.base_url)[1]
    done = subprocess.run(
        [sys.executable, "-m", "threadmill.testing.standin", "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"The stand-in cannot listen on 127.0.0.1:{port}")
