"""The tables of a report, as rows for the screen and for the page alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from t2vgan.metrics.attributes import LEAST_CEILING
from t2vgan.metrics.panel import Figures

FLOW = "optical flow"
VOID = "does not count"  # what stands at the end of such a row
VOID_NOTE = f"{VOID}: the ceiling is below {100 * LEAST_CEILING:.0f} %, so the judge misreads real clips, too"
ACCURACY = ["attribute", "accuracy", "ceiling", "floor", "normalised", "clips", ""]
TEXT = ["figure", "value", "real clips", "chance"]
SWAP = ["attribute", "obeyed", "only", "kept"]
NEAR = ["figure", "value", "95 % interval", "real clips", ""]
MOTION = ["figure", "generated", "real", "ratio", ""]
REAL = ("real", "floor", "ceiling", "as_new_as_real")  # under which of these a figure has that of real clips
MEANS = {
    "fd": "Fréchet distance: the lower, the better",
    "kid": "kernel distance: the lower, the better",
    "recall": "share of what real clips show that the generated ones show, too",
    "motion_energy": "how much changes from frame to frame",
    "motion_spectrum_gap_db": "how far the speeds of change are from those of real clips: 0 is alike",
    "flicker": "0: change at a steady pace; 1: frames that alternate",
    "static_share": "clips in which nothing moves",
    "temporal_consistency": "likeness of neighbouring frames: a still clip has 1",
    "arrow_of_time": "1: as clearly forwards as real clips; 0: no direction; below: backwards",
    "diversity": "how much clips of one caption differ, of what clips of any caption do",
    "memorisation": "0.5: as near to training clips as real clips are; 1: copies of them",
}
DISTANCES = ("fvd", "fd", "fd_infinite", "kid", "mind", "jedi_form", "precision", "recall", "density", "coverage")
SHORT = {
    "motion_energy": "energy",
    "static_share": "static",
    "flicker": "flicker",
    "motion_spectrum_gap_db": "spectrum",
    "temporal_consistency": "consist.",
    "arrow_of_time": "arrow",
    "memorisation": "copies",
    "all_correct": "all",
    "r_precision": "R-prec.",
}
MOVED = 0.02  # the least change of a figure, of its value for real clips, that is a move
# What each control has to move, by the beginning of the figure's name.
MADE_FOR = {
    "shuffled": ("motion_spectrum_gap_db", "flicker", "temporal_consistency"),
    "reversed": ("arrow_of_time",),
    "static": ("static_share", "motion_energy"),
    "half_frozen": ("motion_energy",),
    "blurred": ("fd_", "kid_"),
    "noisy": ("motion_energy", "motion_spectrum_gap_db"),
    "flickering": ("flicker",),
    "replayed": ("memorisation",),
    "captions_shuffled": ("all_correct", "r_precision"),
}


def accuracy_tables(figures: Figures) -> dict[str, list[list[Any]]]:
    """By who judges: a row per attribute, and for all together."""
    name = judge_of(figures)
    first = dict(figures.get("attributes", {}))
    if "all_correct" in figures:
        first["all correct"] = figures["all_correct"]
    full = figures.get("where_all_is_named", {})
    if full.get("all_correct"):
        first["all correct, where all is named"] = full["all_correct"]
    found = {name: first, FLOW: dict(figures.get("by_flow", {}))}
    if second := figures.get("second_judge"):
        found[second["name"]] = {**second["attributes"], "all correct": second.get("all_correct", {})}
    rows = {judge: [accuracy_row(name, figure) for name, figure in named.items()] for judge, named in found.items()}
    return {judge: of_judge for judge, of_judge in rows.items() if of_judge}


def judge_of(figures: Figures) -> str:
    """The features that the first distance is named after."""
    return next((key.removeprefix("fd_") for key in figures if key.startswith("fd_")), "judge")


def accuracy_row(name: str, figure: Figures) -> list[Any]:
    shares = [percent(figure.get(key)) for key in ("accuracy", "ceiling", "floor")]
    normalised = with_interval(figure.get("normalised"), figure.get("low"), figure.get("high"))
    void = figure.get("clips") and not figure.get("counts", True)
    return [name, *shares, normalised, figure.get("clips"), VOID if void else ""]


def text_rows(figures: Figures) -> list[list[Any]]:
    """R-precision and CLIPSIM: name, value with its interval, the same of real clips, by chance."""
    rows = []
    for name, f in figures.get("r_precision", {}).items():
        shares = [percent(f["ceiling"]), percent(f["floor"])]
        rows.append([f"R-precision, {name} negatives", with_interval(f["value"], f["low"], f["high"]), *shares])
    if f := figures.get("clipsim"):
        value = f"{f['value']:.4f} ({f['low']:.4f} to {f['high']:.4f})"
        rows.append(["CLIPSIM", value, f["ceiling"], f["floor"]])
    return rows


def swap_rows(figures: Figures) -> list[list[Any]]:
    """A row for each attribute that captions changed."""
    shares = (figures.get("caption_swap") or {}).items()
    return [
        [name, *(with_interval(f["value"], f["low"], f["high"]) if f["clips"] else None for f in of_name.values())]
        for name, of_name in shares
    ]


def distance_tables(figures: Figures) -> dict[str, list[list[Any]]]:
    """By feature space: a row per distance."""
    found: dict[str, list[list[Any]]] = {}
    for key, f in figures.items():
        kinds = [kind for kind in DISTANCES if key.startswith(f"{kind}_")]
        if not kinds or not isinstance(f, Mapping):
            continue
        kind = max(kinds, key=len)
        space = key.removeprefix(f"{kind}_")
        interval = span(f.get("low"), f.get("high"))
        row = [key, f["value"], interval, f.get("floor", f.get("ceiling")), f.get("warning", "")]
        found.setdefault(f"i3d_{space}" if kind == "fvd" else space, []).append(row)
    return found


def motion_rows(figures: Figures) -> list[list[Any]]:
    keys = ("motion_energy", "motion_spectrum_gap_db", "flicker", "static_share", "temporal_consistency",
            "arrow_of_time", "diversity", "memorisation")  # fmt: skip
    rows = []
    for key in keys:
        if key in figures:
            f = figures[key]
            real = real_of(f)
            if key == "arrow_of_time" and is_number(f["value"]):  # else not even real clips have one
                real = 1.0
            rows.append([key, f["value"], real, f.get("ratio"), MEANS[key]])
    return rows


def overview(report: Figures) -> tuple[list[str], list[list[Any]]]:
    """What is looked at first, two columns for each split: shares that obey the text, distances, motion; and the same
    of its real clips.
    """
    splits, gaps = report["splits"], report.get("heldout_minus_test")
    first = next(iter(splits.values()))
    judge = judge_of(first)
    found = [row for name in (*first.get("attributes", {}), "all_correct") if (row := obeyed_row(name, splits, gaps))]
    for key in (
        f"fd_{judge}",
        f"kid_{judge}",
        f"recall_{judge}",
        "motion_energy",
        "flicker",
        "diversity",
        "memorisation",
    ):
        figures = [figures.get(key, {}) for figures in splits.values()]
        if any(is_number(f.get("value")) for f in figures):
            told = "ratio" if key == "motion_energy" else "value"
            cells = [cell for f in figures for cell in (f.get(told), real_of(f) if told == "value" else 1.0)]
            means = MEANS.get(key) or MEANS[key.split("_")[0]]
            found.append([key, *cells, *([None] if gaps else []), means])
    return ["figure", *(head for split in splits for head in (split, "real")), *(["gap"] if gaps else []), ""], found


def real_of(figure: Figures) -> float | None:
    """What real clips have."""
    return next((figure[key] for key in REAL if key in figure), None)


def obeyed_row(name: str, splits: Mapping[str, Figures], gaps: Figures | None) -> list[Any]:
    """Accuracies of an attribute, or `all_correct`, of each split, beside those of its real clips; [] without any."""
    figures = [f.get(name) if name == "all_correct" else f.get("attributes", {}).get(name) for f in splits.values()]
    figures = [f for f in figures if f]
    if len(figures) < len(splits):
        return []
    shares = [percent(f[key]) for f in figures for key in ("accuracy", "ceiling")]
    gap = [percent(gaps.get(name))] if gaps else []
    counted = all(f["counts"] for f in figures)
    return [plainly(name), *shares, *gap, "" if counted else VOID]


def control_table(controls: Mapping[str, Figures]) -> tuple[list[str], list[list[Any]]]:
    columns = control_columns(controls)
    header = ["clips", *(short(column) for column in columns)]
    return header, [[plainly(name), *(figures.get(key) for key in columns)] for name, figures in controls.items()]


def short(column: str) -> str:
    """A figure's name at the head of a narrow column."""
    return SHORT.get(column, re.sub("_[^_]*$", "", column))


