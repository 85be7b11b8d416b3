"""Answering a run that waits for somebody: outputs of its calls, approvals and rejections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from threadmill_shared import errors
from threadmill_shared.records.texts import check_text
from threadmill_shared.store.parked_runs import rejection
from threadmill_shared.tools import render_output

if TYPE_CHECKING:
    from threadmill.client.client import Client


async def submit_outputs(
    client: Client, run_id: str, outputs: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> None:
    """Submit outputs of calls, all or none.

    Args:
        client: how the store is reached.
        run_id: the run.
        outputs: by call id, or in the Assistants API's form.

    Raises:
        NotWaiting, CallTaken, OutputMismatch, ToolError, TooLarge: see `Run.submit_tool_outputs`.
    """
    texts = {id: _text(value, client) for id, value in _by_call(outputs).items()}
    await client.call(client.submit_all(run_id, list(texts.items())))


async def approve_call(client: Client, run_id: str, call_id: str) -> None:
    """Approve a call that waits for an approval.

    Raises:
        NotWaiting: the call is not waiting for an approval.
    """
    check_text(call_id, "A call's id")
    await client.call(client.approve(run_id, call_id))


async def reject_call(client: Client, run_id: str, call_id: str, reason: str | None) -> None:
    """Reject a call that waits for an approval.

    Raises:
        NotWaiting, OutputMismatch, TooLarge: see `Run.reject`.
    """
    check_text(call_id, "A call's id")
    if reason is not None:
        check_text(reason, "A reason")
        _check_size(reason, "A reason", client)
    answer = rejection(reason)
    await client.call(client.submit(run_id, call_id, answer, waits_for="approval"))


def _by_call(outputs: Any) -> dict[str, Any]:
    if isinstance(outputs, Mapping):
        found = dict(outputs)
    else:
        try:
            found = {one["tool_call_id"]: one["output"] for one in outputs}
        except (TypeError, KeyError):
            raise TypeError(
                "Outputs must be a mapping of call ids to outputs, or a list of "
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
            f"{what} has {size} bytes; THREADMILL_MAX_TOOL_OUTPUT_BYTES allows {most}. "
            "Shorten it, or raise the setting."
        )
