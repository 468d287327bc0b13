"""Gradient steps of a game: Adam, its schedule, and gradients that are means over the ranks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from t2vgan.config import Optim


def adam(owned: list[nn.Parameter], optim: Optim, apart: Sequence[nn.Parameter] = ()) -> torch.optim.Adam:
    """Fused, which takes a third of the time of torch's default on a CPU. `apart` may have a rate of its own."""
    groups: Any = [{"params": owned}, {"params": list(apart)}] if apart else owned
    return torch.optim.Adam(groups, lr=optim.lr, betas=betas_of(optim), eps=optim.eps, fused=True)


def betas_of(optim: Optim) -> tuple[float, float]:
    return float(optim.betas[0]), float(optim.betas[1])  # torch refuses a whole number beside a fraction


def set_options(
    adam: torch.optim.Optimizer, optim: Optim, *, seen: int, total: int, apart: int | float | None = None
) -> None:
    """Rates after `seen` of `total` clips; betas and eps as configured, not as in a checkpoint. `apart`: its rate."""
    for i, group in enumerate(adam.param_groups):
        rate = (apart if i and apart is not None else optim.lr) * schedule(seen, total, optim)
        group |= {"betas": betas_of(optim), "eps": optim.eps}
        if isinstance(group["lr"], Tensor):  # which a graph reads
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def schedule(clips: int, total: int, optim: Optim) -> float:
    """Share of the learning rate after `clips` of `total` clips: linear warm-up, then a half cosine down to `final`."""
    if clips < optim.warmup_clips:
        return (clips + 1) / optim.warmup_clips
    done = min(1.0, (clips - optim.warmup_clips) / max(1, total - optim.warmup_clips))
    return optim.final + (1 - optim.final) * (1 + math.cos(math.pi * done)) / 2


def mean_gradients(owned: list[nn.Parameter], world_size: int, clip_norm: float) -> Tensor:
    """Means the gradients over the ranks, clips their norm (0: does not), and returns it: the same on every rank.

    One flat all-reduce per player. DDP's reducer cannot do this for two players in one module: it takes the parameters
    of the other one for unused.
    """
    for p in owned:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    grads = [p.grad for p in owned if p.grad is not None]
    if world_size > 1:
        flat = torch.cat([g.flatten() for g in grads])
        torch.distributed.all_reduce(flat)
        for g, mean in zip(grads, (flat / world_size).split([g.numel() for g in grads]), strict=True):
            g.copy_(mean.view_as(g))
    return torch.nn.utils.clip_grad_norm_(owned, clip_norm or math.inf)


def advance(optim: Any, norm: Tensor) -> float | Tensor:
    """A step, or none where the norm of the gradient is not finite: returns 1 for one that is skipped, else 0."""
    if capturing():  # the step looks by itself, as it does for a scaler of gradients
        raw = getattr(optim, "optimizer", optim)
        raw.found_inf, raw.grad_scale = (~torch.isfinite(norm)).float(), None
        raw.step()
        skipped: Tensor = raw.found_inf
        del raw.found_inf, raw.grad_scale
        return skipped
    healthy = bool(torch.isfinite(norm))
    if healthy:
        optim.step()
    else:
        count(optim)
    return float(not healthy)


def capturing() -> bool:
    """Whether what a GPU has to do is being written down; see `graphs`."""
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def count(optim: Any) -> None:
    """Lightning counts rounds by the generator's steps; one that is skipped, or that it did not see, is one, too."""
    if hasattr(optim, "_on_after_step"):
        optim._on_before_step()
        optim._on_after_step()


def parameters(players: Iterable[nn.Module | None]) -> list[nn.Parameter]:
    return [p for player in players if player is not None for p in player.parameters()]


@contextlib.contextmanager
def frozen(players: Iterable[nn.Module | None]) -> Iterator[None]:
    """Within it the players get no gradients; what passes through them to others still flows."""
    owned = [p for p in parameters(players) if p.requires_grad]
    for p in owned:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in owned:
            p.requires_grad_(True)
