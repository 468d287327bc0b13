"""The whole run as a file to go on from, and the newest generator as a file to use."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_warn

from t2vgan.callbacks.clock import due
from t2vgan.callbacks.export import export_generator
from t2vgan.system import written_whole


class Checkpointing(Checkpoint):
    """Keeps `last.ckpt` in `folder`, the one before it as `previous.ckpt`, and `generator.safetensors` beside them.

    Saved every `every_clips` clips, when training ends, and when it is broken off by an error, Ctrl-C or SIGTERM. Each
    file is whole at any time. Not Lightning's ModelCheckpoint, which counts optimizer steps. The save at the last step
    is made within that step: a checkpoint made after `fit` would resume at the next epoch.

    Args:
        folder: `checkpoints/` of the run folder.
        every_clips: 0 for the end only.
        config: the experiment as plain values, for the generator's file.
        card: what else the generator's file says of the model; clips seen and metrics are added.
    """

    def __init__(self, *, folder: str | Path, every_clips: int, config: dict[str, Any], card: dict[str, Any]) -> None:
        self.folder = Path(folder)
        self.every_clips = every_clips
        self.config = config
        self.card = card
        self._unsaved = False

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._unsaved = False

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._unsaved = True
        over = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        clips = len(batch) * trainer.world_size
        if trainer.received_sigterm:  # here, since at the end of an epoch Lightning notices it too late to resume well
            self._save(trainer, pl_module, alone=True)
        elif over or due(clips_seen=int(pl_module.clips_seen), clips=clips, every=self.every_clips):
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self._unsaved:
            self._save(trainer, pl_module)
        else:  # the generator's card still lacks what the validation after the last step found
            self._export(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        try:
            if self._unsaved:
                self._save(trainer, pl_module, alone=True)
                trainer.print(f"saved after {int(pl_module.clips_seen):,} clips: {self.folder / 'last.ckpt'}")
        except Exception as error:  # the exception that ends the run is the one to show
            rank_zero_warn(f"{self.folder}: the run could not be saved as it broke off ({error})")

    def _save(self, trainer: Trainer, pl_module: Any, *, alone: bool = False) -> None:
        """`alone`: without waiting for the other ranks, one of which may have failed."""
        last = self.folder / "last.ckpt"
        with written_whole(last) if trainer.is_global_zero else nullcontext(last) as part:
            if alone:
                checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
                trainer.strategy.save_checkpoint(checkpoint, part)
            else:
                trainer.save_checkpoint(part, weights_only=False)
            if trainer.is_global_zero and last.is_file():
                rename_copy(last, self.folder / "previous.ckpt")
        self._export(trainer, pl_module)
        self._unsaved = False

    def _export(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            path = self.folder / "generator.safetensors"
            export_generator(path, trainer, pl_module, config=self.config, card=self.card)


def rename_copy(path: Path, name: Path) -> None:
    """Give the file a second name, over what had that name; where there are no hard links, a new name."""
    part = name.with_name(f".{name.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(path, part)
    except OSError:
        os.replace(path, part)
    os.replace(part, name)
