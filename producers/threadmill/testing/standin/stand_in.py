"""The stand-in as a test uses it: a server in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from threadmill.testing.standin.brain import Brain
from threadmill.testing.standin.default_brain import converse
from threadmill.testing.standin.hosting import Hosting
from threadmill.testing.standin.records import Record, RecordLog
from threadmill.testing.standin.rules import RuleSet
from threadmill.testing.standin.server import Service
from threadmill.testing.standin.serving import run, serve

_HOST = "127.0.0.1"
_STOP_TIMEOUT = 10.0
"""Seconds; only a brain that blocks the loop can use them up."""
_POLL = 0.002
"""Seconds between two looks of `wait_until`."""


class StandIn:
    """A provider on 127.0.0.1 that speaks the Responses API and Chat Completions.

    As a context manager it serves from a thread of its own, whatever the test itself waits for.

    Args:
        brain: decides the answers; default: `converse`. It can be changed while it runs.
        delay: seconds from one token to the next.
        port: 0 takes a free one.
        strict: refuse what providers refuse, such as parameters that they do not know, or tool
            calls without an output. `allow` and `refuse` switch single rules, by their names in
            `threadmill.testing.standin.rules.RULES`.
        remember: how many of the newest requests are kept in `requests`.
    """

    def __init__(
        self,
        brain: Brain | None = None,
        delay: float = 0.0,
        *,
        port: int = 0,
        strict: bool = True,
        remember: int = 10_000,
    ) -> None:
        self._records = RecordLog(remember)
        self._service = Service(
            brain or converse, delay=delay, rules=RuleSet(strict=strict), records=self._records
        )
        self._wanted_port = port
        self._server: _ServerThread | None = None

    def start(self) -> Self:
        """Serve until `stop`.

        Raises:
            RuntimeError: it does already.
            OSError: the port is taken.
        """
        if self._server:
            raise RuntimeError("This StandIn is running already.")
        self._server = _ServerThread(self._service, self._wanted_port)
        return self

    def stop(self) -> None:
        """Break off what is being answered, and free the port; without effect when stopped."""
        if self._server:
            server, self._server = self._server, None
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` is to be set to.

        Raises:
            RuntimeError: the server is not running.
        """
        if not self._server:
            raise RuntimeError("This StandIn is not running: use `with StandIn() as standin:`.")
        return f"http://{_HOST}:{self._server.port}/v1"

    @property
    def brain(self) -> Brain:
        """Decides the answers; setting it takes effect with the next request."""
        return self._service.brain

    @brain.setter
    def brain(self, brain: Brain) -> None:
        self._service.brain = brain

    @property
    def requests(self) -> list[Record]:
        """The requests so far in the order of their arrival; each is filled in while it goes."""
        return self._records.all()

    @property
    def hosting(self) -> Hosting:
        """The files, containers and vector stores that it keeps, as a provider does."""
        return self._service.hosting

    def allow(self, *rules: str) -> Self:
        """Take requests, from now on, that break these rules; or answer so, with `tool_choice`.

        Raises:
            ValueError: there is no such rule.
        """
        self._service.rules.allow(*rules)
        return self

    def refuse(self, *rules: str) -> Self:
        """Refuse, from now on, requests that break these rules, as only some servers do.

        Raises:
            ValueError: there is no such rule.
        """
        self._service.rules.refuse(*rules)
        return self

    def forget(self) -> None:
        """Empty `requests`."""
        self._records.clear()

    def wait_until(
        self, condition: Callable[[list[Record]], bool], timeout: float = 5.0
    ) -> list[Record]:
        """Wait until the requests fulfil the condition, and return them.

        Raises:
            TimeoutError: they did not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not condition(requests := self.requests):
            if time.monotonic() > deadline:
                texts = [record.user_text for record in requests]
                raise TimeoutError(f"Not fulfilled within {timeout} s; users' texts: {texts}")
            time.sleep(_POLL)
        return requests


class _ServerThread:
    """A server that is listening when this is made."""

    def __init__(self, service: Service, port: int) -> None:
        self._service = service
        self._started: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(port,), name="stand-in", daemon=True
        )
        self._thread.start()
        self.port = self._started.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_TIMEOUT)

    def _run(self, port: int) -> None:
        try:
            run(lambda: self._serve(port))
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self, port: int) -> None:
        self._service.is_stopping = False
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._service, _HOST, port, stop=self._stop, on_start=self._started.set_result)
