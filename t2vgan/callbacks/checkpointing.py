"""The whole run as a file to go on from, and the newest generator as a file to use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_warn

from t2vgan.callbacks.clock import due
from t2vgan.callbacks.export import export_generator
from t2vgan.callbacks.owed import Owed, round_is_over
from t2vgan.sealed import sealed
from t2vgan.system import written_whole


class Checkpointing(Checkpoint):
    """Keeps `last.ckpt` in `folder`, those before it as `previous.ckpt`, `previous-2.ckpt`, ..., and beside them
    `generator.safetensors`.

    Saved every `every_clips` clips, when training ends, and when it is broken off by an error, Ctrl-C or SIGTERM:
    always the state right after a round, so that a run that goes on repeats or leaves out nothing. Broken off in the
    middle of a round, the file before stays. Each file is whole at any time, and sealed (`t2vgan.sealed`). Not
    Lightning's ModelCheckpoint, which counts optimizer steps.

    Args:
        folder: `checkpoints/` of the run folder.
        every_clips: 0 for the end only.
        config: the experiment as plain values: part of the checkpoint and of the generator's file.
        card: what else the generator's file says of the model; clips seen and metrics are added.
        owed: what the last round owes; the callback that has to act before this one.
        kept: how many checkpoints.
        computed: how rounds are computed (`devices.computed`), for a run that goes on to say what has changed.
        records: how long the run's records are by now (`tracking.lengths`), for a run that goes on to cut them back.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        every_clips: int,
        config: dict[str, Any],
        card: dict[str, Any],
        owed: Owed,
        kept: int = 2,
        records: Callable[[], dict[str, int]] = dict,
        computed: Callable[[Trainer], dict[str, Any]] = lambda trainer: {},
    ) -> None:
        self.folder = Path(folder)
        self.every_clips = every_clips
        self.config = config
        self.card = card
        self.owed, self.kept, self.records, self.computed = owed, kept, records, computed
        self._saved_at = self._tried_at = 0  # clips seen
        self._computed: dict[str, Any] = {}
        self._clips: dict[str, str] = {}  # of the data set, for a run that goes on to say that it has changed

    def state_dict(self) -> dict[str, Any]:
        told = {"computed": self._computed, "clips": self._clips}
        return {"config": self.config, **told, "records": self.records()}

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._saved_at = self._tried_at = pl_module.seen
        self._computed = self.computed(trainer)
        if looked_at := getattr(getattr(trainer, "datamodule", None), "looked_at", None):
            self._clips = looked_at()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        over = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        clips = len(batch) * trainer.world_size
        if trainer.received_sigterm:  # here, since at the end of an epoch Lightning notices it too late to resume well
            self._save(trainer, pl_module, alone=True)
        elif over or due(clips_seen=pl_module.seen, clips=clips, every=self.every_clips):
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.owed.settled = True  # the validation after the last round is over
        self._save(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        if pl_module.seen == self._tried_at:
            return
        if not trainer.validating and not round_is_over(trainer):
            trainer.print(
                f"broken off in the middle of a round: what was saved last stays, {self.folder / 'last.ckpt'}"
            )
            return
        try:
            done: Any = trainer.fit_loop.epoch_loop.batch_progress.total
            if done.completed < done.processed:  # before this callback's turn, which would have noted it
                self.owed.note(trainer)
            self._save(trainer, pl_module, alone=True)
            trainer.print(f"saved after {pl_module.seen:,} clips: {self.folder / 'last.ckpt'}")
        except Exception as error:  # the exception that ends the run is the one to show
            rank_zero_warn(f"{self.folder}: the run could not be saved as it broke off ({error})")

    def _save(self, trainer: Trainer, pl_module: Any, *, alone: bool = False) -> None:
        """`alone`: without waiting for the other ranks, one of which may have failed."""
        self._tried_at = pl_module.seen
        if trainer.is_global_zero:
            self._write(trainer, pl_module.seen)
            self.export(trainer, pl_module)
        if not alone:
            trainer.strategy.barrier("Checkpointing")

    def _write(self, trainer: Trainer, seen: int) -> None:
        for logger in trainer.loggers:
            logger.save()
            if flush := getattr(logger, "flush", None):  # of W&B, which another process writes
                flush()
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        checkpoint["loops"] = loops = self.owed.loops
        checkpoint["epoch"] = loops["fit_loop"]["epoch_progress"]["current"]["processed"]  # as they have it, not as now
        last = self.folder / "last.ckpt"
        try:
            with written_whole(last) as part:
                part.write_bytes(sealed(checkpoint))
                if last.is_file() and seen != self._saved_at:
                    self._rotate()
        except OSError as error:
            raise OSError(
                f"{last}: the checkpoint after {seen:,} clips could not be written ({error.strerror or error}); what "
                "was saved before is whole: make room, then give the same command again"
            ) from error
        self._saved_at = seen

    def _rotate(self) -> None:
        """Each checkpoint takes the name of the one before it; `last.ckpt` keeps its own, too, until it is replaced."""
        older = [f"previous-{i}.ckpt" for i in range(2, self.kept)]
        names = [self.folder / name for name in ["previous.ckpt", *older][: self.kept - 1]]
        for i in reversed(range(1, len(names))):
            if names[i - 1].is_file():
                os.replace(names[i - 1], names[i])
        if names:
            rename_copy(self.folder / "last.ckpt", names[0])

    def export(self, trainer: Trainer, pl_module: Any) -> None:
        """The averaged generator as it is now, with what was last measured of it."""
        path = self.folder / "generator.safetensors"
        export_generator(path, trainer, pl_module, config=self.config, card=self.card)


def rename_copy(path: Path, name: Path) -> None:
    """Give the file a second name, over what had that name; where there are no hard links, a copy.

    Never the file itself: a process that is killed here would leave none by a name that a run goes on from.
    """
    part = name.with_name(f".{name.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(path, part)
    except OSError:
        shutil.copyfile(path, part)
    os.replace(part, name)
