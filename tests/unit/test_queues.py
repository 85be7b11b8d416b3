"""The names of a namespace's queues."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from threadmill import Assistant
from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.texts import check_queue_name

QUEUES = Queues("tm")


@pytest.mark.parametrize(
    ("name", "queue", "begun"),
    [
        (None, "tm", "tm.begun"),
        ("local", "tm.local", "tm.local.begun"),
        ("process-7", "tm.process-7", "tm.process-7"),
    ],
)
def test_runs_that_have_begun_stay_with_the_workers_of_their_queue(
    name: str | None, queue: str, begun: str
) -> None:
    assert QUEUES.own(name) == queue
    assert QUEUES.of_begun(queue) == begun
    assert QUEUES.knows(begun)


def test_the_common_queue_for_runs_that_have_begun_is_as_ever() -> None:
    assert QUEUES.begun == "tm.begun"


@pytest.mark.parametrize("name", ["begun", "door", "process-", "process-5f0c94be71d2"])
def test_an_assistants_queue_has_no_name_that_threadmill_uses_itself(name: str) -> None:
    with pytest.raises(ValueError, match="choose another name"):
        check_queue_name(name)
    with pytest.raises(ValidationError, match="choose another name"):
        Assistant(name="Clerk", queue=name)


@pytest.mark.parametrize("name", ["", "a" * 65, "a.b", "a b", "é", "a\n"])
def test_an_assistants_queue_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        check_queue_name(name)


@pytest.mark.parametrize("name", ["a", "local", "beguns", "open-ai_2", "process", "a" * 64])
def test_any_other_plain_name_will_do(name: str) -> None:
    assert Assistant(name="Clerk", queue=name).queue == name
