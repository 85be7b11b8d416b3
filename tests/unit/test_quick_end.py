"""The end of a script with an embedded worker: quick, but nothing that a finalizer does is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ARRANGE = "from threadmill.embedded import quick_end; quick_end.arrange()"
BEGIN = """
import atexit, gc, os
def note(os=os):
    os.close(os.open('found', os.O_CREAT))
gc.set_threshold(0)  # what is garbage before its end is there until then
class Node:
    pass
def cycle(held):
    node = Node()
    node.itself, node.held = node, held
    return node
"""
CASES = {
    "a file in a cycle": "a = cycle(open('found', 'w')); a.held.write('kept')",
    "a file in garbage": "cycle(open('found', 'w')).held.write('kept')",
    "a binary file in a cycle": "a = cycle(open('found', 'wb')); a.held.write(b'kept')",
    "a file of a class": "class A: file = open('found', 'w')\nA.file.write('kept')",
    "a file of a module": "file = open('found', 'w'); file.write('kept')",
    "a closed file, and an open one": (
        "a = cycle(open('found', 'w')); a.held.close()\n"
        "b = cycle(open('found', 'a')); b.held.write('kept')"
    ),
    "a method __del__": ("class A:\n    def __del__(self, note=note): note()\na = cycle(A())"),
    "a generator's finally": (
        "def generate(note=note):\n    try: yield\n    finally: note()\n"
        "a = cycle(generate()); next(a.held)"
    ),
    "a coroutine that nobody awaited": "async def f(): pass\na = cycle(f())",
    "an archive": (
        "import zipfile\n"
        "class A: archive = zipfile.ZipFile('found', 'w')\nA.archive.writestr(\n"
        "    zipfile.ZipInfo('a'), 'kept')"
    ),
    "a compressed file": (
        "import gzip\na = cycle(gzip.GzipFile('found', 'wb', mtime=0)); a.held.write(b'kept')"
    ),
    "temporary files": (
        "import tempfile\n"
        "a = cycle(tempfile.NamedTemporaryFile(dir='.'))\n"
        "b = cycle(tempfile.TemporaryDirectory(dir='.'))"
    ),
    "what an atexit handler makes": (
        "@atexit.register\ndef last():\n    cycle(open('found', 'w')).held.write('kept')"
    ),
    "what an atexit handler adds to a cycle": (
        "a = cycle(None)\n@atexit.register\ndef last():\n"
        "    a.held = open('found', 'w'); a.held.write('kept')"
    ),
    "classes that have no hash": (
        "class Kind(type):\n    def __eq__(self, other): return self is other\n"
        "class A(metaclass=Kind): pass\na = A(); print('kept')"
    ),
    "classes that have no attributes": (
        "class Kind(type):\n    def __getattr__(cls, name): raise RuntimeError(name)\n"
        "class A(metaclass=Kind): pass\na = cycle(A()); print('kept')"
    ),
    "output that is not flushed": "a = cycle(__import__('sys').stdout); a.held.write('kept')",
    "a detached stream": (
        "import io\na = cycle(io.TextIOWrapper(io.BytesIO())); a.held.detach(); print('kept')"
    ),
    "a stream in place of the output": (
        "import sys\nsys.stdout = open('found', 'w'); print('kept'); a = cycle(sys.stdout)"
    ),
}


def left_by(code: str, folder: Path) -> tuple[int, str, str, dict[str, bytes]]:
    """Exit code, output and files of a process that executes this code."""
    folder.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return ended.returncode, ended.stdout, re.sub(r"0x\w+", "", ended.stderr), files


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("comes_first", [True, False])
def test_what_finalizers_do_is_done(case: str, comes_first: bool, tmp_path: Path) -> None:
    plain = left_by(f"{BEGIN}\n{CASES[case]}", tmp_path / "plain")
    parts = (ARRANGE, BEGIN, CASES[case]) if comes_first else (BEGIN, CASES[case], ARRANGE)
    code = "\n".join(parts)
    assert left_by(code, tmp_path / "quick") == plain
    assert plain[0] == 0


def frozen_at_the_end(code: str, tmp_path: Path) -> bool:
    """Whether objects are frozen when garbage is collected after all `atexit` handlers."""
    tell = (
        "gc.callbacks.append(lambda phase, _, print=print, gc=gc:\n"
        "    phase == 'stop' and print('frozen', gc.get_freeze_count() > 1000))"
    )
    _, said, errors, _ = left_by(f"{BEGIN}\n{tell}\n{ARRANGE}\n{code}", tmp_path / "ended")
    assert errors == ""
    return said.endswith("frozen True\n")


@pytest.mark.parametrize(
    "code",
    [
        "print('Hello!')",
        "a = cycle(open('/dev/null'))",
        "def generate(): yield\na = cycle(generate()); list(a.held)",
        """
import openai, redis, asyncio
a, b = cycle(redis.Redis()), cycle(asyncio.new_event_loop())
b.held.close()
""",
    ],
)
def test_objects_are_left_if_no_finalizer_of_users_is_there(code: str, tmp_path: Path) -> None:
    assert frozen_at_the_end(code, tmp_path)


def test_objects_are_freed_if_a_finalizer_of_users_is_there(tmp_path: Path) -> None:
    code = "class A:\n    def __del__(self): pass\na = A()\na.itself = a"
    assert not frozen_at_the_end(code, tmp_path)
