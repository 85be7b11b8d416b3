"""Bodies of model requests, judged by the rules of the strict stand-in."""

from __future__ import annotations

import json
from typing import Any

from threadmill.testing.standin import chat_input, responses_input
from threadmill.testing.standin.faults import Refusal
from threadmill.testing.standin.hosting import Hosting
from threadmill.testing.standin.rules import RuleSet
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.responses_request import responses_body

BODIES = {"responses": responses_body, "chat": chat_body}


def refusal_of(body: dict[str, Any]) -> Refusal | None:
    """What a provider with nothing stored would refuse of the body; None if it takes it."""
    read = chat_input.read if "messages" in body else responses_input.read
    return RuleSet().judge(read(body, json.dumps(body).encode(), {}), Hosting())
