"""What a message cites: each annotation has a text that users can replace by a footnote."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from threadmill_shared.model import MessageEnded, TextCited, TextDelta, TurnEnded
from threadmill_shared.records.items import text_for_model
from threadmill_shared.records.objects import Message
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.message_writer import MessageWriter, NextNumbers
from threadmill_workers.execution.output_files import Enclosed, OutputFiles
from threadmill_workers.models.chat_parser import ChatParser
from threadmill_workers.models.event_parser import StreamEnd
from threadmill_workers.models.responses_parser import ResponsesParser

Json = dict[str, Any]
TEA = "Green tea wants 80 degrees. Black tea wants boiling water."
GREEN: Json = {"type": "file_citation", "index": 26, "file_id": "file-g", "filename": "green.txt"}
BLACK: Json = {"type": "file_citation", "index": 57, "file_id": "file-b", "filename": "black.txt"}
LINK = "sandbox:/mnt/data/x.csv"


def page(start: object, end: object, url: str = "http://a") -> Json:
    return {"type": "url_citation", "url": url, "start_index": start, "end_index": end}


def code_file(start: object, end: object, name: str = "x.csv") -> Json:
    place = {"start_index": start, "end_index": end}
    return {
        "type": "container_file_citation",
        "container_id": "c",
        "file_id": name,
        "filename": name,
        **place,
    }


def part(text: str, *annotations: Json) -> Json:
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def delta(text: str, number: int = 0) -> Json:
    return {"type": "response.output_text.delta", "content_index": number, "delta": text}


def added(annotation: Json, number: int = 0) -> Json:
    return {
        "type": "response.output_text.annotation.added",
        "content_index": number,
        "annotation": annotation,
    }


def done(*parts: Json) -> Json:
    return {
        "type": "response.output_item.done",
        "item": {"type": "message", "content": list(parts)},
    }


class _Held:
    """Takes what is written of a run's message."""

    def __init__(self, response_format: object = None) -> None:
        options = SimpleNamespace(response_format=response_format)
        request = SimpleNamespace(options=options, assistant_id="asst_1", assistant_name="A")
        self.record: Any = SimpleNamespace(
            id="run_00000000000000000000000000", attempts=1, request=request
        )
        self.deltas: list[str] = []

    def put(self, batch: Batch) -> None:
        _, records, _ = batch.encoded()
        texts = [record[2] for record in json.loads(f"[{records}]") if record[0] == "d"]
        self.deltas += [piece for one in texts for piece in one]

    def delta(self, _message: int, text: str) -> None:
        self.deltas.append(text)

    async def store_produced(self, _file: object) -> None:
        return


class _Files:
    """The files of a provider."""

    async def fetch(self, _container: str, file: str, _limit: int) -> bytes:
        return b"\x89PNG\r\n\x1a\n" if file.endswith("png") else file.encode()


def written(
    events: Iterable[Json], *, cut: bool = False, response_format: object = None
) -> tuple[str, Message]:
    """The streamed text and the stored message of a provider's events."""
    parser, held = ResponsesParser(), _Held(response_format)
    found = [event for one in events for event in parser.parse(one)]
    return written_events(held, found, cut=cut)


def written_events(held: Any, events: Iterable[Any], *, cut: bool = False) -> tuple[str, Message]:
    files = OutputFiles(None, held, _Files(), 1000)  # type: ignore[arg-type]
    writer = MessageWriter(held, files, NextNumbers(0, 0))
    for event in events:
        if isinstance(event, TextDelta):
            writer.write(event.text)
        elif isinstance(event, TextCited):
            writer.cite(event)
        elif isinstance(event, MessageEnded):
            writer.note_end(event)
    enclosed = asyncio.run(writer.enclose())
    return "".join(held.deltas), Message.read("thread_1", _item(writer, enclosed, cut=cut), 0)


def _item(writer: MessageWriter, enclosed: Enclosed, *, cut: bool) -> Any:
    if not cut:
        return writer.complete(Batch(), enclosed, None)
    batch = writer.partial("max_tokens", "completed", enclosed)
    return json.loads(batch.changes.items[1])


def text_of(message: Message) -> Any:
    first = message.content[0]
    assert first.type == "text"
    return first.text


