"""Evaluated runs of the smoke experiment with untrained generators, made once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from t2vgan import assemble, config, evaluate
from t2vgan.checkpoint import save_generator


def untrained_run(folder: Path, *, seed: int) -> Path:
    """A run folder as `fit` leaves it; its data are made beside it."""
    experiment = config.load("smoke", [f"data.root={folder / 'data'}", f"seed={seed}"])
    game = assemble.model(experiment, assemble.text_pipeline(experiment))
    parts = {"generator": game.ema_generator, "text_encoder": game.ema_text_encoder}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    path = folder / "runs" / "smoke" / f"{seed:05d}"
    save_generator(path / "checkpoints" / "generator.safetensors", tensors, config.to_dict(experiment), {})
    return path


def evaluated(*arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
        evaluate.main()


@pytest.fixture(scope="session")
def call() -> Callable[..., None]:
    return evaluated


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs that differ in their seed, each evaluated on 24 clips of test and heldout in one process."""
    folder = tmp_path_factory.mktemp("reports")
    found = untrained_run(folder, seed=0), untrained_run(folder, seed=1)
    for run in found:
        evaluated("--checkpoint", run, "--num_clips", 24, "--devices", 1, "--output", run / "evaluation")
    return found
