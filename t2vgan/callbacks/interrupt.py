"""Ctrl-C at the next step's end instead of in its middle, so that what is saved is exact."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from lightning.pytorch import Callback, Trainer


class Interrupt(Callback):
    """Lets the round that Ctrl-C hits finish: otherwise the critics could be saved one step ahead of the generator.

    Only while training; validation and anything else stops at once, and so does a second Ctrl-C. SIGTERM needs
    nothing: Lightning itself waits for the end of the step. Has to come after the callbacks that belong to the step
    (the average) and before `Checkpointing`, which saves what this one breaks off.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._asked = False
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, lambda number, frame: self._ask(trainer))

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._asked:
            raise KeyboardInterrupt

    def teardown(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        self._give_back()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        if not isinstance(exception, KeyboardInterrupt):  # Lightning ignores further ones while it shuts down
            self._give_back()

    def _ask(self, trainer: Trainer) -> None:
        if self._asked or not trainer.training:
            raise KeyboardInterrupt
        self._asked = True
        if trainer.is_global_zero:  # not by print, which the signal may have come into
            os.write(2, b"\nstopping after this step; Ctrl-C again stops at once\n")

    def _give_back(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
