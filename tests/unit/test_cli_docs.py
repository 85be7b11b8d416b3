"""What docs/cli.md says of options, fields and standstills, against the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import click

from threadmill.cli.commands import COMMANDS
from threadmill.inspection.approvals import WaitingCall
from threadmill.inspection.assistants import AssistantView
from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.fleet import (
    ApprovalCounts,
    FleetStatus,
    RunCounts,
    SlotCounts,
)
from threadmill.inspection.providers import ProviderView
from threadmill.inspection.queues import QueueView
from threadmill.inspection.run_details import CallView, ErrorView, RunDetails
from threadmill.inspection.run_list import ListedRun
from threadmill.inspection.standstill import Standstill
from threadmill.inspection.thread_list import ThreadView
from threadmill.inspection.tools import ToolVersion
from threadmill.inspection.workers import WorkerView
from threadmill.inspection.write_refusal import WriteRefusal
from threadmill_shared.records.worker_death import WorkerDeath
from threadmill_shared.records.worker_state import ProviderState, ToolThreadUse

ROOT = Path(__file__).resolve().parents[2]
INSPECTION = ROOT / "producers" / "threadmill" / "inspection"


def test_every_kind_of_a_standstill_is_listed() -> None:
    paths = [*INSPECTION.glob("*_runs.py"), INSPECTION / "write_refusal.py"]
    sources = "".join(path.read_text() for path in paths)
    named = re.findall(r"kind=(.*)", sources)
    kinds = {word for words in named for word in re.findall(r'"(\w+)"', words)}
    _, _, section = (ROOT / "docs" / "cli.md").read_text().partition("## Why a run does not move")
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert len(kinds) > 15
    assert sorted(listed) == sorted(kinds)


FIELDS = {
    "status": FleetStatus,
    "queues of status": QueueView,
    "slots of status": SlotCounts,
    "runs of status": RunCounts,
    "approvals of status": ApprovalCounts,
    "providers of status": ProviderView,
    "deaths of status": WorkerDeath,
    "write_refusal of status": WriteRefusal,
    "workers": WorkerView,
    "tool_threads of workers": ToolThreadUse,
    "provider of workers": ProviderState,
    "show": RunDetails,
    "calls of show": CallView,
    "error of show": ErrorView,
    "standstill of show": Standstill,
    "runs": ListedRun,
    "threads": ThreadView,
    "approvals": WaitingCall,
    "assistants": AssistantView,
    "tools": ToolVersion,
    "doctor": Finding,
}


def test_every_field_of_the_json_is_listed() -> None:
    _, _, section = (ROOT / "docs" / "cli.md").read_text().partition("\n## Fields\n")
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    listed = {name.replace("`", ""): without_remarks(fields) for name, fields in rows}
    del listed["health"]  # no class of its own
    assert listed == {name: field_names(kind) for name, kind in FIELDS.items()}


def without_remarks(fields: str) -> list[str]:
    return re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", fields))


def field_names(kind: Any) -> list[str]:
    if hasattr(kind, "model_fields"):
        return list(kind.model_fields)
    return [field.name for field in dataclasses.fields(kind)]


def test_every_option_is_listed() -> None:
    _, _, section = (ROOT / "docs" / "cli.md").read_text().partition("## Options")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    listed = {name: re.findall(r"`(--[\w-]+)`", options) for name, options in rows}
    options = {command.name: long_options(command) for command in COMMANDS}
    assert listed == {name: found for name, found in options.items() if found}


def long_options(command: click.Command) -> list[str]:
    given = [one for one in command.params if isinstance(one, click.Option)]
    return [max(one.opts, key=len) for one in given]
