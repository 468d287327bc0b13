"""Training that begins with what another run or a shared generator has learned, at its own size or a larger one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2vgan import assemble, runs, sealed
from t2vgan.checkpoint import load_generator
from t2vgan.config import ConfigError
from t2vgan.module import T2VGAN


def source(start: str) -> Path:
    """The checkpoint or generator that `start` names; ConfigError where there is none."""
    path = runs.PRETRAINED.get(start, Path(start))
    for file in (path / "checkpoints" / "last.ckpt", path / "last.ckpt") if path.is_dir() else (path,):
        if file.is_file():
            return file
    try:
        if path.is_dir():
            return assemble.generator_file(path)
    except ValueError as error:
        raise ConfigError(f"start: {error}") from None
    raise ConfigError(
        f"start: there is no {path}; name a run folder, a checkpoint, a generator file, or one of: "
        f"{', '.join(runs.PRETRAINED)}"
    )


def begin(game: T2VGAN, start: str) -> str:
    """Gives the game all tensors of `start` that it has by the same name and shape, and says what is new in it.

    A run's checkpoint holds both players, a generator file the averages of one. Averages begin where weights do.
    """
    path = source(start)
    there, vectors = learned(path)
    if wrong := assemble.other_vectors(game.config, vectors, getattr(game.text_pipeline, "version", None)):
        raise ConfigError(f"start: {path}: {wrong}")
    mine = game.state_dict()
    taken = {name: value for name, value in there.items() if name in mine and mine[name].shape == value.shape}
    trained = [name for name, _ in game.named_parameters() if not name.startswith("ema_")]
    if not any(name.startswith("generator.") and name in taken for name in trained):
        raise ConfigError(f"start: nothing in {path} fits this generator ({game.config.generator['name']})")
    for name in taken:
        other = name.replace("word.mlp.0.weight", "word.whitening")
        if other != name and (other in there) != (other in mine):
            had = "true" if other in there else "false"
            raise ConfigError(f"start: {path} reads words otherwise: set text.encoder.whiten={had}, as it was trained")
    game.load_state_dict(taken, strict=False)
    new = [name for name in trained if name not in taken]
    for part in ("generator", "ema_generator"):
        quiet: Callable[[set[str]], None] | None = getattr(getattr(game, part), "quiet", None)
        if quiet is not None:
            quiet({name.removeprefix(f"{part}.") for name in mine if name.startswith(part) and name not in taken})
    return f"begins with {path}: {len(trained) - len(new)} of {len(trained)} tensors{told(new)}"


def learned(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Tensors by their names in a game, and the version of the word vectors that they were trained with."""
    if path.suffix == ".ckpt":
        if wrong := sealed.damage(path):
            raise ConfigError(f"start: {path} is damaged ({wrong}); name another checkpoint")
        content = sealed.read(path)
        there = {name: value for name, value in content.get("state_dict", {}).items() if name != "clips_seen"}
        return there, content.get("vectors")
    try:
        tensors, _, card = load_generator(path)
    except ValueError as error:
        raise ConfigError(f"start: {error}") from None
    both = {f"{before}{name}": value for name, value in tensors.items() for before in ("", "ema_")}
    return {name: value.to(torch.float32) if value.is_floating_point() else value for name, value in both.items()}, (
        card.get("vectors")
    )


def told(new: list[str]) -> str:
    """`; new are 12 of generator, 3 of discriminators.fine`."""
    counts: dict[str, int] = {}
    for name in new:
        part = ".".join(name.split(".")[: 2 if name.startswith("discriminators.") else 1])
        counts[part] = counts.get(part, 0) + 1
    return f"; new are {', '.join(f'{count} of {part}' for part, count in counts.items())}" if counts else ""