def plainly(name: str) -> str:
    return name.replace("_", " ")


def moves(controls: Mapping[str, Figures]) -> list[tuple[str, str, float, float, bool]]:
    """Each control and a figure that it is there to move: both names, the figure of real clips, its own, and moved?"""
    found = []
    for name, figures in controls.items():
        for key in control_columns(controls):
            if key.startswith(MADE_FOR.get(name, ("-",))):
                real, value = controls["real"].get(key), figures.get(key)
                if is_number(real) and is_number(value):
                    found.append((name, key, real, value, abs(value - real) > MOVED * max(abs(real), MOVED)))
    return found


def move_rows(controls: Mapping[str, Figures]) -> list[list[str]]:
    """A row for each control: what it is there to move, from real clips to it."""
    told: dict[str, list[str]] = {}
    for name, key, real, value, _ in moves(controls):
        told.setdefault(name, []).append(f"{short(key)} {number(real, digits=2)} -> {number(value, digits=2)}")
    return [[plainly(name), ", ".join(of_name)] for name, of_name in told.items()]


def unmoved(controls: Mapping[str, Figures]) -> str:
    """A warning that names the controls that did not move what they are made for; empty where all did."""
    still = [f"{plainly(name)} ({short(key)})" for name, key, _, _, moved in moves(controls) if not moved]
    return f"do not trust figures whose control did not move them: {', '.join(still)}" if still else ""


def control_columns(controls: Mapping[str, Figures]) -> list[str]:
    return list(dict.fromkeys(key for figures in controls.values() for key in figures))


def made_for(controls: Mapping[str, Figures]) -> list[list[bool]]:
    """For each cell of the control table whether the control is there to move it; as long as the rows."""
    columns = control_columns(controls)
    return [[False, *(key.startswith(MADE_FOR.get(name, ("-",))) for key in columns)] for name in controls]


def percent(share: Any) -> str | None:
    return f"{100 * share:.1f} %" if is_number(share) else None


def with_interval(value: Any, low: Any, high: Any) -> str | None:
    """`12.3 % (9 to 16)`."""
    if not is_number(value):
        return None
    ends = f" ({round(100 * low)} to {round(100 * high)})" if is_number(low) and is_number(high) else ""
    return f"{100 * value:.1f} %{ends}"


def span(low: Any, high: Any) -> str | None:
    return f"{number(low)} to {number(high)}" if is_number(low) and is_number(high) else None


def number(value: float, *, digits: int = 3) -> str:
    """So many digits, and all before the point; nothing of what is only rounding."""
    if abs(value) < 1e-6:
        return "0"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
