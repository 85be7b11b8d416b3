"""Whether a provider refuses a request for a file that it names."""

from __future__ import annotations

import pytest

from threadmill_shared.errors import ModelRefused
from threadmill_workers.execution.file_blame import (
    can_be_of_files,
    mentions,
    names_place,
    speaks_of_files,
)


def refused(reason: str, status: int | None = 400, param: str = "") -> ModelRefused:
    return ModelRefused("", status=status, param=param, reason=reason)


@pytest.mark.parametrize("status", [None, 400, 404, 413, 415, 422])
def test_a_refusal_can_be_of_a_file(status: int | None) -> None:
    assert can_be_of_files(refused("no", status))


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_what_is_wrong_with_the_account_is_not(status: int) -> None:
    assert not can_be_of_files(refused("no", status))


@pytest.mark.parametrize(
    ("reason", "word", "found"),
    [
        ("File with id 'file-1a2b' not found.", "file-1a2b", True),
        ("File with id 'file-1a2bc' not found.", "file-1a2b", False),
        ("no: report.csv", "report.csv", True),
        ("no: my-report.csv", "report.csv", False),
        ("an a.c error", "a.c", False),
        ("", "report.csv", False),
    ],
)
def test_an_id_or_a_name_is_found_as_a_word(reason: str, word: str, found: bool) -> None:
    assert mentions(refused(reason), word) == found


@pytest.mark.parametrize("param", ["tools[0].container.file_ids", "tools[1].container.file_ids[2]"])
def test_a_place_is_named(param: str) -> None:
    assert names_place(refused("Invalid value.", param=param))
    assert names_place(refused(f"Invalid value: '{param}'."))
    assert not names_place(refused("Invalid value.", param="tools[0].container"))


@pytest.mark.parametrize(
    "reason",
    [
        "Unsupported file type.",
        "Files with extensions [.xyz] are not supported for code_interpreter.",
        "The file is too large to be processed.",
        "One of the files is empty.",
        "Invalid file format. Supported formats: c, cpp, csv.",
        "The uploaded file could not be read.",
    ],
)
def test_words_about_files_are_recognized(reason: str) -> None:
    assert speaks_of_files(refused(reason))


@pytest.mark.parametrize(
    "reason",
    [
        "Container is expired.",
        "Container file cfile_12 is invalid.",
        "Invalid image file.",
        "The profile is invalid.",
        "file_search needs a vector store; the file type is not supported.",
        "Invalid type for 'input[0].content'.",
        "The model does not exist.",
    ],
)
def test_words_about_other_things_are_not_taken_for_that(reason: str) -> None:
    assert not speaks_of_files(refused(reason))
