"""All that a namespace holds, read by one script, so that no reader sees half a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.support.servers.clients import ask_all

_DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local type, value = redis.call('TYPE', key).ok, nil
  if type == 'hash' then
    value = redis.call('HGETALL', key)
  elseif type == 'zset' then
    value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif type == 'stream' then
    value = redis.call('XRANGE', key, '-', '+')
  elseif type == 'set' then
    value = redis.call('SMEMBERS', key)
  else
    value = redis.call('GET', key)
  end
  found[#found + 1] = {key, type, redis.call('PTTL', key) < 0 and 1 or 0, value}
end
return found
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies under one key."""

    for_ever: bool
    """Whether it has no TTL."""
    value: Any
    """A hash as a dict, a sorted set as a dict by rank, a stream as {number: fields}."""


class Contents(dict[str, Stored]):
    """Keys without the namespace (`{3f}:run:...`), and what lies under them."""

    def __init__(self, found: Iterable[tuple[str, Stored]]) -> None:
        super().__init__(found)
        self._kinds: dict[str, list[str]] = {}
        for key in self:
            self._kinds.setdefault(parts(key)[1], []).append(key)

    def hash(self, key: str) -> Mapping[str, str]:
        return self[key].value if key in self else {}

    def scores(self, key: str) -> Mapping[str, float]:
        return self[key].value if key in self else {}

    def stream(self, key: str) -> Mapping[int, Mapping[str, str]]:
        return self[key].value if key in self else {}

    def of_kind(self, kind: str) -> Iterator[tuple[str, str, Stored]]:
        """Bucket, name and value of each key `{bucket}:<kind>:<name>` or `{bucket}:<kind>`."""
        for key in self._kinds.get(kind, ()):
            bucket, _, name = parts(key)
            yield bucket, name, self[key]


@lru_cache(maxsize=10_000)
def parts(key: str) -> tuple[str, str, str]:
    """Bucket, kind and name of a key; an index has no name."""
    bucket, _, rest = key.partition(":")
    kind, _, name = rest.partition(":")
    return bucket, kind, name


def dump_command(namespace: str) -> tuple[Any, ...]:
    """The command that reads everything."""
    return ("EVAL", _DUMP, 0, f"{namespace}:*")


def read_dump(namespace: str, reply: list[Any]) -> Contents:
    """What that command answered."""
    start = len(namespace) + 1
    return Contents(
        (key[start:], Stored(bool(for_ever), _VALUES.get(kind, _same)(value)))
        for key, kind, for_ever, value in reply
    )


async def read_contents(client: Any, namespace: str) -> Contents:
    """Read everything through an async client; of a cluster, one node after the other."""
    found = await ask_all(client, "execute_command", *dump_command(namespace))
    return read_dump(namespace, [entry for entries in found for entry in entries])


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _scores(flat: list[str]) -> dict[str, float]:
    return {member: float(score) for member, score in _pairs(flat).items()}


def _stream(entries: list[Any]) -> dict[int, dict[str, str]]:
    return {int(id.partition("-")[0]): _pairs(fields) for id, fields in entries}


def _same(value: Any) -> Any:
    return value


_VALUES: dict[str, Callable[[Any], Any]] = {"hash": _pairs, "zset": _scores, "stream": _stream}
