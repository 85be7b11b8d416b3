"""A client that loses answers: the call was carried out, and its caller cannot know."""

from __future__ import annotations

from typing import Any

from redis import exceptions as redis_errors
from tests.support.store.contents import Contents, read_contents

from threadmill_shared.store.connections import StoreClient


class LossyClient:
    """Passes everything on to a real client, and knows what the scripts answered."""

    connection_pool = None
    """Nobody goes round the pipelines, in which answers are lost."""

    def __init__(self, client: StoreClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._loses = False
        self._left: Contents | None = None
        self.outcomes: list[str] = []
        """What each call of a script was answered, lost answers too."""
        self.commands: list[str] = []
        """The names of all commands that went through pipelines, as those of a store do."""
        self.round_trips: list[tuple[str, ...]] = []
        """The same, by the pipelines that they went through."""
        self.harm: list[str] = []
        """What repeated calls have changed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def lose_next_answer(self) -> None:
        """The next script's answer is lost; the call that repeats it must change nothing."""
        self._loses = True

    def pipeline(self, **options: Any) -> LossyPipeline:
        return LossyPipeline(self, self._client.pipeline(**options))

    async def after_scripts(self, outcomes: list[str]) -> None:
        """Look at what scripts have done, and lose their answers where that is wanted."""
        self.outcomes += outcomes
        if self._left is not None:
            now = await read_contents(self._client, self._namespace)
            keys = now.keys() | self._left.keys()
            self.harm += [key for key in keys if now.get(key) != self._left.get(key)]
            self._left = None
        if self._loses:
            self._loses = False
            self._left = await read_contents(self._client, self._namespace)
            raise redis_errors.ConnectionError("the answer was lost")


class LossyPipeline:
    """A pipeline whose answers may be lost all at once."""

    def __init__(self, client: LossyClient, pipeline: Any) -> None:
        self._client = client
        self._pipeline = pipeline
        self._names: list[str] = []

    def execute_command(self, *command: Any) -> None:
        self._names.append(command[0])
        self._pipeline.execute_command(*command)

    async def execute(self, **options: Any) -> list[Any]:
        replies: list[Any] = await self._pipeline.execute(**options)
        self._client.commands += self._names
        self._client.round_trips.append(tuple(self._names))
        outcomes = [
            reply[0]
            for name, reply in zip(self._names, replies, strict=True)
            if name.startswith("EVAL") and not isinstance(reply, Exception)
        ]
        if outcomes:
            await self._client.after_scripts(outcomes)
        return replies
