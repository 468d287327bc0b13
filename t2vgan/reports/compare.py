"""Runs side by side: what differs, and whether the difference is real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2vgan.metrics.comparison import Comparison, compare_accuracies, compare_distances, compare_values
from t2vgan.metrics.frechet import frechet_distance
from t2vgan.metrics.kernel import kernel_distance
from t2vgan.reports import page
from t2vgan.reports.figures import plain
from t2vgan.system import written_whole

Clips = dict[str, np.ndarray]
OTHER_REFERENCE = (
    "distances are not compared, for the runs were measured from other real clips: of another size, length or number, "
    "or looked at on another kind of device"
)
COLUMNS = ["figure", "first", "second", "difference (95 %)", "p", "clips"]


def compare(runs: Sequence[Path], *, output: Path | None) -> list[Path]:
    """Tests every pair of runs on each split that all of them were evaluated on; writes compare.json and a page."""
    from rich.console import Console

    from t2vgan.reports.table import table

    splits = common_splits(runs)
    names = names_of(runs)
    found: dict[str, Any] = {"runs": dict(zip(names, map(str, runs), strict=True)), "splits": {}}
    parts = []
    for split in splits:
        clips = [load(run, split) for run in runs]
        check_alike(clips, names, split)
        near = same_reference(clips)
        if not near:
            Console().print(f"{split}: {OTHER_REFERENCE}", style="yellow")
            parts.append(page.warning(f"{split}: {OTHER_REFERENCE}"))
        for one, two in combinations(range(len(runs)), 2):
            rows = paired_tests(clips[one], clips[two], near=near)
            title = f"{split}: {names[two]} against {names[one]}"
            found["splits"].setdefault(split, {})[f"{names[two]} - {names[one]}"] = rows
            shown = [
                [name, row["first"], row["second"], between(row), chance(row["p"]), row["clips"]]
                for name, row in rows.items()
            ]
            Console().print(table(title, COLUMNS, shown))
            parts.append(page.section(title, page.table(COLUMNS, shown)))
        parts.append(page.section(f"{split}: side by side", bars(clips, names)))
    note = (
        "Clip by clip over the same captions: McNemar's exact test for shares, a permutation of signs for means, "
        "swapped clips for distances. p: the chance of so large a difference between equal runs. Runs of one training "
        "seed each can tell that these two runs differ, not that their recipes do."
    )
    folder = output or Path(".") / "-".join(["comparison", *names])
    written = [folder / "compare.json", folder / "compare.html"]
    with written_whole(written[0]) as part:
        part.write_text(json.dumps(plain(found), indent=2) + "\n")
    with written_whole(written[1]) as part:
        part.write_text(page.page("Runs compared", [f"<p class=note>{note}</p>", *parts]))
    return written


def names_of(runs: Sequence[Path]) -> list[str]:
    """`experiment-number`, or with more of the path where that does not tell them apart."""
    for depth in range(2, 9):
        names = ["-".join(run.resolve().parts[-depth:]) for run in runs]
        if len(set(names)) == len(names):
            return names
    raise ValueError("--compare: the same run is named twice")


def common_splits(runs: Sequence[Path]) -> list[str]:
    found = []
    for run in runs:
        files = sorted(evaluation(run).glob("clips_*.npz"))
        if not files:
            how = f"python -m t2vgan.evaluate --checkpoint {run}"
            if parts := sorted(file.parent for file in evaluation(run).glob("*/clips_*.npz")):
                raise ValueError(f"{run}: only a part has been evaluated: name its folder, {parts[0]}, or first: {how}")
            raise ValueError(f"{run}: it has not been evaluated yet; first: {how}")
        found.append([file.stem.removeprefix("clips_") for file in files])
    common = [split for split in found[0] if all(split in others for others in found[1:])]
    if not common:
        raise ValueError(f"--compare: the runs were evaluated on different splits: {', '.join(map(str, found))}")
    return common


def evaluation(run: Path) -> Path:
    """Where a run's evaluation is: below the run folder, or the named folder itself."""
    return run / "evaluation" if (run / "evaluation").is_dir() else run


def load(run: Path, split: str) -> Clips:
    with np.load(evaluation(run) / f"clips_{split}.npz", allow_pickle=False) as file:
        return dict(file)


