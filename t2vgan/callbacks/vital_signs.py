"""Is the game alive: what the critics say, how strong the gradients are, whether captions matter."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer

from t2vgan.callbacks.media import log_scalars, use_clips_axis
from t2vgan.callbacks.sensitivity import sensitivity


class VitalSigns(Callback):
    """Logs `pl_module.signs` as `signs/*`, and how much the clips change with the caption and with the noise.

    `signs/text_change` is the mean absolute change of the video, in [-1, 1] units, when only the caption is replaced
    by another one of the batch; `signs/noise_change` when only z is; `signs/text_sensitivity` is their ratio: near 0
    the captions are ignored. Measured on the weights that train, not on their average.

    Args:
        every_steps: steps between two records of the signs.
        sensitivity_every_steps: steps between two measurements of the changes; they cost three small renderings.
        clips: at most so many clips of the batch are rendered.
    """

    def __init__(self, *, every_steps: int, sensitivity_every_steps: int = 200, clips: int = 8) -> None:
        self.every_steps = every_steps
        self.sensitivity_every_steps = sensitivity_every_steps
        self.clips = clips

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        use_clips_axis(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        seen = pl_module.seen
        step = seen // (len(batch) * trainer.world_size)
        trial = bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        values: dict[str, float] = {}
        if trial or step % self.every_steps == 0:
            values |= pl_module.signs
        if trainer.is_global_zero and (trial or step % self.sensitivity_every_steps == 0):
            values |= sensitivity(pl_module, batch.captions[: self.clips], seed=seen)
        if values:
            log_scalars(trainer, {f"signs/{name}": float(v) for name, v in values.items()}, clips_seen=seen)
