"""The Lua scripts: loaded with their includes, and called by name.

Each script's header names its keys and arguments. The loader turns the header into local variables
of the script, and checks every call against it, so that neither side counts indices.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared import errors
from threadmill_shared.servers.tls import explain
from threadmill_shared.store.connections import PASSING, is_full, is_passing
from threadmill_shared.store.pinned_connection import PinnedConnection
from threadmill_shared.store.pipeline import Pipeline

_CUT = ("reset by peer", "closed by server")
"""What a server that speaks TLS does to a client that does not."""

Value = str | int | float
Call = tuple[Any, ...]
"""A command as redis-py takes it: `EVALSHA`, digest, number of keys, keys, arguments."""


@dataclass(frozen=True)
class Script:
    """One transition."""

    name: str
    text: str
    sha: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    takes_rest: bool

    def call(
        self, keys: Mapping[str, str], args: Mapping[str, Value], rest: Sequence[Value] = ()
    ) -> Call:
        """The command that runs this script; names that do not fit its header are a KeyError."""
        if len(keys) != len(self.keys) or len(args) != len(self.args):
            raise KeyError(f"{self.name}.lua takes keys {self.keys} and arguments {self.args}")
        values = (args[name] for name in self.args)
        return ("EVALSHA", self.sha, len(keys), *(keys[k] for k in self.keys), *values, *rest)

    def in_full(self, call: Call) -> Call:
        """The same call with the script's text, for a server that does not have it yet."""
        return ("EVAL", self.text, *call[2:])


@cache
def script(name: str) -> Script:
    """The script of this name, with its includes."""
    folder = resources.files("threadmill_shared.store") / "lua"
    body = (folder / f"{name}.lua").read_text()
    keys, args, includes = (_header(body, word) for word in ("keys", "args", "include"))
    takes_rest = _header(body, "rest") != ("none",)
    pieces = [
        (folder / "include" / f"{include}.lua").read_text()
        for include in includes
        if include != "none"
    ]
    text = "\n".join([_prologue(keys, args, takes_rest=takes_rest), *pieces, body])
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, sha, keys, args, takes_rest)


def _header(body: str, word: str) -> tuple[str, ...]:
    found = re.search(rf"^-- {word}: (.*)$", body, re.MULTILINE)
    if found is None:
        raise ValueError(f"a script lacks its '-- {word}:' line")
    return tuple(found[1].split())


def _prologue(keys: Sequence[str], args: Sequence[str], *, takes_rest: bool) -> str:
    lines = [f"local {name} = KEYS[{at}]" for at, name in enumerate(keys, 1)]
    lines += [f"local {name} = ARGV[{at}]" for at, name in enumerate(args, 1)]
    if takes_rest:
        first = len(args)
        lines.append(
            f"local rest = {{}} for i = {first + 1}, #ARGV do rest[i-{first}] = ARGV[i] end"
        )
    return " ".join(lines)


class ScriptRunner:
    """Runs scripts, and repeats the identical call when its answer may have been lost.

    Every script may be sent twice, so a repeat is always safe; redis-py's own retries are off.
    """

    def __init__(self, pipeline: Pipeline, *, patience: float) -> None:
        """A runner that repeats a call for `patience` seconds before `StoreUnavailable`."""
        self._pipeline = pipeline
        self._kept = PinnedConnection(pipeline.client)
        self.patience = patience

    async def run(
        self,
        name: str,
        *,
        keys: Mapping[str, str],
        args: Mapping[str, Value],
        rest: Sequence[Value] = (),
    ) -> list[Any]:
        """Run one script and return its reply, the outcome first.

        Raises:
            StoreUnavailable: no answer within the runner's patience; it may have been applied.
            StoreFull: the server is out of memory; nothing was applied.
        """
        wanted = script(name)
        call = wanted.call(keys, args, rest)
        reply: list[Any] = await self._repeat(lambda: self._send(wanted, call))
        return reply

    async def run_apart(
        self, name: str, *, keys: Mapping[str, str], args: Mapping[str, Value]
    ) -> list[Any]:
        """Run one script as `run` does, in a round trip of its own: nobody waits for a large one.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
            StoreFull: Redis has no room.
        """
        wanted = script(name)
        call = wanted.call(keys, args)
        try:
            [reply] = await self.commands([call])
        except redis_errors.NoScriptError:
            [reply] = await self.commands([wanted.in_full(call)])
        answer: list[Any] = reply
        return answer

    async def ask_each(
        self,
        name: str,
        given: Sequence[tuple[Mapping[str, str], Mapping[str, Value], Sequence[Value]]],
    ) -> list[list[Any]]:
        """Ask one script that changes nothing, with each of these keys, arguments and rest.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        wanted = script(name)
        calls = [wanted.call(*one) for one in given]
        try:
            return await self.ask(calls)
        except redis_errors.NoScriptError:
            return await self.ask([wanted.in_full(call) for call in calls])

    async def command(self, *command: Any) -> Any:
        """Run one command that may be repeated.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        return await self._repeat(lambda: self._pipeline.execute(*command))

    async def commands(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands that may be repeated, in one round trip of their own.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        if not commands:
            return []
        replies: list[Any] = await self._repeat(lambda: self._pipeline.execute_all(commands))
        return replies

    async def ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands that are asked again and again, over a connection that is kept for them.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        replies: list[Any] = await self._repeat(lambda: self._kept.ask(commands))
        return replies

    async def _repeat(self, send: Callable[[], Awaitable[Any]]) -> Any:
        give_up = time.monotonic() + self.patience
        pause = 0.02
        while True:
            try:
                return await send()
            except (*PASSING, redis_errors.ResponseError, redis_errors.InvalidResponse) as error:
                if is_full(error):
                    raise store_full() from error
                if not is_passing(error):
                    raise misfit(error) or error from error
                if time.monotonic() >= give_up or self._cannot_pass(error):
                    raise unavailable(error) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _cannot_pass(self, error: Exception) -> bool:
        """Whether waiting helps nobody: TLS fails. What waits for ever outlives that too."""
        return self.patience < math.inf and explain(error) is not None

    async def _send(self, wanted: Script, call: Call) -> Any:
        try:
            return await self._pipeline.execute(*call)
        except redis_errors.NoScriptError:
            return await self._pipeline.execute(*wanted.in_full(call))


def misfit(error: Exception) -> errors.NotConfigured | None:
    """The error for an address that leads to no Redis, or to a database that it has not."""
    if any(word in str(error) for word in ("DB index", "Protocol error")):
        return errors.NotConfigured(
            f"The server at the Redis URL sent an unexpected reply ({error}). Check "
            "THREADMILL_REDIS_URL: host, port and database number."
        )
    return None


def unavailable(error: Exception) -> errors.StoreUnavailable:
    """The error for a Redis that does not answer; the client's words hold no password."""
    if reason := explain(error):
        return errors.StoreUnavailable(
            f"Redis cannot be reached: {reason}. Check THREADMILL_REDIS_URL."
        )
    is_cut = any(word in str(error) for word in _CUT)
    return errors.StoreUnavailable(
        f"Redis cannot be reached ({type(error).__name__}: {error}). Check THREADMILL_REDIS_URL "
        "and that the server is running; a call that may have been carried out is safe to repeat."
        + (" A server that speaks TLS needs a URL with rediss://." if is_cut else "")
    )


def store_full() -> errors.StoreFull:
    """The error for a Redis that is out of memory."""
    return errors.StoreFull(
        "Redis has reached its maxmemory and accepts no new data. Raise maxmemory, or delete "
        "threads that are no longer needed."
    )
