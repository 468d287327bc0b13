"""Videos, pictures and numbers to whichever loggers a run has, over one x axis: clips seen.

Lightning counts batches; clips seen mean the same for every batch size. The module logs `clips_seen` beside its
losses, every function here adds it, and `use_clips_axis` tells Weights & Biases to draw everything over it.
A `DummyLogger`, as in `fast_dev_run`, and loggers without media are passed over; only rank zero logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

CLIPS_SEEN = "clips_seen"


def step_of(trainer: Trainer) -> int:
    """The step under which Lightning logged the losses of the last round: loggers that go on forget later ones."""
    return max(0, trainer.global_step - 1)


def use_clips_axis(trainer: Trainer) -> None:
    """Make clips seen the x axis of every curve in Weights & Biases; called once, when fit starts."""
    for logger in _loggers(trainer, WandbLogger):
        logger.experiment.define_metric(CLIPS_SEEN)
        logger.experiment.define_metric("*", step_metric=CLIPS_SEEN, step_sync=True)


def log_scalars(trainer: Trainer, values: Mapping[str, int | float], *, clips_seen: int) -> None:
    """Numbers to every logger, at once: for hooks where `pl_module.log` is not allowed or would repeat old values."""
    for logger in _loggers(trainer, object):
        logger.log_metrics({**values, CLIPS_SEEN: clips_seen}, step=step_of(trainer))


def log_image(trainer: Trainer, key: str, path: str | Path, *, clips_seen: int, caption: str = "") -> None:
    """A picture file to Weights & Biases and TensorBoard."""
    for logger in _loggers(trainer, WandbLogger):
        import wandb

        _log_wandb(trainer, logger, key, wandb.Image(str(path), caption=caption or None), clips_seen)
    for logger in _loggers(trainer, TensorBoardLogger):
        from PIL import Image

        picture = np.asarray(Image.open(path).convert("RGB"))
        logger.experiment.add_image(key, picture, step_of(trainer), dataformats="HWC")


def log_video(trainer: Trainer, key: str, path: str | Path, *, clips_seen: int, caption: str = "") -> None:
    """A video file (mp4 or gif, encoded by us) to Weights & Biases; TensorBoard has no player for it."""
    for logger in _loggers(trainer, WandbLogger):
        import wandb

        _log_wandb(trainer, logger, key, wandb.Video(str(path), caption=caption or None), clips_seen)


def log_page(trainer: Trainer, key: str, page: str, *, clips_seen: int) -> None:
    """A html page, with everything inside it, to Weights & Biases."""
    for logger in _loggers(trainer, WandbLogger):
        import wandb

        _log_wandb(trainer, logger, key, wandb.Html(page, inject=False, data_is_not_path=True), clips_seen)


def _loggers(trainer: Trainer, kind: type) -> list[Any]:
    return [logger for logger in trainer.loggers if isinstance(logger, kind)] if trainer.is_global_zero else []


def _log_wandb(trainer: Trainer, logger: Any, key: str, media: Any, clips_seen: int) -> None:
    logger.log_metrics({key: media, CLIPS_SEEN: clips_seen}, step=step_of(trainer))  # which passes over what it has
