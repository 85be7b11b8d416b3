"""Which errors of a provider are a file's own, and which are not."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from openai import APIStatusError

from threadmill_shared.records.files import FileFailure, ThreadVectorStore
from threadmill_workers.models.file_errors import file_refusal, index_failure
from threadmill_workers.models.quotes import PrivateTexts

PRIVATE = PrivateTexts("sk-secret-key-of-ours")


def status_error(status: int, body: object) -> APIStatusError:
    request = httpx2.Request("POST", "http://provider/v1/files")
    return APIStatusError("", response=httpx2.Response(status, request=request), body=body)


@pytest.mark.parametrize("status", [400, 404, 405, 410, 413, 415, 422, 501])
def test_a_refusal_is_the_files_own_in_the_providers_words(status: int) -> None:
    refusal = file_refusal(status_error(status, {"message": "Invalid extension vb."}), PRIVATE)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (status, "Invalid extension vb")


@pytest.mark.parametrize("status", [401, 402, 403, 408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_passes_or_is_wrong_with_the_key_is_not(status: int) -> None:
    assert file_refusal(status_error(status, {"message": "Invalid extension."}), PRIVATE) is None


@pytest.mark.parametrize(
    "message",
    [
        "API key not valid. Please pass a valid API key.",
        "Your storage quota is used up.",
        "Your billing hard limit has been reached.",
    ],
)
def test_a_key_or_an_account_is_not_a_files_fault(message: str) -> None:
    assert file_refusal(status_error(400, {"message": message}), PRIVATE) is None


@pytest.mark.parametrize(
    "body", [None, "", {}, [], {"message": None}, "<html><body></body></html>"]
)
def test_without_words_the_status_is_the_reason(body: object) -> None:
    refusal = file_refusal(status_error(415, body), PRIVATE)
    assert refusal is not None
    assert refusal.reason == "HTTP 415"


def test_the_key_is_not_told() -> None:
    refusal = file_refusal(status_error(400, {"message": f"no: {PRIVATE.key}"}), PRIVATE)
    assert refusal is not None
    assert refusal.reason == "HTTP 400"


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        ("unsupported_file", "The file type is not supported.", "The file type is not supported"),
        ("invalid_file", "", "invalid_file"),
        ("", "", "the provider does not say why"),
    ],
)
def test_a_file_that_is_not_indexed_has_a_reason(code: str, message: str, told: str) -> None:
    assert index_failure(code, message, PRIVATE) == told


# ---- what is noted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        FileFailure(("file_search",), "why"),
        FileFailure(("file_search", "code_interpreter"), "why", "file-1", is_late=True),
    ],
)
def test_a_failure_is_read_as_it_was_noted(failure: FileFailure) -> None:
    assert FileFailure.read(failure.note()) == failure


@pytest.mark.parametrize("note", [None, [], "x", {}, {"uses": 3, "error": None, "late": "yes"}])
def test_any_note_can_be_read(note: Any) -> None:
    assert FileFailure.read(note) == FileFailure((), "")


def test_what_the_last_release_reads_of_a_vector_store_is_all_that_it_knows() -> None:
    assert ThreadVectorStore("vs", ["a"]).note() == {"id": "vs", "files": ["a"]}
    assert ThreadVectorStore("vs", ["a"], ["a"]).note()["pending"] == ["a"]
