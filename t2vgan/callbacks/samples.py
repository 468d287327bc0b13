"""Fixed prompts with fixed noise, rendered again and again so that learning can be watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer

from t2vgan.callbacks.clock import due
from t2vgan.callbacks.media import log_image, log_video
from t2vgan.shapes import Video, to_uint8
from t2vgan.video.encode import write_png, write_video
from t2vgan.video.sheet import contact_sheet, video_grid


class Samples(Callback):
    """Every `every_clips` clips and when training ends: `<folder>/<clips seen>.mp4`, and a contact sheet as `.png`.

    The clips come from the averaged weights. Without `prompts` the captions of the first `count` clips of `val` are
    taken, and each clip is shown beside the real one. Only rank zero renders: the generator's forward has no
    collectives, and the noise has its own seed, so that training goes on exactly as it would have without samples.

    Args:
        folder: where the files go, `samples/` of the run folder.
        prompts: captions, or none.
        count: how many clips are shown; more prompts than that are cut.
        every_clips: 0 for the end of training only.
        name: of the curves' group in the loggers.
        fps: frames per second of the files.
        seed: of the noise.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        prompts: list[str],
        count: int,
        every_clips: int,
        name: str = "samples",
        fps: int | float,
        seed: int = 0,
    ) -> None:
        if count < 1:
            raise ValueError(f"samples.count: at least 1 clip has to be shown, got {count}")
        self.folder, self.name = Path(folder), name
        self.captions = list(prompts[:count])
        self.real: list[np.ndarray] | None = None
        self.count = count
        self.every_clips = every_clips
        self.fps = fps
        self.seed = seed
        self._drawn_at = -1

    @property
    def state_key(self) -> str:  # a run may show two sets of captions
        return f"Samples/{self.folder.name}"

    def state_dict(self) -> dict[str, int]:
        return {"drawn_at": self._drawn_at}  # a run that is stopped at its very end does not draw its last clips again

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._drawn_at = state_dict["drawn_at"]

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero and not self.captions:
            self.captions, self.real = first_clips(trainer, self.count)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        clips = len(batch) * trainer.world_size
        if due(clips_seen=pl_module.seen, clips=clips, every=self.every_clips):
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, pl_module: Any) -> None:
        seen = pl_module.seen
        if not trainer.is_global_zero or seen == self._drawn_at:
            return
        generator = torch.Generator().manual_seed(self.seed)
        z = torch.randn(len(self.captions), pl_module.generator.z_dim, generator=generator)
        with torch.no_grad():
            rows = frames_of(pl_module.generate(self.captions, z=z.to(pl_module.device), ema=True))
        titles = ("generated", "real") if self.real else None
        video, sheet = self.folder / f"{seen:09d}.mp4", self.folder / f"{seen:09d}.png"
        video = write_video(video, video_grid(rows, self.captions, beside=self.real, titles=titles), fps=self.fps)
        write_png(sheet, contact_sheet(rows, self.captions, beside=self.real, titles=titles))
        log_video(trainer, f"{self.name}/video", video, clips_seen=seen, caption=" | ".join(self.captions))
        log_image(trainer, f"{self.name}/sheet", sheet, clips_seen=seen)
        self._drawn_at = seen


def frames_of(video: Video) -> list[np.ndarray]:
    """`(b, c, t, h, w)` in [-1, 1] to b clips of frames, uint8 `(t, h, w, 3)`."""
    return list(to_uint8(video).permute(0, 2, 3, 4, 1).cpu().numpy())


def first_clips(trainer: Trainer, count: int) -> tuple[list[str], list[np.ndarray]]:
    """Captions and frames of the first clips of `val`."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    samples = data.first(count) if data is not None else []
    if not samples:
        raise ValueError("samples: there are no clips in val to take captions from; set samples.prompts")
    return [sample.caption for sample in samples], [sample.video for sample in samples]
