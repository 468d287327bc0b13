"""The spotlight: where in the frame each word of a caption is looked at, and whether that matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from t2vgan.callbacks.clock import due
from t2vgan.callbacks.media import log_image, log_scalars
from t2vgan.callbacks.samples import first_clips
from t2vgan.callbacks.spotlight import Judge, Spotlight
from t2vgan.video.encode import write_png


class Attention(Callback):
    """Every `every_clips` clips and when training ends: word-attention maps of the averaged generator in `path`.

    The check logged with it: `attention/most_attended_change` is how much the clip changes (mean absolute difference,
    [-1, 1] units, over `draws` latents) when the most attended content word is left out of the encoded caption,
    `attention/random_change` the mean over all other content words, which is what a random one does on average.

    Args:
        path: of the picture, `attention.png` of the run folder.
        prompt: the caption; empty for the first one of `val`.
        times: the instants of the clip in seconds.
        every_clips: 0 for the end of training only.
        judge: of what clips show; with it the change of the attributes is logged too.
    """

    def __init__(
        self,
        *,
        path: str | Path,
        prompt: str,
        times: list[int | float],
        every_clips: int,
        seed: int = 0,
        draws: int = 8,
        judge: Judge | None = None,
    ) -> None:
        self.path, self.prompt, self.times = Path(path), prompt, times
        self.every_clips, self.seed, self.draws, self.judge = every_clips, seed, draws, judge
        self._told, self._drawn_at = False, -1

    def state_dict(self) -> dict[str, int]:
        return {"drawn_at": self._drawn_at}  # a run that is stopped at its very end does not draw its last clips again

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._drawn_at = state_dict["drawn_at"]

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        clips = len(batch) * trainer.world_size
        if due(clips_seen=pl_module.seen, clips=clips, every=self.every_clips):
            self._look(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._look(trainer, pl_module)

    def _look(self, trainer: Trainer, pl_module: Any) -> None:
        seen = pl_module.seen
        if not trainer.is_global_zero or seen == self._drawn_at:
            return
        self._drawn_at = seen
        spotlight = self._spotlight(trainer, pl_module) if hasattr(pl_module.ema_generator, "attend") else None
        if spotlight is None or not spotlight.has_maps:
            if not self._told:
                trainer.print("attention: this generator attends to no words, so there are no maps to draw")
            self._told = True
            return
        write_png(self.path, spotlight.sheet())
        log_image(trainer, "attention/maps", self.path, clips_seen=seen, caption=self.prompt)
        if changes := spotlight.changes(self.judge):
            log_scalars(trainer, changes, clips_seen=seen)

    def _spotlight(self, trainer: Trainer, pl_module: Any) -> Spotlight:
        self.prompt = self.prompt or first_clips(trainer, 1)[0][0]
        generator = torch.Generator().manual_seed(self.seed)
        z = torch.randn(self.draws, pl_module.ema_generator.z_dim, generator=generator)
        return Spotlight.of(pl_module, self.prompt, z=z.to(pl_module.device), times=self.times)
