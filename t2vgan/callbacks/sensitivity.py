"""Does the caption matter? Compared with how much the noise does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@torch.no_grad()
def sensitivity(pl_module: Any, captions: list[str], *, seed: int) -> dict[str, float]:
    """Mean absolute changes of the video by another caption and by other noise; {} when all captions are the same."""
    pairs = [(caption, other) for i, caption in enumerate(captions) if (other := _next_other(captions, i))]
    if not pairs:
        return {}
    own, others = (list(column) for column in zip(*pairs, strict=True))
    generator = torch.Generator().manual_seed(seed)
    z, other_z = torch.randn(2, len(own), pl_module.generator.z_dim, generator=generator).to(pl_module.device)
    with evaluating(pl_module.generator), evaluating(pl_module.text_encoder):
        video = pl_module.generate(own, z=z, ema=False)
        by_text = float((pl_module.generate(others, z=z, ema=False) - video).abs().mean())
        by_noise = float((pl_module.generate(own, z=other_z, ema=False) - video).abs().mean())
    changes = {"text_change": by_text, "noise_change": by_noise}
    return {**changes, "text_sensitivity": by_text / max(by_noise, 1e-8)}


def _next_other(captions: list[str], i: int) -> str:
    return next((c for c in captions[i + 1 :] + captions[:i] if c != captions[i]), "")


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: batch statistics stay as they are."""
    modes = [(part, part.training) for part in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
