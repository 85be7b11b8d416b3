"""What clients' requests have created, as it ought to be remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST_PAUSE_MS = 300


@dataclass
class Noted:
    """One object of equal requests."""

    id: str
    came: int
    """Without the time that the test takes: requests are seconds apart."""
    tries: int
    by: str
    is_delivered: bool = False


@dataclass
class Requests:
    """The marks of all requests, by their keys."""

    keyed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What has been created, and the content."""
    tried: dict[str, list[Noted]] = field(default_factory=dict)

    def find(
        self, mark: str, requested: str, made: str, is_unused: Callable[[str], bool]
    ) -> tuple[str, str] | None:
        """`same` or `mismatch`, and the object's id; None: the request is new."""
        kind, what, ago, shared = (requested or "none 0 0 0").split()
        if kind == "key" and mark in self.keyed:
            id, content = self.keyed[mark]
            return ("same" if content == what else "mismatch"), id
        if kind == "try" and int(what) == 0:
            return ("same", made) if any(n.id == made for n in self.tried.get(mark, ())) else None
        if kind == "try":
            return self._find_repeated(mark, int(what), -int(ago), shared == "1", made, is_unused)
        return None

    def _find_repeated(
        self,
        mark: str,
        tries: int,
        came: int,
        is_shared: bool,
        made: str,
        is_unused: Callable[[str], bool],
    ) -> tuple[str, str] | None:
        noted = self.tried.get(mark, [])
        for one in noted:
            if one.by == made:
                return "same", one.id
        found = [
            one
            for one in noted
            if one.tries < tries
            and came - one.came >= LEAST_PAUSE_MS
            and (not is_shared or is_unused(one.id))
        ]
        if not found:
            return None
        best = min(
            found,
            key=lambda one: (one.is_delivered, -one.tries, one.came * (-1) ** one.is_delivered),
        )
        best.came, best.tries, best.by, best.is_delivered = came, tries, made, False
        return "same", best.id

    def note(self, mark: str, requested: str, id: str) -> None:
        """The request has created this object."""
        kind, what, ago, _ = (requested or "none 0 0 0").split()
        if kind == "key":
            self.keyed[mark] = (id, what)
        elif kind == "try":
            self.tried.setdefault(mark, []).append(Noted(id, -int(ago), int(what), id))

    def deliver(self, mark: str, id: str, made: str) -> str:
        """The answer that names it was sent; returns what the script answers."""
        for one in self.tried.get(mark, ()):
            if (one.id, one.by) == (id, made):
                was_delivered, one.is_delivered = one.is_delivered, True
                return "again" if was_delivered else "ok"
        return "gone"

    def stored(self) -> set[tuple[Any, ...]]:
        """All of it, as `shown_request` shows what is stored."""
        keyed = {
            (_place(mark), name, value)
            for mark, noted in self.keyed.items()
            for name, value in zip(("id", "content"), noted, strict=True)
        }
        tried = {
            (_place(mark), one.id, (one.tries, one.is_delivered, one.by))
            for mark, noted in self.tried.items()
            for one in noted
        }
        return keyed | tried


def shown_request(fields: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """A mark's fields, without times."""
    for name, value in fields.items():
        if name in ("id", "content"):
            yield name, value
        elif name != "at":
            _, _, tries, is_delivered, by, _ = value.split()
            yield name, (int(tries), is_delivered == "1", by)


def _place(mark: str) -> str:
    """The key without the namespace."""
    return mark.partition(":")[2]
