"""The curves of a study: quality over clips and over seconds of training, a line and a band over seeds for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.comparisons.measure import MEAN
from t2vgan.comparisons.rows import FD, NAMES, Row
from t2vgan.reports import page
from t2vgan.system import written_whole

AXES = (("clips_seen", "clips"), ("seconds", "seconds of training"))


def figure(rows: Sequence[Row], *, baseline: str = "") -> Any:
    """Two rows of two: normalised accuracy and fd_probe, over clips and over seconds."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    drawn, axes = plt.subplots(2, 2, figsize=(11, 7), dpi=110, layout="constrained")
    for i, metric in enumerate((MEAN, FD)):
        for k, (key, label) in enumerate(AXES):
            for n, each in enumerate(rows):
                line(axes[i][k], each, key, metric, number=n, thick=each.arm == baseline)
            axes[i][k].set(xlabel=label, ylabel=NAMES[metric], yscale="log" if metric == FD else "linear")
            if metric == FD:
                for which in (axes[i][k].yaxis.set_major_formatter, axes[i][k].yaxis.set_minor_formatter):
                    which(ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 1)))  # 60, not 6 x 10^1
    axes[1][0].legend(fontsize=7)  # fd_probe is there for every arm, whatever the judge reads
    plt.close(drawn)
    return drawn


def line(axis: Any, row: Row, key: str, metric: str, *, number: int, thick: bool) -> None:
    """The mean over seeds, and from the least to the most of them. Ten colours, then the same ones dashed."""
    colour, style = f"C{number % 10}", ("-", "--", ":", "-.")[number // 10 % 4]
    seeds = [[(p[key], p[metric]) for p in curve if p.get(metric) is not None and key in p] for curve in row.curves]
    seeds = [points for points in seeds if points]
    if not seeds:
        return
    length = min(map(len, seeds))
    at = np.mean([[x for x, _ in points[:length]] for points in seeds], axis=0)
    values = np.array([[y for _, y in points[:length]] for points in seeds], dtype=float)
    axis.plot(at, values.mean(0), color=colour, linestyle=style, label=row.arm, linewidth=2.4 if thick else 1.2)
    axis.fill_between(at, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)


def bars(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Normalised accuracy of each attribute, as an element of a page."""
    groups = {}
    for row in rows:
        found = [row.figures[f"normalised/{name}"] for name in names]
        groups[row.arm] = [
            (e.mean, e.mean - (e.half if e.half == e.half else 0), e.mean + (e.half if e.half == e.half else 0))
            for e in found
        ]
    return page.grouped_bars(list(names), groups)


def embedded(drawn: Any, alt: str) -> str:
    return page.inside(alt, lambda memory: drawn.savefig(memory, format="png"))


def save(drawn: Any, path: Path) -> Path:
    with written_whole(path) as part:
        drawn.savefig(part, format="png")
    return path
