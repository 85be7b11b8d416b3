"""What a provider says is wrong, whatever it wraps around it."""

import pytest

from threadmill_workers.models.error_report import read_report


@pytest.mark.parametrize(
    "body",
    [
        "No image.",
        {"message": "No image."},
        {"error": "No image."},
        {"error": {"message": "No image."}},
        {"detail": "No image."},
        {"detail": [{"loc": ["body", "messages", 3], "msg": "No image."}]},
        {"object": "error", "message": "No image.", "code": 400},
        [{"error": {"code": 400, "message": "No image.", "status": "INVALID_ARGUMENT"}}],
        {"errors": [{"message": "No image."}]},
        ["No image."],
        "<!DOCTYPE html><html><head><title>T</title></head><body><h1>No image.</h1></body></html>",
        "<html><title>No image.</title><body></body></html>",
    ],
)
def test_the_message_is_found(body):
    assert read_report(body, 400).message == "No image."


def test_a_place_is_a_param():
    detail = [{"type": "missing", "loc": ["body", "messages", 3, "content"], "msg": "No."}]
    report = read_report({"detail": detail}, 422)
    assert (report.param, report.type) == ("messages.3.content", "missing")


@pytest.mark.parametrize("body", [None, [], {}, 7, {"error": None}, {"error": [[[[[1]]]]]}, [[]]])
def test_what_says_nothing_is_read_as_nothing(body):
    report = read_report(body, 400)
    assert (report.message, report.words, report.param) == ("", (), "")


def test_a_text_with_angle_brackets_is_no_page():
    text = "expected <list> of int, a < b and b > c"
    assert read_report(text, 400).message == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 20s.", 20),
        ("Please try again in 600ms.", 0.6),
        ("Please try again in 1.5s. Visit https://x.", 1.5),
        ("Please try again in 7m12s.", 432),
        ("Please retry after 86400 seconds.", 86400),
        ("Please retry in 41.6s.", 41.6),
        ("Please wait 2 minutes before you ask again.", 120),
        ("Try again in 3 hours", 10800),
        ("Slow down.", None),
        ("Retry with 5 tokens.", None),
    ],
)
def test_a_pause_is_read_from_the_text(text, seconds):
    assert read_report({"error": {"message": text}}, 429).retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0"}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after": "20s"}, 20),
        ({"retry-after": "1m20s"}, 80),
        ({"retry-after": "1h 2m 3.5s"}, 3723.5),
        ({"retry-after": "6m0s"}, 360),
        ({"retry-after": "250ms"}, 0.25),
        ({"retry-after": "20 seconds"}, 20),
        ({"retry-after": "2 Minutes"}, 120),
        ({"retry-after": "7 sheep"}, 20),
        ({"retry-after": "7s and more"}, 20),
        ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_a_pause_is_read_from_the_headers_first(headers, seconds):
    text = "Please try again in 20s."
    assert read_report({"error": {"message": text}}, 429, headers).retry_after == seconds


def test_a_pause_is_read_from_geminis_retry_info():
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
    ]
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota.", "details": details}
    assert read_report([{"error": error}], 429).retry_after == 34
