"""Makes `metrics.svg`: the panels of the dashboard, with what Prometheus knows of a real fleet.

Three workers execute runs against the stand-in provider for three minutes; one of them is killed.
Then each panel's queries are put to Prometheus, and what it answers is drawn here: not by Grafana,
in which the panels look different. Run in the root, with Redis and Prometheus on the PATH:
`python -m docs.images.metrics_page`
"""

from __future__ import annotations

import contextlib
import math
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.support.environment import isolated_environment
from tests.support.monitoring_files import Panel, dashboard, panels
from tests.support.processes.prometheus import JOB, Prometheus, Sample, running_prometheus
from tests.support.processes.worker import Worker, Workers
from tests.support.scrapes import metrics_url
from tests.support.servers.redis_server import RedisServer

from threadmill import Assistant
from threadmill.testing import Answer, Call, Fault, Reply, StandIn, Text
from threadmill.testing.standin.conversation import Request

IMAGE = Path(__file__).with_name("metrics.svg")
SECONDS = 180
KILLED_AT = 100
STEP = 2
CELL, LINE = 50, 30
"""Width of one of 24 columns, and height of one row, in points."""
MARGIN = 10
COLOURS = ("#3274d9", "#e0752d", "#299c46", "#d44a3a", "#8f3bb8", "#bf9b30", "#14868c", "#777777")
KINDS = (*["talk"] * 12, *["look"] * 5, "fail", "busy", "busy", "refund", "wait")


# ---- the runs ------------------------------------------------------------------------------------


def brain(request: Request) -> Answer:
    """What the model answers to a message of each kind."""
    kind = request.last_user_text.split()[0]
    if kind == "fail":
        return Fault.status(400)
    if kind == "busy" and random.random() < 0.5:  # noqa: S311  not a secret
        return Fault.status(429)
    if kind in {"look", "refund"} and not request.tool_outputs:
        name = "look_up" if kind == "look" else "refund"
        return Reply([Call(name, {"order": 7})])
    return Reply([Text(["word "] * random.randint(5, 80))])  # noqa: S311


def main() -> None:
    """Play the runs, and draw what Prometheus says of them."""
    random.seed(12)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            RedisServer(folder) as redis,
            StandIn(brain, delay=0.05) as standin,
            isolated_environment(redis.url(), standin, "responses", **settings()),
            Workers(folder) as workers,
        ):
            started = workers.start("careful", 3)
            targets = [metrics_url(worker).split("/")[2] for worker in started]
            with running_prometheus(folder, targets) as prometheus:
                begun_at = time.time()
                play(started)
                IMAGE.write_text(drawn(prometheus, begun_at, time.time()), encoding="utf-8")


def settings() -> dict[str, str]:
    """What the workers are started with."""
    return {"THREADMILL_METRICS_PORT": "0", "THREADMILL_CONCURRENCY": "6"}


def play(workers: Sequence[Worker]) -> None:
    """Enqueue runs, more of them in the middle of the time; kill a worker."""
    begun_at, is_killed = time.monotonic(), False
    lonely = Assistant("lonely", queue="nobodys")
    while (passed := time.monotonic() - begun_at) < SECONDS:
        kind = random.choice(KINDS)  # noqa: S311
        if kind == "wait":
            if passed > SECONDS / 2:
                lonely.enqueue("wait for a worker")
        else:
            Assistant.load("careful").enqueue(f"{kind} {passed:.0f}")
        if passed > KILLED_AT and not is_killed:
            workers[0].kill()
            is_killed = True
        time.sleep(0.15 + 0.5 * abs(math.cos(math.pi * passed / SECONDS)))


# ---- the picture ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """Where a panel is."""

    x: float
    y: float
    width: float
    height: float


def drawn(prometheus: Prometheus, start: float, end: float) -> str:
    """The whole picture."""
    placed = {one["title"]: one["gridPos"] for one in dashboard()["panels"]}
    bottom = max(place["y"] + place["h"] for place in placed.values())
    width, height = 24 * CELL + 2 * MARGIN, bottom * LINE + 2 * MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11">'
    )
    parts = [head, f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>']
    for row in (one for one in dashboard()["panels"] if one["type"] == "row"):
        box = box_of(row["gridPos"])
        parts.append(text(box.x, box.y + 20, row["title"], size=15, weight="bold"))
    for panel in panels():
        box = box_of(placed[panel.title])
        parts.append(frame(box, panel.title))
        draw = number if panel.kind == "stat" else lines
        parts += draw(panel, prometheus, box, start, end)
    return "\n".join([*parts, "</svg>"]) + "\n"


def box_of(place: dict[str, int]) -> Box:
    """The place of a panel, from Grafana's grid."""
    return Box(
        MARGIN + place["x"] * CELL + 3,
        MARGIN + place["y"] * LINE + 3,
        place["w"] * CELL - 6,
        place["h"] * LINE - 6,
    )


def frame(box: Box, title: str) -> str:
    """An empty panel."""
    rectangle = (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" '
        'fill="white" stroke="#d8d9da"/>'
    )
    return rectangle + text(box.x + 8, box.y + 16, title, weight="bold")


def text(
    x: float, y: float, words: str, *, size: int = 11, weight: str = "normal", **more: str
) -> str:
    """A line of text; `more` are attributes."""
    others = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}"{others}>'
        f"{escape(words)}</text>"
    )


