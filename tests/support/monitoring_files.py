"""The dashboard and the alert rules of docs/monitoring, as they are in their files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml
from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "monitoring"
ALERTS = FOLDER / "alerts.yml"
DASHBOARD = FOLDER / "grafana.json"


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    expr: str
    """In Grafana's form, with its variables."""
    legend: str

    def expression(self, *, job: str, interval: str) -> str:
        """What Grafana asks Prometheus with these values of its variables."""
        return self.expr.replace("$job", job).replace("$__rate_interval", interval)

    def legend_labels(self) -> list[str]:
        """The labels that its legend shows."""
        return re.findall(r"\{\{(\w+)\}\}", self.legend)


@dataclass(frozen=True)
class Panel:
    """One picture of the dashboard."""

    title: str
    description: str
    kind: str
    unit: str
    targets: tuple[Target, ...]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[Panel]:
    """The panels that ask something, in their order."""
    return [
        Panel(
            one["title"],
            one["description"],
            one["type"],
            one["fieldConfig"]["defaults"]["unit"],
            tuple(Target(each["expr"], each["legendFormat"]) for each in one["targets"]),
        )
        for one in dashboard()["panels"]
        if one["type"] != "row"
    ]


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]
