"""What monitors such as Flower show of a run's Celery task: its name and its arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from threadmill_shared.records.run import RunRecord

_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
"""A text as `repr` writes it."""
_ARGUMENTS = re.compile(
    r"\{'thread': 'thread_[0-9a-f]{32}', 'run': 'run_[0-9a-f]{32}', "
    rf"'assistant': (?:{_QUOTED})\}}"
)


@dataclass(frozen=True)
class TaskLabel:
    """A run, in the terms of whoever looks at Celery."""

    run_id: str
    thread_id: str
    assistant: str
    says: bool
    """Whether the run came with a message; else it runs the thread as it was."""

    @classmethod
    def of(cls, record: RunRecord) -> TaskLabel:
        """The label of a run."""
        return cls(record.id, record.thread_id, record.request.assistant_name, record.says)

    @property
    def name(self) -> str:
        """The task's name, for example `say Marvin`."""
        return f"{'say' if self.says else 'run'} {self.assistant}"

    @property
    def arguments(self) -> str:
        """The task's keyword arguments, as Celery prints them."""
        # The thread first: a list shows only the beginning, and name and id tell the rest.
        return repr({"thread": self.thread_id, "run": self.run_id, "assistant": self.assistant})


def is_label(arguments: str) -> bool:
    """Whether these are the arguments of a label, and hold nothing that a user has said."""
    return _ARGUMENTS.fullmatch(arguments) is not None
