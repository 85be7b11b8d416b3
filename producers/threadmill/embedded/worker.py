"""For scripts without settings: an embedded server, and a worker in the script's own process.

The same code as in production runs here: a real server, real Celery, real scripts. The worker
executes the functions of its own process only, from a queue that no other process consumes.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from threadmill.embedded import quick_end
from threadmill.embedded.server import FOLDER, ensure_server
from threadmill_shared import errors
from threadmill_shared.broker.queues import Queues
from threadmill_shared.lazy_imports import many_imports
from threadmill_shared.log_text import install_command
from threadmill_shared.settings import Settings
from threadmill_shared.tools import ToolRegistry

if TYPE_CHECKING:
    import redis

    from threadmill_shared.tools import Tool
    from threadmill_workers import service

logger = logging.getLogger("threadmill")

_STOP_SECONDS = 5.0
_PROVIDER = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "THREADMILL_MODEL_API")


def begin(settings: Settings) -> tuple[Settings, EmbeddedWorker]:
    """The embedded server of the current folder, started if needed, and this process's worker.

    Returns:
        The settings with the server's URL; and the worker, which starts when it is offered tools.

    Raises:
        NotConfigured: no server's program can be found, or this install cannot ask a model.
    """
    _refuse_base_install()
    folder = Path.cwd() / FOLDER
    url = ensure_server(folder, _import_worker)
    _begin_logging(settings)
    quick_end.arrange()
    _worker.hold_connection(url)
    _announce(folder)
    return settings.model_copy(update={"redis_url": SecretStr(url), "broker_url": None}), _worker


def _import_worker() -> None:
    """Import what a worker needs, which takes longer than a server to start."""
    with many_imports():
        from threadmill_workers import service  # noqa: PLC0415

        service.import_provider()


def _begin_logging(settings: Settings) -> None:
    from threadmill_workers import service  # noqa: PLC0415  see above

    service.begin_logging_in_script(settings)


def _refuse_base_install() -> None:
    if find_spec("openai") is None:
        raise errors.NotConfigured(
            "THREADMILL_REDIS_URL is not set, and this install has no worker to embed. Set it to "
            f"your Redis, or run: {install_command('embedded')}."
        )


class EmbeddedWorker:
    """The worker of this process."""

    def __init__(self) -> None:
        self.queue = f"{os.getpid()}-{os.urandom(4).hex()}"
        self.tools = ToolRegistry()
        self._process: service.WorkerProcess | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stops_at_exit = False
        self._started_with: tuple[str | None, ...] = ()
        self._server: redis.Redis | None = None

    def hold_connection(self, url: str) -> None:
        """Stay connected to the server until the worker is.

        A server without a client ends itself, and on a busy machine a worker takes its time.
        """
        from threadmill.embedded import server_connections  # noqa: PLC0415  it imports redis

        self._server = server_connections.hold(url)

    def add_functions(self, settings: Settings, tools: list[Tool]) -> None:
        """Offer it these functions for execution; starts it if needed.

        Raises:
            NotConfigured: no model can be asked.
        """
        self.ensure(settings)
        for tool in tools:
            self.tools.register(tool)

    def ensure(self, settings: Settings) -> None:
        """Start it; start it again if the provider or the server has changed."""
        wanted = (settings.store_url(), *(os.environ.get(name) for name in _PROVIDER))
        if self._process is not None and wanted != self._started_with:
            self.stop()
        with self._lock:
            if self._process is None:
                self._start(settings)
                self._started_with = wanted

    def _start(self, settings: Settings) -> None:
        from threadmill_workers import service  # noqa: PLC0415  see `_import_worker`

        make_model = service.model_factory(settings)
        catalog = service.Catalog(tools=self.tools)
        queue = Queues(settings.namespace).embedded(self.queue)
        process = service.WorkerProcess(settings, catalog, make_model, own_queue=queue)
        process.start()
        self._process = process
        self._stop_before_exit()
        self._thread = threading.Thread(target=process.serve, name="threadmill-worker", daemon=True)
        self._thread.start()
        if self._server is not None:
            self._server.close()  # the worker's lease is connected
            self._server = None

    def _stop_before_exit(self) -> None:
        # Celery's pool threads are joined before atexit hooks run; a run in progress would hold the
        # script until its end. This hook runs before they are joined.
        if not self._stops_at_exit:
            self._stops_at_exit = True
            threading._register_atexit(self.stop)  # type: ignore[attr-defined]  # noqa: SLF001

    def stop(self) -> None:
        """Give the runs back, and end the worker."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None and self._thread is not None:
            process.stop_consuming()
            process.close()
            self._thread.join(_STOP_SECONDS)

    def disown(self) -> None:
        """Leave it to the process that it was forked from: `stop` would wait for its threads."""
        self._process = None
        self._lock = threading.Lock()


_worker = EmbeddedWorker()


def _renew_after_fork() -> None:
    # The parent's worker, its thread and its queue are not the child's.
    global _worker  # noqa: PLW0603  one per process
    _worker.disown()
    _worker = EmbeddedWorker()


os.register_at_fork(after_in_child=_renew_after_fork)


_announced: set[Path] = set()
"""Folders whose server this process, or the one that it was forked from, has announced."""


def _announce(folder: Path) -> None:
    if folder in _announced:
        return
    _announced.add(folder)
    words = (
        "threadmill: embedded server and worker, data in ./%s/ "
        "(set THREADMILL_REDIS_URL to use your own)"
    )
    if sys.stdout is not None and sys.stdout.isatty():
        print(words % FOLDER)  # noqa: T201  the one line that says what was started
    else:
        logger.warning(words, FOLDER)
