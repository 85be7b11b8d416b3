"""Workers for tests: in the test's own process, where tools can be watched, or in another one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Protocol, Self

from threadmill.assistant import Assistant
from threadmill_shared import errors
from threadmill_shared.model import Model
from threadmill_shared.settings import Settings, load_settings
from threadmill_workers import service

Source = str | ModuleType | Assistant
"""Where a worker finds what it can execute: a module, by name or itself, or an assistant."""

_READY_SECONDS = 30.0
_END_SECONDS = 5.0
_LOOK_SECONDS = 0.02


class Worker(Protocol):
    """A worker that was started."""

    name: str
    """`host:pid`, as `run.worker` has it."""

    def stop(self) -> None:
        """End it; it gives back the runs that it has. Called again it does nothing."""
        ...


class Workers:
    """Starts workers, and ends them all at the end of its `with` block."""

    def __init__(self) -> None:
        self._all: list[Worker] = []

    def __call__(
        self, *sources: Source, model: Model | None = None, process: bool = False
    ) -> Worker:
        """Start a worker, and return once it takes runs.

        Args:
            sources: modules and assistants that it can execute.
            model: what it asks; None: the provider at `OPENAI_BASE_URL`.
            process: whether it is a process of its own, started by `threadmill worker`.

        Raises:
            NotConfigured: a module cannot be found, or the worker does not start.
            TypeError: a process was given something that only this process has; or a second worker
                was asked for in this process.
        """
        worker = self._process(sources, model) if process else self._thread(sources, model)
        self._all.append(worker)
        return worker

    def _process(self, sources: tuple[Source, ...], model: Model | None) -> Worker:
        names = [source for source in sources if isinstance(source, str)]
        if model is not None or len(names) < len(sources):
            raise TypeError("A worker process takes names of modules and no model.")
        return ProcessWorker(names)

    def _thread(self, sources: tuple[Source, ...], model: Model | None) -> Worker:
        if any(isinstance(worker, ThreadWorker) for worker in self._all):
            raise TypeError(
                "There is a worker in this process. Name all modules in one call, or start the "
                "others with process=True."
            )
        return ThreadWorker(sources, model, load_settings())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._all:
            worker.stop()


class ThreadWorker:
    """A worker in this process."""

    def __init__(
        self, sources: tuple[Source, ...], model: Model | None, settings: Settings
    ) -> None:
        make_model = service.model_factory(settings) if model is None else lambda: model
        self._process = service.WorkerProcess(settings, _catalog(sources), make_model)
        self.name = self._process.identity.name
        self._process.start()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._process.serve, args=(ready.set,), name="threadmill-worker", daemon=True
        )
        self._thread.start()
        if not ready.wait(_READY_SECONDS):
            raise errors.NotConfigured(f"The worker was not ready after {_READY_SECONDS:g} s.")
        self._is_running = True

    def stop(self) -> None:
        """End it; it gives back the runs that it has."""
        if self._is_running:
            self._is_running = False
            self._process.stop_consuming()
            self._process.close()
            self._thread.join(_END_SECONDS)


def _catalog(sources: tuple[Source, ...]) -> service.Catalog:
    catalog = service.load_catalog([source for source in sources if isinstance(source, str)])
    for source in sources:
        if isinstance(source, ModuleType):
            catalog.scan(source)
        elif not isinstance(source, str):
            catalog.add(source)
    return catalog


class ProcessWorker:
    """A `threadmill worker` process; it finds modules where this process finds them."""

    def __init__(self, modules: list[str]) -> None:
        with tempfile.NamedTemporaryFile(prefix="threadmill-worker-", delete=False) as log:
            self._log = Path(log.name)
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", "threadmill", "worker", *modules],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.name = self._wait_ready()

    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self) -> None:
        """End it; it gives back the runs that it has."""
        for _ in range(2):  # the first signal would let runs continue for a while
            self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.unlink(missing_ok=True)

    def _wait_ready(self) -> str:
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            for line in self.log().splitlines():
                if line.startswith("worker ") and " queues " in line:
                    return line.split()[1]
            time.sleep(_LOOK_SECONDS)
        said = self.log()
        self.stop()
        raise errors.NotConfigured(f"The worker process did not become ready. Its output:\n{said}")
