"""A study of two small arms, and results as a training would leave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vgan.comparisons.results import Results
from t2vgan.comparisons.study import Study, read_study

ARM = """# {about}
# Run: python -m t2vgan.fit --experiment {name}
extends: smoke
clips: 64
g_optim: {{lr: {rate}}}
"""
STUDY = """title: Small
baseline: ours
seeds: [0, 1]
search: {factors: [1, 4], share: 0.5, metric: fd_probe, goal: min}
questions:
  - {name: which, ask: "Which one?", arms: [ours, other]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.mkdir()
    (path / "ours.yaml").write_text(ARM.format(about="What is our own.", name="ours", rate=1e-3))
    (path / "other.yaml").write_text(ARM.format(about="What is not.", name="other", rate=2e-3))
    (path / "study.yaml").write_text(STUDY)
    return path


@pytest.fixture
def study(folder: Path) -> Study:
    return read_study(folder)


@pytest.fixture
def results(study: Study, tmp_path: Path) -> Results:
    return Results(study, tmp_path / "results")


def result(*, accuracy: float, fd: float, seconds: float, clips: int = 64) -> dict[str, Any]:
    """Of a training whose accuracy rose, and whose distance fell, on a line from 0 and 200."""
    figures = {
        "normalised/mean": accuracy,
        "normalised/subject": accuracy,
        "normalised/time": None,
        "normalised/all": accuracy / 2,
        "fd_probe": fd,
    }
    curve = [
        {
            "clips_seen": round(clips * share),
            "cpu_s": seconds * share,
            "wall_s": seconds * share,
            "peak_mb": 500.0,
            "normalised/mean": accuracy * share,
            "fd_probe": 200 + (fd - 200) * share,
        }
        for share in (0.25, 0.5, 0.75, 1.0)
    ]
    return {
        "figures": {"test": figures, "heldout": figures},
        "curve": curve,
        "cost": {"cpu_s": seconds, "wall_s": seconds, "clips_per_s": clips / seconds, "peak_mb": 500.0},
        "parameters": {"generator": 1000, "critics": 2000, "text": 10, "frozen": 0},
        "latency_ms": 12.0,
        "commit": "abc",
        "machine": {"device": "x86_64", "gpu": False, "cores": 2, "torch": "2", "python": "3"},
    }


@pytest.fixture
def made() -> Callable[..., dict[str, Any]]:
    return result


@pytest.fixture
def whole(study: Study, results: Results) -> Results:
    """All of it is there: ours is the better and slower one; `other` learns best at four times its rates."""
    for arm, (accuracy, fd, seconds) in {"ours": (0.8, 40.0, 20.0), "other": (0.5, 100.0, 10.0)}.items():
        for job in study.searches(arm):
            better = job.factor == (1 if arm == "ours" else 4)
            results.write(job, result(accuracy=accuracy, fd=fd if better else fd + 50, seconds=seconds / 2, clips=32))
        factor = results.factor(arm)
        assert factor is not None
        for seed in study.seeds:
            found = result(accuracy=accuracy + 0.01 * seed, fd=fd + seed, seconds=seconds)
            results.write(study.run(arm, seed, factor), found)
    return results
