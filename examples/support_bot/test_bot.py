"""What a model says is decided here; all the rest is what runs in production."""

import threading
import urllib.request
from collections.abc import Iterator

import pytest
import shop
import web
from bot import support

from threadmill import Run, Thread
from threadmill.testing import Call, Reply, StandIn, by_text, scripted
from threadmill.testing.workers import Workers

ADA = {"customer": "ada"}


@pytest.fixture(autouse=True)
def worker(threadmill_worker: Workers) -> None:
    threadmill_worker("bot")


def say(text: str) -> Run:
    return support.say(text, thread=Thread(key="ada"), context=ADA, event_handler_class=None)


def outputs(run: Run) -> list[str | None]:
    return [call.output for step in run.steps for call in step.tool_calls]


def test_the_bot_looks_an_order_up(threadmill_standin: StandIn) -> None:
    threadmill_standin.brain = scripted(Reply([Call("find_order", {"number": 1001})]), "Shipped!")
    run = say("Where is order 1001?")
    assert run.text == "Shipped!"
    assert outputs(run) == ['{"status":"shipped","price":"25.99 EUR"}']


def test_the_model_is_told_who_the_customer_is(threadmill_standin: StandIn) -> None:
    say("Hello!")
    [request] = threadmill_standin.requests
    assert "You help the customer ada" in str(request.body)


def test_nobody_sees_the_orders_of_others(threadmill_standin: StandIn) -> None:
    threadmill_standin.brain = scripted(Reply([Call("find_order", {"number": 2001})]), "Sorry.")
    assert outputs(say("Where is order 2001?")) == [
        "Error: LookupError: The customer has no order 2001."
    ]


def test_a_refund_is_limited_whatever_the_model_wants(threadmill_standin: StandIn) -> None:
    threadmill_standin.brain = scripted(
        Reply([Call("refund", {"number": 1002, "percent": 100})]),
        Reply([Call("refund", {"number": 1002, "percent": "40"})]),
        "Done.",
    )
    refused, paid = outputs(say("I want all my money back!"))
    assert "less than or equal to 50" in str(refused)
    assert paid == "5.00 EUR are on their way back"
    assert list(shop.refunded.values()) == [500]


def test_a_human_takes_over(threadmill_standin: StandIn) -> None:
    threadmill_standin.brain = scripted(Reply([Call("call_a_human", {"reason": "angry"})]))
    run = say("This is outrageous!")
    assert run.status == "cancelled"
    assert run.data == {"reason": "angry"}


@pytest.fixture
def address() -> Iterator[str]:
    server = web.serve(port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_web_service_streams_the_answer(threadmill_standin: StandIn, address: str) -> None:
    threadmill_standin.brain = by_text({"Hello!": "Good morning, Ada."})
    with urllib.request.urlopen(f"{address}/customers/ada", b"Hello!", timeout=20) as answer:
        assert answer.read().decode() == "Good morning, Ada."
        run = Run.load(answer.headers["X-Run"])
    assert run.status == "completed"