def number(
    panel: Panel, prometheus: Prometheus, box: Box, start: float, end: float
) -> Iterator[str]:
    """The value at the end."""
    found = asked(panel, prometheus, start, end)
    shown = readable(found[0][1].value, panel.unit) if found else "no data"
    yield text(
        box.x + box.width / 2, box.y + box.height * 0.65, shown, size=30, text_anchor="middle"
    )


def asked(
    panel: Panel, prometheus: Prometheus, start: float, end: float
) -> list[tuple[str, Sample]]:
    """What Prometheus answers to the panel's queries, with its legends."""
    found = []
    for target in panel.targets:
        expression = target.expression(job=JOB, interval="20s")
        for sample in prometheus.query_range(expression, start, end, f"{STEP}s"):
            legend = target.legend
            for label in target.legend_labels():
                legend = legend.replace(f"{{{{{label}}}}}", sample.labels.get(label, ""))
            points = [point for point in sample.points if not math.isnan(point[1])]
            if points:
                found.append((legend, Sample(sample.labels, points)))
    return found


def lines(
    panel: Panel, prometheus: Prometheus, box: Box, start: float, end: float
) -> Iterator[str]:
    """One line for each series."""
    found = asked(panel, prometheus, start, end)
    if not found:
        yield text(box.x + box.width / 2, box.y + box.height / 2, "no data", text_anchor="middle")
        return
    most = max(value for _, sample in found for _, value in sample.points) or 1.0
    rows_of_legend = legend_rows([legend for legend, _ in found], box.width - 16)
    plot = Box(box.x + 52, box.y + 28, box.width - 62, box.height - 44 - 14 * len(rows_of_legend))
    for share in (0, 0.5, 1):
        y = plot.y + plot.height * (1 - share)
        shown = readable(most * share, panel.unit)
        yield f'<path d="M{plot.x} {y:.1f}h{plot.width}" stroke="#e4e5e6"/>'
        yield text(plot.x - 5, y + 4, shown, size=10, text_anchor="end")
    for index, (_, sample) in enumerate(found):
        yield line(sample, plot, start, end, most, COLOURS[index % len(COLOURS)])
    yield from drawn_legend(rows_of_legend, box)


def line(sample: Sample, plot: Box, start: float, end: float, most: float, colour: str) -> str:
    """The series; it is interrupted while there is no value."""
    path, before = [], float("-inf")
    for at, value in sample.points:
        x = plot.x + plot.width * (at - start) / (end - start)
        y = plot.y + plot.height * (1 - max(value, 0) / most)
        path.append(f"{'L' if at - before <= 2 * STEP else 'M'}{x:.1f} {y:.1f}")
        before = at
    if len(path) == 1:
        path.append("h2")
    return f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def legend_rows(legends: Sequence[str], width: float) -> list[list[tuple[int, str]]]:
    """The legends with their numbers, as many in a row as fit."""
    rows: list[list[tuple[int, str]]] = [[]]
    used = 0.0
    for index, legend in enumerate(legends):
        if rows[-1] and used + wide(legend) > width:
            rows.append([])
            used = 0.0
        rows[-1].append((index, legend))
        used += wide(legend)
    return rows


def wide(legend: str) -> float:
    """About how much room a legend takes."""
    return 22 + 5.6 * len(legend)


def drawn_legend(rows: Sequence[Sequence[tuple[int, str]]], box: Box) -> Iterator[str]:
    """The legends, at the foot of their panel."""
    for number_of_row, row in enumerate(reversed(rows)):
        x, y = box.x + 8, box.y + box.height - 7 - 14 * number_of_row
        for index, legend in row:
            colour = COLOURS[index % len(COLOURS)]
            yield f'<rect x="{x:.1f}" y="{y - 7:.1f}" width="10" height="4" fill="{colour}"/>'
            yield text(x + 14, y, legend, size=10)
            x += wide(legend)


def readable(value: float, unit: str) -> str:
    """A value with its unit, short."""
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
    shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{shown}/s" if unit == "ops" else shown


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
