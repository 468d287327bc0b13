"""The run as one picture, from the files in its folder alone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from t2vgan.callbacks.history import Curve, read_curves, thinned

# title, names of its curves (the part in brackets is what the legend says), logarithmic where it spans a decade
PANELS: list[tuple[str, str, bool]] = [
    ("critics' losses", r"d/(?!grad_norm|skipped)(.+)", False),
    ("generator's losses", r"g/(?!grad_norm|skipped)(.+)", False),
    ("critics' mean logits", r"signs/d/(.+/(?:real|fake))", False),
    ("gradient norms", r"(?:signs/)?([dg]/grad_norm)", True),
    ("Fréchet distance and its floor", r"val/(fd_.+)", True),
    ("kernel distance and its floor", r"val/(kid_.+)", False),
    ("captions obeyed: share of clips", r"val/(accuracy/.+|ceiling/all|floor/all)", False),
    ("change by caption and by noise", r"signs/(text_change|noise_change|text_sensitivity)", False),
    ("mean change from frame to frame, in training", r"signs/motion/(.+)", False),
    ("motion of the averaged generator", r"val/motion/(.+)", False),
]
COLUMNS = 3


class Curves(Callback):
    """After each validation and when training ends: `<folder>/curves.png` from `metrics.csv` and `evaluation.jsonl`."""

    def __init__(self, *, folder: str | Path) -> None:
        self.folder = Path(folder)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            for logger in trainer.loggers:
                logger.save()  # Lightning keeps up to a hundred rows of metrics.csv back
            draw_curves(self.folder)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.on_validation_end(trainer, pl_module)


def draw_curves(folder: Path) -> Path | None:
    """Draw `curves.png` in the run folder; None when nothing has been measured yet."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    curves = read_curves(folder)
    matched = [(title, log, _matching(curves, pattern)) for title, pattern, log in PANELS]
    panels = [panel for panel in matched if panel[2]]
    if not panels:
        return None
    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(5 * COLUMNS, 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for ax, (title, logarithmic, found) in zip(axes, panels, strict=False):
        for name, curve in found.items():
            style = ":" if "floor" in name else "--" if name.endswith(("fake", "ceiling/all")) else "-"
            ax.plot(*zip(*thinned(curve), strict=True), style, label=name, linewidth=2 if name.endswith("all") else 1.2)
        values = [y for curve in found.values() for _, y in curve]
        if logarithmic and min(values) > 0 and max(values) > 10 * min(values):
            ax.set_yscale("log")
        ax.set(title=title, xlabel="clips seen")
        ax.locator_params(axis="x", nbins=6)
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=7)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    return path


def _matching(curves: dict[str, Curve], pattern: str) -> dict[str, Curve]:
    found = {name: re.fullmatch(pattern, name) for name in sorted(curves)}
    return {match[1]: curves[name] for name, match in found.items() if match}
