"""How monitors such as Flower show a run's Celery task: its name and its arguments."""

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
    """A run, as users of Celery's monitors see it."""

    run_id: str
    thread_id: str
    assistant: str
    says: bool
    """Whether the run has a message; otherwise it runs the thread as it is."""

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
        # The thread first: a list shows only the beginning, and name and id have the rest.
        return repr({"thread": self.thread_id, "run": self.run_id, "assistant": self.assistant})


def is_label(arguments: str) -> bool:
    """Whether these are the arguments of a label, without any text of a user."""
    return _ARGUMENTS.fullmatch(arguments) is not None
