"""Leaves out of a run's requests what earlier turns left, if the provider refuses them for it."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Sequence

from pydantic_core import to_json

from threadmill_shared.errors import ContextTooLong, ModelError, ModelRefused, StoreFull
from threadmill_shared.model import Model, ModelRequest, body_of
from threadmill_shared.records.items import Item
from threadmill_shared.records.log import OwnEvent
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.files import LeftOutNotes, read_left_out
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.reduction import LeftOut, PartKind
from threadmill_workers.execution.reduction_plan import ReductionPlan
from threadmill_workers.execution.refusal import may_be_of_history
from threadmill_workers.execution.spans import Span, joined

_KNOWN_MODELS = 8
"""Models of which a thread's record knows what they do not take."""
_REFUSED = "refused"
"""In a note: the turns that the model's provider has refused when they were the current ones."""

Note = dict[str, tuple[Span, ...]]

logger = logging.getLogger("threadmill.worker")


class HistoryReducer:
    """What one run leaves out of its thread's earlier turns."""

    def __init__(self, *, held: HeldRun, store: Store, history: History, model: Model) -> None:
        """Nothing is read yet.

        Args:
            held: the run; through it is noted what was left out.
            store: where the thread's record is.
            history: the part of the thread that is sent.
            model: what is asked.
        """
        self._held = held
        self._store = store
        self._history = history
        self._model = model
        self._notes: dict[str, Note] | None = None
        self._left_out = LeftOut()
        """What the provider has last taken an answer without."""
        self._refused: tuple[Span, ...] = ()
        """Turns that it has refused when they were the current ones."""
        self._last_sent = 0
        """Position of the last item that was sent."""
        self._plan: ReductionPlan | None = None
        self._sent: set[bytes] = set()
        self._was_refused = False

    async def items(self) -> Sequence[Item]:
        """The items that the next request carries."""
        items = await self._history.items()
        if self._notes is None:
            self._notes = await self._read_notes()
            note = self._notes.get(self._held.record.request.model, {})
            self._left_out, self._refused = _read_note(note), note.get(_REFUSED, ())
        positions = self._history.positions
        if self._plan is None:
            run_id = self._held.record.id
            self._plan = ReductionPlan(items, positions, run_id, self._left_out, self._refused)
        self._last_sent = positions[-1] if positions else 0
        return self._plan.left_out.apply(items, positions)

    async def _read_notes(self) -> LeftOutNotes:
        stored = self._held.left_out
        if stored is None:
            return await self._store.files.left_out(self._held.record.thread_id)
        return read_left_out(stored)

    def begin(self) -> None:
        """Begin to ask for an answer."""
        self._plan = None
        self._sent.clear()
        self._was_refused = False

    def is_repeated(self, request: ModelRequest) -> bool:
        """Whether the provider was sent this before, and has refused it."""
        return _digest(self._model, request) in self._sent

    def note_refusal(
        self, error: ModelRefused | ContextTooLong, request: ModelRequest | None
    ) -> bool:
        """Take note of a refusal; whether leaving out something may help.

        Args:
            error: what the provider says.
            request: what it was sent; None if something of it could not be prepared.
        """
        if isinstance(error, ModelRefused) and not may_be_of_history(error):
            return False
        if self._plan is None:
            return False
        if request is not None:
            self._sent.add(_digest(self._model, request))
        self._was_refused = True
        self._plan.note_refusal(error)
        return True

    def advance(self, requests: int) -> bool:
        """Choose what to leave out next; False if nothing is left to try.

        Args:
            requests: how many more this answer may cost.
        """
        if self._plan is None:
            return False
        self._plan.limit(requests)
        return self._plan.advance()

    def skip(self) -> None:
        """Drop the choice: it makes no difference to the request."""
        if self._plan is not None:
            self._plan.skip()

    def announce(self, error: ModelError) -> None:
        """Tell, in the log of the run and in that of the worker, what is left out from now on."""
        if self._plan is None:
            return
        record, counts = self._held.record, self._plan.counts
        status = getattr(error, "status", None)
        data = {"error": type(error).__name__, "status": status, "left_out": counts}
        batch = Batch()
        batch.record(OwnEvent("threadmill.model.reduced", data))
        self._held.put(batch)
        logger.warning(
            "the provider refused a request of %s (%s%s), thread %s, assistant %s; asking again "
            "with less of earlier turns (left out: %s)",
            record.id,
            type(error).__name__,
            "" if status is None else f", HTTP {status}",
            record.thread_id,
            record.request.assistant_id,
            ", ".join(f"{kind} {count}" for kind, count in counts.items()),
        )

    async def note_answer(self) -> None:
        """Take note that the last request was answered; the thread's next run knows it, too.

        Raises:
            LostRun: the run is no longer ours.
        """
        if self._plan is None or self._notes is None:
            return
        left_out = self._plan.left_out
        if self._was_refused and left_out != self._left_out:
            self._left_out = left_out
            await self._store_note()

    async def note_refused_turn(self, error: ModelError) -> None:
        """Take note that the run fails for its current turn, if that is what was refused.

        Later turns can do without it, and with all that was answered before it.

        Args:
            error: what the provider says.

        Raises:
            LostRun: the run is no longer ours.
        """
        if self._plan is None or self._notes is None:
            return
        if isinstance(error, ModelRefused) and not may_be_of_history(error):
            return
        turn = (self._plan.last_earlier + 1, self._last_sent)
        self._refused = joined([*self._refused, turn])
        await self._store_note()

    async def _store_note(self) -> None:
        model, known = self._held.record.request.model, self._notes or {}
        note: Note = {kind.value: spans for kind, spans in self._left_out.spans.items()}
        if self._refused:
            note[_REFUSED] = self._refused
        others = [(name, other) for name, other in known.items() if name != model]
        self._notes = dict([*others, (model, note)][-_KNOWN_MODELS:])
        with contextlib.suppress(StoreFull):  # then the next run is refused once more
            await self._held.note_left_out(self._notes)


def _digest(model: Model, request: ModelRequest) -> bytes:
    return hashlib.sha256(to_json(body_of(model, request))).digest()


def _read_note(note: Note) -> LeftOut:
    """What a note tells; kinds of a later release are passed over."""
    return LeftOut({kind: joined(note[kind]) for kind in PartKind if kind in note})
