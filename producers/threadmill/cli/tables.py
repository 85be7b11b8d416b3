"""How commands print what they have found: as a table for people, or as JSON for programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar

import click

from threadmill.cli.texts import NONE, shown_text

C = TypeVar("C", bound=Callable[..., None])

_GAP = "  "
_NARROWEST = 12
"""Cells to which a column is cut before another one is left out."""
_AT_LEAST = 10
"""Cells to which a column is cut if none can be left out any more."""


class Column(NamedTuple):
    """A column of a table; on a terminal that is too narrow, it may be cut or left out."""

    title: str
    rank: int = 0
    """The column with the highest rank is left out first; one of rank 0 never."""
    is_cut: bool = False
    """Whether it is cut to what is left, instead of being left out."""
    is_number: bool = False
    least: int = 0
    """Cells that it has at least."""
    goes_if_empty: bool = False
    """Whether it is left out before all others if no row has anything in it."""


@dataclass(frozen=True)
class Cell:
    """A cell in a color of click's."""

    text: str
    color: str | None = None
    short: str | None = None
    """What is shown instead if the text does not fit."""


@dataclass(frozen=True)
class Table:
    """Rows under titles."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell]]

    def lines(self, width: int | None) -> list[str]:
        """The table's lines, in which nothing is cut if there is no `width`."""
        titles = [Cell(column.title) for column in self.columns]
        cells = [[_cell(one) for one in row] for row in self.rows]
        shortest = [[Cell(one.short or one.text) for one in row] for row in cells]
        short = _widths(titles, shortest)
        full = _widths(titles, cells)
        wide = [max(pair) for pair in zip(full, (one.least for one in self.columns), strict=True)]
        empty = {at for at, column in enumerate(self.columns) if self._is_empty(at, column)}
        shown = _fit(self.columns, wide, short, width, empty)
        head = _line(titles, self.columns, shown, is_title=True)
        return [head, *(_line(row, self.columns, shown) for row in cells)]

    def _is_empty(self, at: int, column: Column) -> bool:
        """Whether this column can be left out, since no row has anything in it."""
        return column.goes_if_empty and all(_cell(row[at]).text == NONE for row in self.rows)


def json_option(command: C) -> C:
    """Give a command the option --json."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print JSON: one object per line."
    )
    return option(command)


def print_objects(found: Sequence[Any], *, empty: str = "") -> None:
    """Print objects as JSON, one a line; if there are none, say so on stderr.

    Dataclasses and models become objects of all their fields.
    """
    from threadmill_shared.records.json_lines import json_line

    for one in found:
        sys.stdout.write(json_line(_plain(one)) + "\n")
    sys.stdout.flush()
    if not found and empty:
        click.echo(empty, err=True)


def print_table(table: Table, *, empty: str) -> None:
    """Print a table; if it has no rows, say so on stderr."""
    if not table.rows:
        click.echo(empty, err=True)
        return
    for line in table.lines(terminal_width()):
        click.echo(line)


def terminal_width() -> int | None:
    """How many cells a line may have; None if the output is no terminal, and nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _plain(value: Any) -> Any:
    """The value in JSON's types."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "model_dump"):
        return {name: _plain(one) for name, one in value}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _cell(value: str | Cell) -> Cell:
    cell = Cell(value) if isinstance(value, str) else value
    return Cell(shown_text(cell.text) or NONE, cell.color, cell.short and shown_text(cell.short))


def _widths(titles: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [max(map(_width, column)) for column in zip(titles, *rows, strict=True)]


def _width(cell: Cell) -> int:
    return len(cell.text) if cell.text.isascii() else _cells(cell.text)


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _fit(
    columns: Sequence[Column],
    wide: Sequence[int],
    short: Sequence[int],
    width: int | None,
    empty: Collection[int],
) -> dict[int, int]:
    """The widths of the columns that are shown, by their places.

    `wide` are their widths in full, `short` those of their short forms; `empty` ones go first.
    """
    shown = dict(enumerate(wide))
    if width is None or _total(shown) <= width:
        return shown
    places = [at for at in shown if at not in empty]
    while True:
        # What was cut for the sake of a column that is left out may be wider again.
        shown = {at: wide[at] for at in places}
        _shorten(shown, columns, short, width)
        least = {at: max(_NARROWEST, short[at] if short[at] < wide[at] else 0) for at in places}
        _cut_columns(shown, columns, least, width)
        last = max(places, key=lambda at: columns[at].rank, default=None)
        if last is None or _total(shown) <= width or columns[last].rank == 0:
            break
        places.remove(last)
    _cut_columns(shown, columns, dict.fromkeys(places, _AT_LEAST), width)
    return shown


def _shorten(
    shown: dict[int, int], columns: Sequence[Column], short: Sequence[int], width: int
) -> None:
    """Give columns that are not cut the widths of their short forms, if that is necessary."""
    if _total(shown) > width:
        shown |= {at: min(shown[at], short[at]) for at in shown if not columns[at].is_cut}


def _cut_columns(
    shown: dict[int, int], columns: Sequence[Column], least: Mapping[int, int], width: int
) -> None:
    """Cut the widest columns as far as necessary, to the width that each has at least."""
    while (excess := _total(shown) - width) > 0:
        loose = [at for at in shown if columns[at].is_cut and shown[at] > least[at]]
        if not loose:
            return
        widest = max(loose, key=lambda at: shown[at])
        shown[widest] = max(shown[widest] - excess, least[widest])


def _total(shown: dict[int, int]) -> int:
    return sum(shown.values()) + len(_GAP) * (len(shown) - 1)


def _line(
    row: Sequence[Cell], columns: Sequence[Column], shown: dict[int, int], *, is_title: bool = False
) -> str:
    parts = []
    for at, width in shown.items():
        text = _cut(_fitting(row[at], width), width)
        padding = " " * (width - _width(Cell(text)))
        styled = click.style(text, fg=row[at].color, bold=is_title or None)
        parts.append(padding + styled if columns[at].is_number else styled + padding)
    return _GAP.join(parts).rstrip()


def _fitting(cell: Cell, width: int) -> str:
    return cell.short if cell.short and _width(cell) > width else cell.text


def _cut(text: str, width: int) -> str:
    if _width(Cell(text)) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1).rstrip() + "…"
