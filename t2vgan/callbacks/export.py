"""The averaged generator of a run as a file to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from t2vgan.checkpoint import save_generator


def export_generator(
    path: Path, trainer: Trainer, pl_module: Any, *, config: dict[str, Any], card: dict[str, Any]
) -> None:
    """Write the averaged weights as `generator.*` and `text_encoder.*`; the card gets clips, metrics, vocabulary and
    the version of the word vectors.
    """
    parts = {"generator": pl_module.ema_generator, "text_encoder": pl_module.ema_text_encoder}
    tensors = {f"{part}.{key}": value for part, net in parts.items() for key, value in net.state_dict().items()}
    metrics = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
    pipeline = pl_module.text_pipeline
    known = {"vocabulary": list(getattr(pipeline, "vocabulary", ())), "vectors": getattr(pipeline, "version", None)}
    clips_seen = int(pl_module.clips_seen)
    save_generator(path, tensors, config, {**card, "clips_seen": clips_seen, "metrics": metrics, **known})
