"""Every experiment that ships is loaded, assembled and played for one round."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from t2vgan import assemble
from t2vgan.config import from_dict, load, to_dict
from t2vgan.datasets import DATASETS
from t2vgan.shapes import Clips
from t2vgan.text import TextPipeline

FOLDER = Path(__file__).resolve().parent.parent / "experiments"
NO_EXPERIMENTS = ("sweeps", "results")  # folders with files of other kinds
EXPERIMENTS = sorted(
    path.relative_to(FOLDER).with_suffix("").as_posix()
    for path in FOLDER.rglob("*.yaml")
    if path.name != "study.yaml" and path.relative_to(FOLDER).parts[0] not in NO_EXPERIMENTS
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*have no `val_dataloader`.*", "ignore:.*LeafSpec.*", "ignore:.*in eval mode at the start of training.*"
)


def test_there_are_some():
    assert {"lion_savanna", "smoke", "essay", "own_clips", "zoo/mocogan", "essay_claims/blind"} <= set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_says_how_to_run_it(name: str):
    header = re.match(r"(#.*\n)+", (FOLDER / f"{name}.yaml").read_text())
    assert header and f"# Run: python -m t2vgan.fit --experiment {name}" in header.group()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_is_complete(name: str):
    experiment = load(name)
    assert experiment.name == Path(name).name and experiment.data.dataset["name"] in DATASETS
    assert from_dict(to_dict(experiment)) == experiment


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_plays_a_round(
    name: str, words: TextPipeline, words_and_sentences: TextPipeline, make_clips: Callable[..., Clips]
):
    experiment = load(name, ["data.batch=2"])
    clip = experiment.clip
    game = assemble.model(experiment, words_and_sentences if experiment.text.sentences else words)
    before = {key: tensor.clone() for key, tensor in game.state_dict().items()}
    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    batch = make_clips([0, 1], size=clip.size, frames=clip.frames, duration_s=clip.duration_s)
    trainer.fit(game, DataLoader([batch], batch_size=None))  # type: ignore[arg-type]

    logged = {key: float(value) for key, value in trainer.callback_metrics.items()}
    assert set(experiment.losses) <= set(logged) and all(math.isfinite(value) for value in logged.values())
    changed = {key.split(".")[0] for key, tensor in game.state_dict().items() if not torch.equal(tensor, before[key])}
    assert {"generator", "text_encoder", "discriminators", "clips_seen"} <= changed
    assert game.generate(["a lion runs"]).shape == (1, 3, clip.frames, clip.size, clip.size)
