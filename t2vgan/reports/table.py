"""A report on the terminal."""

from __future__ import annotations

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
        title = f"{name}, {figures['clips']} clips"
        for judge, found in rows.accuracy_tables(figures).items():
            console.print(table(f"{title}: does it show what the text says? Judged by {judge}", rows.ACCURACY, found))
        if found := rows.text_rows(figures):
            console.print(table(f"{title}: whole captions", rows.TEXT, found))
        if found := rows.swap_rows(figures):
            console.print(table(f"{title}: the same noise, one attribute changed", rows.SWAP, found))
        for space, found in rows.distance_tables(figures).items():
            console.print(table(f"{title}: is it near to real clips, in the features of {space}?", rows.NEAR, found))
        console.print(table(f"{title}: is it really video?", rows.MOTION, rows.motion_rows(figures)))
        console.print(table(f"{title}: controls", *rows.control_table(figures["controls"])))
    if "heldout_minus_test" in report:
        gaps = [[name, rows.percent(value)] for name, value in report["heldout_minus_test"].items()]
        console.print(table("held-out combinations minus the others, normalised accuracy", ["attribute", "gap"], gaps))
    for figures in report["splits"].values():
        if "warning" in figures:
            console.print(f"[red]{figures['warning']}[/]")
        if figures["left_out"]:
            first = escape(figures["left_out"][0])
            console.print(f"[red]{len(figures['left_out'])} clips could not be read[/], the first: {first}")


def table(title: str, header: list[str], rows: list[list[Any]]) -> Table:
    """One without lines; cells that are longer than their column are folded, never cut."""
    made = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 0 if len(header) > 8 else 1))
    for name in header:
        made.add_column(name, overflow="fold")
    for row in rows:
        style = "dim" if str(row[-1]).startswith("does not count") else None
        made.add_row(*(escape(cell(value)) for value in row), style=style)
    return made


def cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not is_number(value)):
        return ""
    return number(value) if isinstance(value, float) else str(value)
