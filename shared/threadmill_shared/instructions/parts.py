"""A run's instructions: texts, and templates that are rendered at enqueue."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from threadmill_shared import errors
from threadmill_shared.instructions.plain_text import PlainText
from threadmill_shared.instructions.templates import (
    MAX_RENDERED,
    Template,
    has_syntax,
    render_plain,
)

logger = logging.getLogger("threadmill")

Instructions = str | Template
"""A str is sent as it is."""


def source(part: Instructions) -> str:
    """The source, of a text or a template."""
    return part if isinstance(part, str) else part.source


def digested(parts: Sequence[Instructions]) -> list[Any]:
    """What distinguishes these from others, for a digest.

    A text is distinguished from a template only if it has template syntax: all others have the
    digest from when every text was a template, so that older keys still identify their runs.
    """
    return [{"text": part} if _is_only_text(part) else source(part) for part in parts]


def rendered(parts: Sequence[Instructions], *, self_: Any, context: dict[str, Any]) -> list[str]:
    """The texts that are sent to the model.

    Raises:
        BadTemplate: a template cannot be rendered.
        TooLarge: a text exceeds the limit.
    """
    return [
        _checked(part) if isinstance(part, str) else _render(part.source, self_, context)
        for part in parts
    ]


def _render(template: str, self_: Any, context: dict[str, Any]) -> str:
    if not has_syntax(template):
        return render_plain(template)
    # Here, since most producers never need Jinja, and it takes long to import.
    from threadmill_shared.instructions.sandbox import render  # noqa: PLC0415

    return render(template, self_=self_, context=context)


def _checked(text: str) -> str:
    if (size := len(text.encode())) > MAX_RENDERED:
        raise errors.TooLarge(f"The instructions have {size} bytes; {MAX_RENDERED} are allowed.")
    return text


def _is_only_text(part: Instructions) -> bool:
    return isinstance(part, str) and has_syntax(part)


def hint_at_templates(option: str, given: Instructions | None) -> None:
    """Warn, once per process, if a text looks like a template."""
    is_plain = isinstance(given, PlainText)  # whoever gives one knows
    looks_so = (
        not is_plain and isinstance(given, str) and any(begin in given for begin in ("{{", "{%"))
    )
    if looks_so and _first_hint.acquire(blocking=False):
        logger.warning(
            "the run option %r contains template syntax and is sent unchanged. To have it "
            "rendered, wrap it in threadmill.Template(...), or in a Celery message {'template': "
            "...}",
            option,
        )


_first_hint = threading.Lock()
"""Acquired by the thread that gives the hint, and never released."""
