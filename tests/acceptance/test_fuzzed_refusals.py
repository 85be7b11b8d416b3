"""Whatever a provider refuses of earlier turns, a worker's next run on the thread is answered.

The property is that of `tests/integration/execution/test_refused_histories.py`, which tries more
examples, without the providers' HTTP. Here the current turn calls a tool as well.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.acceptance.conftest import Lasting
from tests.support.histories import ODD_PARTS, PARTS, WORDS, earlier_turns
from tests.support.protocol_rules import violations
from tests.support.refusing_providers import IN_STREAM, BodyRule, Refusal, refusal_of, rules, texts

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import Answer, Call, Fault, Reply, Request, StandIn, Text
from threadmill_shared.records.items import ImportedItem
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.execution.reduction import PartKind

EXAMPLES = int(os.environ.get("FUZZ_RUNS", "60"))
"""Of each API; each takes about a seventh of a second."""
MOST = 5
KINDS = [kind for kind in PartKind if kind is not PartKind.TURNS]
POISON = "poison"
_turns = st.lists(
    st.lists(st.sampled_from([*PARTS, *ODD_PARTS]), unique=True, max_size=6), min_size=1, max_size=5
)


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> Iterator[StandIn]:
    standin = lasting.fresh_standin()
    # The stand-in did not make what these threads have, and would refuse it for that.
    imported = ("reasoning_origin", "expired_containers")
    standin.allow(*imported)
    yield standin
    standin.refuse(*imported)


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 60,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_run_completes_whatever_its_provider_refuses_of_earlier_turns(
    standin: StandIn, api: str, data: st.DataObject
) -> None:
    turns = data.draw(_turns)
    made = data.draw(rules([f"t{number} asks" for number in range(len(turns))], KINDS))
    thread = imported(earlier_turns(turns))
    if data.draw(st.booleans()):
        refusal = Refusal(400, WORDS[PartKind.TURNS].format(1), None, None)
        made.append(BodyRule(PartKind.TURNS, refusal, text=POISON))
        standin.brain = brain_of(made, [])
        assert said(POISON, thread).status == "failed"

    calls = data.draw(st.sampled_from([[], [Call("show_int", {"value": 7})]]))
    standin.brain = brain_of(made, calls)
    standin.forget()
    run = said("now asks", thread)
    assert (run.status, run.text) == ("completed", "Fine."), run.last_error
    bodies = [dict(record.body) for record in standin.requests]
    assert not any(record.refused_by or record.error for record in standin.requests)
    assert all(violations(api, body) == [] for body in bodies)
    assert len({json.dumps(body) for body in bodies}) == len(bodies)
    refused = [one for one in (refusal_of(made, body) for body in bodies) if one is not None]
    too_long = [rule.refusal for rule in made if rule.most_items]
    others = [one for one in refused if one not in too_long]
    assert len(others) <= MOST * (1 + len(calls))
    assert "now asks" in texts(bodies[-1])
    assert ("int 7" in texts(bodies[-1])) == bool(calls)
    if len(refused) < MOST:
        assert left_out(run) <= {rule.kind.value for rule in made}


def imported(items: list[Any]) -> Thread:
    """A thread that has these items."""
    thread = Thread()
    rows = [
        ImportedItem(item.get("id", "") if item["type"] == "message" else "", json.dumps(item), 0)
        for item in items
    ]

    async def put() -> None:
        client = connect(os.environ["THREADMILL_REDIS_URL"])
        store = Store(client, Settings().namespace)
        await store.threads.import_items(thread.id, rows, created_at=0)
        await store.close()
        await client.aclose()

    asyncio.run(put())
    return thread


def brain_of(rules: list[BodyRule], calls: list[Call]) -> Any:
    """A provider with these rules, which makes these calls before it answers."""

    def brain(request: Request) -> Answer | str:
        refusal = refusal_of(rules, dict(request.body))
        if refusal is not None:
            return told(refusal)
        return Reply([Text("Fine.")]) if request.tool_outputs or not calls else Reply(calls)

    return brain


def told(refusal: Refusal) -> Answer:
    if refusal.status == IN_STREAM:
        return Fault.event_error(code=refusal.code or "invalid_prompt", message=refusal.message)
    return Fault.status(
        refusal.status, message=refusal.message, code=refusal.code, param=refusal.param
    )


def said(text: str, thread: Thread) -> Run:
    try:
        return Assistant.load("toolbox").say(
            text, thread=thread, model="m", event_handler_class=None, timeout=60
        )
    except errors.RunFailed as failed:
        run: Run = failed.run
        return run


def left_out(run: Run) -> set[str]:
    """The kinds that the run's last request has left out."""
    events = [e.data["left_out"] for e in run.events() if e.event == "threadmill.model.reduced"]
    return set(events[-1]) if events else set()
