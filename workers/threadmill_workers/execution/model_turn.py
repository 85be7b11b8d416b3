"""Asking the model for turns, with as many tries as each is worth; its stream goes into the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from threadmill_shared import errors
from threadmill_shared.model import Model, ModelRequest, TextDelta, TurnEnded
from threadmill_shared.records.log import OwnEvent
from threadmill_shared.retirements.announcements import explained
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.history_reducer import HistoryReducer
from threadmill_workers.execution.model_request import RequestBuilder
from threadmill_workers.execution.next_step import AskModel, CallTools
from threadmill_workers.execution.output_files import OutputFiles
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.reduction_plan import MAX_EXTRA_REQUESTS
from threadmill_workers.execution.refusal import blames_request
from threadmill_workers.execution.request_measurement import RequestMeasurement
from threadmill_workers.execution.resume import find_unfinished_turn
from threadmill_workers.execution.retry_pause import pause_before_retry, refuse_pause
from threadmill_workers.execution.turn import Reply
from threadmill_workers.execution.turn_writer import TurnWriter
from threadmill_workers.metrics.recorder import MetricsRecorder

FEWEST_TOKENS = 16
"""The Responses API refuses a request in which the model may write fewer."""
NOT_FOUND = 404
"""The status with which a provider says that it has no such model."""
_ALONE = (
    "This turn is too long by itself: send less text and smaller images, or lower"
    " THREADMILL_MAX_TOOL_OUTPUT_BYTES if a tool's output is what is too long."
)


class ModelTurns:
    """Asks the model, streams what it says into the log, and makes turns of it."""

    def __init__(
        self,
        *,
        held: HeldRun,
        model: Model,
        history: History,
        reducer: HistoryReducer,
        wait_for_lease: Callable[[], Awaitable[None]],
        provider: ProviderHealth,
        retries: int,
        attached: AttachedFiles,
        output_files: OutputFiles,
        metrics: MetricsRecorder,
    ) -> None:
        """A model that answers in one run.

        Args:
            held: where its replies are written.
            model: what is asked.
            history: what it is sent.
            reducer: what is left out of that if the provider refuses it.
            wait_for_lease: waits until the worker's lease is confirmed: before that, the run may
                be another worker's.
            provider: takes note of how the requests end.
            retries: how often a failed request is repeated.
            attached: the files of the thread's messages.
            output_files: keeps the files that the provider's tools make.
            metrics: takes note of turns and requests.
        """
        self._held = held
        self._record = held.record
        self._model = model
        self._history = history
        self._wait_for_lease = wait_for_lease
        self._provider = provider
        self._retries = retries
        self._metrics = metrics
        self._measurement = RequestMeasurement(metrics, held.record.request.model)
        self._reducer = reducer
        self._attached = attached
        self._requests = RequestBuilder(held, history, reducer, attached, output_files)
        self._request: ModelRequest | None = None
        """The last one."""
        self._has_begun = False
        """Whether anything of its answer has come."""
        self._requests_left = 0
        """How many more this answer may cost after refusals."""
        self._writer = TurnWriter(held, history, output_files)

    @property
    def count(self) -> int:
        """Turns that the run has had, those of earlier attempts included."""
        return self._writer.turns

    @property
    def has_sent_too_much(self) -> bool:
        """Whether the turns have sent more tokens than `max_prompt_tokens` allows."""
        most = self._record.request.options.max_prompt_tokens
        return most is not None and self._writer.prompt_tokens > most

    @property
    def may_write_no_more(self) -> bool:
        """Whether the turns have left too few tokens of `max_completion_tokens` for another one."""
        left = self._completion_tokens_left
        return left is not None and self.count > 0 and left < FEWEST_TOKENS

    @property
    def _completion_tokens_left(self) -> int | None:
        most = self._record.request.options.max_completion_tokens
        return None if most is None else most - self._writer.completion_tokens

    async def resume(self) -> AskModel | CallTools:
        """Return the step to begin with: the calls that an earlier attempt has left, if any."""
        reply = await find_unfinished_turn(self._held, self._history)
        if reply is None:
            return AskModel()
        if reply.step < 0:
            self._writer.reopen_calls(reply)
        return CallTools(reply)

    async def ask(self) -> Reply:
        """Ask the model for one reply, with as many tries as are worth it.

        Raises:
            ModelError: there is none.
        """
        tries, begun_at = 0, time.monotonic()
        self._requests_left = MAX_EXTRA_REQUESTS
        self._reducer.begin()
        while True:
            try:
                reply = await self._stream()
                await self._reducer.note_answer()
            except (errors.ContextTooLong, errors.ModelRefused) as error:
                if not await self._mend(error):
                    await self._reducer.note_refused_turn(error)
                    self._provider.note_refusal(
                        self._record.id, error, model=self._record.request.model
                    )
                    raise self._explained(error) from None
                self._requests_left -= 1
                self._measurement.note_retry(error)
            except (errors.ModelUnavailable, errors.ModelGarbled) as error:
                self._provider.note_failure(self._record.id, error)
                self._writer.abandon()
                tries += 1
                if tries > self._retries:
                    raise
                await self._announce_retry(error, tries)
            else:
                self._metrics.note_turn(time.monotonic() - begun_at)
                return reply

    async def _mend(self, error: errors.ContextTooLong | errors.ModelRefused) -> bool:
        """Leave out what the request was refused for; False if that is not known."""
        if not self._requests_left:
            return False
        if await self._amend_files(error, is_guess=False) or await self._reduce(error):
            return True
        if await self._amend_files(error, is_guess=True):
            self._reducer.begin()
            return True
        return False

    async def _amend_files(
        self, error: errors.ContextTooLong | errors.ModelRefused, *, is_guess: bool
    ) -> bool:
        """Leave out a file of the provider's tools, or give it again; False if it is not that."""
        is_request = self._request is not None and not self._has_begun
        if not is_request or not isinstance(error, errors.ModelRefused):
            return False
        if not await self._attached.amend(error, is_guess=is_guess):
            return False
        self._writer.abandon()
        return True

    async def _reduce(self, error: errors.ContextTooLong | errors.ModelRefused) -> bool:
        """Leave out something of earlier turns; False if that cannot help."""
        if self._has_begun and isinstance(error, errors.ModelRefused) and not blames_request(error):
            return False  # it may be of the answer
        if not self._reducer.note_refusal(error, self._request):
            return False
        self._writer.abandon()
        while self._reducer.advance(self._requests_left):
            if not await self._is_repeated():
                self._reducer.announce(error)
                return True
            self._reducer.skip()
        return False

    async def _is_repeated(self) -> bool:
        """Whether the next request would be one that was refused already."""
        try:
            return self._reducer.is_repeated(await self._build())
        except errors.ModelError:  # as the next try will tell
            return False

    def _explained(self, error: errors.ModelError) -> errors.ModelError:
        if isinstance(error, errors.ContextTooLong):
            return errors.ContextTooLong(f"{error} {_ALONE}", in_bytes=error.in_bytes)
        if not isinstance(error, errors.ModelRefused) or error.status != NOT_FOUND:
            return error
        text = explained(str(error), self._record.request.model)
        return errors.ModelRefused(text, status=error.status)

    async def _announce_retry(self, error: errors.ModelError, tries: int) -> None:
        wait = pause_before_retry(error, tries)
        refuse_pause(error, wait, self._held.seconds_to_deadline)
        self._measurement.note_retry(error)
        batch = Batch()
        data = {"error": type(error).__name__, "tries": tries, "seconds": round(wait, 3)}
        batch.record(OwnEvent("threadmill.model.retry", data))
        self._held.put(batch)
        await asyncio.sleep(wait)

    async def _stream(self) -> Reply:
        await self._wait_for_lease()
        self._writer.begin()
        self._has_begun, self._request = False, None
        self._request = await self._build()
        with self._measurement.request():
            return await self._read(self._request)

    async def _build(self) -> ModelRequest:
        return await self._requests.build(self._completion_tokens_left)

    async def _read(self, request: ModelRequest) -> Reply:
        held, writer, message = self._held, self._writer, self._writer.message
        async with aclosing(self._model.stream(request)) as stream:
            async for event in stream:
                if not self._has_begun:
                    self._has_begun = True
                    self._provider.note_beginning()
                    self._measurement.note_first_piece()
                if type(event) is TextDelta:
                    if not message.is_open:
                        writer.place_message()
                    message.write(event.text)
                    if held.finds_no_room:
                        await held.stored()
                elif type(event) is TurnEnded:
                    self._provider.note_answer(model=request.model)
                    self._measurement.note_answer(event.usage)
                    return await writer.end(event)
                else:
                    await writer.take(self._attached.name_cited(event))
        raise errors.ModelGarbled("The model provider's stream ended before the reply did.")

    def partial_message(self, reason: str, step_status: str) -> Batch:
        """What closes the message being written at the run's end; its text is an item."""
        return self._writer.message.partial(reason, step_status)
