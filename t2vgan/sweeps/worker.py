"""Runs the trials of a sweep, one after the other; any number of workers share one journal, on one machine or many.

Optuna decides what is tried next and keeps the record: `<folder>/journal.log`, which many processes may append to, also
on a shared file system, or a database that `--storage` names. A trial has a folder, `<folder>/00003/`, with a run
folder per seed in it. A worker holds its trial's folder; a trial that is running in the record but held by nobody was
stopped, and the next worker goes on with it: its runs resume from their checkpoints.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vgan import cluster, resume
from t2vgan.config import ConfigError, nearest
from t2vgan.sweeps.plan import Plan
from t2vgan.system import WARNINGS_OF_SLURM

POLL_S = 0.5
PATIENCE_S = 120  # for a run to save and end when it is told to
HOPELESS = 3  # trials that fail with the same words, before any other, end the sweep


class Stopped(KeyboardInterrupt):
    """The worker was asked to stop; its trial stays as it is, to be gone on with."""


@dataclass
class Sweep:
    """A plan, its folder and its record."""

    plan: Plan
    folder: Path
    study: Any

    @property
    def lock(self) -> Path:
        return self.folder / "asking"


def folder_of(plan: Plan) -> Path:
    return Path("runs") / "sweeps" / plan.name


def open_sweep(plan: Plan, *, storage: str | None = None, folder: Path | None = None) -> Sweep:
    """Made on first use. Raises ConfigError when the sweep's file now asks another question than the record's."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = folder or folder_of(plan)
    folder.mkdir(parents=True, exist_ok=True)
    record: Any = storage
    if storage is None:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        record = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    try:
        study = optuna.create_study(
            study_name=plan.name,
            storage=record,
            sampler=_sampler(plan),
            pruner=_pruner(plan),
            direction="minimize" if plan.minimize else "maximize",
            load_if_exists=True,
        )
    except Exception as error:
        if storage is None:
            raise
        told = " ".join(str(error).split())  # every database has its own kinds of errors
        raise ConfigError(f"--storage {storage}: {told}; an address is such as sqlite:///sweep.db") from error
    asked = json.dumps(
        [
            plan.method,
            plan.metric,
            plan.minimize,
            plan.command,
            plan.choices,
            {k: vars(r) for k, r in plan.ranges.items()},
            plan.seeds,
        ]
    )
    before = study.user_attrs.get("asked")
    if before is None:
        study.set_user_attr("asked", asked)
        shutil.copyfile(plan.path, folder / "sweep.yaml")
    elif before != asked:
        raise ConfigError(
            f"{plan.path}: not the sweep that {folder} has trials of (its file is {folder / 'sweep.yaml'}): give the "
            "file another name"
        )
    return Sweep(plan, folder, study)


def _sampler(plan: Plan) -> Any:
    """A grid needs none: its points are handed over one by one; Optuna's sampler for grids stops the whole study."""
    import optuna

    return optuna.samplers.TPESampler(constant_liar=True) if plan.method == "bayes" else optuna.samplers.RandomSampler()


def _pruner(plan: Plan) -> Any:
    """One bracket of Hyperband, asynchronous: what W&B calls `hyperband` with `s: 1` (Li et al. 2020, ASHA).

    Or the median of the trials before, at the same validation (Golovin et al. 2017, Vizier).
    """
    import optuna

    if plan.early is None:
        return optuna.pruners.NopPruner()
    if plan.early["type"] == "median":
        return optuna.pruners.MedianPruner(n_warmup_steps=plan.early["min_iter"])
    options = {"min_resource": plan.early["min_iter"], "reduction_factor": plan.early["eta"]}
    return optuna.pruners.SuccessiveHalvingPruner(**options)


