"""A program whose requests' first answers are lost, with OpenAI's package for Python.

python repeats.py BASE_URL

It prints one JSON object: the ids of what it has created, without keys and with them.
"""

from __future__ import annotations

import json
import sys
import uuid
from contextlib import suppress
from typing import Any

from openai import BadRequestError, OpenAI


def create(client: OpenAI, headers: dict[str, str]) -> dict[str, str]:
    """One of each; the headers' key is used for one call each, since it belongs to a path."""
    given: Any = {"extra_headers": headers}
    threads = client.beta.threads
    assistant = client.beta.assistants.create(model="gpt-5.4-mini", **given)
    thread = threads.create(metadata={"of": str(uuid.uuid4())}, **given)
    message = threads.messages.create(thread.id, role="user", content="tokens=2", **given)
    file = client.files.create(file=("a.txt", b"1"), purpose="assistants", **given)
    made = {"asst": assistant, "thread": thread, "msg": message, "file": file}
    with suppress(BadRequestError):  # the thread has an active run: the one that was lost
        made["run"] = threads.runs.create(thread.id, assistant_id=assistant.id, **given)
    return {name: one.id for name, one in made.items()}


if __name__ == "__main__":
    client = OpenAI(base_url=sys.argv[1], api_key="none")
    found = {
        "without a key": create(client, {}),
        "with a key": create(client, {"Idempotency-Key": str(uuid.uuid4())}),
    }
    print(json.dumps({"found": found}))
