"""What the documents say of settings, dependencies, commands and files, against what is there."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support.async_versions import methods
from tests.support.pages import code, page, rows
from tests.support.provider_words import PROVIDERS

import threadmill
from threadmill import Assistant, Run, Thread
from threadmill.cli.commands import COMMANDS
from threadmill_shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHOWING = ("fleet", "tools", "testing")
"""Pages whose examples are programs of their own."""
_NOT_ON_THE_PAGE = {"llama-cpp-python", "ds4", "RKLLM", "a mirror", "a gateway's page"}
"""Servers and gateways that are tried and have no settings of their own."""
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def without_version(requirement: str) -> str:
    """`redis[hiredis]` of `redis[hiredis]>=6.4; sys_platform != 'win32'`."""
    name, bracket, extras = re.split(r"[<>=;]", requirement)[0].strip().partition("[")
    return normalized(name) + bracket + extras


def brought() -> list[str]:
    """The distributions that a base install is said to bring."""
    _, _, listed = page("dependencies").partition("A base install brings: ")
    return re.findall(r"`([^`]+)`", listed.partition("\n\n")[0])


def test_every_setting_is_listed_in_its_order() -> None:
    listed = [code(row[0]) for row in rows(page("settings"), "variable", "default", "what")]
    assert listed == [f"THREADMILL_{name.upper()}" for name in Settings.model_fields]


def test_every_listed_default_has_the_same_effect_as_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, default, _ in rows(page("settings"), "variable", "default", "what"):
        name = code(variable).removeprefix("THREADMILL_").lower()
        expected = Settings.model_fields[name].default
        if default == "unset":
            assert expected is None, variable
            continue
        monkeypatch.setenv(code(variable), code(default))
        assert getattr(Settings(), name) == expected, variable


def test_every_command_is_listed() -> None:
    listed = [code(row[0]).split()[1] for row in rows(page("cli"), "command", "what")]
    assert listed == [command.name for command in COMMANDS]


def test_every_dependency_has_its_reason() -> None:
    listed = {code(name): why for name, why in rows(page("dependencies"), "package", "why")}
    assert sorted(listed) == sorted(map(without_version, PROJECT["dependencies"]))
    assert all(listed.values())


def test_every_dependency_of_an_extra_has_its_reason() -> None:
    table = rows(page("dependencies"), "extra", "package", "why")
    listed = [(code(extra), code(package)) for extra, package, _ in table]
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    assert sorted(listed) == sorted(
        (extra, without_version(one)) for extra, wanted in extras.items() for one in wanted
    )
    assert all(why for _, _, why in table)


def test_every_distribution_of_a_base_install_has_its_reason() -> None:
    dependencies = page("dependencies")
    asked = [re.sub(r"\[.*", "", without_version(one)) for one in PROJECT["dependencies"]]
    come = [
        name
        for row in rows(dependencies, "with", "come", "for")
        for name in re.findall(r"`([^`]+)`", row[1])
    ]
    assert sorted(brought()) == sorted(asked + come)
    assert brought() == sorted(map(normalized, brought()))


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{name}.md" for name in SHOWING)])
def test_every_example_on_a_page_is_python(name: str) -> None:
    text = (ROOT / name).read_text()
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        compile(example, name, "exec")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 170


def test_the_readme_links_every_page() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    linked = set(re.findall(r"\]\(docs/([a-z-]+\.md)", README))
    assert pages <= linked, pages - linked


@pytest.mark.parametrize("name", ["README.md", "docs/fleet.md", "docs/flower.md"])
def test_the_first_steps_on_a_fleet_show_both_passwords(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "redis://:PASSWORD@" in text
    assert re.search(r"FLOWER_BASIC_AUTH=USER:PASSWORD threadmill flower", text)
    assert "http://localhost:5555" in text


def test_every_example_in_the_guide_is_of_one_program_that_is_python() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 5
    compile("\n".join(examples), "guide.md", "exec")


def public_names() -> dict[str, object]:
    """All that users import, and what they call of it, with the objects."""
    called = {
        f"{owner.__name__}.{name}": method
        for owner in (Assistant, Thread, Run)
        for name, method in sorted(methods(owner).items())
        if not name.endswith("_async")
    }
    return {name: getattr(threadmill, name) for name in threadmill.__all__} | called


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_is_documented(name: str) -> None:
    named = public_names()[name]
    assert isinstance(named, str) or inspect.getdoc(named), f"{name} has no docstring"
    documents = [README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
    pattern = r"```.*?```|`[^`\n]+`"
    quoted = [code for one in documents for code in re.findall(pattern, one, re.DOTALL)]
    last = re.compile(rf"\b{name.rpartition('.')[2]}\b")
    assert any(last.search(code) for code in quoted), f"no document shows {name}"


def test_every_provider_that_was_tried_is_on_the_page_and_every_other_one_was_not() -> None:
    names = ("provider", "`OPENAI_BASE_URL`", "`OPENAI_API_KEY`", "`THREADMILL_MODEL_API`")
    listed = {one for row in rows(page("providers"), *names) for one in row[0].split(", ")}
    others = {name.partition(",")[0] for name in PROVIDERS["others"]} - _NOT_ON_THE_PAGE
    tried = (set(PROVIDERS) - {"others"}) | others
    assert {name.removesuffix(" OpenAI") for name in listed} == tried


def test_every_test_that_the_page_of_providers_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", page("providers"))
    assert len(named) > 5
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{document.name} links to {target}"


def anchors(document: Path) -> set[str]:
    """The names by which headings are linked to."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