def check(streamed: str, message: Message) -> tuple[str, list[str]]:
    """The footnote loop of the quickstart; returns the text with footnotes, and the kinds."""
    text = text_of(message)
    assert text.value == streamed
    value, kinds = text.value, []
    for number, annotation in enumerate(text.annotations):
        assert annotation.text
        assert annotation["text"] == annotation.text
        assert text.value.count(annotation.text) == 1
        assert text.value[annotation.start_index : annotation.end_index] == annotation.text
        assert value.count(annotation.text) == 1, "no earlier footnote has touched it"
        value = value.replace(annotation.text, f"[^{number}^]")
        kinds.append(annotation.type)
    assert [value.count(f"[^{number}^]") for number in range(len(kinds))] == [1] * len(kinds)
    return value, kinds


def files_of(message: Message) -> list[str]:
    return [one.file_citation.file_id for one in text_of(message).annotations]


# ---- citations of files --------------------------------------------------------------------------


def test_a_citation_that_comes_with_its_place_is_marked_there() -> None:
    events = [delta(TEA[:26]), added(GREEN), delta(TEA[26:57]), added(BLACK), delta(TEA[57:])]
    streamed, message = written([*events, done(part(TEA, GREEN, BLACK))])
    assert check(streamed, message)[0] == (
        "Green tea wants 80 degrees[^0^]. Black tea wants boiling water[^1^]."
    )
    assert files_of(message) == ["file-g", "file-b"]


def test_a_citation_that_comes_before_its_place_waits_for_it() -> None:
    events = [added(BLACK), added(GREEN), delta(TEA[:40]), delta(TEA[40:])]
    streamed, message = written([*events, done(part(TEA, GREEN, BLACK))])
    assert check(streamed, message)[0] == (
        "Green tea wants 80 degrees[^0^]. Black tea wants boiling water[^1^]."
    )


def test_a_message_that_comes_as_a_whole_is_marked_at_each_place() -> None:
    streamed, message = written([done(part(TEA, BLACK, GREEN))])
    assert check(streamed, message)[0] == (
        "Green tea wants 80 degrees[^0^]. Black tea wants boiling water[^1^]."
    )
    assert files_of(message) == ["file-g", "file-b"]


def test_citations_that_come_late_are_marked_at_the_end() -> None:
    streamed, message = written([delta(TEA), done(part(TEA, GREEN, BLACK))])
    assert check(streamed, message)[0] == f"{TEA}[^0^][^1^]"
    assert files_of(message) == ["file-g", "file-b"]


@pytest.mark.parametrize("index", [None, -1, "4", 0, 10_000, 2**53])
def test_a_citation_without_a_usable_place_is_marked_all_the_same(index: Any) -> None:
    for events in ([delta(TEA)], [added(GREEN | {"index": index}), delta(TEA)], []):
        streamed, message = written([*events, done(part(TEA, GREEN | {"index": index}))])
        value, kinds = check(streamed, message)
        assert (value.replace("[^0^]", ""), kinds) == (TEA, ["file_citation"])


def test_two_citations_at_one_place_have_a_marker_each_even_of_one_file() -> None:
    for events in ([delta(TEA[:26]), added(GREEN), added(GREEN), delta(TEA[26:])], []):
        streamed, message = written([*events, done(part(TEA, GREEN, GREEN))])
        assert "degrees[^0^][^1^]. Black" in check(streamed, message)[0]


def test_characters_beyond_the_basic_plane_count_as_one() -> None:
    text = "🍵🍵 tea wants 80 degrees. Yes."
    cited = GREEN | {"index": text.index(". Yes")}
    streamed, message = written([done(part(text, cited))])
    assert check(streamed, message)[0] == "🍵🍵 tea wants 80 degrees[^0^]. Yes."


def test_a_provider_that_counts_utf16_units_is_understood_by_the_time_at_which_it_cites() -> None:
    text = "🍵🍵 tea wants 80 degrees. Yes."
    cited = GREEN | {"index": text.index(". Yes") + 2}
    events = [delta(text[:-6]), added(cited), delta(text[-6:])]
    streamed, message = written([*events, done(part(text, cited))])
    assert check(streamed, message)[0] == text[:-6] + "[^0^]" + text[-6:]


