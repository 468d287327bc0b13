"""What the jsons of a study say of each arm, over its seeds, at equal clips and at equal seconds of training."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2vgan.comparisons import price
from t2vgan.comparisons.measure import MEAN
from t2vgan.comparisons.results import Results, check_one_judge
from t2vgan.comparisons.study import Study
from t2vgan.sweeps.status import interval

FD = "fd_probe"
BETTER = {MEAN: max, FD: min}  # which of two arms is the better one
NAMES = {MEAN: "normalised accuracy", FD: "fd_probe"}


@dataclass(frozen=True)
class Estimate:
    """Mean over seeds and half of its 95 % interval; NaN where one seed tells nothing of others."""

    mean: int | float
    half: int | float

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return ""
        digits = 3 if abs(self.mean) < 10 else 1
        return f"{self.mean:.{digits}f}" + ("" if math.isnan(self.half) else f" ± {self.half:.{digits}f}")


def estimate(values: Sequence[Any]) -> Estimate:
    return Estimate(*interval([float(v) for v in values if v is not None and not math.isnan(float(v))]))


@dataclass(frozen=True)
class Row:
    """One arm. `curves`: one list of validations for each seed; `seconds` in them is what training had taken by then.

    What cannot be compared with the other arms is NaN, and left out of the curves: see `table`.
    """

    arm: str
    seeds: tuple[int, ...]
    factor: int | float
    figures: dict[str, Estimate]  # on `test`, after all clips
    heldout: dict[str, Estimate]
    cheap: dict[str, Estimate]  # at equal seconds, on `val`
    clips_per_s: Estimate
    seconds: int | float  # of one run
    latency_ms: Estimate
    peak_mb: int | float
    parameters: dict[str, int]
    curves: tuple[tuple[Mapping[str, Any], ...], ...]
    diverged: int  # seeds whose gradients stopped being finite before the end
    commits: tuple[str, ...]
    machines: tuple[str, ...]  # that trained its runs

    def value(self, metric: str, *, at: str) -> Estimate:
        return (self.figures if at == "clips" else self.cheap)[metric]


def table(study: Study, results: Results) -> tuple[list[Row], float]:
    """The rows of the arms that have a finished seed, best first, and the seconds that `cheap` stands for.

    Where all of them have a price, seconds, latency and memory are what it says. Else they are those of the trainings,
    where one kind of machine made them all; of several kinds they are not to be compared, and NaN.
    """
    found = {arm: runs for arm in study.arms if (runs := results.seeds(arm))}
    if not found:
        return [], math.nan
    prices = prices_of(study, results, found)
    if prices:
        found = {arm: [price.at_price(run, prices[arm]) for run in runs] for arm, runs in found.items()}
    elif len(machines(found.values())) > 1:
        found = {arm: [without_costs(run) for run in runs] for arm, runs in found.items()}
    found = {arm: [timed(run) for run in runs] for arm, runs in found.items()}
    everything = [run for runs in found.values() for run in runs]
    check_one_judge(everything)
    budget = min(spent(run) for run in [run for run in everything if not run.get("failed")] or everything)
    rows = [row(study, results, arm, runs, budget) for arm, runs in found.items()]
    rows.sort(key=lambda r: (math.isnan(r.figures[MEAN].mean), -r.figures[MEAN].mean))
    return rows, budget


def prices_of(study: Study, results: Results, arms: Collection[str]) -> dict[str, Any]:
    """The prices of these arms; {} where one has none or was priced on another kind of processor than the others.

    For what is measured in two ways is not to be compared.
    """
    known = price.read(study, results).get("arms", {})
    if not all(arm in known for arm in arms) or len({known[arm]["machine"]["device"] for arm in arms}) > 1:
        return {}
    return {arm: known[arm] for arm in arms}


def machines(runs: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """The kinds of machines that trained these arms' runs."""
    return sorted({run["machine"]["device"] for each in runs for run in each})


