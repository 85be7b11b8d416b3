"""Uploaded files that the model cites or finds: users know them by other ids than the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from threadmill_shared.model import HostedCallEnded, MessageEnded, ModelEvent, TextCited
from threadmill_shared.records import lenient

Json = dict[str, Any]


def with_users_ids(event: ModelEvent, users_ids: Mapping[str, str]) -> ModelEvent:
    """The event with the ids that messages name files by.

    Args:
        event: what the model has sent.
        users_ids: these ids, by the provider's.
    """
    match event:
        case TextCited():
            return replace(event, annotation=_named(event.annotation, users_ids))
        case MessageEnded():
            annotations = [_named(one, users_ids) for one in event.annotations]
            return replace(event, annotations=annotations)
        case HostedCallEnded(kind="file_search"):
            results = [
                _named(one, users_ids) for one in lenient.objects(event.details.get("results"))
            ]
            return replace(event, details=event.details | {"results": results})
    return event


def _named(part: Json, users_ids: Mapping[str, str]) -> Json:
    """What has a `file_id`, with the id that users know."""
    known = users_ids.get(lenient.text(part.get("file_id")))
    return part if known is None else part | {"file_id": known}
