"""What the stand-in refuses, because a provider does: each rule with its source."""

from threadmill.testing.standin.rules.catalog import RULES
from threadmill.testing.standin.rules.rule import Rule, Violation
from threadmill.testing.standin.rules.rule_set import RuleSet

__all__ = ["RULES", "Rule", "RuleSet", "Violation"]
