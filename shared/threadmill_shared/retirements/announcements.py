"""Models that OpenAI has shut down or announced to, and the warning that a run uses one.

`models.json` is the list, newest first. Each entry says which source it was read in, and when.
Where `fine_tuned` is set it is the source that says that models fine-tuned from these go with them.
Only names that OpenAI itself has announced are in it: a router's `openai/gpt-4.1-mini` is not.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

logger = logging.getLogger("threadmill")

ANNOUNCEMENTS = "https://developers.openai.com/api/docs/deprecations"
"""The page with OpenAI's announcements."""
_CURE = (
    "Choose another model, in THREADMILL_MODEL, for the assistant or for the run (model=...); "
    f"{ANNOUNCEMENTS} names replacements."
)

_warned: set[str] = set()
_lock = threading.Lock()
"""A worker in a script's process warns from another thread than the script."""


@dataclass(frozen=True)
class Retirement:
    """OpenAI's announcement about one model."""

    model: str
    """Its name as it was asked for."""
    shutdown: date
    """The day of its shutdown."""
    source: str
    """The source of the announcement."""
    seen: date
    """The source's date."""

    def announced(self, today: date) -> str:
        """One sentence that is true with any provider: another one may keep serving the model."""
        if today < self.shutdown:
            return f"OpenAI has announced that it will shut down {self.model} on {self.shutdown}."
        return f"OpenAI announced that it would shut down {self.model} on {self.shutdown}."


def find_retirement(model: str) -> Retirement | None:
    """OpenAI's announcement about a model; None: none is known here."""
    base, is_fine_tuned = model, model.startswith("ft:")
    if is_fine_tuned:  # ft:gpt-4.1-mini-2025-04-14:organization:suffix:id
        base = model.split(":")[1]
    entry = _entries().get(base)
    if entry is None or (is_fine_tuned and "fine_tuned" not in entry):
        return None
    return Retirement(
        model=model,
        shutdown=date.fromisoformat(entry["shutdown"]),
        source=entry["fine_tuned"] if is_fine_tuned else entry["source"],
        seen=date.fromisoformat(entry["seen"]),
    )


def today() -> date:
    """The date with which announcements are compared."""
    return datetime.now(UTC).date()


def warn_of_retirement(model: str) -> None:
    """Log that a model is retired or will be, once per process and model.

    Nothing is logged if `OPENAI_BASE_URL` names another provider.
    """
    found = find_retirement(model)
    if found is None or not is_openai(os.environ.get("OPENAI_BASE_URL")):
        return
    with _lock:
        if model in _warned:
            return
        _warned.add(model)
    logger.warning("%s %s", found.announced(today()), _CURE)


def explained(message: str, model: str) -> str:
    """A provider's message that a model is not found, with the announcement about that model."""
    found = find_retirement(model)
    return message if found is None else f"{message} {found.announced(today())} {_CURE}"


@cache
def _entries() -> Mapping[str, dict[str, Any]]:
    """The list's entries, by the names of their models."""
    text = (resources.files("threadmill_shared.retirements") / "models.json").read_text(
        encoding="utf-8"
    )
    return {name: entry for entry in json.loads(text) for name in entry["models"]}


def is_openai(base_url: str | None) -> bool:
    """Whether a provider's URL is OpenAI's own; None: it is the default, which is."""
    if not base_url:
        return True
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return False
    return host == "openai.com" or host.endswith(".openai.com")
