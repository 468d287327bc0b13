"""Trains what is missing, one training after the other, each in a process that can be stopped at any time."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from t2vgan.comparisons import measure
from t2vgan.comparisons.prepare import check_models, check_truth, make_vectors
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.study import Job, Study, digest_of
from t2vgan.config import ConfigError, load
from t2vgan.resume import FINISHED, is_finished

RUNS = Path("runs") / "compare"
STOPPED = 130  # what a command says that was stopped by Ctrl-C
DIVERGED = "training diverged"  # in doctor.txt, by `callbacks.recovery`; of a run that goes on it only says "back to"

Train = Callable[[list[str]], int]


def jobs(study: Study, results: Results) -> Iterator[Job]:
    """What is to be trained, as far as it is known: searches first, then all arms with the first seed, and so on."""
    for arm in study.arms:
        if len(searches := results.searches(arm)) > 1:
            yield from searches
    for seed in study.seeds:
        for arm in study.arms:
            factor = results.factor(arm)
            if factor is not None:
                yield study.run(arm, seed, factor)


def left(study: Study, results: Results) -> list[Job]:
    return [job for job in jobs(study, results) if results.of(job) is None]


def how_many(study: Study, results: Results) -> int:
    """Trainings of the whole study, as far as it is known which rates are tried."""
    searches = sum(count for arm in study.arms if (count := len(results.searches(arm))) > 1)
    return searches + sum(study.trainings_of_seeds(arm) for arm in study.arms)


def run_dir(study: Study, job: Job) -> Path:
    return RUNS / study.name / job.name


def run_all(study: Study, results: Results, *, train: Train | None = None) -> None:
    """Trains and measures all that is left. ConfigError when a training ends with an error."""
    console = Console()
    check_truth(study)
    needed = dict.fromkeys(job.arm for job in left(study, results))
    check_models(study, needed)
    make_vectors(study, needed)
    begun, clips_done = time.monotonic(), 0
    while waiting := left(study, results):
        job = waiting[0]
        whole = how_many(study, results)
        done = whole - outstanding(study, results)
        console.print(
            f"[bold]{study.name} {done + 1} of {whole}: {job.arm}, {told_of(job)}[/], {job.experiment.clips:,} clips"
            + time_left(study, results, waiting, time.monotonic() - begun, clips_done)
        )
        folder = run_dir(study, job)
        if not is_finished(folder, job.experiment.clips) and not diverged(folder):
            status = (train or trained)(command(study, job))
            if status == STOPPED:
                raise KeyboardInterrupt
            if status and not diverged(folder):
                raise ConfigError(
                    f"{job.arm}, {told_of(job)}: training ended with status {status}, and what it said stands above; "
                    f"the same command goes on with {folder}"
                )
        measured(study, results, job)
        clips_done += job.experiment.clips


def measured(study: Study, results: Results, job: Job) -> None:
    """Looks at the run of a job that has ended, and writes its json. ConfigError for a run of other settings."""
    folder = run_dir(study, job)
    check_same(study, folder, job)
    result = measure.searched(folder) if job.search and not study.whole_searches else measure.finished(folder)
    results.write(job, {**result, **({"failed": "diverged"} if diverged(folder) else {})})


def check_same(study: Study, folder: Path, job: Job) -> None:
    """The folder may hold a run of before the experiment was changed, and its figures are not those of the job."""
    file = folder / "config.yaml"
    if not file.is_file():
        return
    try:
        same = digest_of(load(file)) == job.digest
    except ConfigError:  # of a version that had other keys
        same = False
    if not same:
        if said := study.changing():
            raise ConfigError(
                f"{folder}: a run without {' '.join(said)}: move it away or delete it, or leave that away"
            )
        raise ConfigError(
            f"{folder}: a run with other settings than {job.file} now has: move it away or delete it to train this arm "
            "anew, or take the change back"
        )


def outstanding(study: Study, results: Results) -> int:
    """Trainings that are left, also of arms whose search is not over."""
    found = len(left(study, results))
    return found + sum(study.trainings_of_seeds(arm) for arm in study.arms if results.factor(arm) is None)


def diverged(run: Path) -> bool:
    """Whether a run has ended since its gradients were no longer finite, and not for another reason."""
    doctor = run / "doctor.txt"
    return not (run / FINISHED).is_file() and doctor.is_file() and DIVERGED in doctor.read_text()


def told_of(job: Job) -> str:
    rates = f"{job.experiment.g_optim.lr:g} and {job.experiment.d_optim.lr:g}"
    return f"search at {job.factor:g} times its rates ({rates})" if job.search else f"seed {job.experiment.seed}"


def time_left(study: Study, results: Results, waiting: list[Job], spent_s: int | float, clips_done: int) -> str:
    if not clips_done:
        return ""
    unknown = [arm for arm in study.arms if results.factor(arm) is None]
    clips = sum(job.experiment.clips for job in waiting)
    clips += sum(study.experiment(arm).clips * study.trainings_of_seeds(arm) for arm in unknown)
    return f", about {spent_s / clips_done * clips / 60:.0f} min left"


def command(study: Study, job: Job) -> list[str]:
    """The same one whether the run is new or goes on."""
    e = job.experiment
    rates = [f"g_optim.lr={e.g_optim.lr:.6g}", f"d_optim.lr={e.d_optim.lr:.6g}"]
    # One process, unless asked otherwise: costs are those of its own, and batch norms see the whole batch.
    overrides = ["trainer.devices=1", *study.overrides]
    settings = [f"run_dir={run_dir(study, job)}", f"seed={e.seed}", f"clips={e.clips}", *rates]
    return [sys.executable, "-m", "t2vgan.fit", "--experiment", str(job.file), *overrides, *settings]


def trained(words: list[str]) -> int:
    """Runs the command, whose progress is seen; Ctrl-C reaches it, SIGTERM is passed on: it saves before it ends."""
    child, stopped = subprocess.Popen(words), False

    def pass_on(number: int, _: object) -> None:
        nonlocal stopped
        stopped = True
        child.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the child gets it as well, and its status says so
                status = child.wait()
                return STOPPED if stopped else status
    finally:
        signal.signal(signal.SIGTERM, before)
