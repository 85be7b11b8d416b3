"""Texts that logs, errors and commands share."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

FIELDS = "threadmill_fields"
"""The attribute of a log record that has its fields."""

_REPOSITORY_LABELS = {"repository", "source"}


def about(**fields: str | float | None) -> dict[str, Any]:
    """The `extra` of a log line that names what it is about: a run, its thread, a traceback.

    A worker's log shows them as fields of the line. They replace those of the run in which the line
    is logged; None removes one.
    """
    return {FIELDS: fields}


OF_PROCESS = about(run=None, thread=None, assistant=None, attempt=None)
"""The `extra` of a line about the whole process, whichever run it is logged in."""


def where_raised(error: BaseException) -> str:
    """Return an unexpected error's class and line; its words may quote a user."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 run`, `2 runs`; `many` if the plural does not simply end in an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def install_command(extra: str) -> str:
    """How to install threadmill with an extra while there is no release in a package index.

    The distribution's metadata has the repository's URL if pyproject.toml names one under
    `[project.urls]`, as `Repository` or `Source`. Without it, only a clone can be installed.
    """
    if url := _repository_url():
        return f"pip install 'threadmill[{extra}] @ git+{url}'"
    return f"pip install './threadmill[{extra}]' in the folder that holds your clone"


def _repository_url() -> str | None:
    from importlib.metadata import PackageNotFoundError, metadata  # noqa: PLC0415  for errors only

    try:
        entries = metadata("threadmill").get_all("Project-URL") or []
    except PackageNotFoundError:  # the packages are on the path, but not installed
        return None
    for entry in entries:
        label, _, url = entry.partition(",")
        if label.strip().lower() in _REPOSITORY_LABELS:
            return str(url).strip()
    return None
