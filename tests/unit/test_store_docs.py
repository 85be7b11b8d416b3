"""What docs/store.md says of keys and of the run hash, against the scripts and the key names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from threadmill_shared.records.run import RunRecord

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "store.md").read_text()
LUA = ROOT / "shared" / "threadmill_shared" / "store" / "lua"
SCRIPTS = sorted(LUA.rglob("*.lua"))
CALL = re.compile(
    r"'(HGET|HSET|HMGET|HDEL|HINCRBY|HEXISTS|HSETNX)',\s*(?:run|bucket \.\. 'run:'[^,]*),"
)
WRITES = {"HSET", "HDEL", "HINCRBY", "HSETNX"}
NAMED_BY_CALLERS = {"end_field", "unpack(fields)", "unpack(rest)"}
"""Fields whose names come from Python: they are looked for in its sources, below."""
FROM_PYTHON = {
    *(
        "messages",
        "request",
        "queue",
        "limit_ms",
        "park_ms",
        "approval_ms",
        "log_ms",
        "run_ms",
        "context",
    ),
    *("parent", "turn", "next_step", "next_message", "usage", "deaths", "call_deaths", "data"),
    *("open_message", "message_step", "handed_over", "reason", "last_error"),
}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def listed_fields() -> dict[str, str]:
    """Row of the table by field."""
    rows = re.findall(r"^\| (`[^|]+) \|(.*)$", section("The run hash"), re.MULTILINE)
    return {name: row for names, row in rows for name in re.findall(r"`([^`]+)`", names)}


def arguments(text: str) -> list[str]:
    """What stands between commas, up to the parenthesis that closes the call."""
    found, depth, quoted, current = [], 0, False, ""
    for char in text:
        quoted ^= char == "'"
        depth += 0 if quoted else (char in "({[") - (char in ")}]")
        if depth < 0:
            break
        if char == "," and depth == 0 and not quoted:
            found.append(current.strip())
            current = ""
        else:
            current += char
    return [*found, current.strip()]


def touched(script: Path) -> Iterator[tuple[str, str]]:
    """Command and field of each access to the run hash."""
    text = script.read_text()
    for match in CALL.finditer(text):
        command, words = match[1], arguments(text[match.end() :])
        if command == "HSET":
            words = words[::2]
        elif command not in {"HMGET", "HDEL"}:
            words = words[:1]
        for word in words:
            if word not in NAMED_BY_CALLERS:
                assert re.fullmatch(r"'\w+'", word), f"{script.stem}: {command} {word}"
                yield command, word.strip("'")


def script_name(script: Path) -> str:
    return str(script.relative_to(LUA).with_suffix(""))


@pytest.mark.parametrize("script", SCRIPTS, ids=script_name)
def test_every_field_of_the_run_hash_that_a_script_touches_is_listed(script: Path) -> None:
    fields = listed_fields()
    for _, field in touched(script):
        assert field in fields, f"docs/store.md does not list {field}"


@pytest.mark.parametrize("script", SCRIPTS, ids=script_name)
def test_every_script_that_writes_a_field_is_named_as_its_writer(script: Path) -> None:
    fields = listed_fields()
    for command, field in touched(script):
        if command in WRITES:
            writers = fields[field].split("|")[2]
            assert f"`{script_name(script)}`" in writers, f"{script_name(script)} writes {field}"


def test_every_listed_field_is_one_that_somebody_writes() -> None:
    written = {field for script in SCRIPTS for command, field in touched(script)}
    assert set(listed_fields()) == written | FROM_PYTHON


def test_every_field_that_comes_from_python_stands_in_its_sources() -> None:
    folders = ("shared/threadmill_shared/store", "workers/threadmill_workers/execution")
    sources = [one.read_text() for folder in folders for one in (ROOT / folder).glob("*.py")]
    for field in FROM_PYTHON:
        pattern = rf'"{field}"|\b{field}='
        assert any(re.search(pattern, source) for source in sources), field


def test_every_key_that_python_names_is_listed() -> None:
    source = (LUA.parent / "keys.py").read_text()
    bucket = set(re.findall(r'f"\{self\.bucket\(\w+\)\}(\w+)', source))
    other = set(re.findall(r'f"\{self\.namespace\}:((?:\{\{\w+\}\}:)?\w+)', source))
    assert len(bucket) > 10
    assert len(other) > 8
    for name in bucket | {name.replace("{{", "{").replace("}}", "}") for name in other}:
        assert re.search(rf"`{re.escape(name)}[:`]", PAGE), f"docs/store.md does not list {name}"


def test_every_key_that_a_script_builds_is_listed() -> None:
    for script in SCRIPTS:
        for word in re.findall(r"bucket \.\. '(\w+)", script.read_text()):
            assert re.search(rf"`{word}[:`]", PAGE), f"{script.stem}: {word} is not listed"


def test_every_field_that_a_record_shows_is_listed() -> None:
    read = {"is_forced": "forced", "waiting_message": "message"}
    read |= {"waiting_messages": "messages"}
    shown = {read.get(name, name) for name in RunRecord.__dataclass_fields__}
    assert shown - {"id", "unreadable"} <= set(listed_fields())
