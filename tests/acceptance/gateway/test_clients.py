"""OpenAI's own packages, unmodified, against a gateway and two workers.

Each plays the same scenarios in each way that it has. CI plays the newest and one of
2024; `--every-client` plays all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.gateway.conftest import Served
from tests.support.processes.client_programs import Client, ClientProgram
from tests.support.processes.gateway import Gateways

from threadmill.testing import Call, Fault, Reply, Text, converse

pytestmark = pytest.mark.timeout(400)

CLIENTS = [Client("python", "3.57.0"), Client("python", "1.40.0"), Client("node", "7.59.0")]
OTHERS = [
    Client("python", "2.54.0"),
    Client("python", "1.109.1"),
    Client("python", "1.21.2"),
    Client("node", "4.104.0"),
]
MESSAGE, CALLS = ["message_creation", "completed"], ["tool_calls", "completed"]
OUTCOMES: dict[str, dict[str, Any]] = {
    "plain": {"status": "completed", "text": "1 2 3 4 5 ", "steps": [MESSAGE]},
    "tool": {"status": "completed", "text": "add answered: 4.", "steps": [CALLS, MESSAGE]},
    "two tools": {
        "status": "completed",
        "text": "add answered: 4. add answered: 4.",
        "steps": [CALLS, MESSAGE],
    },
    "two rounds": {"status": "completed", "text": "done", "steps": [CALLS, CALLS, MESSAGE]},
    "cancel": {"status": "cancelled", "steps": [["message_creation", "cancelled"]]},
    "failure": {"status": "failed", "error": "invalid_prompt", "text": "", "steps": []},
    "incomplete": {
        "status": "incomplete",
        "reason": "max_completion_tokens",
        "text": "Once upon a",
        "steps": [MESSAGE],
    },
    "hosted": {
        "status": "completed",
        "text": "Here is the plot of sin(x): sandbox:/mnt/data/sine.png",
        "steps": [CALLS, MESSAGE],
    },
    "own events": {"status": "completed", "steps": [CALLS, MESSAGE]},
    "expiry": {"status": "expired", "steps": [["message_creation", "expired"]]},
}
UNABLE = {
    "node 4.104.0": {"incomplete, stream"},  # its stream does not know that status
    "python 1.109.1": {"own events, raw"},  # it gives what it does not know no name
    "python 1.21.2": {"incomplete, poll"},  # its poll waits for ever for another one
}


def brain(request: Any) -> Any:
    """The scenarios for which the stand-in's own words are not enough."""
    match request.last_user_text:
        case "two rounds":
            is_over = len(request.tool_outputs) == 2
            return Reply([Text("done") if is_over else Call("add")])
        case "fail":
            return Fault.status(400)
        case "cut short":
            return Reply([Text("Once upon a")], stop="length")
        case _:
            return converse(request)


@pytest.fixture(scope="module")
def scenarios(served: Served) -> Iterator[Served]:
    served.fleet.standin.brain = brain
    yield served
    served.fleet.standin.brain = converse


@pytest.fixture(
    scope="module",
    params=[*CLIENTS, *(pytest.param(one, marks=pytest.mark.every_client) for one in OTHERS)],
    ids=str,
)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@pytest.fixture(scope="module")
def found(
    scenarios: Served, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What a client's program has found, played once."""
    folder = tmp_path_factory.mktemp("clients")
    program = ClientProgram(client, folder / client.version)
    found = program.play(f"{scenarios.gateway.url}/v1")
    with Gateways(folder) as gateways:
        hasty = gateways.start(THREADMILL_RUN_SECONDS="1")
        return found | program.play(f"{hasty.url}/v1", "expiry")


@pytest.mark.parametrize("scenario", OUTCOMES)
def test_each_way_gives_what_it_gave_on_openais_server(
    found: dict[str, dict[str, Any]], client: Client, scenario: str
) -> None:
    ways = ["poll", "stream", "raw"] + (["async"] if client.language == "python" else [])
    for way in ways:
        name = f"{scenario}, {way}"
        if name in UNABLE.get(str(client), ()):
            continue
        outcome = found[name]
        assert "raised" not in outcome, f"{name}: {outcome['raised']}"
        assert outcome.items() >= OUTCOMES[scenario].items(), name
        if way != "poll":
            assert outcome["streamed"] == outcome["text"], name


def test_streams_end_with_the_runs_last_event(
    found: dict[str, dict[str, Any]], client: Client
) -> None:
    for name, outcome in found.items():
        if name in UNABLE.get(str(client), ()) or "names" not in outcome:
            continue
        *parked, last = outcome["names"]
        assert all(names[-1] == "thread.run.requires_action" for names in parked), name
        assert last[-1] == f"thread.run.{outcome['status']}", name
        assert outcome["names"][0][0] == "thread.run.created"


def test_events_of_our_own_are_read_like_any_other(
    found: dict[str, dict[str, Any]], client: Client
) -> None:
    # Some handlers pass them over; what matters is that none fails, which is tested above.
    if "own events, raw" not in UNABLE.get(str(client), ()):
        [names] = found["own events, raw"]["names"]
        assert "threadmill.tool.failed" in names, client
