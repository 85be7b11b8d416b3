"""docs/metrics.md: the table of a gateway's metrics, and what a gateway counts."""

from __future__ import annotations

from tests.support.pages import code, page, rows

from threadmill_gateway.metrics.prometheus import PrometheusMetrics

OF_WORKERS_TOO = {"threadmill_store_roundtrip_seconds", "threadmill_build_info"}


def test_the_page_explains_each_metric_of_a_gateway_and_no_other() -> None:
    header = ("metric of a gateway", "type", "labels", "meaning", "if it is unusual")
    listed = {
        code(row[0]): (row[1], set(row[2].replace("`", "").split(", ")))
        for row in rows(page("metrics"), *header)
    }
    counted = {}
    metrics = PrometheusMetrics("tm")
    metrics.watch(requests=lambda: 0, streams=lambda: 0)
    metrics.note_request("GET /x", 200, 0.1)
    for one in metrics.registry.collect():
        if one.name.startswith("threadmill_"):
            name = f"{one.name}_total" if one.type == "counter" else one.name
            labels = {label for sample in one.samples for label in sample.labels} - {"le"}
            counted[name] = (one.type, labels)
    for name in OF_WORKERS_TOO:
        del counted[name]
        assert f"`{name}`" in page("metrics")
    assert listed == counted
