"""Trains what is missing, several trainings at a time, each in a process of its own that begins in a moment.

Processes are forked from one that has imported everything and touched no device. Each takes hold of its job by a lock
of the operating system, which goes with its process, so that two commands may work at one study, and a job whose
process died is free again.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import Any

from t2vgan.command import run_command
from t2vgan.comparisons import price
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.run import RUNS, command, diverged, how_many, left, measured, outstanding, run_dir
from t2vgan.comparisons.study import Job, Study
from t2vgan.config import ConfigError
from t2vgan.resume import is_finished, try_to_hold
from t2vgan.system import cores

PRELOAD = (
    "t2vgan.training",
    "t2vgan.comparisons.workers",
    "t2vgan.comparisons.prepare",
    "matplotlib.pyplot",
)
TAKEN = 75  # of a process whose job another command works at
TRIES = 3  # for a job whose process is killed
AGAIN_S = 5.0  # until a job that another command has is looked at again
LINE_S = 20.0  # between two lines where there is no terminal

Work = Callable[[Study, Path, Job, int], int]


def run_all(study: Study, results: Results, *, workers: int, work: Work | None = None, start: Any = None) -> None:
    """Trains and measures all that is left. ConfigError, at the end, where a training has ended with an error."""
    if start is None:
        start = multiprocessing.get_context(os.environ.get("T2VGAN_START", "forkserver"))
        start.set_forkserver_preload(list(PRELOAD))
    if work is None and (waiting := left(study, results)):
        needed = {job.arm for job in waiting}
        arms = {arm: path for arm, path in study.arms.items() if arm in needed}
        _make_ready(start, dataclasses.replace(study, arms=arms))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    crew = Crew(study, results, workers, work or do, start)
    try:
        while crew.hire():
            crew.wait()
    except BaseException:  # Ctrl-C, or a result that cannot be read: no training is left behind
        crew.stop()
        raise
    if sys.stdout.isatty():
        print()  # after the line that is written over and over
    if crew.failed:
        raise ConfigError(f"{len(crew.failed)} of {study.name} failed: " + "; ".join(crew.failed.values()))


@dataclass
class Crew:
    """The processes at work and what is known of the jobs."""

    study: Study
    results: Results
    workers: int
    work: Work
    start: Any
    running: dict[Any, tuple[Any, Job]] = field(default_factory=dict)  # by what tells of a process's end
    failed: dict[str, str] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)  # of jobs that another command has
    tries: Counter[str] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)
    shown: float = 0.0

    def hire(self) -> bool:
        """Starts processes while there are jobs; whether there is anything to wait for."""
        busy = {job.name for _, job in self.running.values()}
        open_ = [j for j in left(self.study, self.results) if j.name not in busy and j.name not in self.failed]
        prices = price.read(self.study, self.results).get("arms", {})
        ready = [job for job in open_ if self.not_before.get(job.name, 0.0) <= time.monotonic()]
        for job in sorted(ready, key=lambda job: order(self.study, job, prices))[: self.workers - len(self.running)]:
            self.tries[job.name] += 1
            told = (self.work, self.study, self.results.root, job, self.workers, log_of(self.study, job))
            process = self.start.Process(target=_enter, args=told, name=job.name)
            process.start()
            self.running[process.sentinel] = process, job
        self.show()
        return bool(self.running or open_)

    def wait(self) -> None:
        """Until a process ends, or for a moment."""
        if not self.running:
            time.sleep(AGAIN_S / 5)
            return
        for ended in connection.wait(list(self.running), timeout=AGAIN_S / 2):
            process, job = self.running.pop(ended)
            process.join()
            self.note(job, process.exitcode)

    def note(self, job: Job, status: int) -> None:
        if status == 0:
            return
        if status == TAKEN:
            self.tries[job.name] -= 1  # it has not begun
            self.not_before[job.name] = time.monotonic() + AGAIN_S
        elif (status < 0 or status == 255) and self.tries[job.name] < TRIES:
            self.say(f"{job.name}: its process was killed; it goes on in another one")
        else:
            log = log_of(self.study, job)
            lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            self.failed[job.name] = f"{job.name} with status {status} ({log}: {last})"
            self.say(self.failed[job.name])

    def stop(self) -> None:
        """Each process saves what it has and ends; a second Ctrl-C does not wait for that."""
        for process, _ in self.running.values():
            if process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        for process, _ in self.running.values():
            process.join()

    def show(self) -> None:
        """One line: how far the study is."""
        terminal = sys.stdout.isatty()
        if not terminal and time.monotonic() - self.shown < LINE_S:
            return
        self.shown = time.monotonic()
        whole = how_many(self.study, self.results)
        done, spent = whole - outstanding(self.study, self.results), time.monotonic() - self.begun
        at = ", ".join(job.name for _, job in self.running.values())
        line = f"{self.study.name}: {done} of {whole} done, {len(self.running)} running, {spent:.0f} s: {at}"
        if terminal:
            width = os.get_terminal_size(sys.stdout.fileno()).columns
            print(f"\r\x1b[K{line[: width - 1]}", end="", flush=True)
        else:
            print(line, flush=True)

    def say(self, line: str) -> None:
        print(f"\r\x1b[K{line}" if sys.stdout.isatty() else line, flush=True)


def order(study: Study, job: Job, prices: dict[str, Any]) -> tuple[Any, ...]:
    """Searches first, then seed by seed, so that what is stopped is even over arms; of those the longest first."""
    per_clip = prices.get(job.arm, {}).get("cpu_s_per_clip", 1.0)
    seed = -1 if job.search else study.seeds.index(job.experiment.seed)
    return seed, -job.experiment.clips * per_clip, job.name


def log_of(study: Study, job: Job) -> Path:
    return RUNS / study.name / "logs" / f"{job.name}.log"


def do(study: Study, root: Path, job: Job, workers: int) -> int:
    """Trains and measures one job in this process; its exit status."""
    import runpy

    results, folder = Results(study, root), run_dir(study, job)
    if not is_finished(folder, job.experiment.clips) and not diverged(folder):
        sys.argv = ["t2vgan.fit", *command(study, job)[3:], *alone(study, workers)]
        try:
            runpy.run_module("t2vgan.fit", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if ended.code and not diverged(folder):
                return ended.code if isinstance(ended.code, int) else 1
    measured(study, results, job)
    return 0


def alone(study: Study, workers: int) -> list[str]:
    """One device for each training, and on a processor its share of the cores, unless the command says otherwise."""
    said = [word.split("=", 1)[0] for word in study.overrides]
    given = {"trainer.devices": 1, "trainer.threads": max(1, cores() // workers)}
    return [f"{key}={value}" for key, value in given.items() if key not in said]


def _enter(work: Work, study: Study, root: Path, job: Job, workers: int, log: Path) -> None:
    """A process begins: what it says goes to its log, and only the command that started it stops it."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the command ignores it, as in the background
    end_with_parent()
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = file = log.open("a", buffering=1)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    claim = RUNS / study.name / "claims" / job.name
    claim.mkdir(parents=True, exist_ok=True)

    def held() -> None:
        if not try_to_hold(claim):
            sys.exit(TAKEN)
        done = Results(study, root).of(job) is not None  # by another command, a moment ago
        sys.exit(0 if done else work(study, root, job, workers))

    run_command(held)


def end_with_parent() -> None:
    """Stops this process, as Ctrl-C would, when the command that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def _make_ready(start: Any, study: Study) -> None:
    """Data and judge, once and before the workers; in a process of its own, for this one has to touch no device."""
    process = start.Process(target=_prepared, args=(study,))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def _prepared(study: Study) -> None:
    from t2vgan.comparisons.prepare import prepare

    run_command(lambda: prepare(study))
