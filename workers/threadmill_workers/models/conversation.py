"""The conversation that a request carries, made fit for either API whatever is stored.

A provider refuses a whole request for one item that violates its protocol. Stored items do not
change, so it would refuse the thread ever after.
"""

from __future__ import annotations

import time

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import HostedCallItem, Item
from threadmill_shared.records.told_calls import tell_hosted_call
from threadmill_workers.models.call_pairs import pair_calls
from threadmill_workers.models.replay import replayable_item

NO_MESSAGE = "(no message)"
"""What stands in the place of a user's message that a provider insists on."""
NO_OUTPUT = "(no output)"
"""What a call without any text as its output gives."""


_CONTAINER_SECONDS = 15 * 60
"""A container that was last used longer ago may be gone: the provider keeps one for 20 minutes."""


def sendable_items(request: ModelRequest, *, with_hosted_calls: bool) -> list[Item]:
    """The request's items, with calls in pairs and hosted calls that can be sent.

    Args:
        request: what to ask.
        with_hosted_calls: whether the API has them. What it cannot be sent is told as a note.
    """
    live = _live_containers(request) if with_hosted_calls else frozenset()
    items: list[Item] = []
    for item in request.items:
        is_foreign = _is_foreign(item, request)
        if item["type"] != "hosted_call":
            items += [] if is_foreign else [item]
        elif with_hosted_calls and not is_foreign and _is_usable(item, live):
            items.append(item)
        elif text := tell_hosted_call(lenient.storable(item["data"])):
            items.append({"type": "note", "text": text, "run_id": item.get("run_id", "")})
    return pair_calls(items)


def _is_foreign(item: Item, request: ModelRequest) -> bool:
    """Whether only another provider takes the item, as far as the queues tell."""
    if item["type"] != "hosted_call" and item["type"] != "reasoning":
        return False
    return item.get("queue", "") != request.queue


def _live_containers(request: ModelRequest) -> frozenset[str]:
    """The containers that were used a short while ago, or, if no time is known, by this run."""
    since = time.time() - _CONTAINER_SECONDS
    return frozenset(
        lenient.text(lenient.json_object(item["data"]).get("container_id"))
        for item in request.items
        if item["type"] == "hosted_call" and _is_recent(item, since, request.run_id)
    )


def _is_recent(call: HostedCallItem, since: float, run_id: str) -> bool:
    at = call.get("at")
    return call.get("run_id") == run_id if at is None else lenient.number(at) >= since


def _is_usable(item: HostedCallItem, live: frozenset[str]) -> bool:
    """Whether the call can go back as it is."""
    call = replayable_item(item["data"])
    return call is not None and (
        call["type"] != "code_interpreter_call" or call["container_id"] in live
    )