def test_places_count_from_the_part_of_the_message() -> None:
    first, second = part("One.", GREEN | {"index": 3}), part("Two.", BLACK | {"index": 3})
    for events in (
        [],
        [
            *(delta("One"), added(GREEN | {"index": 3}), delta(".")),
            *(delta("Two", 1), added(BLACK | {"index": 3}, 1), delta(".", 1)),
        ],
    ):
        streamed, message = written([*events, done(first, second)])
        assert check(streamed, message)[0] == "One[^0^].Two[^1^]."


def test_places_count_from_the_message_of_several_in_a_turn() -> None:
    one, two = part("One.", GREEN | {"index": 3}), part("See two.", page(4, 7))
    streamed, message = written([done(one), delta("See two."), done(two), done(one)])
    assert check(streamed, message)[0] == "One[^0^].\n\nSee [^1^].\n\nOne[^2^]."


def test_a_citation_that_begins_the_second_message_is_marked_in_it() -> None:
    events = [done(part("One.")), added(GREEN | {"index": None}), delta("Two."), done(part("Two."))]
    streamed, message = written(events)
    value, kinds = check(streamed, message)
    assert kinds == ["file_citation"]
    assert value.replace("[^0^]", "") == "One.\n\nTwo."


def test_a_marker_that_the_model_writes_itself_is_not_used() -> None:
    for text in (
        "As said 【0:0†source】 there. Yes.",
        "As said there. Yes. 【0:0†source】【0:1†source】",
    ):
        cited = GREEN | {"index": 2}
        events = [delta(text[:2]), added(cited), delta(text[2:])]
        streamed, message = written([*events, done(part(text, cited))])
        assert check(streamed, message)[1] == ["file_citation"]


def test_a_path_of_a_file_is_an_annotation_with_its_file() -> None:
    cited = {"type": "file_path", "file_id": "file-1", "index": 3}
    streamed, message = written([done(part("See it.", cited))])
    assert check(streamed, message)[0] == "See[^0^] it."
    assert text_of(message).annotations[0].file_path.file_id == "file-1"


def test_json_has_no_markers() -> None:
    for form in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x"}}):
        text = '{"a": "tea", "b": 1}'
        events = [delta(text), done(part(text, GREEN, page(7, 10), page(7, 10)))]
        streamed, message = written(events, response_format=form)
        assert json.loads(streamed) == {"a": "tea", "b": 1}
        assert [one.type for one in text_of(message).annotations] == ["url_citation"]


# ---- citations of a piece of the text ------------------------------------------------------------


def test_a_page_is_cited_by_the_piece_of_the_text() -> None:
    text = "Purr (cats.org), they do."
    streamed, message = written([delta(text), done(part(text, page(5, 15)))])
    assert check(streamed, message)[0] == "Purr [^0^], they do."
    assert text_of(message).annotations[0].url == "http://a"


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 3), (4, 4), (9, 5), (500, 600), (None, None), ("0", "3"), (2, 900), (0, None)],
)
def test_a_page_without_a_piece_of_its_own_is_marked(start: object, end: object) -> None:
    streamed, message = written([delta("Tea, Tea."), done(part("Tea, Tea.", page(start, end)))])
    assert check(streamed, message) == ("Tea, Tea.[^0^]", ["url_citation"])


def test_pieces_that_overlap_or_are_the_same_are_cited_once_and_marked_once() -> None:
    text = "All about green tea here."
    for second in (page(10, 19), page(4, 19), page(13, 25)):
        streamed, message = written([delta(text), done(part(text, page(4, 19), second))])
        value, kinds = check(streamed, message)
        assert len(kinds) == 2
        assert value == "All [^0^] here.[^1^]"


def test_markers_before_a_piece_move_its_place() -> None:
    cited = (GREEN | {"index": 5}, page(5, 9), page(10, 14))
    text = "Read this page."
    streamed, message = written([done(part(text, *cited))])
    assert check(streamed, message)[0] == "Read [^0^][^1^] [^2^]."


