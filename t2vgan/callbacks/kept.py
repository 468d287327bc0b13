"""The state of a game, kept in memory to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

NOT_THE_STATE = {"clips_seen"}  # goes on counting, and with it the data, the noise and the learning rates


@dataclass(frozen=True)
class Kept:
    """Weights, averages and buffers by name, and the optimisers' states, on the CPU."""

    clips_seen: int
    tensors: dict[str, Tensor]
    optimizers: list[dict[str, Any]]


def keep(trainer: Trainer, pl_module: Any) -> Kept:
    tensors = {name: tensor for name, tensor in pl_module.state_dict().items() if name not in NOT_THE_STATE}
    states = [copied(optim.state_dict()) for optim in trainer.optimizers]
    return Kept(int(pl_module.clips_seen), copied(tensors), states)


@torch.no_grad()
def put_back(trainer: Trainer, pl_module: Any, kept: Kept) -> None:
    current = pl_module.state_dict()
    for name, tensor in kept.tensors.items():
        current[name].copy_(tensor)
    for optim, state in zip(trainer.optimizers, kept.optimizers, strict=True):
        optim.load_state_dict(copied(state))  # which takes tensors as they are: the next step would change what is kept


def copied(value: Any) -> Any:
    """The same dicts and lists with copies of their tensors on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def healthy(trainer: Trainer, pl_module: Any) -> bool:
    """Nothing that training has changed is NaN or infinite, on any rank."""
    states = [value for optim in trainer.optimizers for state in optim.state.values() for value in state.values()]
    changed = [*pl_module.parameters(), *(value for value in states if isinstance(value, Tensor))]
    whole = [tensor.detach().isfinite().all() for tensor in changed]
    whole += [~buffer.isnan().any() for buffer in pl_module.buffers()]  # a mask may well be infinite
    found = bool(torch.stack([each.to(pl_module.device) for each in whole]).all())
    return trainer.strategy.reduce_boolean_decision(found, all=True)
