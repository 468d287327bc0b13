"""Jobs of a SLURM cluster, by submitit: one that is stopped before its time saves, is queued again and goes on exactly.

The job gives the same command again whenever SLURM starts it, so it goes on by itself: after a warning that its time is
up or another job is to run in its place (it then finishes the round, saves and queues itself again), after the failure
of a node.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vgan.config import ConfigError, Experiment
from t2vgan.system import WARNINGS_OF_SLURM

REQUEUES = 1000  # times that a job may run out of time


@dataclass
class Command:
    """`python -m <module> <arguments>`, for submitit: every task of the job calls it, and so does every later try."""

    module: str
    arguments: list[str]

    def __call__(self) -> None:
        from t2vgan.command import run_command

        sys.argv = [self.module.rsplit(".", 1)[-1], *self.arguments]
        run_command(importlib.import_module(self.module).main)

    def checkpoint(self) -> Any:
        """What submitit queues when it is warned before training has begun: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def tasks_per_node(experiment: Experiment) -> int:
    """`trainer.devices`; `auto` is a task for each of `cluster.gpus_per_node`, and one where that is 0.

    In the job it has to be a number: from within a task of submitit Lightning cannot start further processes.
    """
    devices = experiment.trainer.devices
    tasks = max(1, experiment.cluster.gpus_per_node) if devices == "auto" else devices
    if not isinstance(tasks, int):
        raise ConfigError(f"trainer.devices is {tasks}: a cluster's job needs a number, the processes of each node")
    return tasks


def parameters(experiment: Experiment, *, name: str, alone: bool = False) -> dict[str, Any]:
    """sbatch's options for the experiment; `alone`: for one task, as a worker of a sweep is."""
    wanted, settings, tasks = experiment.cluster, experiment.trainer, tasks_per_node(experiment)
    found: dict[str, Any] = {
        "job_name": name,
        "nodes": 1 if alone else settings.nodes,
        "ntasks_per_node": 1 if alone else tasks,
        "cpus_per_task": wanted.cpus_per_task,
        "time": wanted.minutes,
        "signal_delay_s": wanted.warning_s,
        "stderr_to_stdout": True,
        "setup": list(wanted.setup) or None,
        "srun_args": ["--kill-on-bad-exit=1"],  # a task that dies ends the others, also those that would wait for it
        "additional_parameters": {"requeue": True, **wanted.options},
    }
    if wanted.partition:
        found["partition"] = wanted.partition
    if wanted.gpus_per_node:
        found["gpus_per_node"] = wanted.gpus_per_node
    if wanted.mem_gb:
        found["mem"] = f"{wanted.mem_gb}GB"
    return found


def script(folder: Path, options: dict[str, Any], *, jobs: int = 1) -> str:
    """The sbatch script, to look at: what `submit` would hand to SLURM."""
    from submitit.slurm.slurm import _make_sbatch_string

    command = f"{sys.executable} -u -m submitit.core._submit {folder}"
    many: dict[str, Any] = {"map_count": jobs} if jobs > 1 else {}
    return _make_sbatch_string(command=command, folder=folder, **options, **many)


def check_here() -> None:
    if not shutil.which("srun"):
        raise ConfigError("--launch slurm: there is no srun here; --print shows the script that would be submitted")


def in_queue(folder: Path) -> list[str]:
    """Numbers of the jobs of this folder, by `submit`, that wait or run."""
    known = {path.name.removesuffix("_submitted.pkl") for path in folder.glob("*_submitted.pkl")}
    if not known:
        return []
    asked = subprocess.run(["squeue", "--me", "--noheader", "--format=%F"], capture_output=True, text=True, check=False)
    if asked.returncode:  # else a job that waits would be queued twice
        raise ConfigError(f"squeue does not answer: {' '.join(asked.stderr.split())}; give the command again later")
    return sorted(known & set(asked.stdout.split()))


def submit(folder: Path, options: dict[str, Any], command: Command, *, jobs: int = 1) -> list[str]:
    """Queues the command, `jobs` times as an array; returns the jobs' numbers. What they say goes to `folder`.

    ConfigError with SLURM's own words when it does not take the job.
    """
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError

    executor = SlurmExecutor(folder=folder, max_num_timeout=REQUEUES)
    executor.update_parameters(**options, array_parallelism=jobs)
    os.environ.pop("T2VGAN_RUN_DIR", None)
    try:
        if jobs == 1:
            return [executor.submit(command).job_id]
        with executor.batch():
            queued = [executor.submit(command) for _ in range(jobs)]
    except FailedJobError as error:
        raise ConfigError(f"SLURM does not take the job, which the keys of `cluster` ask for: {error}") from None
    return [job.job_id for job in queued]


def job_number() -> str | None:
    """Of the job that this process is part of, as SLURM's commands take it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID")


def is_to_go_on(number: int | None) -> bool:
    """Whether who sent this signal wants the job to be run again: SLURM before its time is up, or for another job."""
    return number in WARNINGS_OF_SLURM or (number == signal.SIGTERM and preempted())


def preempted() -> bool:
    """Whether SLURM ends the job to run another in its place. Where that leaves it time to save (`GraceTime`) it has
    not to end by itself: SLURM would take it for done. `scancel` sends the same signal, and means it.
    """
    job = job_number()
    if not job:
        return False
    told = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=False).stdout
    return any(time != "None" for time in re.findall(r"\bPreemptTime=(\S+)", told))


def requeue() -> bool:
    """Queues the job again that this process is part of, if it is one: it is ended now and runs again later."""
    job = job_number()
    return bool(job) and subprocess.run(["scontrol", "requeue", str(job)], check=False).returncode == 0
