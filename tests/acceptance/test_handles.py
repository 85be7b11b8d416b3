"""Handles of threads and assistants: what they keep, and what they do a second time."""

from __future__ import annotations

import pytest

from threadmill import Assistant, Thread, errors

pytestmark = [
    pytest.mark.usefixtures("environment"),
    pytest.mark.parametrize("api", ["responses"], indirect=True),  # nobody asks a model here
]


def test_a_threads_metadata_is_kept_by_the_run_that_makes_it_and_can_be_read_back() -> None:
    thread = Thread(key="support", metadata={"team": "blue"})
    Assistant(name="plain").enqueue("Hello!", thread)
    Thread(key="support", metadata={"team": "red"}).create()

    assert Thread(key="support").refresh().metadata == {"team": "blue"}


def test_a_thread_that_is_not_stored_has_nothing_to_refresh() -> None:
    with pytest.raises(errors.ThreadNotFound):
        Thread().refresh()


def test_metadata_that_is_no_text_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="metadata is a str, not int"):
        Thread(metadata={"team": 1})  # type: ignore[dict-item]  # that is the point


def test_a_thread_is_deleted_once() -> None:
    thread = Thread().create()
    thread.delete()
    with pytest.raises(errors.ThreadNotFound):
        thread.delete()


def test_a_key_of_a_deleted_thread_makes_a_new_run() -> None:
    plain = Assistant(name="plain")
    old = plain.enqueue("Hello!", idempotency_key="monday").cancel()
    Thread(old.thread_id).delete()

    new = plain.enqueue("Hello!", idempotency_key="monday")
    assert (new.thread_id, new.status) == (old.thread_id, "queued")
    assert new.id != old.id


def test_an_assistant_that_could_not_be_created_is_deleted_by_a_later_with() -> None:
    ai = Assistant(name="plain", tools=["no tool"])
    with pytest.raises(errors.BadTool), ai:
        pass
    ai.tools = []
    with ai:
        assistant_id = ai.id
    assert ai.id is None
    with pytest.raises(errors.AssistantNotFound):
        Assistant.load(assistant_id)
