"""Whether a provider's message repeats what it was sent, however it writes that."""

from __future__ import annotations

import html
import json
import time

import pytest

from threadmill_shared.model import ModelRequest
from threadmill_workers.models.quotes import quotes_any
from threadmill_workers.models.request_parts import sent_texts

ENGLISH = 'He said:\n"I am ill."\nWe left.\n"At once?"\nYes.\n"Now?"\nNo.\n"Then when?"'
RUSSIAN = "Мой диагноз никому не известен, и пусть так и останется."
CHINESE = "我的密码是蓝色的大象在月光下跳舞请不要告诉别人"
EMOJI = "🙂🙃😀😃😄😁😆😅😂🤣"
ARGUMENTS = '{"patient":"Ann Smith","illness":"a rare one","since":2019}'
TEXTS = {
    "English in short lines": ENGLISH,
    "Russian": RUSSIAN,
    "Chinese": CHINESE,
    "beyond the first plane": EMOJI,
    "arguments": ARGUMENTS,
    "a path": r"C:\new\users\tables\backup\notes.txt",
    "JSON in JSON": json.dumps({"note": RUSSIAN, "lines": ENGLISH}),
    "with entities": 'Tom & Ann\'s "secret" <plan> for <next> week',
}
WAYS = {
    "as it is": str,
    "as JSON": json.dumps,
    "as JSON with all characters": lambda text: json.dumps(text, ensure_ascii=False),
    "as JSON in JSON": lambda text: json.dumps(json.dumps([text])),
    "as Python": repr,
    "as Python in ASCII": ascii,
    "in one line": lambda text: " ".join(text.split()),
    "as HTML": html.escape,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_found_however_it_is_quoted(text: str, way: str) -> None:
    quoted = WAYS[way](TEXTS[text])
    assert quotes_any(f"Invalid input: {quoted}", ["Hello.", TEXTS[text]])
    assert not quotes_any(f"Invalid input: {quoted}", ["Hello.", "Another text, of some length."])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN, CHINESE])
def test_a_piece_is_found_in_a_long_text(text: str, way: str) -> None:
    around = "What has been said before. " * 50
    quoted = WAYS[way](text[3:-3])
    assert quotes_any(f"Cannot read …{quoted}…", [f"{around}{text}{around}"])


def test_arguments_are_found_with_other_spaces_and_members_apart() -> None:
    spaced = json.dumps(json.loads(ARGUMENTS), indent=4)
    assert quotes_any(f"Invalid arguments: {spaced}", [ARGUMENTS])
    assert quotes_any('Invalid: {"password": "blue"}', ['{"password":"blue"}'])
    assert quotes_any('Invalid: {"password":"blue"}', ['{"password": "blue"}'])


@pytest.mark.parametrize(
    "text", ["hunter2hunter2", "Tr0ub4dor&3", "correcthorsebatterystaple", "9fKq2LmZ8x", "Be kind."]
)
def test_what_is_like_a_password_is_found(text: str) -> None:
    assert quotes_any(f"Invalid value: '{text}'.", [text])


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "at",
        "most",
        "temperature",
        "'temperature'",
        "gpt-4o-mini",
        "must be",
        "",
        " ",
        "\\",
        '"',
    ],
)
def test_short_texts_and_single_words_hide_nothing(text: str) -> None:
    message = "Invalid 'temperature' for gpt-4o-mini: it must be at most 2"
    assert not quotes_any(message, [text])
    assert not quotes_any(json.dumps(message), [text])


def test_words_count_only_as_whole_words() -> None:
    assert not quotes_any("The server cannot validate it.", ["not valid"])
    assert quotes_any("This is not valid.", ["not valid"])


def test_the_ids_of_a_providers_items_may_be_told() -> None:
    id = f"rs_{'0123456789abcdef' * 3}"
    data = {"id": id, "type": "reasoning", "encrypted_content": "c2VjcmV0" * 8, "summary": []}
    item = {"type": "reasoning", "api": "responses", "model": "m", "run_id": "r", "data": data}
    request = ModelRequest(model="m", instructions="", items=[item])  # type: ignore[list-item]
    message = f"Item '{id}' of type 'reasoning' was provided without its required item."
    assert not quotes_any(message, sent_texts(request))
    assert quotes_any(f"Cannot decrypt {'c2VjcmV0' * 8}", sent_texts(request))


@pytest.mark.quiet
@pytest.mark.parametrize(
    "text",
    ["some words of a text " * 200_000, "\\" * 4_000_000, "\\n" * 2_000_000, "&#1" * 1_000_000],
)
def test_megabytes_of_text_are_compared_in_a_moment(text: str) -> None:
    message = "".join(map(chr, range(0x4E00, 0x4E00 + 10_000)))
    before = time.process_time()
    assert not quotes_any(message, [text])
    assert time.process_time() - before < 3
