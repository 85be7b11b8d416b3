"""A model without a provider: it plays turns that a test wrote down."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TypeAlias

from threadmill_shared import errors
from threadmill_shared.model import MessageEnded, ModelEvent, ModelRequest, TextDelta, TurnEnded

Turn: TypeAlias = str | Exception | Sequence[ModelEvent | Exception]
"""A message's text; or an error; or events, among which an error breaks the stream off."""


class ScriptedModel:
    """A model that plays the given turns, one per request, and remembers the requests.

    A turn without a `TurnEnded` gets one at its end, unless an error ends it. A request for which
    no turn is left is refused with `ModelRefused`.

    Attributes:
        requests: what was asked so far, oldest first, as it was at the time.
        closed: whether `close` was called.
    """

    def __init__(self, *turns: Turn) -> None:
        self._turns = turns
        self.requests: list[ModelRequest] = []
        self.closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Play the next turn.

        Raises:
            ModelRefused: the script has no turn left.
        """
        # The loop that asks may extend its list of items later; what was sent must not change.
        self.requests.append(dataclasses.replace(request, items=tuple(request.items)))
        for event in _events(self._next_turn()):
            if isinstance(event, Exception):
                raise event
            yield event

    async def close(self) -> None:
        """Note that the connections were closed."""
        self.closed = True

    def _next_turn(self) -> Turn:
        asked = len(self.requests)
        if asked > len(self._turns):
            return errors.ModelRefused(
                f"The ScriptedModel has no turn left for request {asked}: it was given "
                f"{len(self._turns)}. Add a turn, or find out why the model was asked again."
            )
        return self._turns[asked - 1]


def _events(turn: Turn) -> Iterator[ModelEvent | Exception]:
    if isinstance(turn, Exception):
        yield turn
        return
    said = [TextDelta(turn), MessageEnded()] if isinstance(turn, str) else turn
    events: list[ModelEvent | Exception] = [*said]
    yield from events
    if not events or not isinstance(events[-1], TurnEnded | Exception):
        yield TurnEnded()
