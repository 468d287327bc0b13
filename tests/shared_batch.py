"""One round of the smoke experiment on a share of its batch, for `test_shares.py`: run in processes of their own."""

from __future__ import annotations

import os
import warnings
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from t2vgan import assemble
from t2vgan.config import load
from t2vgan.devices import compile_parts
from t2vgan.shapes import Clips
from tests.conftest import CAPTIONS, Words

BATCH = 8
EVERY_LOSS = ["losses.d/clip/r1.every=1", "losses.d/frames/r2=0.1", "g_optim.lr=0", "d_optim.lr=0"]


def clips_of(places: range) -> Clips:
    """Clips whose captions and contrasts are of different lengths, so that shares hold unequal numbers of words."""
    noise = [torch.rand(3, 8, 16, 16, generator=torch.Generator().manual_seed(i)) for i in places]
    longer = [" ".join([CAPTIONS[i % 4], *["far away"] * (i % 3)]) for i in places]
    return Clips(
        video=torch.stack(noise) * 2 - 1,
        times=(torch.arange(8) / 4).repeat(len(noise), 1),
        captions=longer,
        wrong_captions=[CAPTIONS[(i + 1) % 4] for i in places],
        keys=[f"clip{i}" for i in places],
        indices=list(places),
        contrasts=[((text, CAPTIONS[(i + 1) % 4]),) * (1 + i % 2) for i, text in zip(places, longer, strict=True)],
    )


def round_of(rank: int, ranks: int, accumulate: int, port: int, overrides: list[str], path: str) -> None:
    """Writes the gradients that the players step with."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "NODE_RANK": "0"}
    os.environ["LOCAL_RANK"] = str(rank)
    share = BATCH // ranks
    experiment = load("smoke", [*EVERY_LOSS, f"trainer.accumulate={accumulate}", *overrides])
    game = assemble.model(experiment, Words())  # type: ignore[arg-type]
    if experiment.trainer.compile:
        compile_parts(game)
    batch: Any = clips_of(range(rank * share, (rank + 1) * share))
    trainer = L.Trainer(
        accelerator="cpu", devices=ranks, max_steps=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        strategy=DDPStrategy(broadcast_buffers=False) if ranks > 1 else "auto",
    )  # fmt: skip
    trainer.fit(game, DataLoader([batch], batch_size=None))  # type: ignore[arg-type]
    if rank == 0:
        torch.save({name: p.grad for name, p in game.named_parameters() if p.grad is not None}, path)
