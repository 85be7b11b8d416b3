"""The ids of files in what the model has sent: users know uploads by ids of their own."""

from __future__ import annotations

import pytest

from threadmill_shared.model import (
    HostedCallEnded,
    MessageEnded,
    ModelEvent,
    TextCited,
    TextDelta,
)
from threadmill_workers.execution.cited_files import with_users_ids

NAMES = {"file-theirs": "file-00" + "a" * 26}
OURS, THEIRS, OTHER = (
    {"type": "file_citation", "file_id": id} for id in (*NAMES.values(), *NAMES, "x")
)
DATA = {"type": "file_search_call", "results": [THEIRS]}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (TextCited(THEIRS), TextCited(OURS)),
        (TextCited(OTHER), TextCited(OTHER)),
        (TextCited({"type": "url_citation"}), TextCited({"type": "url_citation"})),
        (MessageEnded([THEIRS, OTHER]), MessageEnded([OURS, OTHER])),
        (
            HostedCallEnded("file_search", DATA, {"results": [THEIRS, OTHER], "queries": ["a"]}),
            HostedCallEnded("file_search", DATA, {"results": [OURS, OTHER], "queries": ["a"]}),
        ),
        (
            HostedCallEnded("code_interpreter", DATA, {"outputs": [THEIRS]}),
            HostedCallEnded("code_interpreter", DATA, {"outputs": [THEIRS]}),
        ),
        (TextDelta("file-theirs"), TextDelta("file-theirs")),
    ],
)
def test_uploads_have_the_ids_that_messages_name(event: ModelEvent, shown: ModelEvent) -> None:
    assert with_users_ids(event, NAMES) == shown
