"""The one module through which the producers' package reaches the worker's.

The CLI, the embedded worker and `threadmill.testing` come in here; nothing else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING

from threadmill_shared import errors
from threadmill_shared.broker.app import check_certificate
from threadmill_shared.log_text import about, counted, install_command
from threadmill_shared.model import Model
from threadmill_shared.records.provider_report import ProviderReport
from threadmill_shared.records.workers import REPLACE_CODE, process_name
from threadmill_shared.settings import Settings
from threadmill_shared.tools.user_traceback import format_frames, is_ours
from threadmill_workers.catalog import Catalog, load_catalog
from threadmill_workers.log_text import describe_error, name_runs
from threadmill_workers.logs import setup
from threadmill_workers.logs.setup import logs_json
from threadmill_workers.process import WorkerProcess

__all__ = [
    "Catalog",
    "WorkerProcess",
    "as_log_line",
    "ask_provider",
    "begin_logging",
    "begin_logging_in_script",
    "describe_error",
    "format_frames",
    "import_provider",
    "is_ours",
    "keep_logging",
    "load_catalog",
    "logs_json",
    "model_factory",
    "run_worker",
    "serving_metrics",
]

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger = logging.getLogger("threadmill.worker")

GC_THRESHOLDS = (20_000, 20, 20)
"""A stream makes and drops many small objects; looking for cycles after 700 finds next to none."""
TOOL_SECONDS = 3.0
"""How long a tool call in progress may continue when the drain is over."""
CONSUMER_SECONDS = 0.5
"""How long the consumer has to leave the broker in order."""


def begin_logging(level: str) -> None:
    """Have this process, which is a worker's, log to stderr."""
    setup.install_handler(level, process_name())


def keep_logging() -> None:
    """Log on, whatever a module has done that sets up logging itself."""
    setup.enable_own_loggers()


def begin_logging_in_script(settings: Settings) -> None:
    """Have a script's embedded worker log in the format that is set, if one is."""
    if "log_format" in settings.model_fields_set:
        setup.install_in_script(process_name())


def as_log_line(words: str, *, process: str | None = None) -> str:
    """The words as a line of a worker's log at the level INFO.

    Args:
        words: the message.
        process: whose words they are; None: this process's, which is a worker.
    """
    found = {"name": logger.name, "levelname": "INFO", "levelno": logging.INFO, "msg": words}
    record = logging.makeLogRecord(found | about(process=process))
    return setup.formatter("" if process else process_name()).format(record)


def import_provider() -> None:
    """Import the provider's package now, if it is installed; `model_factory` tells if it is not."""
    with contextlib.suppress(ImportError):
        import_module("threadmill_workers.models")


def model_factory(settings: Settings) -> Callable[[], Model]:
    """What makes the model of a worker with these settings.

    Raises:
        NotConfigured: the provider's package or key is missing.
    """
    try:
        from threadmill_workers.models import create_model  # noqa: PLC0415  needs openai
    except ImportError as error:
        raise _incomplete_install(error) from error
    if not os.environ.get("OPENAI_API_KEY") and not os.environ.get("OPENAI_BASE_URL"):
        raise errors.NotConfigured(
            "Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set, so there is no model to ask. Set "
            "the key, or the URL of a compatible server. `threadmill demo` needs neither."
        )
    return lambda: create_model(settings.model_api)


async def ask_provider(api: str) -> ProviderReport:
    """Ask this process's provider whether it answers and accepts the key; that costs nothing.

    Args:
        api: `responses` or `chat`.

    Raises:
        NotConfigured: the provider's package, or both its key and its URL are missing.
    """
    try:
        # Importing openai takes a second, which would block the loop that others use, too.
        ask = await asyncio.to_thread(_load_check)
    except ImportError as error:
        raise _incomplete_install(error) from error
    return await ask(api)


def _load_check() -> Callable[[str], Awaitable[ProviderReport]]:
    from threadmill_workers.models import provider_check  # noqa: PLC0415  needs openai

    return provider_check.ask_for_models


def _incomplete_install(error: ImportError) -> errors.NotConfigured:
    return errors.NotConfigured(
        f"A worker needs the {error.name} package: {install_command('worker')}."
    )


