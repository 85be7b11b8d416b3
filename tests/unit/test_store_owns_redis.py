"""Nothing outside the store talks to Redis: neither commands, nor keys, nor fields of hashes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared/threadmill_shared", "workers/threadmill_workers", "producers/threadmill")
STORE = ROOT / "shared/threadmill_shared/store"
LEFT_OUT = {
    "producers/threadmill/embedded": "starts servers, and looks whether they answer",
    "producers/threadmill/testing": "empties a test's namespace",
    "producers/threadmill/cli/__init__.py": "prints redis-py's errors",
    "shared/threadmill_shared/broker": "is Celery's",
    "shared/threadmill_shared/servers": "makes TLS contexts as redis-py does, and URLs for Celery",
}
INSIDE = {
    *("cluster", "keys", "memory_guard", "pinned_connection", "pipeline", "replicas"),
    *("scripts", "session"),
}
"""The store's modules that nobody else imports."""
ATTRIBUTES = {
    *("execute_command", "evalsha", "pubsub", "scan_iter", "hget", "hgetall", "hset", "xrange"),
    *("session", "_session", "_runner", "runner"),
}
"""What is used of a store or of a client inside the store alone."""
COMMANDS = {
    *("CLIENT", "DEL", "EVAL", "EVALSHA", "EXISTS", "EXPIRE", "GET", "INFO", "MGET", "PERSIST"),
    *("PEXPIRE", "PING", "PUBLISH", "SADD", "SET", "SMISMEMBER", "TIME", "UNLINK", "WAIT"),
    *("HDEL", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HMGET", "HSET", "XADD", "XRANGE"),
    *("XREVRANGE", "ZADD", "ZCARD", "ZRANGE", "ZRANGEBYSCORE", "ZRANK", "ZREM", "ZSCORE"),
}

FIELDS = {
    *("open_message", "message_step", "open_from", "open_step", "next_message", "next_step"),
    *("deaths", "call_deaths", "handed_over", "limit_ms", "park_ms", "approval_ms", "left_ms"),
    *("reported_by", "resent_by", "next_queue", "serial", "retired", "forced"),
    ":at",  # of the name of a field of a thread's files
}
"""Fields, or parts of their names, which mean nothing else."""
RECORDS = ROOT / "shared/threadmill_shared/records"
"""What the store's hashes are read into; the only other place that may name their fields."""


def modules() -> list[Path]:
    left_out = [ROOT / path for path in LEFT_OUT]
    return [
        file
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        if not any(file.is_relative_to(path) for path in [STORE, *left_out])
    ]


def offences(source: str) -> Iterator[str]:
    """What a module does that only the store may do."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (f"imports {one.name}" for one in names if _is_redis(one.name))
            case ast.ImportFrom(module=str(module), names=names):
                if _is_redis(module) or _is_inside(module):
                    yield f"imports {', '.join(one.name for one in names)} from {module}"
            case ast.Attribute(attr=name, value=ast.Attribute(attr="keys") | ast.Name(id="keys")):
                yield f"names the key {name}"
            case ast.Attribute(attr=name, value=value) if name in ATTRIBUTES and _is_store(value):
                yield f"uses {ast.unparse(node)}"
            case ast.Call(args=[ast.Constant(value=str(word)), *_]) if word in COMMANDS:
                yield f"calls {ast.unparse(node.func)} with {word}"
            case ast.Tuple(elts=[ast.Constant(value=str(word)), _, *_]) if word in COMMANDS:
                yield f"makes a command of {word}"


def writes(source: str) -> Iterator[str]:
    """How a module writes fields of hashes itself."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr="fields", value=value) if "batch" in ast.unparse(value).lower():
                yield f"writes fields by {ast.unparse(node)}"
            case ast.Attribute(attr="store_field"):
                yield f"stores a field by {ast.unparse(node)}"
            case ast.keyword(arg="end", value=ast.Tuple()):
                yield f"sets a field at the run's end by {ast.unparse(node)}"


def named_fields(source: str) -> Iterator[str]:
    """The fields of the store's hashes that a module names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and node.value in FIELDS:
            yield str(node.value)


def _is_redis(module: str) -> bool:
    return module.partition(".")[0] == "redis"


def _is_inside(module: str) -> bool:
    package, _, name = module.partition("threadmill_shared.store.")
    return package == "" and name.partition(".")[0] in INSIDE


def _is_store(value: ast.expr) -> bool:
    return ast.unparse(value).rpartition(".")[2] in {
        "store",
        "_store",
        "client",
        "_client",
        "redis",
    }


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_outside_of_the_store_talks_to_redis(module: Path) -> None:
    assert list(offences(module.read_text())) == []


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_outside_of_the_store_names_a_field(module: Path) -> None:
    if not module.is_relative_to(RECORDS):
        assert list(named_fields(module.read_text())) == []
        assert list(writes(module.read_text())) == []


def test_what_is_left_out_exists() -> None:
    assert [path for path in LEFT_OUT if not (ROOT / path).exists()] == []
    assert len(modules()) > 150


@pytest.mark.parametrize(
    "source",
    [
        "import redis",
        "from redis.exceptions import RedisError",
        "from threadmill_shared.store.keys import Keys",
        "from threadmill_shared.store.scripts.runs import RunScripts",
        "key = store.session.keys.run(run_id)",
        "await store.session.runner.command('HGET', key, 'token')",
        "await client.execute_command('PING')",
        "await heartbeat.send(('CLIENT', 'LIST'))",
        "call = ('EVALSHA', sha, 1)",
    ],
)
def test_a_module_that_talks_to_redis_is_found(source: str) -> None:
    assert list(offences(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "batch.fields['turn'] = 1",
        "await self._held.store_field('attached', name, note)",
        "CallOutcome(output, end=(Status.CANCELLED, 'data', value))",
    ],
)
def test_a_module_that_writes_a_field_is_found(source: str) -> None:
    assert list(writes(source)) != []


def test_a_module_that_names_a_field_is_found() -> None:
    assert list(named_fields("batch.fields |= {'open_message': 1, 'turn': 2}")) == ["open_message"]
    assert list(named_fields("noted = await self._read_note(f'{file_id}:at')")) == [":at"]
