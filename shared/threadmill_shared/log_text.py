"""Texts that logs, errors and commands share."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

_REPOSITORY_LABELS = {"repository", "source"}


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
    return f"pip install '.[{extra}]' in your clone of threadmill"


def _repository_url() -> str | None:
    try:
        entries = metadata("threadmill").get_all("Project-URL") or []
    except PackageNotFoundError:  # the packages are on the path, but not installed
        return None
    for entry in entries:
        label, _, url = entry.partition(",")
        if label.strip().lower() in _REPOSITORY_LABELS:
            return str(url).strip()
    return None