def check_alike(clips: Sequence[Clips], names: Sequence[str], split: str) -> None:
    """ValueError unless all runs were judged by one judge on the same clips."""
    for name, other in zip(names[1:], clips[1:], strict=True):
        if str(other["features_name"]) != str(clips[0]["features_name"]):
            raise ValueError(f"--compare: {names[0]} and {name} were judged by different judges; evaluate both again")
        if list(other["keys"]) != list(clips[0]["keys"]) or list(other["captions"]) != list(clips[0]["captions"]):
            raise ValueError(
                f"--compare: {names[0]} and {name} were evaluated on different clips of {split}; evaluate both again"
            )


def same_reference(clips: Sequence[Clips]) -> bool:
    """Whether distances can be compared: all runs were measured from the same features of the same real clips."""
    first = clips[0]["reference"]
    return all(
        each["reference"].shape == first.shape and np.allclose(each["reference"], first, rtol=1e-3, atol=1e-3)
        for each in clips[1:]
    )


def paired_tests(first: Clips, second: Clips, *, near: bool = True) -> dict[str, dict[str, float]]:
    """Every figure's values and the paired test of their difference; distances where `near`."""
    found = {}
    if "right" in first and "right" in second:
        for i, name in enumerate(first["attributes"].tolist()):
            asked = first["right"][:, i] >= 0
            if asked.sum() >= 2:
                one, two = (clips["right"][asked, i] == 1 for clips in (first, second))
                found[f"accuracy/{name}"] = row(one, two, compare_accuracies(one.tolist(), two.tolist()))
        asked = (first["right"] >= 0).any(1)
        if asked.sum() >= 2:
            one, two = ((clips["right"][asked] != 0).all(1) for clips in (first, second))
            found["accuracy/all"] = row(one, two, compare_accuracies(one.tolist(), two.tolist()))
    energies = [np.abs(np.log((c["energy"] + 1e-4) / (c["energy_real"] + 1e-4))) for c in (first, second)]
    compared = compare_values(torch.from_numpy(energies[0]), torch.from_numpy(energies[1]))
    found["motion/off_real"] = row(energies[0], energies[1], compared)
    if not near:
        return found
    features = [torch.from_numpy(clips["fake"]) for clips in (first, second)]
    reference = torch.from_numpy(first["reference"])
    for name, distance in (("fd", frechet_distance), ("kid", kernel_distance)):
        values = [float(distance(reference, side)) for side in features]
        compared = compare_distances(distance, reference, *features, draws=100)
        found[name] = {"first": values[0], "second": values[1], **told(compared)}
    return found


def chance(p: float) -> str:
    """A p-value, also of the smallest ones how small."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def row(one: np.ndarray, two: np.ndarray, compared: Comparison) -> dict[str, float]:
    return {"first": float(one.mean()), "second": float(two.mean()), **told(compared)}


def between(row: dict[str, Any]) -> str:
    """The difference with its interval, all with as many decimals, so that a column of them can be read downwards."""
    most = max(abs(row[key]) for key in ("difference", "low", "high"))
    decimals = 3 if most < 1 else 2 if most < 100 else 1
    difference, low, high = (f"{row[key]:+.{decimals}f}" for key in ("difference", "low", "high"))
    return f"{difference} ({low} to {high})"


def told(compared: Comparison) -> dict[str, float]:
    return {
        "difference": compared.difference, "low": compared.low, "high": compared.high,
        "p": compared.p_value, "clips": compared.n,
    }  # fmt: skip


def bars(clips: Sequence[Clips], names: Sequence[str]) -> str:
    """Accuracy of each run and attribute, with Wilson intervals, as a picture inside the page."""
    from t2vgan.metrics.attributes import wilson_interval

    if any("right" not in each for each in clips):
        return ""
    attributes = clips[0]["attributes"].tolist()
    groups = {}
    for name, each in zip(names, clips, strict=True):
        shares = []
        for i in range(len(attributes)):
            right = each["right"][:, i]
            correct, total = int((right == 1).sum()), int((right >= 0).sum())
            shares.append((correct / max(1, total), *wilson_interval(correct, total)))
        groups[name] = shares
    return page.grouped_bars(attributes, groups)