def without_costs(run: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a run whose costs cannot be compared with those of others."""
    curve = [{k: v for k, v in point.items() if k not in ("cpu_s", "wall_s")} for point in run["curve"]]
    return {**run, "curve": curve, "cost": dict.fromkeys(run["cost"]), "latency_ms": None}


def timed(run: Mapping[str, Any]) -> dict[str, Any]:
    """With `seconds` in each validation: of all threads, or on the clock where a GPU trained; without where unknown."""
    key = "wall_s" if run["machine"]["gpu"] else "cpu_s"
    return {**run, "curve": [{**p, "seconds": float(p[key])} if key in p else p for p in run["curve"]]}


def spent(run: Mapping[str, Any]) -> float:
    """Seconds of the whole training; NaN where they are not known, as of one that diverged before any validation."""
    return run["curve"][-1].get("seconds", math.nan) if run["curve"] else math.nan


def row(study: Study, results: Results, arm: str, runs: list[dict[str, Any]], budget: int | float) -> Row:
    factor = results.factor(arm)
    assert factor is not None
    return Row(
        arm=arm,
        seeds=tuple(run["seed"] for run in runs),
        factor=factor,
        figures=over_seeds([run["figures"]["test"] for run in runs]),
        heldout=over_seeds([run["figures"].get("heldout", {}) for run in runs]),  # which not every data set has
        cheap={m: estimate([at_seconds(run, m, budget) for run in runs]) for m in BETTER},
        clips_per_s=measured([run["cost"]["clips_per_s"] for run in runs]),
        seconds=statistics.fmean(spent(run) for run in runs),
        latency_ms=measured([run["latency_ms"] for run in runs]),
        peak_mb=max((mb for run in runs if (mb := run["cost"]["peak_mb"]) is not None), default=math.nan),
        parameters=runs[0]["parameters"],
        curves=tuple(tuple(run["curve"]) for run in runs),
        diverged=sum(bool(run.get("failed")) for run in runs),
        commits=tuple(sorted({run["commit"] for run in runs})),
        machines=tuple(machines([runs])),
    )


def measured(values: list[Any]) -> Estimate:
    """Over seeds; a price, which is the same for all of them, is one measurement."""
    return estimate(values[:1] if len(set(values)) == 1 else values)


def over_seeds(figures: list[dict[str, Any]]) -> dict[str, Estimate]:
    return {name: estimate([each.get(name) for each in figures]) for name in figures[0]}


def at_seconds(run: Mapping[str, Any], metric: str, seconds: int | float) -> float:
    """A figure of the validations when training had taken so long: on the line between the two around it."""
    points = [(p["seconds"], p[metric]) for p in run["curve"] if p.get(metric) is not None and "seconds" in p]
    if not points or math.isnan(seconds):
        return math.nan
    times, values = zip(*points, strict=True)
    return float(np.interp(seconds, times, values, left=math.nan))  # before the first one nothing is known


def attributes(rows: Sequence[Row]) -> list[str]:
    """Those with more than one value, whose accuracy tells something."""
    names = [k.split("/", 1)[1] for k in rows[0].figures if k.startswith("normalised/")] if rows else []
    told = [n for n in names if n not in ("all", "mean")]
    return [n for n in told if any(not math.isnan(r.figures[f"normalised/{n}"].mean) for r in rows)]


def verdict(rows: Sequence[Row], baseline: str) -> list[str]:
    """Who leads at equal clips and at equal seconds, and whether the baseline does; one sentence each."""
    if len(rows) < 2:
        return []
    return [sentence(rows, baseline, metric, at) for at in ("clips", "seconds") for metric in BETTER]


def sentence(rows: Sequence[Row], baseline: str, metric: str, at: str) -> str:
    choose: Callable[..., Any] = BETTER[metric]
    known = [r for r in rows if not math.isnan(r.value(metric, at=at).mean)]
    if len(known) < 2:
        return f"At equal {at}, {NAMES[metric]}: too few arms to say."
    first = choose(known, key=lambda r: r.value(metric, at=at).mean)
    rest = [r for r in known if r is not first]
    second = choose(rest, key=lambda r: r.value(metric, at=at).mean)
    a, b = first.value(metric, at=at), second.value(metric, at=at)
    said = f"At equal {at}, {NAMES[metric]}: {first.arm} leads with {a}, then {second.arm} with {b}{doubt(a, b)}."
    if unread := ", ".join(r.arm for r in rows if r not in known):
        said += f" Not known of {unread}: no validation by then."
    own = next((r for r in known if r.arm == baseline), None)
    if own is None or own is first or own is second:
        return said
    return f"{said} {baseline}: {own.value(metric, at=at)}."


def doubt(a: Estimate, b: Estimate) -> str:
    """What speaks against taking the difference of two arms for more than chance."""
    if math.isnan(a.half) or math.isnan(b.half):
        return "; of a single seed, there is no interval"
    return "" if abs(a.mean - b.mean) > a.half + b.half else "; the intervals overlap"
