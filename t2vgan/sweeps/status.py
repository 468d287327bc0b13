"""The trials of a sweep as a table."""

from __future__ import annotations

import math
import statistics
import sys
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from t2vgan import resume
from t2vgan.sweeps.plan import Plan
from t2vgan.sweeps.worker import Sweep, parameters

REDRAW_S = 2.0
T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # Student's t for 1, 2, ... degrees of freedom


def interval(values: list[float]) -> tuple[float, float]:
    """Mean over seeds and half its 95 % interval (Student's t); NaN for one seed, which tells nothing of others."""
    if len(values) < 2:
        return statistics.fmean(values) if values else math.nan, math.nan
    t = T_95[min(len(values) - 1, len(T_95)) - 1]
    return statistics.fmean(values), t * statistics.stdev(values) / math.sqrt(len(values))


def rows(sweep: Sweep) -> list[dict[str, Any]]:
    """One per trial, in the order in which they were begun."""
    found = []
    for trial in sweep.study.get_trials(deepcopy=False):
        mean, half = interval(trial.user_attrs.get("values", []))
        found.append(
            {
                "number": trial.number,
                "state": state(sweep, trial),
                "parameters": parameters(sweep.plan, trial.params),
                "mean": mean,
                "half": half,
                "why": trial.user_attrs.get("why", "").removeprefix("t2vgan: error: "),
                "seeds": len(trial.user_attrs.get("values", [])),
            }
        )
    return found


def state(sweep: Sweep, trial: Any) -> str:
    """In the record a trial whose worker was stopped runs for ever; what is running is held by somebody."""
    name = trial.state.name.lower().replace("complete", "done").replace("fail", "failed")
    stopped = name == "running" and not resume.is_held(sweep.folder / f"{trial.number:05d}")
    return "stopped" if stopped else name


def varied(plan: Plan) -> list[str]:
    """The parameters that are not the same in all trials."""
    return [*(name for name, values in plan.choices.items() if len(values) > 1), *plan.ranges]


def constant(plan: Plan) -> str:
    """Those that are, e.g. `clips = 50000`."""
    return ", ".join(f"{name} = {values[0]}" for name, values in plan.choices.items() if len(values) == 1)


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def told(mean: float, half: float) -> str:
    return "" if math.isnan(mean) else f"{mean:.4g}" + ("" if math.isnan(half) else f" ± {half:.2g}")


def table(sweep: Sweep) -> Table:
    plan, trials = sweep.plan, rows(sweep)
    names = varied(plan)
    count, better = f"{len(trials)} trial{'s' * (len(trials) != 1)}", "less" if plan.minimize else "more"
    made = Table(title=f"{plan.name}: {count}, {plan.metric}, {better} is better")
    for name in ("trial", "state", *names, plan.metric, "seeds", "why"):
        made.add_column(name, overflow="fold")
    for row in trials:
        values = [shown(value) for value in map(row["parameters"].get, names)]
        made.add_row(
            str(row["number"]), row["state"], *values, told(row["mean"], row["half"]), str(row["seeds"]), row["why"]
        )
    return made


def show(sweep: Sweep, *, live: bool = True) -> None:
    """On a terminal until Ctrl-C, or until no trial is running; else once."""
    if not (live and sys.stdout.isatty()):
        Console().print(table(sweep))
        return
    with Live(table(sweep), refresh_per_second=1) as shown:
        while any(row["state"] == "running" for row in rows(sweep)):
            time.sleep(REDRAW_S)
            shown.update(table(sweep))
