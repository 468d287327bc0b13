"""What a run is computed on, and how: devices, threads, number formats, compiled parts."""

from __future__ import annotations

import ctypes
import dataclasses
import os
from contextlib import AbstractContextManager
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from t2vgan.config import ConfigError, Experiment
from t2vgan.system import cores


def settled(experiment: Experiment, val_clips: int, game: nn.Module | None = None) -> Experiment:
    """The experiment with a number in the place of `trainer.devices: auto`, of which each has clips to validate.

    Batch norms, and what else `mixes_clips`, would be of each device's share of the batch: `game` with such is trained
    on one device, ConfigError where more are asked for, or micro-batches.

    On a CPU these are processes. Two of one thread each do half as much again as one of two threads: small
    convolutions do not share well. More than four would get too few clips of a batch each.
    """
    settings = experiment.trainer
    parts = game.named_modules() if game else ()
    mixing = (name for name, part in parts if isinstance(part, _BatchNorm) or getattr(part, "mixes_clips", False))
    normed = next(mixing, None)
    if normed is not None:
        several = settings.devices != "auto" and not one_device(settings.devices)
        if several or settings.nodes > 1 or settings.accumulate > 1:
            raise ConfigError(
                f"{normed} takes statistics over the batch, so that this model needs all of it in one place: set "
                "trainer.devices=1 trainer.nodes=1 trainer.accumulate=1"
            )
        devices = 1 if settings.devices == "auto" else settings.devices
        return dataclasses.replace(experiment, trainer=dataclasses.replace(settings, devices=devices))
    if settings.devices != "auto":
        if on_cpu(experiment) and isinstance(settings.devices, int) and settings.devices > cores():
            rank_zero_warn(f"trainer.devices is {settings.devices}: so many processes share {cores()} cores here")
        return experiment
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 1  # MPS is one device
    most = max(1, min(min(cores(), 4) if on_cpu(experiment) else gpus, val_clips))
    devices = max((n for n in range(1, most + 1) if shareable(experiment, n)), default=1)
    threads = settings.threads or (cores() // devices if devices > 1 and on_cpu(experiment) else 0)
    return dataclasses.replace(experiment, trainer=dataclasses.replace(settings, devices=devices, threads=threads))


def on_cpu(experiment: Experiment) -> bool:
    asked = experiment.trainer.accelerator
    return asked == "cpu" or (asked == "auto" and not gpu_found())


def gpu_found() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def precision(experiment: Experiment) -> str:
    """`auto`: bfloat16 where the device computes in it, which halves the time; float32 elsewhere."""
    asked = experiment.trainer.precision
    if asked != "auto":
        return asked
    on_gpu = experiment.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if computes_bfloat16("cuda" if on_gpu else "cpu") else "32-true"


def computed(trainer: Trainer) -> dict[str, Any]:
    """How rounds are computed: with another of these they agree to rounding only."""
    device = trainer.strategy.root_device.type
    threads = {"threads": torch.get_num_threads()} if device == "cpu" else {}
    return {"processes": trainer.world_size, "device": device, "precision": trainer.precision, **threads}


def computes_bfloat16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and torch.cpu._is_avx512_bf16_supported()


def rendering(device: str) -> AbstractContextManager[object]:
    """For what is only shown: bfloat16 where the device computes in it, half a step of 255 away on average."""
    return torch.autocast(device, torch.bfloat16, enabled=computes_bfloat16(device))


def spare_page_faults() -> None:
    """Lets glibc keep freed memory: convolutions allocate and free megabytes thousands of times a minute.

    Measured on a 2-core machine in float32: a fifth of the CPU time of a training step.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        pass  # not glibc: nothing to do


def set_up(experiment: Experiment) -> None:
    """Threads and number formats of this process."""
    if threads := experiment.trainer.threads:
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # which Lightning would otherwise choose for several processes
    if experiment.trainer.tf32:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True


def check_compilable(experiment: Experiment) -> None:
    """ConfigError for an exact penalty: a compiled critic has no second derivative, on some torch without a word."""
    for key, options in experiment.losses.items():
        exact = not isinstance(options, dict) or options.get("method", "exact") == "exact"
        exact = exact and key.split("/")[-1] in ("r1", "r2") and bool(weight_of(options))
        if experiment.trainer.compile and exact:
            raise ConfigError(f"trainer.compile: losses.{key} has to be computed by differences: method: finite")


def weight_of(options: Any) -> int | float:
    return options.get("weight", 1) if isinstance(options, dict) else options


def shareable(experiment: Experiment, ranks: int) -> bool:
    """Whether all micro-batches of all devices are of one size, so that no clip of the batch is left out."""
    return experiment.data.batch % (ranks * experiment.trainer.accumulate) == 0


def check_shareable(experiment: Experiment, ranks: int) -> None:
    """ConfigError where the batch cannot be shared equally by the devices of all nodes and their micro-batches."""
    batch, steps = experiment.data.batch, experiment.trainer.accumulate
    if not shareable(experiment, ranks):
        each = f" of {steps} micro-batches each (trainer.accumulate)" if steps > 1 else ""
        raise ConfigError(f"data.batch = {batch} cannot be shared equally by {ranks} devices{each}")


def check_accumulable(experiment: Experiment) -> None:
    """ConfigError where micro-batches would not add up to the batch."""
    steps, batch = experiment.trainer.accumulate, experiment.data.batch
    if batch % steps:
        raise ConfigError(
            f"data.batch = {batch} cannot be shared equally by trainer.accumulate = {steps} micro-batches"
        )
    for key, options in experiment.losses.items():
        if steps > 1 and weight_of(options) and key.split("/")[-1] == "mirror":
            raise ConfigError(
                f"trainer.accumulate: losses.{key} compares a clip with the whole batch, which is never there at once; "
                f"set its weight to 0, or share the batch among devices instead"
            )


def graphs_fit(experiment: Experiment, device: torch.device, game: nn.Module) -> bool:
    """Whether rounds are played as CUDA graphs: of one process, which exchanges nothing, of whole batches, and of parts
    none of which `reads_numbers` of tensors in the middle of a round.
    """
    settings = experiment.trainer
    if not (settings.graphs and device.type == "cuda"):
        return False
    reading = next((name for name, part in game.named_modules() if getattr(part, "reads_numbers", False)), None)
    if reading is not None:
        rank_zero_warn(f"trainer.graphs: {reading} reads numbers in the middle of a round; none are captured")
    return reading is None and one_device(settings.devices) and settings.nodes == 1 and settings.accumulate == 1


def one_device(devices: int | str | list[int]) -> bool:
    """Of `trainer.devices`: a list of one, such as `[0]`, says which."""
    return devices in (1, "1") or (not isinstance(devices, int | str) and len(devices) == 1)


def compile_parts(game: nn.Module) -> None:
    """The generator's pass and the critics' looks; in place, so that the names of the weights stay."""
    game.generator.compile()  # type: ignore[union-attr]
    critics: Any = game.discriminators
    for critic in critics.values():
        critic.features = torch.compile(critic.features)
