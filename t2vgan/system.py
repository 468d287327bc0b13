"""What several parts ask of the machine: how many cores there are, what a job's signals are, and files that are written
whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What a job of a cluster is sent some time before its end: SIGUSR1, and SIGUSR2 by submitit.
WARNINGS_OF_SLURM = (signal.SIGUSR1, signal.SIGUSR2) if "SLURM_JOB_ID" in os.environ else ()


@contextmanager
def unsaid(*loggers: str) -> Iterator[None]:
    """Without warnings, and without what these loggers say below an error."""
    found = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(found, levels, strict=True):
            logger.setLevel(level)


def cores() -> int:
    """Cores that this process may use, which in a container are fewer than there are."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return allowed


def eval_devices(count: int | None = None) -> list[str]:
    """Where to evaluate: all GPUs, or one process per core up to four; `count` of them where it is given."""
    import torch

    gpus = torch.cuda.device_count()
    most = gpus or min(cores(), 4)
    return [f"cuda:{i % gpus}" if gpus else "cpu" for i in range(count or most)]


def as_json(value: Any, **how: Any) -> str:
    """As people read it; with escapes where a file name in it is not UTF-8."""
    text = json.dumps(value, ensure_ascii=False, **how)
    return json.dumps(value, **how) if any("\ud800" <= letter <= "\udfff" for letter in text) else text


def check_output(path: Path, *, force: bool) -> None:
    """ValueError, before anything slow is done, where no such file could be written, or one is there already."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file")
    if path.exists() and not force:
        raise ValueError(f"{path} exists: choose another name, or overwrite it with --force")
    there = next(p for p in path.absolute().parents if p.exists())
    if not there.is_dir():
        raise ValueError(f"{path} cannot be made: {there} is a file, not a folder")
    if not os.access(there, os.W_OK):
        raise ValueError(f"{path} cannot be made: {there} cannot be written to")


@contextmanager
def written_whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A name beside `path` to write a file to; once it is safe on the disk it takes the place of `path` in one step.

    When the body raises, or the machine goes down, what was at `path` before is still there. Not `durable`: does not
    wait for the disk, for the many small files that can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if durable:
            _sync(part)
        os.replace(part, path)
        if durable and os.name == "posix":
            _sync(path.parent)  # the new name itself
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
