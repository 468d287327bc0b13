"""The processes of a run: who this one is, and how those that torchrun or srun has started come to agree.

Lightning's own launcher starts the other processes once the first one has chosen the run folder; they inherit it. Those
of torchrun and srun are all there from the beginning: they meet first, rank 0 decides, and the others are told.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import datetime
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from t2vgan.config import ConfigError, Experiment

T = TypeVar("T")
FAILED = "failed"  # what rank 0 says instead of its decision, which it wraps
PATIENCE = datetime.timedelta(hours=6)  # for rank 0 to make the data and train the judge


def launcher() -> str | None:
    """`torchrun` or `slurm` where these have started the run's processes, else None."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun"
    if int(os.environ.get("SLURM_NTASKS") or 1) > 1 and "SLURM_STEP_ID" in os.environ:
        return "slurm"
    return None


def rank() -> int:
    """Of this process in the whole run."""
    names = {"torchrun": "RANK", "slurm": "SLURM_PROCID", None: "LOCAL_RANK"}
    return int(os.environ.get(names[launcher()]) or 0)


def join(accelerator: str) -> None:
    """Makes the process group that training will use; nothing to do for a run of Lightning's own launcher."""
    how = launcher()
    if how is None:
        return
    if how == "slurm" and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ConfigError("srun and sbatch have to be given --ntasks-per-node, not --ntasks alone")
    import torch

    if how == "slurm":
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        environment = SLURMEnvironment(auto_requeue=False)
        os.environ |= {"MASTER_ADDR": environment.main_address, "MASTER_PORT": str(environment.main_port)}
        given = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
        os.environ |= {name: os.environ[theirs] for name, theirs in given.items()}
    gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=PATIENCE)
    atexit.register(leave)


def leave() -> None:
    """Ends the group before the interpreter ends: its threads may abort the process, and so fail the run, else."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def decided(decide: Callable[[], T]) -> T:
    """What rank 0 decides, on every rank; a mistake that it finds is said once, and ends all of them."""
    if launcher() is None:
        return decide()
    import torch

    if rank() > 0:
        return _told()
    try:
        value = decide()
    except Exception:
        torch.distributed.broadcast_object_list([FAILED], src=0)
        raise
    torch.distributed.broadcast_object_list([(value,)], src=0)
    return value


def _told() -> Any:
    """What rank 0 says to the others; they end with it."""
    import torch

    box: list[Any] = [None]
    try:
        torch.distributed.broadcast_object_list(box, src=0)
    except RuntimeError as error:
        if lost_another(error):
            raise ConnectionError("the first process of the run has ended, and this one with it") from error
        raise
    if box[0] == FAILED:
        raise SystemExit(2)
    return box[0][0]


def gathered(found: T) -> list[T]:
    """What every process of the run has found, in the order of their ranks, on each of them."""
    import torch

    if not torch.distributed.is_initialized():
        return [found]
    of_all: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(of_all, found)
    return of_all


@contextlib.contextmanager
def first_one_alone() -> Iterator[None]:
    """Rank 0 goes through the body first, the others when it is through: it makes files that they then find.

    A mistake that it finds is said once, and ends all of them.
    """
    if launcher() is None:
        yield
        return
    import torch

    if rank() > 0:
        _told()
        yield
        return
    try:
        yield
    except Exception:
        torch.distributed.broadcast_object_list([FAILED], src=0)
        raise
    torch.distributed.broadcast_object_list([(None,)], src=0)


def as_launched(experiment: Experiment) -> Experiment:
    """The experiment with the devices and nodes that torchrun or srun has made of it."""
    how, settings = launcher(), experiment.trainer
    if how is None:
        if settings.nodes > 1:
            raise ConfigError(
                f"trainer.nodes is {settings.nodes}: several nodes are started by --launch slurm, by srun, or by "
                "torchrun on each of them"
            )
        return experiment
    if how == "torchrun":
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    else:
        nodes = int(os.environ.get("SLURM_NNODES") or 1)
        devices = int(os.environ["SLURM_NTASKS"]) // nodes
    return dataclasses.replace(experiment, trainer=dataclasses.replace(settings, devices=devices, nodes=nodes))


def environments() -> list[Any]:
    """For Lightning, which inside of a SLURM job takes every process for one of srun's, and would requeue by itself."""
    if "SLURM_JOB_ID" not in os.environ or launcher() == "torchrun":
        return []
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    return [SLURMEnvironment(auto_requeue=False) if launcher() == "slurm" else LightningEnvironment()]


def lost_another(error: BaseException) -> bool:
    """Whether the error is that of a collective which another process has left."""
    signs = ("closed by peer", "reset by peer", "broken pipe", "gloo", "nccl", "connection refused", "tcpstore")
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in signs)
