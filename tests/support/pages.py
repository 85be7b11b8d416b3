"""The pages of the docs, and the tables on them."""

from __future__ import annotations

from tests.support.paths import ROOT


def page(name: str) -> str:
    """The text of a page of the docs."""
    return (ROOT / "docs" / f"{name}.md").read_text()


def rows(text: str, *header: str) -> list[list[str]]:
    """The cells of the table that has this header."""
    top = f"\n| {' | '.join(header)} |\n"
    assert text.count(top) == 1, f"there is one table {header}"
    table = text.partition(top)[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines()[1:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cell: str) -> str:
    """What stands between back quotes."""
    return cell.split("`")[1]
