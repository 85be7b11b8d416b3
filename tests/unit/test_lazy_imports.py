"""What is imported when: each name at its first use, and nothing that a process does not need."""

from __future__ import annotations

import ast
import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import Future
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.processes.commands import run_command

import threadmill
from threadmill.client import first_use
from threadmill_shared.lazy_imports import lazy_modules, lazy_names, many_imports

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "shared", ROOT / "workers", ROOT / "producers"]

HEAVY = {
    *("aiohttp", "amqp", "celery", "httpx2", "jinja2", "jsonschema", "kombu", "openai"),
    *("prometheus_client", "pydantic_settings", "redis", "rich", "uvloop", "yaml"),
}
"""Packages that cost a process time, and that not every process needs."""


def lazy_packages() -> dict[str, Path]:
    """The packages that load their names, or their modules, at the first use."""
    found = {}
    for source in SOURCES:
        for file in source.rglob("__init__.py"):
            if "__getattr__" in file.read_text():
                found[".".join(file.parent.relative_to(source).parts)] = file
    return found


def names_for_type_checkers(file: Path) -> set[str]:
    """What the package imports for type checkers only."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom):
                    names |= {alias.asname or alias.name for alias in inner.names}
    return names


def imported_by(code: str, *options: str) -> set[str]:
    """The modules that a fresh process has imported at the end of this code."""
    tell = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-W", "error", *options, "-c", tell]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return set(ended.stdout.split())


# ---- what is imported --------------------------------------------------------------------------


def test_importing_the_assistant_imports_nothing_heavy_but_pydantic() -> None:
    found = imported_by("from threadmill import Assistant")
    assert "pydantic" in found
    assert not found & HEAVY
    assert not any(name.startswith("threadmill_shared.store") for name in found)


def test_defining_an_assistant_with_tools_and_a_thread_imports_nothing_heavy() -> None:
    found = imported_by(
        "from threadmill import Assistant, Thread, tool\n"
        "@tool(timeout=5)\n"
        "def roll(n: int) -> int:\n"
        "    'Roll.'\n"
        "    return n\n"
        "Assistant('Marvin', 'Hello {{ self_.name }}', tools=[roll], temperature=0.5)\n"
        "Thread(metadata={'user': '1'})"
    )
    assert not found & HEAVY


def test_the_command_lines_help_imports_neither_pydantic_nor_anything_heavy() -> None:
    found = imported_by(
        "import sys, threadmill.cli\n"
        "sys.argv = ['threadmill', '--help']\n"
        "try: threadmill.cli.main()\n"
        "except SystemExit: pass"
    )
    assert not found & (HEAVY | {"pydantic", "asyncio"})


def test_a_command_ends_without_looking_at_all_its_objects() -> None:
    code = (
        "import atexit, gc, sys, threadmill.cli\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000, file=sys.stderr))\n"
        "sys.argv = ['threadmill', '--version']\n"
        "threadmill.cli.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "True\n"


@pytest.mark.parametrize("options", [(), ("-O",), ("-OO",), ("-I", "-X", "frozen_modules=on")])
def test_all_names_can_be_imported_with_a_star(options: tuple[str, ...]) -> None:
    # -I: the path is only what is installed, and what this adds.
    paths = f"import sys; sys.path[:0] = {[str(source) for source in SOURCES]!r}\n"
    found = imported_by(f"{paths}from threadmill import *\nassert Assistant and errors", *options)
    assert "threadmill.run" in found


# ---- the packages ------------------------------------------------------------------------------


@pytest.mark.parametrize("package", sorted(lazy_packages()))
def test_a_package_loads_what_type_checkers_see_and_nothing_else(package: str) -> None:
    module = import_module(package)
    assert names_for_type_checkers(lazy_packages()[package]) == set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = module.no_such_name
    assert not hasattr(module, "__wrapped__")


def test_our_names_are_listed_and_are_where_they_say() -> None:
    assert set(threadmill.__all__) <= set(dir(threadmill))
    for one in (threadmill.Assistant, threadmill.Run, threadmill.Thread, threadmill.Page):
        assert pickle.loads(pickle.dumps(one)) is one
    assert copy.deepcopy(threadmill.EndRun) is threadmill.EndRun


def test_a_missing_dependency_of_a_lazy_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lazy_package_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from threadmill_shared.lazy_imports import lazy_modules\n"
        "__getattr__ = lazy_modules(__name__)\n"
    )
    (package / "whole.py").write_text("value = 1\n")
    (package / "broken.py").write_text("import no_such_dependency_of_a_test\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("lazy_package_of_a_test")

    assert module.whole.value == 1
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency_of_a_test"):
        _ = module.broken


def test_a_name_can_be_first_used_in_many_threads_at_once() -> None:
    code = (
        "import threading, threadmill\n"
        "found, barrier = set(), threading.Barrier(8)\n"
        "def use():\n"
        "    barrier.wait()\n"
        "    found.add((threadmill.Run, threadmill.PrintHandler, threadmill.tool))\n"
        "threads = [threading.Thread(target=use) for _ in range(8)]\n"
        "[one.start() for one in threads]; [one.join() for one in threads]\n"
        "assert len(found) == 1"
    )
    assert "threadmill.run" in imported_by(code)


def test_a_process_that_is_forked_while_a_thread_imports_can_import_the_same(
    tmp_path: Path,
) -> None:
    package = tmp_path / "lazy_package_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import threading\n"
        "from threadmill_shared.lazy_imports import lazy_modules\n"
        "__getattr__, began = lazy_modules(__name__), threading.Event()\n"
    )
    (package / "slow.py").write_text(
        "import time, lazy_package_of_a_test\n"
        "lazy_package_of_a_test.began.set()\n"
        "time.sleep(0.2)\n"
        "value = 1\n"
    )
    code = (
        "import gc, os, signal, threading, lazy_package_of_a_test as lazy\n"
        "thread = threading.Thread(target=lambda: lazy.slow)\n"
        "thread.start()\n"
        "lazy.began.wait()\n"
        "if (child := os.fork()) == 0:\n"
        "    signal.alarm(30)\n"
        "    if (grandchild := os.fork()) == 0:\n"
        "        signal.alarm(30)\n"
        "        os._exit(not lazy.slow.value)\n"
        "    failed = os.waitpid(grandchild, 0)[1] or not gc.isenabled()\n"
        "    os._exit(failed or not lazy.slow.value)\n"
        "print(os.waitpid(child, 0)[1], lazy.slow.value)"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = run_command(sys.executable, "-c", code, environment=os.environ | {"PYTHONPATH": path})
    assert ended.stdout == "0 1\n"


def test_the_helpers_name_the_package_of_an_unknown_name() -> None:
    for load in (lazy_names("threadmill", {}), lazy_modules("threadmill")):
        with pytest.raises(AttributeError, match="module 'threadmill' has no attribute 'nothing'"):
            load("nothing")


@pytest.mark.parametrize("collects", [True, False])
def test_python_looks_for_garbage_after_imports_if_it_did_before(collects: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(ModuleNotFoundError), many_imports():
            import_module("gc" if gc.isenabled() else "no_such_module")
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


def young_after_an_import(freeze: str) -> str:
    """What a fresh process says of the garbage collector after an import of many modules."""
    code = (
        f"import gc; {freeze}\n"
        "before = gc.get_freeze_count()\n"
        "import threadmill\n"
        "threadmill.Assistant\n"
        "young = len(gc.get_objects(0)) + len(gc.get_objects(1))\n"
        "print(young < 2000, 0.9 * before <= gc.get_freeze_count() <= before)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_what_was_imported_is_old_and_can_still_be_collected() -> None:
    assert young_after_an_import("") == "True True\n"


def test_what_a_user_has_frozen_stays_frozen() -> None:
    assert young_after_an_import("gc.freeze()") == "False True\n"


# ---- the first use on an event loop ------------------------------------------------------------


async def test_an_event_loop_goes_on_while_the_first_use_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, may_end = threading.Event(), threading.Event()
    imported: list[str] = []

    def slow_import(name: str) -> None:
        imported.append(name)
        began.set()
        may_end.wait(30)

    forget_client(monkeypatch)
    monkeypatch.setattr(first_use, "import_module", slow_import)
    waiting = [asyncio.ensure_future(first_use.import_client()) for _ in range(2)]
    await asyncio.to_thread(began.wait, 30)
    waiting[0].cancel()
    may_end.set()  # the loop came here although the import had not ended

    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] is None
    await first_use.import_client()
    assert set(imported) == {"a_client_of_a_test"}


def forget_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not imported it."""
    monkeypatch.setattr(first_use, "_is_imported", False)
    monkeypatch.setattr(first_use, "_CLIENT", "a_client_of_a_test")


async def test_an_import_that_fails_is_raised_to_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'redis'")

    forget_client(monkeypatch)
    monkeypatch.setattr(first_use, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="redis"):
        await first_use.import_client()


def test_a_caller_who_gives_up_before_the_import_begins_leaves_no_message_behind() -> None:
    imported: Future[None] = Future()
    imported.cancel()
    first_use._import(imported)
    assert imported.cancelled()


async def test_no_thread_is_started_for_what_a_blocking_call_has_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    import_module("threadmill.client.client")
    monkeypatch.setattr(first_use, "_is_imported", False)
    monkeypatch.setattr(threading, "Thread", refuse)
    await first_use.import_client()


async def test_a_client_that_is_being_imported_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget_client(monkeypatch)
    half = ModuleType("a_client_of_a_test")
    half.__spec__ = ModuleSpec("a_client_of_a_test", None)
    half.__spec__._initializing = True  # type: ignore[attr-defined]  as Python marks it
    monkeypatch.setitem(sys.modules, "a_client_of_a_test", half)
    imported: list[str] = []
    monkeypatch.setattr(first_use, "import_module", imported.append)
    await first_use.import_client()
    assert imported == ["a_client_of_a_test"]
