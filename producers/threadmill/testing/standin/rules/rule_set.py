"""The rules that are in force."""

from __future__ import annotations

from collections.abc import Iterable

from threadmill.testing.standin.conversation import Request
from threadmill.testing.standin.faults import Refusal
from threadmill.testing.standin.hosting import Hosting
from threadmill.testing.standin.rules.catalog import RULES
from threadmill.testing.standin.rules.rule import Inspection

TOOL_CHOICE = "tool_choice"
"""The name of the rule that answers obey `tool_choice`; see `choices`."""


class RuleSet:
    """Which rules requests are judged by."""

    def __init__(self, *, strict: bool = True) -> None:
        """Those that apply by default; none if it is not `strict`."""
        self._known = [*(rule.name for rule in RULES), TOOL_CHOICE]
        self._names = {rule.name for rule in RULES if rule.by_default} | {TOOL_CHOICE}
        if not strict:
            self._names.clear()

    def allow(self, *names: str) -> None:
        """Switch rules off.

        Raises:
            ValueError: there is no such rule.
        """
        self._names -= self._checked(names)

    def refuse(self, *names: str) -> None:
        """Switch rules on.

        Raises:
            ValueError: there is no such rule.
        """
        self._names |= self._checked(names)

    def has(self, name: str) -> bool:
        """Whether a rule is in force."""
        return name in self._names

    def judge(self, request: Request, hosting: Hosting) -> Refusal | None:
        """What a provider would answer to this request; None if it would take it."""
        inspection = Inspection(request, hosting)
        for rule in RULES:
            if rule.name not in self._names or request.api not in rule.apis:
                continue
            for message, param, code in rule.find(inspection):
                return Refusal(rule.status, message, code, param=param, rule=rule.name)
        return None

    def _checked(self, names: Iterable[str]) -> set[str]:
        for name in names:
            if name not in self._known:
                known = ", ".join(self._known)
                raise ValueError(f"The stand-in has no rule {name!r}. Its rules are: {known}.")
        return set(names)
