"""The openai package's objects that hooks are given are those that the package would construct."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from openai import BaseModel
from openai.types.beta.threads import Message, Text
from openai.types.beta.threads.runs import RunStep

from threadmill.handlers.dispatcher import Dispatcher
from threadmill.handlers.openai_package import PackageObjectFactory
from threadmill_shared.events.decoder import Event

DELTA = "thread.message.delta"
MESSAGE = {"object": "thread.message", "role": "assistant", "attachments": [], "metadata": {}}


class PlainFactory(PackageObjectFactory):
    """Constructs each object from all of its fields."""

    def event(self, event: Event) -> Any:
        return PackageObjectFactory().event(event)

    def message(self, fields: dict[str, Any]) -> Any:
        return Message.construct(**fields)

    def text(self, fields: dict[str, Any]) -> Any:
        return Text.construct(**fields)

    def step(self, fields: dict[str, Any]) -> Any:
        return RunStep.construct(**fields)


def random_part(choose: random.Random, index: int) -> dict[str, Any]:
    if choose.random() < 0.1:
        return {"index": index, "type": "image_file", "image_file": {"file_id": "file_1"}}
    text: dict[str, Any] = {"value": choose.choice(["a", "", "Zürich ", '"]],["', "\n"])}
    if choose.random() < 0.2:
        note = {"type": "file_citation", "text": "[1]", "start_index": 0, "end_index": 3}
        text["annotations"] = [{"index": choose.randrange(3), **note}]
    if choose.random() < 0.1:
        text["later"] = choose.choice([1, "x", None, {"value": "y"}])
    return {"index": index, "type": "text", "text": text}


def random_events(choose: random.Random) -> Iterator[Event]:
    number = 0
    for message in range(choose.randint(1, 3)):
        id, parts = f"msg_{message}", 0
        created = {**MESSAGE, "id": id, "status": "in_progress", "content": []}
        yield Event(number := number + 1, "thread.message.created", created)
        for _ in range(choose.randint(0, 30)):
            added = [random_part(choose, parts)]
            if choose.random() < 0.2:
                parts += 1
                added.append(random_part(choose, parts))
            data: dict[str, Any] = {"id": id, "object": DELTA, "delta": {"content": added}}
            if choose.random() < 0.05:
                data["delta"]["role"] = "assistant"
            yield Event(number := number + 1, DELTA, data)
        text = {"value": "all", "annotations": []}
        content = [{"type": "text", "text": text} for _ in range(parts + 1)]
        ended = {**created, "status": "completed", "content": content}
        yield Event(number := number + 1, "thread.message.completed", ended)


def shown(dispatcher: Dispatcher, events: list[Event]) -> Iterator[tuple[str, Any]]:
    for event in events:
        for hook, arguments in dispatcher.calls(event):
            yield hook, arguments
            yield "now", (dispatcher.current_event, dispatcher.current_message)


@pytest.mark.parametrize("seed", range(30))
def test_what_hooks_get_is_what_the_package_constructs(seed: int) -> None:
    events = list(random_events(random.Random(seed)))
    quick = list(shown(Dispatcher(PackageObjectFactory(), lambda _: True), events))
    plain = list(shown(Dispatcher(PlainFactory(), lambda _: True), events))
    assert len(quick) > len(events)
    assert quick == plain
    assert [[type(one) for one in given] for _, given in quick] == [
        [type(one) for one in given] for _, given in plain
    ]
    assert repr(quick) == repr(plain)


def test_a_texts_snapshot_is_the_one_in_its_message() -> None:
    dispatcher = Dispatcher(PackageObjectFactory(), lambda _: True)
    seen = 0
    for event in random_events(random.Random(1)):
        for hook, arguments in dispatcher.calls(event):
            if hook == "on_text_delta":
                seen += 1
                assert arguments[1] in [
                    part.text for part in dispatcher.current_message.content if part.type == "text"
                ]
    assert seen


def test_a_snapshot_that_a_hook_keeps_stays_as_it_was() -> None:
    dispatcher = Dispatcher(PackageObjectFactory(), lambda _: True)
    kept = []
    for event in random_events(random.Random(3)):
        for _, arguments in dispatcher.calls(event):
            kept += [(one, one.model_dump()) for one in arguments]
    assert len(kept) > 20
    assert all(one.model_dump() == then for one, then in kept)


def spoil(value: Any) -> None:
    """Change an object's texts and lists, and those of what is inside of it."""
    for part in value if isinstance(value, list) else vars(value).values():
        if isinstance(part, BaseModel | list):
            spoil(part)
    if isinstance(value, list):
        value.clear()
    elif isinstance(getattr(value, "value", None), str):
        value.value += "spoiled"


@pytest.mark.parametrize("seed", range(10))
def test_what_a_handler_does_to_an_object_shows_in_no_later_one(seed: int) -> None:
    def given(*, are_spoiled: bool) -> Iterator[Any]:
        dispatcher = Dispatcher(PackageObjectFactory(), lambda _: True)
        for event in random_events(random.Random(seed)):
            objects = [one for _, arguments in dispatcher.calls(event) for one in arguments]
            yield [one.model_dump() for one in objects]
            if are_spoiled:
                spoil(objects)

    assert list(given(are_spoiled=True)) == list(given(are_spoiled=False))


def test_for_a_piece_of_text_the_package_constructs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dispatcher = Dispatcher(PackageObjectFactory(), lambda _: True)
    created = {**MESSAGE, "id": "msg_0", "content": []}
    part = {"index": 0, "type": "text", "text": {"value": "word "}}
    delta = Event(2, DELTA, {"id": "msg_0", "object": DELTA, "delta": {"content": [part]}})
    list(dispatcher.calls(Event(1, "thread.message.created", created)))
    list(dispatcher.calls(delta))
    list(dispatcher.calls(delta))
    made: list[Any] = []

    def construct(*_: Any, **values: Any) -> Any:
        made.append(values)

    monkeypatch.setattr("openai.BaseModel.construct", construct)
    [*_, (_, (_, snapshot))] = dispatcher.calls(delta)
    assert not made
    assert snapshot.content[0].text.value == "word " * 3
