"""Answering a run that waits for somebody: outputs of its calls, approvals and rejections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from threadmill.client.client import Client
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking
from threadmill_shared import errors
from threadmill_shared.run_request import check_text
from threadmill_shared.store.parked_runs import CallOutcome, rejection
from threadmill_shared.tools import render_output


class Answering:
    """The part of a run's handle that answers it."""

    id: str

    if TYPE_CHECKING:

        async def _refresh(self) -> Any: ...

    async def _submit_tool_outputs(
        self, outputs: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> Self:
        """Give calls their outputs, from any process; the last one lets the run go on.

        What is no `str` is given to the model as JSON. The same output again changes nothing.
        Outputs are stored one by one: after an error `required_action` names what still waits.

        Args:
            outputs: by call id, as `required_action` names them; or in the Assistants API's form,
                `[{"tool_call_id": ..., "output": ...}]`.

        Raises:
            NotWaiting: the run does not wait for the output of such a call (yet, or any more).
            CallTaken: another process executes it.
            OutputMismatch: it has another output already.
            ToolError: an output cannot be written as JSON.
            TooLarge: it is larger than `THREADMILL_MAX_TOOL_OUTPUT_BYTES`.
        """
        client = current_client()
        texts = {id: _text(value, client) for id, value in _by_call(outputs).items()}
        parked = await client.hop(client.parked.calls(self.id))
        waiting = {call.id for call in parked if call.waits_for == "output"}
        # Those first that will be refused, so that nothing is stored then.
        for call_id in sorted(texts, key=waiting.__contains__):
            await client.hop(client.submit(self.id, call_id, CallOutcome(texts[call_id])))
        await self._refresh()
        return self

    submit_tool_outputs = blocking(_submit_tool_outputs)
    submit_tool_outputs_async = awaitable(_submit_tool_outputs)

    async def _approve(self, call_id: str) -> Self:
        """Allow a call that waits for an approval; it is executed where its function is.

        Allowing it again changes nothing, also when the run has ended.

        Raises:
            NotWaiting: no such call waits for an approval (yet, or any more).
        """
        check_text(call_id, "A call's id")
        client = current_client()
        await client.hop(client.approve(self.id, call_id))
        await self._refresh()
        return self

    approve = blocking(_approve)
    approve_async = awaitable(_approve)

    async def _reject(self, call_id: str, reason: str | None = None) -> Self:
        """Refuse a call that waits for an approval; the model is told so, and the run goes on.

        Args:
            call_id: the call.
            reason: told to the model.

        Raises:
            NotWaiting: no such call waits for an approval (yet, or any more).
            OutputMismatch: it was rejected before, for another reason.
            TooLarge: the reason is larger than `THREADMILL_MAX_TOOL_OUTPUT_BYTES`.
        """
        check_text(call_id, "A call's id")
        client = current_client()
        if reason is not None:
            check_text(reason, "A reason")
            _check_size(reason, "A reason", client)
        answer = rejection(reason)
        await client.hop(client.submit(self.id, call_id, answer, waits_for="approval"))
        await self._refresh()
        return self

    reject = blocking(_reject)
    reject_async = awaitable(_reject)


def _by_call(outputs: Any) -> dict[str, Any]:
    if isinstance(outputs, Mapping):
        found = dict(outputs)
    else:
        try:
            found = {one["tool_call_id"]: one["output"] for one in outputs}
        except (TypeError, KeyError):
            raise TypeError(
                "Outputs are a mapping of call ids to outputs, or a list of "
                "{'tool_call_id': ..., 'output': ...}."
            ) from None
    if not found:
        raise errors.CallerError("There are no outputs to submit.")
    for call_id in found:
        check_text(call_id, "A call's id")
    return found


def _text(value: Any, client: Client) -> str:
    text = render_output(value)
    _check_size(text, "An output", client)
    return text


def _check_size(text: str, what: str, client: Client) -> None:
    size, most = len(text.encode()), client.settings.max_tool_output_bytes
    if size > most:
        raise errors.TooLarge(
            f"{what} has {size} bytes; THREADMILL_MAX_TOOL_OUTPUT_BYTES allows {most}."
        )
