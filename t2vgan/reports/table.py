"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from t2vgan.metrics.panel import Figures
from t2vgan.reports import rows
from t2vgan.reports.rows import is_number, number


def show(report: Figures) -> None:
    console = Console()
    for name, figures in report["splits"].items():
        for made in tables(f"{name}, {figures['clips']} clips", figures):
            console.print(made)
    header, found = rows.overview(report)
    told = [[*row[:-1], row[-1] if row[-1] == rows.VOID else ""] for row in found]
    console.print(table("at a glance", header, told))
    for figures in report["splits"].values():
        if "warning" in figures:
            console.print(f"[red]{figures['warning']}[/]")
        if figures["left_out"]:
            first = escape(figures["left_out"][0])
            console.print(f"[red]{len(figures['left_out'])} clips could not be read[/], the first: {first}")


def tables(title: str, figures: Figures) -> Iterator[Table | str]:
    """Those of a split, in the order of the page."""
    judged = rows.accuracy_tables(figures)
    for judge, found in judged.items():
        yield table(f"{title}: does it show what the text says? Judged by {judge}", rows.ACCURACY, found)
    if any(row[-1] == rows.VOID for found in judged.values() for row in found):
        yield f"{rows.VOID_NOTE}\n"
    if found := rows.text_rows(figures):
        yield table(f"{title}: whole captions", rows.TEXT, found)
    if found := rows.swap_rows(figures):
        yield table(f"{title}: the same noise, one attribute changed", rows.SWAP, found)
    for space, found in rows.distance_tables(figures).items():
        yield table(f"{title}: is it near to real clips, in the features of {space}?", rows.NEAR, found)
    moving = [row[:-1] for row in rows.motion_rows(figures)]
    yield table(f"{title}: is it really video?", rows.MOTION[:-1], moving)
    yield table(f"{title}: controls", ["clips", "what they move, from real clips"], rows.move_rows(figures["controls"]))
    if still := rows.unmoved(figures["controls"]):
        yield f"[red]{still}[/]\n"


def table(title: str, header: list[str], found: list[list[Any]]) -> Table:
    """One without lines; names are never cut, other cells are folded."""
    made = Table(title=title, title_justify="left", box=SIMPLE)
    for i, name in enumerate(header):
        made.add_column(name, overflow="fold", no_wrap=i == 0)
    for row in found:
        cells = (escape(cell(value)) for value in row)
        made.add_row(*cells, style="dim" if row[-1] == rows.VOID else None)
    return made


def cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not is_number(value)):
        return ""
    return number(value) if isinstance(value, float) else str(value)
