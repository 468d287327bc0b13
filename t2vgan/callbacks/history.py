"""What a run has measured so far, from the files in its folder."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

Curve = list[tuple[int | float, int | float]]  # (clips seen, value), ascending


def read_curves(folder: Path) -> dict[str, Curve]:
    """Every column of `metrics.csv` and, as `val/*`, every figure of `evaluation.jsonl`, over clips seen.

    What was measured twice at one count, because a run was resumed, counts as measured last.
    """
    points: dict[str, dict[int | float, int | float]] = {}
    for record in [*_csv_records(folder / "metrics.csv"), *_evaluations(folder / "evaluation.jsonl")]:
        seen = record.pop("clips_seen", math.nan)
        for name, value in record.items():
            if math.isfinite(seen) and math.isfinite(value):
                points.setdefault(name, {})[seen] = value
    return {name: sorted(values.items()) for name, values in points.items()}


def thinned(curve: Curve, *, points: int = 300) -> Curve:
    """At most `points` points, each the mean of its neighbours."""
    size = -(-len(curve) // points)
    groups = [curve[i : i + size] for i in range(0, len(curve), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def _csv_records(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if name and value} for row in csv.DictReader(file)]


def _evaluations(path: Path) -> list[dict[str, float]]:
    lines = path.read_text().splitlines() if path.is_file() else []
    records = [json.loads(line) for line in lines if line.strip()]
    names = {"clips_seen": "clips_seen"}
    return [{names.get(k, f"val/{k}"): float(v) for k, v in record.items() if v is not None} for record in records]
