"""Exponential moving average of the generator and of the text encoder that it reads."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn


class EMA(Callback):
    """After each step `ema <- beta ema + (1 - beta) live`, with `beta = 0.5 ** (clips in the step / half-life)`.

    The half-life is counted in clips, so that it means the same for every batch size and number of devices, and is at
    most `rampup` times the clips seen so far, so that the random start is forgotten (Karras et al. 2020, "Training
    Generative Adversarial Networks with Limited Data", and their published settings). Buffers are copied.

    The averages are the module's own `ema_generator` and `ema_text_encoder`: saved, resumed and moved with it. Every
    rank computes the same. Has to come before the callbacks that look at the averages.
    """

    def __init__(self, *, halflife_clips: int | float, rampup: int | float) -> None:
        if halflife_clips < 0 or rampup < 0:
            raise ValueError(f"ema: halflife_clips and rampup cannot be negative, got {halflife_clips} and {rampup}")
        self.halflife_clips = halflife_clips
        self.rampup = rampup

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        for average in (pl_module.ema_generator, pl_module.ema_text_encoder):
            average.requires_grad_(False).eval()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        beta = self.beta(clips=len(batch) * trainer.world_size, clips_seen=pl_module.seen)
        average(pl_module.ema_generator, pl_module.generator, beta)
        average(pl_module.ema_text_encoder, pl_module.text_encoder, beta)

    def beta(self, *, clips: int, clips_seen: int) -> float:
        """The share of the old average that a step of `clips` clips keeps, `clips_seen` including that step."""
        halflife = min(self.halflife_clips, self.rampup * clips_seen)
        return 0.5 ** (clips / halflife) if halflife > 0 else 0.0


@torch.no_grad()
def average(ema: nn.Module, live: nn.Module, beta: float) -> None:
    """Move `ema` towards `live`: parameters by `1 - beta`, buffers all the way."""
    parameters: list[Tensor] = list(ema.parameters())
    targets: list[Tensor] = list(live.parameters())
    if parameters:
        torch._foreach_lerp_(parameters, targets, 1 - beta)  # pyright: ignore[reportPrivateImportUsage]
    for kept, current in zip(ema.buffers(), live.buffers(), strict=True):
        kept.copy_(current)