@contextlib.contextmanager
def serving_metrics(registry: CollectorRegistry, host: str, port: int) -> Iterator[None]:
    """Serve a process's metrics for Prometheus, as a worker does its own, during the block."""
    from threadmill_workers.metrics.server import MetricsServer  # noqa: PLC0415  as for workers

    server = MetricsServer.start(registry, host, port)
    try:
        yield
    finally:
        if server is not None:
            server.close()


def run_worker(
    settings: Settings,
    modules: Sequence[str],
    on_ready: Callable[[WorkerProcess], None],
    *,
    queues: Sequence[str] = (),
) -> None:
    """Load modules and execute runs, until SIGTERM or SIGINT; then the process ends.

    The first signal lets runs continue for `drain_seconds`, the second one gives them back at once.
    The process ends by `os._exit`, since a tool's thread that never returns cannot be joined. If
    there are too many of these, the process ends as at a first signal, with `REPLACE_CODE`.

    Args:
        settings: with the store's URL.
        modules: what it can execute.
        on_ready: called when it has begun to take runs.
        queues: names of queues; only runs of assistants with one of them are taken. None are given:
            those of the modules' assistants, and the common one.

    Raises:
        NotConfigured: something is missing.
        StoreUnavailable: Redis does not answer.
    """
    make_model = model_factory(settings)
    check_certificate(settings)
    shutdown = _Shutdown(settings.drain_seconds)
    worker = WorkerProcess(
        settings, load_catalog(modules), make_model, only=queues, on_exhausted=shutdown.replace
    )
    worker.start()
    gc.collect()
    gc.freeze()  # what was imported stays; looking at it again would pause every stream
    gc.set_threshold(*GC_THRESHOLDS)
    signal.signal(signal.SIGTERM, shutdown.receive_signal)
    signal.signal(signal.SIGINT, shutdown.receive_signal)
    threading.Thread(
        target=shutdown.run, args=(worker,), name="threadmill-shutdown", daemon=True
    ).start()
    worker.serve(on_ready=lambda: on_ready(worker))
    shutdown.end_with_consumer()
    shutdown.done.wait()


class _Shutdown:
    """Ends a worker process: consume nothing, drain, give the rest back, leave."""

    def __init__(self, drain_seconds: float) -> None:
        self.done = threading.Event()
        self._drain_seconds = drain_seconds
        # A handler may interrupt itself: an Event's `set` would then wait for itself.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._is_signalled = False
        self._exit_code = 0
        self._has_consumer_ended = threading.Event()

    def receive_signal(self, number: int, _frame: FrameType | None) -> None:
        """Note a signal; the work is done in a thread, since a handler may interrupt anything."""
        self._is_signalled = True
        self._signals.put(number)

    def end_with_consumer(self) -> None:
        """Exit too, if the consumer ended by itself; after a signal it was told to."""
        self._has_consumer_ended.set()
        if not self._is_signalled:
            logger.error("the consumer ended by itself; this worker exits and must be restarted")
            self._exit_code = 1
            self.receive_signal(signal.SIGTERM, None)

    def replace(self) -> None:
        """Exit, too, so that another process takes this one's place."""
        if not self._is_signalled:
            self._exit_code = REPLACE_CODE
            self.receive_signal(signal.SIGTERM, None)

    def run(self, worker: WorkerProcess) -> None:
        """Wait for the first signal, then end the process."""
        self._signals.get()
        worker.stop_consuming()
        running = counted(worker.running, "run")
        logger.info("told to stop; %s may continue for %g s", running, self._drain_seconds)
        until = time.monotonic() + self._drain_seconds
        while worker.running and self._signals.empty() and time.monotonic() < until:
            time.sleep(0.05)
        # A consumer that still listens could take what is given back, and lose it.
        if self._signals.empty():
            self._has_consumer_ended.wait(CONSUMER_SECONDS)
        if worker.running:
            logger.info("giving back %s", name_runs(worker.run_ids))
        worker.close(TOOL_SECONDS if self._signals.empty() else 0)
        logger.info("this worker has ended")
        logging.shutdown()
        os._exit(self._exit_code)
