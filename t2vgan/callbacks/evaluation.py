"""How good the generator is, measured in each validation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from t2vgan.metrics.suite import Extractor, Suite


class Evaluation(Callback):
    """Logs `val/...` (see `metrics.suite` for the names) and adds a line to `<folder>/evaluation.jsonl`.

    Judges what `validation_step` returns, clips by the averaged weights for the batch's captions, beside the batch's
    real clips. The metrics live here and not in the module: no number format of the training and no checkpoint touches
    them. Each validation starts from nothing and logs every figure anew. The ranks hold shares of the clips.

    Args:
        extractor: a `Probe` where the data has ground truth, else `EffNetFeatures`.
        folder: the run folder.
    """

    def __init__(self, *, extractor: Extractor, folder: str | Path) -> None:
        self.suite = Suite(extractor)
        self.folder = Path(folder)

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.suite.to(pl_module.device)  # already here: other callbacks ask the same judge before the first validation

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.suite.to(pl_module.device)
        self.suite.reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not trainer.sanity_checking:
            self.suite.update(batch.video, outputs, batch.attributes, batch.named or None, batch.indices)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        values = self.suite.compute()
        seen = int(pl_module.clips_seen)
        curves = {f"val/{name}": value for name, value in values.items()}
        # equal on all ranks already; the mean over them only says so to Lightning
        pl_module.log_dict({**curves, "clips_seen": float(seen)}, sync_dist=True)
        if trainer.is_global_zero:
            self._write(seen, values)

    def _write(self, clips_seen: int, values: dict[str, float]) -> None:
        """One JSON object per validation; a figure that could not be had is null."""
        figures = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line = {"clips_seen": clips_seen, **figures}
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "evaluation.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
