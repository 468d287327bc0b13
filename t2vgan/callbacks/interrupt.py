"""Ctrl-C at the next step's end instead of in its middle, so that what is saved is exact."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from lightning.pytorch import Callback, Trainer

from t2vgan.system import WARNINGS_OF_SLURM


class Interrupt(Callback):
    """Lets the round that Ctrl-C hits finish: otherwise the critics could be saved one step ahead of the generator.

    Only while training; validation and anything else stops at once, and so does a second Ctrl-C. SIGTERM is the same:
    Lightning's own handler would broadcast from within it, between the collectives of a round. Has to come after the
    callbacks that belong to the step (the average) and before `Checkpointing`, which saves what this one breaks off.
    In a SLURM job its warnings (SIGUSR1, and SIGUSR2 from submitit) are the same, too. All ranks stop after one round.
    """

    def __init__(self) -> None:
        self._asked = False
        self.asked_by: int | None = None  # the signal
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._asked = False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, *WARNINGS_OF_SLURM):
                self._before[number] = signal.signal(number, lambda number, _: self._ask(trainer, number))

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._stop_if_asked(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.state.fn == "fit":  # asked between the end of the round and this
            self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: Trainer) -> None:
        asked = self._asked
        if trainer.world_size > 1:  # the signal may have come to one rank before this round and to another after it
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            raise KeyboardInterrupt

    def teardown(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        self._give_back()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        if not isinstance(exception, KeyboardInterrupt):  # Lightning ignores further ones while it shuts down
            self._give_back()

    def _ask(self, trainer: Trainer, number: int) -> None:
        self.asked_by = number
        if self._asked or not trainer.training:
            raise KeyboardInterrupt
        self._asked = True
        if trainer.is_global_zero:  # not by print, which the signal may have come into
            os.write(2, b"\nstopping after this step; once more stops at once\n")

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
