"""What a run goes on from: whether the checkpoint is one of its experiment, and what is no longer as it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from t2vgan import assemble, resume, sealed
from t2vgan.config import ConfigError, Experiment, to_dict

AS_BEFORE = "the same clips, captions, noise and frames, in the same order"


def check_fits(checkpoint: Path, game: torch.nn.Module, experiment: Experiment) -> dict[str, Any]:
    """What the checkpoint says of its run; ConfigError when it is of another model, before anything is changed."""
    content = sealed.read(checkpoint)
    weights, mine, callbacks = content["state_dict"], game.state_dict(), content.get("callbacks", {})
    saved, owed = callbacks.get("Checkpointing", {}), callbacks.get("Owed", {})
    for name in sorted(weights.keys() | mine.keys()):
        if name not in weights or name not in mine or weights[name].shape != mine[name].shape:
            differing = resume.differences(saved["config"], to_dict(experiment)) if "config" in saved else {}
            why = f"these settings differ: {resume.told(differing)}" if differing else "commit.txt names its version"
            raise ConfigError(
                f"{checkpoint}: its {name} is not that of this experiment; {why}; resume with the settings and the "
                "version of t2vgan that it was trained with, or train anew with --new"
            )
    if (name := saved.get("config", {}).get("name", experiment.name)) != experiment.name:
        raise ConfigError(
            f"{checkpoint} is of a run of {name}, and not of {experiment.name}: put its own back, or train "
            "anew with --new"
        )
    here = getattr(getattr(game, "text_pipeline", None), "version", None)
    if wrong := assemble.other_vectors(experiment, content.get("vectors"), here):
        raise ConfigError(f"{checkpoint}: {wrong}")
    check_batch(checkpoint, saved, experiment)
    check_rates(checkpoint, saved, experiment)
    return {
        **saved,
        "settled": owed.get("settled", False),
        "clips_seen": int(weights["clips_seen"]) if "clips_seen" in weights else 0,
        "rounds": content.get("global_step", 0),
    }


def check_batch(checkpoint: Path, saved: dict[str, Any], experiment: Experiment) -> None:
    """ConfigError where rounds are of another size than those that the checkpoint counts."""
    before, now = saved.get("config", {}).get("data", {}).get("batch"), experiment.data.batch
    if before not in (None, now):
        raise ConfigError(
            f"{checkpoint}: its rounds are of {before} clips, and now data.batch is {now}; a run's length and place in "
            f"the data are counted in rounds: resume with data.batch={before}, or train anew with --new"
        )


def check_rates(checkpoint: Path, saved: dict[str, Any], experiment: Experiment) -> None:
    """ConfigError where text encoders have a rate of their own and had none, or had one."""
    before, now = saved.get("config", {}).get("text", {}).get("lr"), experiment.text.lr
    if "config" in saved and (before is None) != (now is None):
        raise ConfigError(
            f"{checkpoint}: text.lr was {before} so far and is {now}: Adam keeps its moments in other groups then; "
            "give text.lr as it was (another number, where it was one), or train anew with --new"
        )


def told(
    saved: dict[str, Any], config: dict[str, Any], now: dict[str, Any], clips: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """What has changed since the checkpoint, in a line each.

    Args:
        saved: what `check_fits` has found there, nothing for a run that begins.
        config: the experiment now, as plain values.
        now: `devices.computed`.
        clips: what is looked at, by split (`ClipsDataModule.looked_at`).
    """
    lines = []
    if differing := resume.differences(saved["config"], config) if "config" in saved else {}:
        lines.append(f"goes on with other settings than so far: {resume.told(differing)}")
    before = saved.get("computed", now)
    if changed := [key for key in now if before.get(key, now[key]) != now[key]]:
        what = ", ".join(f"{key} {now[key]} ({before[key]} so far)" for key in changed)
        lines.append(f"goes on with {what}: {AS_BEFORE}; what is computed agrees to rounding, no longer bit by bit")
    there = saved.get("clips", {})
    if changed := [split for split in clips if there.get(split, clips[split]) != clips[split]]:
        what = ", ".join(f"{split} {clips[split]}, {there[split]} so far" for split in changed)
        lines.append(
            f"goes on with other clips than so far: {what}; order, noise and frames are not those of a run that never "
            "stopped, and validations before were of other clips"
        )
    return lines
