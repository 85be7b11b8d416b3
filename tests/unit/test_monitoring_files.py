"""The dashboard and the alert rules say nothing that docs/metrics.md does not explain."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.support.monitoring_files import Panel, dashboard, panels, rules
from tests.support.pages import code, page, rows
from tests.support.runbook import sections

WORDS = re.compile(r"\b(?:threadmill|process)_\w+")
SUFFIXES = ("_bucket", "_count", "_sum")


def documented(whose: str = "metric") -> set[str]:
    header = (whose, "type", "labels", "meaning", "if it is unusual")
    listed = {code(row[0]) for row in rows(page("metrics"), *header)}
    return listed | set(re.findall(r"`(process_\w+)`", page("metrics")))


def metrics_in(expression: str) -> set[str]:
    found = WORDS.findall(re.sub(r'"[^"]*"', "", expression))
    return {re.sub(rf"({'|'.join(SUFFIXES)})$", "", name) for name in found}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.title)
def test_every_panel_asks_for_metrics_that_there_are(panel: Panel) -> None:
    for target in panel.targets:
        named = metrics_in(target.expr)
        assert named, target.expr
        assert named <= documented()
        assert target.expr.count('{job=~"$job"') == len(WORDS.findall(target.expr))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_metrics_that_there_are_and_leads_to_its_cure(
    rule: dict[str, Any],
) -> None:
    assert metrics_in(rule["expr"]) <= documented() | documented("metric of a gateway")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert f"\n### {rule['alert']}\n" in page("metrics")
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert document == "docs/runbook.md"
    listed = [row for row in rows(page("runbook"), "you see", "section") if rule["alert"] in row[0]]
    assert any(f"](#{anchor})" in row[1] for row in listed)
    assert anchor in {section.anchor for section in sections().values()}


def test_the_page_explains_no_alert_that_there_is_not() -> None:
    explained = re.findall(r"^### (Threadmill\w+)$", page("metrics"), re.MULTILINE)
    assert explained == [rule["alert"] for rule in rules()]


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        name for panel in panels() for target in panel.targets for name in metrics_in(target.expr)
    }
    of_ours = {name for name in documented() if name.startswith("threadmill_")}
    assert of_ours <= shown


def test_the_panels_have_places_and_sources_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    numbers = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        numbers.add(panel["id"])
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
    assert len(numbers) == len(dashboard()["panels"])
    assert [one["name"] for one in dashboard()["templating"]["list"]] == ["datasource", "job"]
