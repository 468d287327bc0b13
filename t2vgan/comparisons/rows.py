"""What the jsons of a study say of each arm, over its seeds, at equal clips and at equal seconds of training."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2vgan.comparisons import price
from t2vgan.comparisons.measure import MEAN
from t2vgan.comparisons.results import Results
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
    """One arm. `curves`: one list of validations for each seed."""

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

    def value(self, metric: str, *, at: str) -> Estimate:
        return (self.figures if at == "clips" else self.cheap)[metric]


def seconds_of(point: Mapping[str, Any], gpu: bool) -> float:
    return float(point["wall_s" if gpu else "cpu_s"])


def on_gpu(result: Mapping[str, Any]) -> bool:
    return bool(result["machine"]["gpu"])


def table(study: Study, results: Results) -> tuple[list[Row], float]:
    """The rows of the arms that have a finished seed, best first, and the seconds that `cheap` stands for.

    Where all of them have a price, seconds, latency and memory are what it says.
    """
    found = {arm: runs for arm in study.arms if (runs := results.seeds(arm))}
    prices = prices_of(study, results, found)
    found = {arm: [price.at_price(run, prices[arm]) for run in runs] if prices else runs for arm, runs in found.items()}
    if not found:
        return [], math.nan
    everything = [run for runs in found.values() for run in runs]
    budget = min(spent(run) for run in [run for run in everything if not run.get("failed")] or everything)
    rows = [row(study, results, arm, runs, budget) for arm, runs in found.items()]
    rows.sort(key=lambda r: (math.isnan(r.figures[MEAN].mean), -r.figures[MEAN].mean))
    return rows, budget


def prices_of(study: Study, results: Results, arms: Collection[str]) -> dict[str, Any]:
    """The prices of these arms; {} where one has none, for what is measured in two ways is not to be compared."""
    known = price.read(study, results).get("arms", {})
    return {arm: known[arm] for arm in arms} if all(arm in known for arm in arms) else {}


def spent(run: Mapping[str, Any]) -> float:
    return seconds_of(run["curve"][-1], on_gpu(run))


def row(study: Study, results: Results, arm: str, runs: list[dict[str, Any]], budget: int | float) -> Row:
    factor = results.factor(arm)
    assert factor is not None
    return Row(
        arm=arm,
        seeds=tuple(run["seed"] for run in runs),
        factor=factor,
        figures=over_seeds([run["figures"]["test"] for run in runs]),
        heldout=over_seeds([run["figures"]["heldout"] for run in runs]),
        cheap={m: estimate([at_seconds(run, m, budget) for run in runs]) for m in BETTER},
        clips_per_s=measured([run["cost"]["clips_per_s"] for run in runs]),
        seconds=statistics.fmean(spent(run) for run in runs),
        latency_ms=measured([run["latency_ms"] for run in runs]),
        peak_mb=max(run["cost"]["peak_mb"] for run in runs),
        parameters=runs[0]["parameters"],
        curves=tuple(tuple(run["curve"]) for run in runs),
        diverged=sum(bool(run.get("failed")) for run in runs),
        commits=tuple(sorted({run["commit"] for run in runs})),
    )


def measured(values: list[Any]) -> Estimate:
    """Over seeds; a price, which is the same for all of them, is one measurement."""
    return estimate(values[:1] if len(set(values)) == 1 else values)


def over_seeds(figures: list[dict[str, Any]]) -> dict[str, Estimate]:
    return {name: estimate([each.get(name) for each in figures]) for name in figures[0]}


def at_seconds(run: Mapping[str, Any], metric: str, seconds: int | float) -> float:
    """A figure of the validations when training had taken so long: on the line between the two around it."""
    points = [(seconds_of(p, on_gpu(run)), p[metric]) for p in run["curve"] if p.get(metric) is not None]
    if not points:
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
    apart = "" if abs(a.mean - b.mean) > sum(h for h in (a.half, b.half) if h == h) else "; the intervals overlap"
    said = f"At equal {at}, {NAMES[metric]}: {first.arm} leads with {a}, then {second.arm} with {b}{apart}."
    own = next((r for r in known if r.arm == baseline), None)
    if own is None or own is first or own is second:
        return said
    return f"{said} {baseline}: {own.value(metric, at=at)}."
