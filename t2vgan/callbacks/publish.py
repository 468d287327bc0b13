"""What is left of a run at Weights & Biases besides its curves: the model, and a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_warn

from t2vgan.callbacks.media import log_page


class Publish(Callback):
    """When training ends: the artifact `<name>-generator` of type model, with the best and the last generator and the
    best one's record as metadata, and the run's page as `report`.

    Offline they lie in the run's W&B folder until `wandb sync`; that W&B does not take the model is no reason to fail.
    Has to come after the callbacks that write the files, but for `Checkpointing`, which Lightning has act last: its
    checkpoint says that nothing is left to be done.

    Args:
        folder: `checkpoints/` of the run folder.
        name: the experiment's.
        page: the page, as html.
        export: writes `generator.safetensors`: the file of the last round is older than the validation after it.
    """

    def __init__(
        self, *, folder: str | Path, name: str, page: Callable[[], str], export: Callable[[Trainer, Any], None]
    ) -> None:
        self.folder, self.name, self.page, self.export = Path(folder), name, page, export

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
        if not loggers or not trainer.is_global_zero:
            return
        self.export(trainer, pl_module)
        log_page(trainer, "report", self.page(), clips_seen=int(pl_module.clips_seen))
        for logger in loggers:
            self._publish(logger, int(pl_module.clips_seen))

    def _publish(self, logger: WandbLogger, clips_seen: int) -> None:
        import wandb

        best = self.folder / "best.json"
        record = json.loads(best.read_text()) if best.is_file() else {}
        metadata = {"clips_seen": clips_seen, "best": record}
        artifact = wandb.Artifact(f"{self.name}-generator", type="model", metadata=metadata)
        for name in ("best_generator.safetensors", "generator.safetensors"):
            if (self.folder / name).is_file():
                artifact.add_file(str(self.folder / name))
        try:
            logger.experiment.log_artifact(artifact)
        except Exception as error:  # of many kinds: it asks its server, which may have gone
            told = str(error).splitlines() or [type(error).__name__]
            rank_zero_warn(f"W&B has not taken the model ({told[0]}): it is in {self.folder}")
