"""Goes back to the last good state when losses have stopped being finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from t2vgan.callbacks.clock import due
from t2vgan.callbacks.diagnosis import skipped_players
from t2vgan.callbacks.kept import Kept, healthy, keep, put_back
from t2vgan.callbacks.notes import tell

RESTORATIONS = 3  # from one good state, without one more coming of it, before the run ends


class DivergedError(ValueError):
    """Training cannot go on: gradients have stopped being finite."""


class Recovery(Callback):
    """After `max_skipped` rounds in a row without a finite gradient, or where weights or statistics of batch norms that
    are to be copied are not finite: weights, averages and optimisers of a good state.

    The module skips such rounds (`signs["*skipped"]` = 1), all ranks together, since they share the norm of the mean
    gradient; so they also go back together, each to its own copy. The state is copied when training starts and every
    `every_clips` clips. A copy counts as good once the next one could be made without many skipped rounds between: the
    weights of a moment ago may be finite and lost all the same. Clips seen and the data go on, so that what comes next
    differs. When going back has not led to a new good state `RESTORATIONS` times, `DivergedError` ends the run, in the
    good state: that is what `Checkpointing` then saves.

    Has to come after the average and before `Checkpointing`.

    Args:
        folder: the run folder; what was done, and that training diverged, is told in its `doctor.txt`.
        max_skipped: `trainer.max_skipped`.
        every_clips: between two copies.
    """

    def __init__(self, *, folder: str | Path, max_skipped: int, every_clips: int) -> None:
        self.folder = Path(folder)
        self.max_skipped, self.every_clips = max_skipped, every_clips
        self._good: Kept | None = None
        self._newest: Kept | None = None
        self._skipped = self._longest = self._restored = 0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._skipped = self._longest = self._restored = 0
        self._good = self._newest = keep(trainer, pl_module)
        if not healthy(trainer, pl_module):
            raise DivergedError(
                f"{self.folder}: the weights that training starts with are not finite; start anew, or put "
                "checkpoints/previous.ckpt in the place of checkpoints/last.ckpt and resume"
            )

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        seen, skipped = pl_module.seen, skipped_players(pl_module.signs)
        self._skipped = self._skipped + 1 if skipped else 0
        self._longest = max(self._longest, self._skipped)
        if self._skipped >= self.max_skipped:
            what = f"the gradient was not finite in {self.max_skipped} rounds in a row ({', '.join(skipped)})"
            self._go_back(trainer, pl_module, seen, what)
        elif due(clips_seen=seen, clips=len(batch) * trainer.world_size, every=self.every_clips):
            self._keep(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._good = self._newest = None  # memory

    def _keep(self, trainer: Trainer, pl_module: Any) -> None:
        if self._skipped:
            return
        if not healthy(trainer, pl_module):  # as running statistics that met an infinite clip: no round is skipped
            return self._go_back(trainer, pl_module, pl_module.seen, "weights or statistics were not finite")
        if self._longest < self.max_skipped / 2 and self._newest is not self._good:
            self._good, self._restored = self._newest, 0
        self._newest, self._longest = keep(trainer, pl_module), 0

    def _go_back(self, trainer: Trainer, pl_module: Any, seen: int, what: str) -> None:
        assert self._good is not None
        put_back(trainer, pl_module, self._good)
        self._newest, self._skipped, self._longest = self._good, 0, 0
        self._restored += 1
        if self._restored > RESTORATIONS:
            tell(trainer, self.folder, seen, f"training diverged: {what}")
            raise DivergedError(
                f"training diverged: at {seen:,} clips {what}, again after going back {RESTORATIONS} times to the "
                f"state of {self._good.clips_seen:,} clips, which is what is saved; lower d_optim.lr and g_optim.lr, "
                "set their clip_norm, add a gradient penalty (losses.d/<critic>/r1) or take trainer.precision=32-true, "
                "and go on with --resume"
            )
        tell(trainer, self.folder, seen, f"{what}: back to the state of {self._good.clips_seen:,} clips")
