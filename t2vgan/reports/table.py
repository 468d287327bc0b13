"""A report on the terminal."""

from __future__ import annotations

import math
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from t2vgan.metrics.panel import Figures
from t2vgan.reports.report import (
    ACCURACY,
    TEXT_HEADER,
    accuracy_rows,
    control_table,
    distance_rows,
    motion_rows,
    text_rows,
)


def show(report: Figures) -> None:
    console = Console()
    for name, figures in report["splits"].items():
        title = f"{name}, {figures['clips']} clips"
        if rows := accuracy_rows(figures):
            console.print(table(f"{title}: does it show what the text says?", ["attribute", *ACCURACY], rows))
        if rows := text_rows(figures):
            console.print(table(f"{title}: whole captions, and one attribute changed", TEXT_HEADER, rows))
        header = ["figure", "value", "low", "high", "real clips", ""]
        console.print(table(f"{title}: is it near to real clips?", header, distance_rows(figures)))
        rows = motion_rows(figures)
        console.print(table(f"{title}: is it really video?", ["figure", "generated", "real", "ratio"], rows))
        console.print(table(f"{title}: controls", *control_table(figures["controls"])))
    if "heldout_minus_test" in report:
        rows = [[name, value] for name, value in report["heldout_minus_test"].items()]
        console.print(table("held-out combinations minus the others, normalised accuracy", ["attribute", "gap"], rows))
    for figures in report["splits"].values():
        if "warning" in figures:
            console.print(f"[red]{figures['warning']}[/]")
        if figures["left_out"]:
            console.print(
                f"[red]{len(figures['left_out'])} clips could not be read[/], the first: {figures['left_out'][0]}"
            )


def table(title: str, header: list[str], rows: list[list[Any]]) -> Table:
    made = Table(*header, title=title, title_justify="left", box=SIMPLE, padding=(0, 0 if len(header) > 8 else 1))
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
