"""An error inside another one's message is read; what a user has written is not."""

import pytest

from threadmill_workers.models.error_report import read_report


@pytest.mark.parametrize(
    ("message", "told", "code"),
    [
        ('{"error": {"message": "No.", "code": "c"}}', "No.", "c"),
        ('Proxy: {"error": {"message": "No.", "code": "c"}} id=7', "Proxy: No. id=7", "c"),
        ('Proxy: b\'{"error": {"message": "No.", "code": "c"}}\'. X', "Proxy: No.. X", "c"),
        ('[{"error": {"message": "No.", "code": "c"}}]', "No.", "c"),
        ('{"object": "error", "message": "No.", "code": "c"}', "No.", "c"),
        ("Error code: 400 - {'error': {'message': 'No.', 'code': 'c'}}", "No.", "c"),
        (r"Error code: 400 - {'error': {'message': '\d', 'code': 'c'}}", r"\d", "c"),
        ('{"error": {"message": "{\\"error\\": {\\"message\\": \\"No.\\"}}"}}', "No.", "outer"),
        ('Bad value: {"city": "Ulm"}', 'Bad value: {"city": "Ulm"}', "outer"),
        ('Bad value: {"message": "hello"}', 'Bad value: {"message": "hello"}', "outer"),
        ('{"error": ', '{"error":', "outer"),
        ("{" * 10_000, "{" * 10_000, "outer"),
        ("{'error': " + "[" * 5000 + "]" * 5000 + "}", None, "outer"),
    ],
)
def test_the_words_within_take_the_place_of_their_json(message, told, code):
    report = read_report({"error": {"message": message, "code": "outer"}}, 400)
    assert report.code == code
    if told is not None:
        assert report.message == told


@pytest.mark.parametrize("code", [429, "429"])
def test_a_code_that_is_a_status_counts_as_one(code):
    assert read_report({"code": code, "message": "No."}).status == 429


@pytest.mark.parametrize("code", [3001, "3230", 7, True, "c", None])
def test_another_code_is_no_status(code):
    assert read_report({"code": code, "message": "No."}).status is None
