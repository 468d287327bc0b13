"""A progress bar with rate and time left, for what turns out to take longer than a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Step = TypeVar("Step")
QUIET_S = 2.0  # a bar is shown for what takes longer


def with_progress(
    steps: Iterable[Step], title: str, total: int | None, *, unit: str = "clips", start: int = 0
) -> Iterator[Step]:
    """The steps, counted on stderr from `start` to `total` (None: nobody knows)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar, speed = BarColumn(bar_width=None), TextColumn("{task.fields[speed]}")
    columns = (TextColumn(title), bar, MofNCompleteColumn(), TextColumn(unit), speed, TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("", total=total, completed=start, speed="")
    began_s = time.monotonic()
    try:
        for count, step in enumerate(steps, start=1):
            yield step
            gone_s = time.monotonic() - began_s
            if gone_s > QUIET_S:
                progress.start()
                progress.update(task, completed=start + count, speed=f"{count / gone_s:.0f}/s")
    finally:
        if progress.live.is_started:
            progress.stop()
