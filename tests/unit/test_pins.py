"""`requirements-dev.txt` pins what each supported Python installs, not only its writer's."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [
    Requirement(line)
    for line in re.findall(
        r"^(\w\S*==.*?) \\$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE
    )
]

# The first and the last release of each series that is supported: markers name both kinds.
PYTHONS = ["3.11.0", "3.11.2", "3.11.99", "3.12.0", "3.12.99", "3.13.0", "3.13.99", "3.14.0"]
PLATFORMS = {
    "linux x86_64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "linux aarch64": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "macOS": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}

Environment = dict[str, str]


def environment(python: str, platform: str) -> Environment:
    """What markers are evaluated with there."""
    series = python.rpartition(".")[0]
    here = {name: str(value) for name, value in default_environment().items()}
    versions = {"python_full_version": python, "python_version": series}
    return here | versions | PLATFORMS[platform]


def applies(requirement: Requirement, there: Environment, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**there, "extra": extra})


def named_by(name: str, extra: str) -> list[str]:
    """What a distribution requires with one of its extras; nothing if it is not installed."""
    if name == PROJECT["name"]:
        optional: list[str] = PROJECT["optional-dependencies"][extra] if extra else []
        return [*PROJECT["dependencies"], *optional]
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def needed(there: Environment) -> dict[str, str]:
    """The distributions that an installation for development brings there, and what names each."""
    unread = [(PROJECT["name"], extra) for extra in ("", "dev")]
    seen = set(unread)
    found: dict[str, str] = {}
    while unread:
        name, extra = unread.pop()
        for requirement in map(Requirement, named_by(name, extra)):
            if not applies(requirement, there, extra):
                continue
            wanted = canonicalize_name(requirement.name)
            found.setdefault(wanted, f"{name} requires {requirement}")
            reached = {(wanted, each) for each in ("", *requirement.extras)} - seen
            seen |= reached
            unread += reached
    return {wanted: why for wanted, why in found.items() if wanted != PROJECT["name"]}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_finds_all_that_it_installs_among_the_pins(python: str, platform: str) -> None:
    there = environment(python, platform)
    pinned = {canonicalize_name(pin.name) for pin in PINS if applies(pin, there)}
    missing = {name: why for name, why in needed(there).items() if name not in pinned}
    assert not missing, "run `make requirements` on Python 3.11, the oldest that is supported"


def test_every_dependency_with_a_marker_is_pinned_with_it() -> None:
    pinned = {canonicalize_name(pin.name): pin for pin in PINS}
    named = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    marked = [one for one in map(Requirement, named) if one.marker]
    assert marked
    for one in marked:
        pin = pinned.get(canonicalize_name(one.name))
        assert pin is not None, f"{one} is not pinned"
        assert str(pin.marker) == str(one.marker)
