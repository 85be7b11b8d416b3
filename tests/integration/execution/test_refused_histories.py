"""Whatever a provider refuses of whatever a thread has stored, its next run is answered.

The property, exactly. A provider takes the current turn by itself, and refuses requests by rules:
all of a kind (reasoning, hosted calls, images, long outputs), a turn with some text, more than so
many items. Two rules have different words, which may name the kind or not. Then

- the run is answered after at most five further requests, and more only for being too long;
- each request is of the protocol: pairs of calls and outputs are whole; and no two are the same;
- the current turn is whole in the request that is answered;
- unless all five were needed: each kind that is left out is one that this provider refuses, and it
  refuses the request with that kind taken back in;
- the thread's next run is answered at once, unless it is too long again.

With real processes: `tests/acceptance/test_fuzzed_refusals.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Run
from tests.support.histories import ODD_PARTS, PARTS, WORDS, earlier_turns, message, places
from tests.support.protocol_rules import violations
from tests.support.refusing_providers import (
    IN_STREAM,
    Body,
    BodyRule,
    Refusal,
    entries,
    refusal_of,
    rules,
    texts,
)
from tests.support.store.scene import REQUEST, Scene

from threadmill_shared import ids
from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    ModelEvent,
    ModelRequest,
    TextDelta,
    TurnEnded,
    Usage,
)
from threadmill_shared.records.items import ImportedItem
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.history import History
from threadmill_workers.execution.history_reducer import HistoryReducer
from threadmill_workers.execution.model_turn import ModelTurns
from threadmill_workers.execution.output_files import OutputFiles
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.reduction import LeftOut, PartKind
from threadmill_workers.metrics.recorder import MetricsRecorder
from threadmill_workers.models import errors
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.responses_request import responses_body

EXAMPLES = int(os.environ.get("FUZZ_REFUSALS", "100"))
"""Of each API."""
MOST = 5
"""Further requests for one answer."""
BODIES: dict[str, Any] = {"responses": responses_body, "chat": chat_body}
KINDS = [kind for kind in PartKind if kind is not PartKind.TURNS]
REQUEST_TO_M = REQUEST.model_copy(update={"model": "m"})


@dataclass
class RefusingModel:
    """A model whose provider has rules."""

    api: str
    rules: list[BodyRule]
    sent: list[Body] = field(default_factory=list)

    def body(self, request: ModelRequest) -> Body:
        body: Body = json.loads(json.dumps(BODIES[self.api](request)))
        return body

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.sent.append(self.body(request))
        refusal = refusal_of(self.rules, self.sent[-1])
        if refusal is not None:
            raise error_of(refusal)
        yield TextDelta("Fine.")
        yield MessageEnded()
        yield TurnEnded(FinishReason.END, Usage(1, 1, 2))

    async def close(self) -> None:
        pass


def error_of(refusal: Refusal) -> Exception:
    """The error that the worker makes of it."""
    body = {"message": refusal.message, "code": refusal.code, "param": refusal.param}
    private = PrivateTexts("sk-0123456789", ())
    if refusal.status == IN_STREAM:
        return errors.from_stream({"error": body}, private)
    response: Any = Response(refusal.status)
    error = openai.APIStatusError(refusal.message, response=response, body=body)
    return errors.from_sdk(error, private)


@dataclass
class Response:
    """As much of a response as an error needs."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    request: Any = None


async def import_turns(scene: Scene, thread_id: str, items: list[Any]) -> None:
    """Store these items as a thread's."""
    imported = [
        ImportedItem(item.get("id", "") if item["type"] == "message" else "", json.dumps(item), 0)
        for item in items
    ]
    await scene.store.threads.import_items(thread_id, imported, created_at=0)


async def answer(scene: Scene, thread_id: str, model: RefusingModel, text: str) -> None:
    """Have a run of the thread answered, and ended."""
    held = await scene.begin(text, thread_id=thread_id, request=REQUEST_TO_M)
    history = History(scene.store, thread_id, held.position, None)
    reducer = HistoryReducer(held=held, store=scene.store, history=history, model=model)

    async def wait_for_lease() -> None:
        pass

    turns = ModelTurns(
        held=held,
        model=model,
        history=history,
        reducer=reducer,
        wait_for_lease=wait_for_lease,
        provider=ProviderHealth(),
        retries=0,
        attached=AttachedFiles(scene.store, held, None),
        output_files=OutputFiles(scene.store, held, None, 1000),
        metrics=MetricsRecorder(),
    )
    try:
        reply = await turns.ask()
    except BaseException:
        await held.finish(Status.FAILED, Batch())
        raise
    assert reply.text == "Fine."
    await held.finish(Status.COMPLETED, reply.batch)


# ---- the property --------------------------------------------------------------------------------

