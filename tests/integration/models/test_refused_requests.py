"""Requests that a provider refuses, and what is told of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.support.scripted_provider import (
    KEY,
    SECRET,
    failure,
    provider,
    refusing,
    request,
    sending,
)

from threadmill_shared.errors import (
    ContextTooLong,
    ModelRefused,
    ModelUnavailable,
)
from threadmill_workers.models import create_model


def body(code: str | None = None, text: str = "No.", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": text, "type": "some_error", "code": code, **fields}}


@pytest.mark.parametrize("status", ["408 Timeout", "409 Conflict", "500 Oops", "503 Busy"])
def test_a_failing_provider_is_unavailable(api, status):
    error = failure(api, refusing(status, body(), "Retry-After: 2"))
    assert isinstance(error, ModelUnavailable)
    assert not error.rate_limited
    assert error.retry_after == 2.0
    assert f"HTTP {status[:3]}" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 0.5"], 0.5),
        (["Retry-After: 7", "retry-after-ms: 1500"], 1.5),
        (["Retry-After: soon"], None),
        (["Retry-After: -1"], None),
        (["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"], 0.0),
    ],
)
def test_a_rate_limit_tells_how_long_to_wait(api, headers, seconds):
    error = failure(api, refusing("429 Too Many Requests", body("rate_limit"), *headers))
    assert isinstance(error, ModelUnavailable)
    assert error.rate_limited
    assert error.retry_after == seconds


def test_a_rate_limit_may_tell_a_date(api):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    error = failure(api, refusing("429 Too Many Requests", body(), f"Retry-After: {date}"))
    assert isinstance(error, ModelUnavailable)
    assert 50 < error.retry_after <= 60


def test_a_rate_limit_for_lack_of_quota_is_a_refusal(api):
    error = failure(api, refusing("429 Too Many Requests", body("insufficient_quota")))
    assert isinstance(error, ModelRefused)
    assert error.status == 429
    assert "billing" in str(error)


@pytest.mark.parametrize("status", ["400 Bad", "401 Who", "403 No", "404 Where", "422 What"])
def test_a_refusal_tells_status_code_and_param(api, status):
    error = failure(api, refusing(status, body("some_code", param="tools[0].name")))
    assert isinstance(error, ModelRefused)
    assert error.status == int(status[:3])
    assert f"(HTTP {status[:3]}, some_code, some_error, tools[0].name)" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        body("context_length_exceeded"),
        {"error": {"code": 400, "type": "exceed_context_size_error", "message": "Too big."}},
        {
            "object": "error",
            "message": "This model's maximum context length is 9 tokens.",
            "code": 400,
        },
    ],
)
def test_a_context_that_is_too_long_is_known_by_what_servers_call_it(api, error):
    assert isinstance(failure(api, refusing("400 Bad Request", error)), ContextTooLong)


def test_a_short_message_of_the_provider_is_told(api):
    error = failure(api, refusing("400 Bad Request", body(text="Unknown model 'gpt-x'.")))
    assert ": Unknown model 'gpt-x';" in str(error)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("400 Bad Request", f"{'long ' * 100}: {SECRET}"),
        ("400 Bad Request", f"Bad input: {SECRET}"),
        ("400 Bad Request", f"Bad input: '...{SECRET[6:40]}...'"),
        ("400 Bad Request", "You are not to say: Be kind."),
        ("500 Oops", f"Key {KEY} broke"),
        ("401 Unauthorized", "Incorrect API key provided: sk-te*******ghij."),
    ],
)
def test_a_message_that_quotes_the_request_is_not_told(api, status, text):
    error = failure(api, refusing(status, body("some_code", text)))
    assert str(error).count(": ") == 0
    assert "some_code" in str(error)


def test_a_long_message_is_told_in_part(api):
    error = failure(api, refusing("400 Bad Request", body(text="No image. " + "long" * 500)))
    assert ": No image. long" in str(error)
    assert len(str(error)) < 600


@pytest.mark.parametrize("word", ["2", "no", "Invalid", "temperature"])
def test_a_short_text_of_the_user_hides_no_reason(api, word):
    text = "Invalid 'temperature': no more than 2"
    error = failure(
        api, refusing("400 Bad", body(text=text, param="temperature")), asked=request(word)
    )
    assert f": {text}; change the request." in str(error)


def test_advice_is_given_only_if_it_may_help(api):
    plain = failure(api, refusing("400 Bad Request", body(text="This is not possible.")))
    assert str(plain).endswith(": This is not possible.")
    day = failure(api, refusing("429 Slow", body(text="Wait."), "Retry-After: 86400"))
    assert "THREADMILL_CONCURRENCY" not in str(day)
    moment = failure(api, refusing("429 Slow", body(text="Wait."), "Retry-After: 2"))
    assert "THREADMILL_CONCURRENCY" in str(moment)


def test_the_code_is_told_once(api):
    answer = {
        "error": {"code": "429", "message": "429 busy_now: All are busy.", "type": "busy_now"}
    }
    text = str(failure(api, refusing("429 Too Many Requests", answer)))
    assert "(HTTP 429, busy_now): All are busy;" in text


def test_an_error_page_is_told_without_its_html(api):
    page = "<html><head><title>x</title><style>b{}</style></head><h1>Not &amp; here</h1></html>"
    assert ": Not & here" in str(failure(api, refusing("400 Bad Request", page)))


@pytest.mark.parametrize("answer", ["oops", None, [], {"detail": "oops"}, {"error": "oops"}])
def test_an_error_of_any_shape_keeps_its_status(api, answer):
    error = failure(api, refusing("400 Bad Request", answer))
    assert isinstance(error, ModelRefused)
    assert "HTTP 400" in str(error)


def test_a_provider_that_cannot_be_reached_is_unavailable(api):
    async def ask():
        async with provider(sending()) as served:
            pass
        model = create_model(api.name, api_key=KEY, base_url=served.url)
        try:
            with pytest.raises(ModelUnavailable) as caught:
                await anext(model.stream(request()))
        finally:
            await model.close()
        return str(caught.value), served.url

    told, url = asyncio.run(ask())
    assert url.split("/")[2] in told
    assert "OPENAI_BASE_URL" in told


def test_a_provider_that_hangs_up_without_an_answer_is_unavailable(api):
    async def play(exchange):
        exchange.writer.close()

    assert isinstance(failure(api, play), ModelUnavailable)
