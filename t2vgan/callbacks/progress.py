"""How far the run is, in clips: a bar in a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import Trainer, callbacks
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from t2vgan.callbacks.pace import Pace

REDRAW_S = 0.25  # reading the losses makes a GPU wait


class ProgressBar(callbacks.ProgressBar):
    """Clips seen of `total_clips`, clips per second, time left of this run, d and g loss; validation has its own bar.

    When stdout is not a terminal: a line every `line_every_s` seconds, and one at the end.
    """

    def __init__(self, *, total_clips: int, line_every_s: int | float = 30.0) -> None:
        super().__init__()
        self.total_clips = total_clips
        self.line_every_s = line_every_s
        self._enabled = True
        self._bars: Progress | None = None
        self._pace = Pace(first=0, total=total_clips)
        self._shown = 0.0

    @property
    def is_enabled(self) -> bool:
        return self._enabled

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        first = int(pl_module.clips_seen)
        self._pace, self._shown = Pace(first=first, total=self.total_clips), time.monotonic()
        if self._enabled and sys.stdout.isatty():
            columns = TextColumn("{task.description:>8}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}")
            self._bars = Progress(*columns, console=Console(file=sys.stdout))
            self._fit = self._bars.add_task("fit", total=self.total_clips, completed=first, note="")
            self._val = self._bars.add_task("validate", total=None, visible=False, note="")
            self._bars.start()

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._pace.step_begins()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._pace.step_ends(len(batch) * trainer.world_size)
        if time.monotonic() - self._shown >= (REDRAW_S if self._bars else self.line_every_s):
            self._show(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        if self._bars:
            self._bars.reset(self._val, total=sum(trainer.num_val_batches), visible=True, note="")

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        if self._bars:
            self._bars.advance(self._val)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self._bars:
            self._bars.update(self._val, visible=False)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._show(trainer, pl_module)
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        self._stop()

    def print(self, *args: Any, **kwargs: Any) -> None:
        if self._bars:
            self._bars.console.print(*args, **kwargs)
        elif self._enabled:
            print(*args, **kwargs)

    def _show(self, trainer: Trainer, pl_module: Any) -> None:
        if not self._enabled:
            return
        self._shown, seen, logged = time.monotonic(), int(pl_module.clips_seen), trainer.callback_metrics
        losses = [f"{side} {float(logged[name]):.3g}" for side in "dg" if (name := f"{side}/total") in logged]
        note = "  ".join([self._pace.look(seen), *losses])
        if self._bars:
            self._bars.update(self._fit, completed=seen, note=note)
        else:
            print(f"fit  {100 * seen / self.total_clips:5.1f} %  {note}", flush=True)

    def _stop(self) -> None:
        if self._bars:
            self._bars.stop()
            self._bars = None