def distributions(plan: Plan) -> dict[str, Any]:
    """The plan's parameters for Optuna; choices as JSON, for it compares them as they are written."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {
        name: CategoricalDistribution([written(v) for v in vs]) for name, vs in plan.choices.items()
    }
    for name, r in plan.ranges.items():
        if isinstance(r.low, int) and isinstance(r.high, int):
            found[name] = IntDistribution(r.low, r.high, log=r.log, step=int(r.step) or 1)
        else:
            found[name] = FloatDistribution(r.low, r.high, log=r.log, step=r.step or None)
    return found


def grid(plan: Plan) -> list[dict[str, str]]:
    """Every point of it, as Optuna has it."""
    return [{name: written(value) for name, value in point.items()} for point in plan.grid()]


def written(value: Any) -> str:
    return json.dumps(value)


def parameters(plan: Plan, params: dict[str, Any]) -> dict[str, Any]:
    """What Optuna has chosen, as the experiment's values."""
    return {name: json.loads(value) if name in plan.choices else value for name, value in params.items()}


def work(sweep: Sweep) -> None:
    """Trials until none is left to be made; raises Stopped when the worker is told to stop.

    In a SLURM job its warnings are the same: the trial saves first, and then the job is queued again.
    """
    asked: list[int] = []

    def stop(number: int, frame: Any) -> None:
        asked.append(number)
        if len(asked) == 1:  # it is saving already
            raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, *WARNINGS_OF_SLURM)}
    try:
        failures: list[str] = []  # of all trials of this worker, "" for one that did not fail
        while (trial := next_trial(sweep)) is not None:
            failures.append(run_trial(sweep, trial))
            refuse_hopeless(sweep, failures)
    except Stopped:
        if asked and cluster.is_to_go_on(asked[0]) and cluster.requeue():
            print("waiting in the queue again", flush=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refuse_hopeless(sweep: Sweep, failures: list[str]) -> None:
    """ConfigError where the first trials have all failed in one way: a sweep without end would do nothing else."""
    if failures[0] and failures == HOPELESS * failures[:1]:
        why = failures[0].removeprefix("t2vgan: error: ")
        raise ConfigError(
            f"{sweep.plan.path}: the first {HOPELESS} trials have all failed with: {why}; mend that, delete "
            f"{sweep.folder}, for what failed is not tried again, and start anew"
        )


def work_together(sweep: Sweep, file: Path, workers: int, storage: str | None) -> None:
    """`workers` processes on this machine, this one among them; when it stops, all stop."""
    more = ["--storage", storage] if storage else []
    others = [
        subprocess.Popen([sys.executable, "-m", "t2vgan.sweep", str(file), *more], start_new_session=True)
        for _ in range(workers - 1)
    ]
    try:
        work(sweep)
        for other in others:
            other.wait()
    finally:
        for other in others:
            if other.poll() is None:
                _end(other)


def next_trial(sweep: Sweep) -> Any:
    """A trial of this worker's own: one that was stopped, else a new one, else None."""
    import optuna

    with alone(sweep.lock):
        running = [t for t in sweep.study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.RUNNING]
        for frozen in running:
            if resume.try_to_hold(trial_folder(sweep, frozen.number)):
                trial = optuna.Trial(sweep.study, frozen._trial_id)
                for name, distribution in distributions(sweep.plan).items():
                    trial._suggest(name, distribution)  # what is there, or was not drawn yet when it was stopped
                return trial
        trials = sweep.study.get_trials(deepcopy=False)
        begun = [t for t in trials if t.state != optuna.trial.TrialState.WAITING]
        if sweep.plan.trials is not None and len(begun) >= sweep.plan.trials:
            return None
        if sweep.plan.method == "grid" and len(begun) == len(trials):
            tried = [t.params for t in begun]
            left = [point for point in grid(sweep.plan) if point not in tried]
            if not left:
                return None
            sweep.study.enqueue_trial(left[0])
        trial = sweep.study.ask(distributions(sweep.plan))
        resume.try_to_hold(trial_folder(sweep, trial.number))
        return trial


def trial_folder(sweep: Sweep, number: int) -> Path:
    folder = sweep.folder / f"{number:05d}"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """No other worker is within this at the same time."""
    with path.open("w") as file:
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def run_trial(sweep: Sweep, trial: Any) -> str:
    """Trains every seed and tells the record what came of it; returns why it failed, "" when it did not."""
    import optuna

    plan, chosen = sweep.plan, parameters(sweep.plan, trial.params)
    print(f"trial {trial.number}: {'  '.join(f'{k}={v}' for k, v in chosen.items())}", flush=True)
    values: list[float] = []
    for seed in plan.seeds or [None]:
        run = trial_folder(sweep, trial.number) / ("run" if seed is None else f"seed{seed}")
        words = plan.arguments({**chosen, **({} if seed is None else {"seed": seed})})
        group = ["logger.job_type=sweep", f"logger.group=sweep-{plan.name}"]
        judge = trial if plan.early and seed in (None, *plan.seeds[:1]) else None  # later seeds run to their end
        ended = _train([*words, *group, f"run_dir={run}"], run, plan.metric, judge)
        if ended == "pruned":
            trial.set_user_attr("why", f"stopped early at {_values(run, plan.metric)[-1]:.4g}")
            sweep.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return ""
        measured = _values(run, plan.metric)
        if not ended:
            _check_metric(sweep, trial, run)
        if ended or not measured or not math.isfinite(measured[-1]):
            why = ended or f"no finite {plan.metric} at its end"
            trial.set_user_attr("why", why)
            sweep.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            print(f"trial {trial.number} failed: {why}; {run.with_suffix('.txt')} has what it said", flush=True)
            return why
        values.append(measured[-1])
        trial.set_user_attr("values", values)
    sweep.study.tell(trial, statistics.fmean(values))
    print(f"trial {trial.number}: {plan.metric} = {statistics.fmean(values):.4g}", flush=True)
    return ""


def _check_metric(sweep: Sweep, trial: Any, run: Path) -> None:
    """Ends the worker where no trial can succeed: the validations have no such figure."""
    import optuna

    path, metric = run / "evaluation.jsonl", sweep.plan.metric
    lines = path.read_text().splitlines() if path.is_file() else []
    known = [f"val/{name}" for name in (json.loads(lines[-1]) if lines else {})]
    if not known or metric in known:
        return
    trial.set_user_attr("why", f"its validations have no {metric}")
    sweep.study.tell(trial, state=optuna.trial.TrialState.FAIL)
    raise ConfigError(
        f"{sweep.plan.path}: metric.name: the validations have no {metric}{nearest(metric, known)}; "
        f"{path} has those that there are"
    )


def _train(command: list[str], run: Path, metric: str, trial: Any) -> str:
    """Trains a run to its end: "" when it got there, "pruned", or what it said last as it failed."""
    while resume.is_held(run):  # by what a worker that was killed has left: it saves and ends
        time.sleep(POLL_S)
    said = run.with_suffix(".txt")
    with said.open("a") as file:
        child = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )  # fmt: skip
    reported = 0
    try:
        while child.poll() is None:
            time.sleep(POLL_S)
            values = _values(run, metric) if trial else []
            for step, value in list(enumerate(values, start=1))[reported:]:
                reported = step
                if math.isfinite(value):
                    trial.report(value, step)
                    if trial.should_prune():
                        _end(child)
                        return "pruned"
    except BaseException:
        _end(child)  # it saves first
        raise
    lines = [line for line in said.read_text(errors="replace").splitlines() if line.strip()]
    return "" if child.returncode == 0 else (lines[-1] if lines else f"exit status {child.returncode}")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end_with_parent() -> None:
    """In the child: SIGTERM for it when the worker is gone, however that came. Linux has this and nobody else."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _values(run: Path, metric: str) -> list[float]:
    """The metric of each validation so far; NaN where it could not be had."""
    path = run / "evaluation.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):  # half a line, of a moment ago
            value = json.loads(line).get(metric.removeprefix("val/"))
            found.append(math.nan if value is None else float(value))
    return found
