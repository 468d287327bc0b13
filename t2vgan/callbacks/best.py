"""The generator of the best validation so far."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from t2vgan.callbacks.export import export_generator
from t2vgan.system import written_whole


class Best(Callback):
    """Keeps `best_generator.safetensors` and `best.json` (monitor, value, clips seen) in `folder`.

    Chosen after each validation of `fit` that measured `monitor` anew; a value left over from an earlier validation
    does not count, and NaN never wins. The record is found again on resume, also when it is newer than the checkpoint.

    Args:
        folder: `checkpoints/` of the run folder.
        monitor: name of the metric, as logged during validation.
        mode: "min" or "max".
        config: the experiment as plain values, for the file.
        card: what else the file says of the model.
    """

    def __init__(
        self, *, folder: str | Path, monitor: str, mode: str, config: dict[str, Any], card: dict[str, Any]
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'evaluation.mode: "min" or "max", not "{mode}"')
        self.folder = Path(folder)
        self.monitor = monitor
        self.mode = mode
        self.config = config
        self.card = card
        self.value: float | None = None
        self._told = False

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "value": self.value}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._recall(state_dict)

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        record = self.folder / "best.json"
        if record.is_file():
            self._recall(json.loads(record.read_text()))

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        trainer.callback_metrics.pop(self.monitor, None)  # what is there afterwards was measured now

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        value = float(trainer.callback_metrics.get(self.monitor, math.nan))
        if not math.isfinite(value) and not self._told and trainer.state.fn == "fit":
            self._told = True
            have = ", ".join(sorted(k for k in trainer.callback_metrics if k.startswith("val/"))) or "no metric"
            rank_zero_warn(
                f"evaluation.monitor: no finite {self.monitor!r}, so no best generator is kept; have: {have}"
            )
        if trainer.state.fn != "fit" or trainer.sanity_checking or not self._better(value):
            return
        self.value = value
        if trainer.is_global_zero:
            export_generator(
                self.folder / "best_generator.safetensors", trainer, pl_module, config=self.config, card=self.card
            )
            with written_whole(self.folder / "best.json") as part:
                record = {**self.state_dict(), "clips_seen": int(pl_module.clips_seen)}
                part.write_text(json.dumps(record) + "\n")

    def _recall(self, record: dict[str, Any]) -> None:
        if record["monitor"] == self.monitor:
            self.value = record["value"]

    def _better(self, value: float) -> bool:
        if self.value is None or not math.isfinite(value):
            return math.isfinite(value)
        return value < self.value if self.mode == "min" else value > self.value
