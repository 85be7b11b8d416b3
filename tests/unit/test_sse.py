"""The splitter gives the data of whole events, however their bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill_shared.errors import ModelGarbled
from threadmill_workers.models import sse
from threadmill_workers.models.sse import EventSplitter


def split(*chunks: bytes) -> list[bytes]:
    splitter = EventSplitter()
    return [data for chunk in chunks for data in splitter.feed(chunk)]


def test_an_event_gives_its_data_without_its_name():
    assert split(b'event: response.created\ndata: {"a": 1}\n\n') == [b'{"a": 1}']


def test_two_events_in_one_chunk_give_two_payloads():
    assert split(b"data: 1\n\ndata: 2\n\n") == [b"1", b"2"]


def test_an_event_without_its_blank_line_has_not_ended():
    assert split(b"data: 1\n\ndata: 2\n") == [b"1"]


def test_an_event_is_given_out_with_the_byte_that_ends_it():
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\r\n") == []
    assert splitter.feed(b"\r") == [b"1"]
    assert splitter.feed(b"\ndata: 2\r\n\r\n") == [b"2"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_of_the_standard_is_one(end):
    lines = [b"event: x", b"data: 1", b"", b": ping", b"", b"data: 2", b"", b""]
    assert split(end.join(lines)) == [b"1", b"2"]


def test_data_on_several_lines_is_joined_by_line_feeds():
    assert split(b"data: a\ndata:b\ndata:  c\n\n") == [b"a\nb\n c"]


def test_comments_and_fields_without_data_give_nothing():
    assert split(b": waiting\n\nid: 7\nretry: 10\n\nevent: ping\n\n\n\ndata: 1\n\n") == [b"1"]


def test_empty_data_is_still_data():
    assert split(b"data:\n\n") == [b""]


@pytest.mark.parametrize("body", [b"<html><body>\n\n", b'{"error": "no"}\n\n', b"\xff\x00\n\n"])
def test_what_is_no_event_stream_is_garbled(body):
    with pytest.raises(ModelGarbled, match="OPENAI_BASE_URL"):
        split(body)


def test_many_small_events_are_not_too_large_together(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert split(*[b"data: " + b"x" * 60, b"\n\n"] * 5) == [b"x" * 60] * 5


def test_an_event_without_end_is_garbled_when_it_grows_too_large(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert split(b"data: " + b"x" * 60 + b"\n\n", b"data: " + b"x" * 60) == [b"x" * 60]
    with pytest.raises(ModelGarbled, match="100 bytes"):
        split(b"data: ", *[b"x"] * 100)


LINES = st.one_of(
    st.text("aé😀 :{}", max_size=8).map(lambda text: f"data: {text}"),
    st.text("abc", max_size=5).map(lambda text: f"event: {text}"),
    st.text("abc :", max_size=5).map(lambda text: f":{text}"),
    st.just(""),
)


@given(st.data(), st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_cutting_gives_the_same_payloads(data, lines, end):
    stream = "".join(line + end for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    single = [stream[at : at + 1] for at in range(len(stream))]
    assert split(*chunks) == split(stream) == split(*single)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)))
def test_every_payload_comes_out_as_it_went_in(payloads):
    stream = "".join(f"event: x\ndata: {payload}\n\n" for payload in payloads)
    assert split(stream.encode()) == [payload.encode() for payload in payloads]
