"""Published clients repeat requests whose answers were lost; not all of them say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_clients import CLIENTS, OTHERS
from tests.support.processes.client_programs import Client, ClientProgram
from tests.support.servers.losing_proxy import LosingProxy

pytestmark = [
    pytest.mark.every_client,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]

TRIED = [one for one in [*CLIENTS, *OTHERS] if str(one) != "node 4.104.0"]
"""That one sends forms in a way which the proxy does not understand."""
SILENT = {"python 1.40.0", "python 1.21.2"}
"""They do not say how often they have sent a request before; the gateway's page names them."""


@pytest.mark.parametrize("client", TRIED, ids=str)
def test_a_lost_answer_doubles_nothing_unless_the_client_says_nothing_and_has_no_key(
    served: Served, client: Client, tmp_path: Path
) -> None:
    port = int(served.gateway.url.rpartition(":")[2])
    program = ClientProgram(client, tmp_path / "client", name="repeats")
    with LosingProxy(port, keeps_connections=True) as proxy:
        found = program.play(f"http://127.0.0.1:{proxy.port}/v1")
        lost = b"\n".join(proxy.lost).decode()
    assert len(proxy.lost) == 10
    messages = served.client().beta.threads.messages
    for way, ids in found.items():
        is_doubled = way == "without a key" and str(client) in SILENT
        said = [one for one in messages.list(ids["thread"]) if one.role == "user"]
        assert len(said) == (2 if is_doubled else 1), way
        if not is_doubled:
            assert len(ids) == 5
            assert all(f'"{id}"' in lost for id in ids.values()), way
