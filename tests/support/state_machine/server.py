"""The connections of a state machine: a script that leaves its bucket is refused by the server."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import redis
from redis import exceptions as redis_errors
from tests.support.servers.clients import sync_client
from tests.support.state_machine.commands import INDEXED_KEY, Command
from tests.support.state_machine.model import Answer
from tests.support.store.contents import Contents, dump_command, read_dump

from threadmill_shared.store.scripts import loader


class Server:
    """One connection that sees everything, and one per bucket, which may touch that bucket only."""

    def __init__(self, url: str, namespace: str, buckets: Iterable[str]) -> None:
        self._namespace = namespace
        self._open = ExitStack()
        self._all = self._connect(url)
        self._of_bucket: dict[str, Any] = {}
        self._last_dump: list[Any] = []
        self._last_contents = read_dump(self._namespace, [])
        for bucket in buckets:
            user = f"bucket-{bucket}"
            keys = f"~{namespace}:{{{bucket}}}:*"
            self._everywhere("ACL", "SETUSER", user, "reset", "on", "nopass", keys, "&*", "+@all")
            self._of_bucket[bucket] = self._connect(url.replace("//", f"//{user}:any@"))

    def _connect(self, url: str) -> Any:
        client = sync_client(url, decode_responses=True)
        self._open.callback(client.close)
        return client

    def _everywhere(self, *command: Any) -> list[Any]:
        """What a single server, or each node of a cluster, answers to a command."""
        if not isinstance(self._all, redis.RedisCluster):
            return [self._all.execute_command(*command)]
        nodes = self._all.get_primaries()
        return [self._all.execute_command(*command, target_nodes=node) for node in nodes]

    def send(self, command: Command) -> Answer:
        """Run a script, on a connection that may touch its bucket only."""
        client = self._of_bucket[command.args["bucket"].partition("{")[2][:2]]
        call = command.call()
        try:
            answer: Answer = client.execute_command(*call)
        except redis_errors.NoScriptError:
            text = loader.script(command.script).text
            answer = client.execute_command("EVAL", text, *call[2:])
        return answer

    def contents(self) -> Contents:
        """Everything that is stored; the same object as the last time where nothing has changed."""
        dumps = self._everywhere(*dump_command(self._namespace))
        dump = [entry for entries in dumps for entry in entries]
        if dump != self._last_dump:
            self._last_dump, self._last_contents = dump, read_dump(self._namespace, dump)
        return self._last_contents

    def clear(self) -> None:
        self._everywhere("FLUSHDB")
        for bucket in self._of_bucket:
            self._all.set(f"{self._namespace}:{{{bucket}}}:indexed", INDEXED_KEY)

    def close(self) -> None:
        self._open.close()
