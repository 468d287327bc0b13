"""Run folders: runs/<experiment>/00007/ with config.yaml, commit.txt, checkpoints/, samples/, metrics.csv."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from pathlib import Path

RUNS = Path("runs")
WEIGHTS = Path(__file__).parent / "weights"
# The models that ship, by the names that they are called by; the first is taken where nothing else is there.
PRETRAINED = {
    name: WEIGHTS / f"lion_savanna{name.removeprefix('pretrained')}.safetensors"
    for name in ("pretrained", "pretrained_hd")
}


def new_run_dir(experiment: str, run_dir: str | None = None) -> Path:
    """Makes the run's own folder: the next number of the experiment, or `run_dir`, which must be new or empty."""
    if run_dir is not None:
        path = Path(run_dir)
        refuse_used(path)
        path.mkdir(parents=True, exist_ok=True)
        return path
    parent = RUNS / experiment
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in parent.iterdir() if re.fullmatch(r"\d{5}", p.name)), default=-1) + 1
    while True:
        path = parent / f"{number:05d}"
        try:
            path.mkdir()
            return path
        except FileExistsError:  # another run took the number in this moment
            number += 1


def refuse_unwritable(path: Path) -> None:
    """ValueError where no such folder could be made."""
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not os.access(there, os.W_OK):
        raise ValueError(f"{path} cannot be made: {there} cannot be written to; name another folder by run_dir=")


def refuse_used(path: Path) -> None:
    """ValueError for a folder that holds more than a start leaves that was cut off before its config.yaml was there."""
    if path.exists() and (not path.is_dir() or not all(_of_a_start(child.name) for child in path.iterdir())):
        raise ValueError(f"run_dir={path} is not empty: name a new folder, or go on with it by --resume {path}")


def _of_a_start(name: str) -> bool:
    return name in ("job", "lock") or (name.startswith(".") and name.endswith(".part"))


def run_dirs(experiment: str | None = None) -> list[Path]:
    """Run folders that hold a configuration, oldest first by the time of their newest checkpoint or configuration."""
    if not RUNS.is_dir():
        return []
    # `zoo/ours` and `zoo/ours.yaml` are called `ours`, and so is the folder of their runs.
    name = Path(experiment or "").name
    name = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    parents = [RUNS / name] if experiment else [p for p in RUNS.iterdir() if p.name != "fast_dev_run"]
    found = [p for parent in parents if parent.is_dir() for p in parent.iterdir() if (p / "config.yaml").is_file()]
    return sorted(found, key=_touched)


def _touched(run: Path) -> float:
    return max(file.stat().st_mtime for file in [run / "config.yaml", *run.glob("checkpoints/*.safetensors")])


def newest_run(experiment: str | None = None) -> Path:
    """The newest run (of the experiment) that has a generator to use."""
    usable = [p for p in run_dirs(experiment) if _usable(p)]
    if not usable:
        what = f"of experiment '{experiment}' " if experiment else ""
        raise ValueError(
            f"no finished checkpoint {what}under {RUNS}/: train one first, e.g. "
            f"python -m t2vgan.fit --experiment {experiment or 'lion_savanna'}, or name one with --checkpoint"
        )
    return usable[-1]


def chosen(checkpoint: Path | None, experiment: str | None) -> Path:
    """The named run folder or file, else the newest run that can be used, else a model that ships.

    Relative to the current folder there may be no run at all: a fresh installation has something to show, too.
    """
    if checkpoint is not None and str(checkpoint) not in PRETRAINED:
        near = difflib.get_close_matches(str(checkpoint), PRETRAINED, 1)
        if near and not checkpoint.exists():
            raise ValueError(f"{checkpoint}: there is no such run or file; did you mean '{near[0]}'?")
        return checkpoint
    if checkpoint is not None:
        return shipped(str(checkpoint))
    names = {path.stem: name for name, path in PRETRAINED.items()}  # by experiment
    if experiment not in (None, *names) or any(map(_usable, run_dirs(experiment))):
        return newest_run(experiment)
    return shipped(names.get(str(experiment), "pretrained"))


def shipped(name: str) -> Path:
    """The file of a model of PRETRAINED; ValueError where the installation has none."""
    if not PRETRAINED[name].is_file():
        raise ValueError(f"{name}: {PRETRAINED[name]} is missing from this installation: name one with --checkpoint")
    return PRETRAINED[name]


def _usable(run: Path) -> bool:
    return (run / "checkpoints" / "generator.safetensors").is_file()


def commit() -> str:
    """The commit of the code that runs, with '+changes' where the working tree differs.

    Outside of git, as in a copy of the code, what T2VGAN_COMMIT says, or 'unknown'.
    """
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "describe", "--always", "--abbrev=40", "--dirty=+changes"],
                              cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("T2VGAN_COMMIT", "").strip() or "unknown"
    return done.stdout.strip()
