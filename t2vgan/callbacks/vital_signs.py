"""Is the game alive: what the critics say, how strong the gradients are, whether captions matter."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer

from t2vgan.callbacks.media import log_scalars, use_clips_axis
from t2vgan.callbacks.sensitivity import sensitivity


class DivergedError(ValueError):
    """Training cannot go on: gradients have stopped being finite."""


class VitalSigns(Callback):
    """Logs `pl_module.signs` as `signs/*`, and how much the clips change with the caption and with the noise.

    `signs/text_change` is the mean absolute change of the video, in [-1, 1] units, when only the caption is replaced
    by another one of the batch; `signs/noise_change` when only z is; `signs/text_sensitivity` is their ratio: near 0
    the captions are ignored. Measured on the weights that train, not on their average.

    The module skips steps whose gradient is not finite (`signs["*skipped"]` = 1); `patience` of them in a row raise
    `DivergedError`.

    Args:
        every_steps: steps between two records of the signs.
        sensitivity_every_steps: steps between two measurements of the changes; they cost three small renderings.
        patience: consecutive skipped steps that end the run.
        clips: at most so many clips of the batch are rendered.
    """

    def __init__(
        self, *, every_steps: int, sensitivity_every_steps: int = 200, patience: int = 20, clips: int = 8
    ) -> None:
        self.every_steps = every_steps
        self.sensitivity_every_steps = sensitivity_every_steps
        self.patience = patience
        self.clips = clips
        self._skipped = 0

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._skipped = 0
        use_clips_axis(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        seen = int(pl_module.clips_seen)
        self._watch(pl_module.signs, seen)
        step = seen // (len(batch) * trainer.world_size)
        trial = bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        values: dict[str, float] = {}
        if trial or step % self.every_steps == 0:
            values |= pl_module.signs
        if trainer.is_global_zero and (trial or step % self.sensitivity_every_steps == 0):
            values |= sensitivity(pl_module, batch.captions[: self.clips], seed=seen)
        if values:
            log_scalars(trainer, {f"signs/{name}": float(v) for name, v in values.items()}, clips_seen=seen)

    def _watch(self, signs: dict[str, Any], clips_seen: int) -> None:
        skipped = [name for name, value in signs.items() if name.endswith("skipped") and float(value) > 0]
        self._skipped = self._skipped + 1 if skipped else 0
        if self._skipped >= self.patience:
            raise DivergedError(
                f"training diverged: the gradient was not finite in {self._skipped} steps in a row, the last of them "
                f"at {clips_seen:,} clips ({', '.join(skipped)}); lower the learning rates, raise the gradient penalty "
                "or use trainer.precision=32-true, and resume from an earlier checkpoint"
            )