POISON = "poison"
"""What the user says in a run that fails."""
_turns = st.lists(
    st.lists(st.sampled_from([*PARTS, *ODD_PARTS]), unique=True, max_size=6), min_size=1, max_size=7
)


@dataclass
class Example:
    """A thread, and a provider that refuses some of it."""

    turns: list[list[str]]
    rules: list[BodyRule]
    added: list[str]
    """What the user adds before the last run."""


@st.composite
def examples(draw: st.DrawFn) -> Example:
    turns = draw(_turns)
    asked = [f"t{number} asks" for number in range(len(turns))]
    made = draw(rules(asked, KINDS))
    if draw(st.booleans()):
        refusal = Refusal(400, WORDS[PartKind.TURNS].format(1), None, None)
        made.append(BodyRule(PartKind.TURNS, refusal, text=POISON))
    return Example(
        turns, made, draw(st.lists(st.sampled_from(["now first", "now then"]), max_size=3))
    )


TURNS_FIRST = Example(
    [["long_outputs"], ["reasoning", "long_outputs"]],
    [
        BodyRule(
            kind=PartKind.TURNS,
            refusal=Refusal(
                400, "The maximum context length is 8 items.", "context_length_exceeded", "messages"
            ),
            text="",
            most_items=8,
        ),
        BodyRule(
            kind=PartKind.REASONING,
            refusal=Refusal(400, "Bad request: zeta.", None, None),
            text="",
            most_items=0,
        ),
    ],
    ["now first"],
)
"""A turn would fit again once the reasoning is left out."""


@pytest.mark.any_server
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("api", BODIES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=list(HealthCheck),
)
@given(example=examples())
@hypothesis.example(TURNS_FIRST)
def test_a_run_is_answered_whatever_its_provider_refuses_of_earlier_turns(
    scene: Scene, run: Run, api: str, example: Example
) -> None:
    run(check(scene, api, example))


async def check(scene: Scene, api: str, example: Example) -> None:
    thread_id = ids.new_thread_id()
    await import_turns(scene, thread_id, earlier_turns(example.turns))
    model = RefusingModel(api, example.rules)
    if any(rule.text == POISON for rule in example.rules):
        with pytest.raises(Exception, match="refused the request"):
            await answer(scene, thread_id, model, POISON)
        model.sent.clear()
    added = [message("user", text, None, image="first" in text) for text in example.added]
    for item in added:
        item["id"] = ids.new_message_id()
        await scene.store.threads.add(thread_id, [(item["id"], item)], create=False)

    await answer(scene, thread_id, model, "now asks")
    refusals = [refusal_of(example.rules, body) for body in model.sent[:-1]]
    assert len([one for one in refusals if one and not is_too_long(one)]) <= MOST
    assert all(violations(api, body) == [] for body in model.sent)
    assert len({json.dumps(body) for body in model.sent}) == len(model.sent)
    for text in [*example.added, "now asks"]:
        assert text in texts(model.sent[-1])
    assert texts(model.sent[-1]).count("now.png") == len([i for i in added if has_image(i)])
    if len(refusals) < MOST:
        await check_nothing_more_is_left_out(scene, thread_id, model)

    model.sent.clear()
    await answer(scene, thread_id, model, "now more")
    refused_again = [refusal_of(example.rules, body) for body in model.sent[:-1]]
    assert all(one and is_too_long(one) for one in refused_again)


def is_too_long(refusal: Refusal) -> bool:
    return isinstance(error_of(refusal), errors.ContextTooLong)


def has_image(item: Any) -> bool:
    return len(item["content"]) > 1


async def check_nothing_more_is_left_out(
    scene: Scene, thread_id: str, model: RefusingModel
) -> None:
    """Taken back in, each kind would be refused."""
    notes = await scene.store.files.left_out(thread_id)
    note = {kind: spans for kind, spans in notes.get("m", {}).items() if kind != "refused"}
    left_out = LeftOut({PartKind(kind): spans for kind, spans in note.items()})
    assert left_out.spans.keys() <= {rule.kind for rule in model.rules}
    last = await scene.store.threads.last_position(thread_id)
    items = [item for item, *_ in await scene.store.threads.items(thread_id, 1, last - 1)]
    for kind in left_out.spans:
        more = [LeftOut({one: spans for one, spans in left_out.spans.items() if one is not kind})]
        if kind is PartKind.TURNS:
            # What makes a request smaller stays out, although another kind was left out later.
            more.append(LeftOut())
        bodies = [body_without(model, items, one) for one in more]
        assert entries(bodies[0]) == entries(model.sent[-1]) or any(
            refusal_of(model.rules, body) for body in bodies
        )


def body_without(model: RefusingModel, items: list[Any], left_out: LeftOut) -> dict[str, Any]:
    items = left_out.apply(items, places(items))
    return model.body(ModelRequest(model="m", instructions="Be brief.", items=items))
