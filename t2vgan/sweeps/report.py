"""A sweep as one html page: what mattered, all trials, the best ones with what their runs show."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.reports import page
from t2vgan.sweeps.status import constant, rows, shown, told, varied
from t2vgan.sweeps.worker import Sweep, trial_folder
from t2vgan.system import written_whole

BEST = 3
LEAST_FOR_IMPORTANCE = 4  # trials


def write(sweep: Sweep) -> Path:
    """`report.html` in the sweep's folder; ValueError while no trial is done."""
    plan, trials = sweep.plan, rows(sweep)
    done = [row for row in trials if row["state"] == "done"]
    if not done:
        raise ValueError(f"{sweep.folder}: no trial is done yet, so there is nothing to report")
    done.sort(key=lambda row: row["mean"] if plan.minimize else -row["mean"])
    names = varied(plan)
    seeds = f"mean over seeds {', '.join(map(str, plan.seeds))} ± 95 % interval" if plan.seeds else "one seed per trial"
    order = f"{plan.metric}, {'least' if plan.minimize else 'most'} first; {seeds}; of the last validation"
    order += f"; all with {constant(plan)}" if constant(plan) else ""
    listed = [*done, *(row for row in trials if row["state"] != "done")]
    why = ["why"] if any(row["why"] for row in listed) else []
    parts = [
        page.section(
            "Trials", page.table(["trial", "state", plan.metric, *names, *why], _cells(listed, names, why)), note=order
        ),
        page.section("What mattered", _importances(sweep, names, len(done))),
        page.section("Parallel coordinates", parallel_coordinates(done, names, plan.metric, plan.minimize)),
        *(_best(sweep, row) for row in done[:BEST]),
    ]
    path = sweep.folder / "report.html"
    with written_whole(path) as part:
        part.write_text(page.page(f"Sweep {plan.name}", parts))
    return path


def _cells(listed: list[dict[str, Any]], names: list[str], why: list[str]) -> list[list[Any]]:
    return [
        [
            row["number"],
            row["state"],
            told(row["mean"], row["half"]) if row["state"] == "done" else "",
            *(shown(row["parameters"].get(name, "")) for name in names),
            *(row[name] for name in why),
        ]
        for row in listed
    ]


def _importances(sweep: Sweep, names: list[str], done: int) -> str:
    """PED-ANOVA (Watanabe et al. 2023), which asks what sets the best trials apart."""
    if done < LEAST_FOR_IMPORTANCE:
        return f"<p class=note>{done} trials are too few to tell; {LEAST_FOR_IMPORTANCE} at least.</p>"
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    found = get_param_importances(
        sweep.study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.25), params=names
    )
    return page.table(["parameter", "share of the difference"], [[name, float(v)] for name, v in found.items()])


def parallel_coordinates(done: list[dict[str, Any]], names: list[str], metric: str, minimize: bool) -> str:
    """One line per trial across the parameters' axes to the metric; the darker, the better, and drawn last."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    axes_names = [*names, metric]
    columns = [[row["parameters"].get(name) for row in done] for name in names] + [[row["mean"] for row in done]]
    figure, axis = plt.subplots(figsize=(max(7, 2.4 * len(axes_names)), 4), dpi=110)
    places = np.array([_places(column) for column in columns])
    for k in reversed(range(len(done))):
        better = 1 - k / max(1, len(done) - 1)  # they are in order
        axis.plot(
            range(len(axes_names)), places[:, k], color=plt.get_cmap("viridis_r")(0.15 + 0.8 * better), linewidth=1.4
        )
    for x, column in enumerate(columns):
        axis.axvline(x, color="#999", linewidth=0.8)
        for place, text in _ticks(column):
            box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
            axis.annotate(text, (x, place), textcoords="offset points", xytext=(4, 4), fontsize=7, bbox=box)
    axis.set(xticks=range(len(axes_names)), yticks=[], ylim=(-0.08, 1.08), xlim=(-0.2, len(axes_names) - 0.6))
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_xticklabels([*names, f"{metric} ({'less' if minimize else 'more'} is better)"], fontsize=8)
    figure.tight_layout()
    plt.close(figure)
    return page.inside("parallel coordinates", lambda memory: figure.savefig(memory, format="png"))


def _places(column: list[Any]) -> list[float]:
    """Values to [0, 1]: numbers by size, on a logarithmic scale where they span more than a decade; others in order."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in column):
        order = sorted(set(map(str, column)))
        return [order.index(str(v)) / max(1, len(order) - 1) for v in column]
    low, high = min(column), max(column)
    if low == high:
        return [0.5] * len(column)
    if low > 0 and high > 10 * low:
        return [math.log(v / low) / math.log(high / low) for v in column]
    return [(v - low) / (high - low) for v in column]


def _ticks(column: list[Any]) -> list[tuple[float, str]]:
    pairs = sorted(
        {(p, f"{v:.3g}" if isinstance(v, float) else str(v)) for p, v in zip(_places(column), column, strict=True)}
    )
    return pairs if len(pairs) <= 6 else [pairs[0], pairs[-1]]


def _best(sweep: Sweep, row: dict[str, Any]) -> str:
    folder = trial_folder(sweep, row["number"])
    sheets = []
    for run in sorted(p for p in folder.iterdir() if p.is_dir()):
        drawn = sorted((run / "samples").glob("*.png"))
        if drawn:
            sheets += [
                f"<h3>{run.name}</h3>",
                page.inside(f"samples of {run.name}", lambda m, p=drawn[-1]: _copy(p, m)),
            ]
    settings = ", ".join(f"{k} = {shown(v)}" for k, v in row["parameters"].items())
    return page.section(f"Trial {row['number']}: {told(row['mean'], row['half'])}", *sheets, note=settings)


def _copy(path: Path, memory: Any) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, memory)
