"""What a round still owes when its checkpoint is written, done once the run goes on."""

from __future__ import annotations

import copy
import sys
from typing import Any

from lightning.pytorch import Callback, Trainer
from torch import Tensor


class Owed(Callback):
    """A checkpoint is the state right after a round: before Lightning logs its losses, and before a validation.

    A run that is killed in one of these goes on with them, before the next round: Lightning alone would leave both out.
    It also knows the loops' state right after the round (`loops`), for whoever saves later, e.g. when a validation is
    broken off: Lightning's own, from within a validation, would go on with the rest of it. A run whose last round is
    over goes on to its end in the same way.

    Has to come before the callbacks that save (`Checkpointing`) or break off (`Interrupt`).
    """

    def __init__(self) -> None:
        self.loops: dict[str, Any] = {}
        self.settled = True
        self._row: dict[str, Any] = {}
        self._step = self._epoch = 0
        self._validation = False
        self._max_steps = -1
        self._restored: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        row = {name: float(value) for name, value in self._row.items()}
        return {
            "settled": self.settled,
            "row": row,
            "step": self._step,
            "epoch": self._epoch,
            "validation": self._validation,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.settled, self._row = state_dict["settled"], dict(state_dict["row"])
        self._step, self._epoch = state_dict["step"], state_dict["epoch"]
        self._validation = state_dict["validation"]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        # Lightning counts what it takes for the end of an epoch as it restores the loops.
        self._restored = copy.deepcopy(checkpoint["loops"])

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._max_steps = trainer.max_steps
        if int(pl_module.clips_seen):  # else Lightning leaves at once when no rounds are left
            trainer.fit_loop.epoch_loop.max_steps = sys.maxsize

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        trainer.fit_loop.epoch_loop.max_steps = self._max_steps
        begun: Any = trainer.fit_loop.epoch_progress.total
        if trainer.fit_loop.restarted_mid_epoch and begun.processed == begun.started:
            trainer.fit_loop.reset_restart_stage()  # that epoch was over: else the beginning of the next is not counted
        self.loops = self._restored or loops_of(trainer)
        if self.settled:
            return
        if self._row:
            for logger in trainer.loggers:
                logger.log_metrics({**self._row, "epoch": self._epoch}, step=self._step)
                logger.save()
        if self._validation:
            progress = trainer.fit_loop.epoch_progress.current
            epoch, progress.completed = progress.completed, self._epoch  # Lightning has counted an epoch that is over
            validate(trainer)
            progress.completed = epoch

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.note(trainer)

    def note(self, trainer: Trainer) -> None:
        """Called right after a round, in `on_train_batch_end`."""
        loop, connector = trainer.fit_loop.epoch_loop, trainer._logger_connector
        logs = connector.should_update_logs or bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        row = connector.metrics["log"] if logs else {}
        self._row = {name: v.detach().clone() if isinstance(v, Tensor) else v for name, v in row.items()}
        self._step, self._epoch = loop._batches_that_stepped, trainer.current_epoch
        assert trainer.fit_loop._data_fetcher is not None
        self._validation = bool(loop._should_check_val_fx(trainer.fit_loop._data_fetcher))
        self.loops, self.settled = loops_of(trainer), False


def loops_of(trainer: Trainer) -> dict[str, Any]:
    return copy.deepcopy(trainer._checkpoint_connector._get_loops_state_dict())


def round_is_over(trainer: Trainer) -> bool:
    """False in the middle of a round, when one player may be a step ahead of the other."""
    done: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return done.ready == done.started == done.processed


def validate(trainer: Trainer) -> None:
    """A validation of fit, as Lightning makes it after a round."""
    trainer.validating = True
    first = trainer._logger_connector._first_loop_iter
    loop = trainer.fit_loop.epoch_loop.val_loop
    loop.restarting = False  # it starts with its first clip
    counted = copy.deepcopy(loop.batch_progress.state_dict())
    loop.run()
    loop.batch_progress.load_state_dict(counted)  # Lightning takes it for made before the stop, and counts it later
    trainer.training = True
    trainer._logger_connector._first_loop_iter = first
