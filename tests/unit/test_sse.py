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


@pytest.mark.parametrize("body", [b"<html><body>\n\n", b'"no"\n\n', b"\xff\x00\n\n"])
def test_what_is_no_event_stream_is_garbled(body):
    with pytest.raises(ModelGarbled, match="OPENAI_BASE_URL"):
        split(body)


@pytest.mark.parametrize("body", [b'{"error":\n\n"no"}\n\n', b' \r\n[{"a": 1}]'])
def test_a_document_is_given_at_the_end_of_its_body(body):
    splitter = EventSplitter()
    assert [splitter.feed(body[at : at + 1]) for at in range(len(body))] == [[]] * len(body)
    assert splitter.close() == body.lstrip()


def test_a_byte_order_mark_and_blank_lines_may_come_first():
    assert split(b"\xef", b"\xbb\xbf", b"data: 1\n\n") == [b"1"]
    assert split(b"\n\r\n", b"\n", b"data: 1\n\n") == [b"1"]


@pytest.mark.parametrize("name", [b"ping", b" ping", b" keepalive"])
def test_an_event_that_is_named_a_ping_has_no_data(name):
    assert split(b"event:" + name + b"\ndata: 17\n\ndata: 1\n\n") == [b"1"]


def test_fields_that_the_standard_does_not_know_are_passed_over():
    assert split(b"x-trace: 7\nretry\ndata: 1\n\n") == [b"1"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_last_event_may_lack_its_blank_line(end):
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\nevent: x\ndata: [DONE] " + end) == [b"1"]
    assert splitter.close() == b"[DONE]"


def test_what_was_cut_before_its_data_is_nothing():
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\neve") == [b"1"]
    assert splitter.close() == b""


def test_many_small_events_are_not_too_large_together(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert split(*[b"data: " + b"x" * 60, b"\n\n"] * 5) == [b"x" * 60] * 5


def test_an_event_without_end_is_garbled_when_it_grows_too_large(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert split(b"data: " + b"x" * 60 + b"\n\n", b"data: " + b"x" * 60) == [b"x" * 60]
    with pytest.raises(ModelGarbled, match="100 bytes"):
        split(b"data: ", *[b"x"] * 100)


def test_a_document_that_grows_too_large_is_garbled(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(ModelGarbled, match="100 bytes"):
        split(b"{", *[b" " * 60] * 2)


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
