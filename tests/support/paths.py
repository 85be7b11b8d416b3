"""Where things are in this checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOTS = ROOT / "tests" / "acceptance" / "bots"
"""Modules with assistants, for workers."""
SCRIPTS = ROOT / "tests" / "acceptance" / "scripts"
"""Programs that tests run as processes of their own."""
SCRIBE = "tests.acceptance.scripts.scribe"
"""The module of an assistant that several of these programs and their workers load."""