def test_chat_completions_cite_pages_too() -> None:
    parser, text = ChatParser(), "Purr (cats.org)."
    cited = {"url": "http://a", "title": "A", "start_index": 5, "end_index": 15}
    pieces: list[Json] = [
        {"content": text[:9]},
        {"content": text[9:], "annotations": [{"type": "url_citation", "url_citation": cited}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": one}]} for one in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = [event for chunk in chunks for event in parser.parse(chunk)]
    events += parser.close(StreamEnd.DONE)
    streamed, message = written_events(_Held(), events)
    assert check(streamed, message)[0] == "Purr [^0^]."
    assert text_of(message).annotations[0].url == "http://a"


# ---- files of code -------------------------------------------------------------------------------


def test_a_link_to_a_file_of_code_is_what_is_replaced() -> None:
    text = f"Here: [x.csv]({LINK})."
    at = text.index(LINK)
    for place in ((at, at + len(LINK)), (0, 0), (None, None), (3, 9), (999, 1000)):
        streamed, message = written([delta(text), done(part(text, code_file(*place)))])
        assert check(streamed, message)[0] == "Here: [x.csv]([^0^])."
        [one] = text_of(message).annotations
        assert one.file_path.file_id == message.attachments[0]["file_id"]


def test_a_file_that_is_linked_twice_is_marked() -> None:
    text = f"[a]({LINK}) and [b]({LINK})"
    cited = [code_file(4, 4 + len(LINK)), code_file(text.rindex(LINK), len(text) - 1)]
    streamed, message = written([delta(text), done(part(text, *cited))])
    assert check(streamed, message)[0] == f"{text}[^0^][^1^]"


def test_a_name_that_begins_another_name_is_marked() -> None:
    text = f"{LINK} {LINK}.gz"
    cited = [code_file(0, len(LINK)), code_file(len(LINK) + 1, len(text), "x.csv.gz")]
    streamed, message = written([delta(text), done(part(text, *cited))])
    assert check(streamed, message)[0] == f"{LINK} [^0^][^1^]"


def test_an_image_without_a_link_is_a_part_of_the_message_and_not_marked() -> None:
    text = "Here is the plot."
    streamed, message = written([delta(text), done(part(text, code_file(0, 0, "plot.png")))])
    assert check(streamed, message) == (text, [])
    assert [one.type for one in message.content] == ["text", "image_file"]


def test_a_table_without_a_link_is_marked() -> None:
    text = "Here is the table."
    streamed, message = written([delta(text), done(part(text, code_file(0, 0)))])
    assert check(streamed, message) == (f"{text}[^0^]", ["file_path"])


# ---- cut, old and later --------------------------------------------------------------------------


def test_a_message_that_is_cut_keeps_what_it_has_cited() -> None:
    events = [
        delta(TEA[:26]),
        added(GREEN),
        delta(TEA[26:40]),
        done(part(TEA[:40], GREEN, page(0, 5))),
    ]
    streamed, message = written(events, cut=True)
    assert check(streamed, message)[0] == "[^0^] tea wants 80 degrees[^1^]. Black tea wa"
    assert message.status == "incomplete"


def old_message(text: str, *annotations: Json) -> Message:
    content = [{"type": "text", "text": {"value": text, "annotations": list(annotations)}}]
    item: Any = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "content": content,
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }
    return Message.read("thread_1", item, 0)


def old(at: int, file_id: str) -> Json:
    file = {"file_id": file_id, "filename": "a.txt"}
    place = {"start_index": at, "end_index": at, "text": ""}
    return {"type": "file_citation", **place, "file_citation": file}


def test_what_the_last_release_has_stored_is_read_with_markers() -> None:
    raw = page(10, 13)
    message = old_message(
        TEA, old(57, "file-b"), raw, old(26, "file-g"), page(2, 3), page(None, None)
    )
    value, kinds = check(text_of(message).value, message)
    assert sorted(kinds) == ["file_citation"] * 2 + ["url_citation"] * 3
    assert "degrees[^" in value
    assert message.text == text_of(message).value


def cited(text: object = None, start: object = None, end: object = None) -> Json:
    """An annotation of an imported file; None: it lacks the field."""
    fields = {"type": "url_citation", "text": text, "start_index": start, "end_index": end}
    return {name: value for name, value in fields.items() if value is not None}


MARK = "【4:0†a.txt】"


@pytest.mark.parametrize(
    ("text", "annotations", "shown"),
    [
        ("abc abc", [cited("abc", 0, 3)], "abc[^0^] abc"),
        ("abc abc", [cited("abc")], "[^0^]abc abc"),
        ("abc", [cited("zzz", 3, 3)], "abc[^0^]"),
        ("abc", [cited("zzz", 1, 2)], "a[^0^]c"),
        ("abc", [cited("b")], "a[^0^]c"),
        ("abc", [cited("b", 0, 1)], "a[^0^]c"),
        ("abc", [cited("b", "1", 2.0)], "a[^0^]c"),
        ("abc", [cited(5, 1, 2)], "a[^0^]c"),
        ("abc", [cited(["b"], -5, 10**400)], "[^0^]"),
        ("abc", [cited(5), cited("b", 1, 2)], "[^0^]a[^1^]c"),
        ("abc", [cited("b", 1, 2), cited("b", 1, 2)], "a[^0^][^1^]c"),
        ("abc", [cited("ab", 0, 2), cited("bc", 1, 3)], "[^0^]c[^1^]"),
        ("abc", [cited("bc", 1, 3), cited("ab", 0, 2)], "[^0^]c[^1^]"),
        ("abcd", [cited("abc", 0, 3), cited("b", 1, 2)], "[^0^][^1^]d"),
        ("one source", [cited("source", 4, 10), cited("", 3, 3)], "one[^0^] source[^1^]"),
        ("", [cited("x", 1, 2)], "[^0^]"),
        # OpenAI repeats markers.
        (f"a{MARK} b{MARK}", [cited(MARK, 1, 11), cited(MARK, 13, 23)], "a[^0^] b[^1^]"),
        (f"a{MARK} b{MARK}", [cited(MARK, 1, 11), cited(MARK, 1, 11)], "a[^0^] b[^1^]"),
        (f"a{MARK} b{MARK}", [cited(MARK), cited(MARK), cited(MARK)], "[^0^]a[^1^] b[^2^]"),
        (f"a{MARK} b", [cited(MARK, 1, 11), cited(MARK, 1, 11)], "a[^0^][^1^] b"),
        (f"a{MARK} b", [cited(MARK, 0, 1)], "a[^0^] b"),
    ],
)
def test_annotations_of_imported_messages_get_a_piece_of_their_own(
    text: str, annotations: list[Json], shown: str
) -> None:
    message = old_message(text, *annotations)
    value, kinds = check(message.text, message)
    assert len(kinds) == len(annotations)
    assert value == shown


@pytest.mark.quiet
@pytest.mark.parametrize("has_places", [True, False])
def test_a_marker_that_is_repeated_a_thousand_times_is_no_obstacle(has_places: bool) -> None:
    text = f"{'x' * 50_000}{MARK * 1000}"
    places = range(50_000, len(text), len(MARK)) if has_places else [None] * 1000
    annotations = [cited(MARK, at, at and at + len(MARK)) for at in places]
    before = time.process_time()
    message = old_message(text, *annotations)
    assert time.process_time() - before < 6
    assert len({one.text for one in text_of(message).annotations}) == 1000


def test_a_text_with_odd_annotations_is_sent_to_the_model() -> None:
    for text in ({"value": 5, "annotations": [5, {"text": 5}]}, {"value": None, "annotations": {}}):
        item: Any = {"content": [{"type": "text", "text": text}]}
        assert text_for_model(item) == ("5" if text["value"] else "")


@given(
    st.lists(
        st.sampled_from(["a", "b", " ", "source", "†", MARK, "【0:0†source】"]), max_size=8
    ).map("".join),
    st.lists(
        st.builds(
            cited,
            st.sampled_from([None, "", "a", "b", "ab", "source", "†", MARK, 5, "【0:0†source】"]),
            st.none() | st.integers(-1, 40) | st.just("3"),
            st.none() | st.integers(-1, 40),
        ),
        max_size=5,
    ),
)
def test_every_annotation_that_was_stored_has_a_text_of_its_own(
    text: str, annotations: list[Json]
) -> None:
    message = old_message(text, *annotations)
    assert len(check(message.text, message)[1]) == len(annotations)
    again = message.content[0].model_dump()["text"]
    assert text_of(old_message(again["value"], *again["annotations"])).model_dump() == again


def test_texts_and_annotations_without_any_fault_are_read_unchanged() -> None:
    good = {"type": "file_citation", "text": "【4:0†source】", "start_index": 3, "end_index": 15}
    message = old_message("Tea【4:0†source】", good)
    assert text_of(message).model_dump() == {"value": "Tea【4:0†source】", "annotations": [good]}


def test_an_annotation_says_which_fields_it_has() -> None:
    annotation = text_of(old_message(TEA, old(3, "file-1"))).annotations[0]
    assert annotation.get("file_citation")["filename"] == "a.txt"
    with pytest.raises(AttributeError, match="no field 'file_path'"):
        _ = annotation.file_path


def test_the_model_gets_its_text_back_without_markers() -> None:
    _, message = written([done(part(TEA, GREEN, page(28, 33)))])
    item: Any = {"content": [one.model_dump() for one in message.content]}
    assert text_for_model(item) == TEA


def test_a_cited_piece_that_looks_like_a_marker_is_sent_back_to_its_model() -> None:
    events = [done(part("See 【a†b】.", page(4, 9)))]
    streamed, message = written(events)
    [one] = text_of(message).annotations
    assert streamed == "See 【a†b】.【0:0†source】"
    assert one.text == "【0:0†source】"
    assert text_for_model({"content": [one.model_dump() for one in message.content]}) == (  # type: ignore[typeddict-item]
        "See 【a†b】."
    )


# ---- all together --------------------------------------------------------------------------------

TEXTS = st.text(st.sampled_from("ab .🍵【】†\n"), min_size=1, max_size=30)
PLACES = st.none() | st.integers(-2, 35)
CITED = st.one_of(
    st.builds(lambda at: GREEN | {"index": at}, PLACES),
    st.builds(page, PLACES, PLACES),
    st.builds(code_file, PLACES, PLACES),
    st.builds(lambda at: {"type": "file_path", "file_id": "f", "index": at}, PLACES),
)


@st.composite
def messages(draw: st.DrawFn) -> list[Json]:
    """Events of a message, in which citations come anywhere."""
    text, cited = draw(TEXTS), draw(st.lists(CITED, max_size=5))
    events: list[Json] = []
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
        edges = [0, *cuts, len(text)]
        events = [delta(text[a:b]) for a, b in pairwise(edges)]
        for one in draw(st.lists(st.sampled_from(cited), max_size=5) if cited else st.just([])):
            events.insert(draw(st.integers(0, len(events))), added(one))
    return [*events, done(part(text, *cited))]


@example([[done(part("aa【a†", page(2, 9)))], [done(part("a】"))]], False)
@given(st.lists(messages(), min_size=1, max_size=3), st.booleans())
def test_every_annotation_has_a_text_of_its_own(turn: Sequence[Sequence[Json]], cut: bool) -> None:
    events = [event for message in turn for event in message]
    streamed, message = written(events, cut=cut)
    text = text_of(message)
    assert text.value == streamed
    for one in text.annotations:
        assert streamed.count(one.text) == 1
        assert streamed[one.start_index : one.end_index] == one.text
    places = [(one.start_index, one.end_index) for one in text.annotations]
    assert all(a[1] <= b[0] for a, b in pairwise(places))
    said = "\n\n".join(one["item"]["content"][0]["text"] for one in events if "item" in one)
    assert text_for_model({"content": [one.model_dump() for one in message.content]}) == said  # type: ignore[typeddict-item]


def test_a_turn_that_is_cut_without_its_message_still_tells_what_it_cites() -> None:
    parser = ResponsesParser()
    end = {"type": "response.incomplete", "response": {}}
    text = "See green tea"
    events = [delta(text), added(page(4, 9)), added(GREEN | {"index": 30}), end]
    found = [event for one in events for event in parser.parse(one)]
    assert isinstance(parser.turn, TurnEnded)
    streamed, message = written_events(_Held(), found)
    assert check(streamed, message)[0] == "See [^0^] tea[^1^]"
