"""Which of a run's events a stream has, so that SDKs' handlers can read it.

A handler knows only what its own stream has created: it fails at a delta of a step that began in an
earlier one, as the outputs that a client has submitted are. And it takes a stream for over at
`requires_action`, while the run's log goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from threadmill_gateway.streams.frames import OWN
from threadmill_shared.events.decoder import DONE, Event

_STEP_CREATED = "thread.run.step.created"
_STEP_DELTA = "thread.run.step.delta"
_PARKED = "thread.run.requires_action"


def _for_outputs(event: Event) -> Event | None:
    """That a run waits for outputs; None: it waits for approvals only, which others decide."""
    action = event.data["required_action"]["submit_tool_outputs"]
    calls = [
        {name: call[name] for name in call if name != "waits_for"}
        for call in action["tool_calls"]
        if call.get("waits_for") != "approval"
    ]
    if not calls:
        return None
    required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    return replace(event, data=event.data | {"required_action": required})


class EventFilter:
    """The events of one stream."""

    def __init__(
        self, *, has_own: bool = False, has_approvals: bool = False, continues: bool = False
    ) -> None:
        """Nothing has been sent yet.

        Args:
            has_own: whether the stream has threadmill's own events, too.
            has_approvals: whether its reader is told of calls that wait for an approval.
            continues: whether its reader knows what was created before it.
        """
        self.is_over = False
        """Whether the stream ends here."""
        self._has_own = has_own
        self._has_approvals = has_approvals
        self._continues = continues
        self._steps: set[str] = set()

    def note_step(self, id: str) -> None:
        """The stream has created this step."""
        self._steps.add(id)

    def of(self, events: Iterable[Event]) -> Iterator[Event]:
        """Those events that the stream has, up to its end."""
        for event in events:
            if self.is_over:
                return
            found = self._shown(event)
            if found is not None and self._has(found):
                yield found
            self.is_over = found is not None and found.event in (DONE, _PARKED)

    def _shown(self, event: Event) -> Event | None:
        if event.event != _PARKED or self._has_approvals:
            return event
        return _for_outputs(event)

    def _has(self, event: Event) -> bool:
        if event.event == _STEP_CREATED:
            self.note_step(event.data["id"])
        if event.event == _STEP_DELTA:
            return self._continues or event.data["id"] in self._steps
        return self._has_own or not event.event.startswith(OWN)
