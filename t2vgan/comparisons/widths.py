"""The one rule by which the designs of the literature are brought to size, and what it gives.

A part is as wide (`width`, a multiple of four) as its number of trained parameters allows: GENERATOR for a generator,
and CRITICS for all critics together, each of which has an equal share of it. Text encoders are not counted, for all
arms have the same one or nearly so; nor is what is frozen. This framework's own design may be smaller than it could be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from t2vgan import assemble
from t2vgan.config import Experiment

GENERATOR = 1_000_000  # trained parameters
CRITICS = 2_500_000  # of all critics of an arm together
STEP = 4


@dataclass(frozen=True)
class Width:
    """Of one part: what its YAML says, what the rule says, and how many parameters what the YAML says has."""

    part: str
    given: int | None
    allowed: int
    parameters: int
    most: int

    @property
    def kept(self) -> bool:
        return self.parameters <= self.most


def trained(part: nn.Module | None) -> int:
    return 0 if part is None else sum(p.numel() for p in part.parameters() if p.requires_grad)


def game_of(experiment: Experiment) -> Any:
    """The untrained game."""
    cache = assemble.cache_folder(experiment) / "text"  # enough where the vectors themselves are not installed
    return assemble.model(experiment, assemble.text_pipeline(experiment, cache=cache))


def parameters(experiment: Experiment) -> dict[str, int]:
    """Trained parameters by part: generator, critics, text encoder; and the frozen ones, with buffers of weights."""
    game = game_of(experiment)
    frozen = sum(b.numel() for b in game.discriminators.buffers()) + sum(
        p.numel() for p in game.discriminators.parameters() if not p.requires_grad
    )
    text = trained(game.text_encoder) + trained(game.critic_text)
    return {
        "generator": trained(game.generator),
        "critics": trained(game.discriminators),
        "text": text,
        "frozen": frozen,
    }


def widths(experiment: Experiment) -> list[Width]:
    """Of each part that has a width."""
    parts: dict[str, tuple[Mapping[str, Any], int, Callable[[Any], nn.Module]]] = {
        "generator": (experiment.generator, GENERATOR, lambda game: game.generator)
    }
    share = CRITICS // len(experiment.discriminators)
    for name, node in experiment.discriminators.items():
        parts[f"discriminators.{name}"] = node, share, lambda game, name=name: game.discriminators[name]
    found = []
    for part, (node, most, pick) in parts.items():

        def count(width: int, part: str = part, pick: Callable[[Any], nn.Module] = pick) -> int:
            return trained(pick(game_of(with_width(experiment, part, width))))

        given = node.get("width")
        now = trained(pick(game_of(experiment)))
        found.append(Width(part, given, widest(count, most), now, most))
    return found


def widest(count: Callable[[int], int], most: int) -> int:
    """The largest multiple of STEP whose count is at most `most`; 0 where even the smallest one has more."""
    low, high = 0, 1
    while count(high * STEP) <= most:
        if low and count(high * STEP) == count(low * STEP):  # a part that bounds its channels itself
            return low * STEP
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle * STEP) <= most else (low, middle)
    return low * STEP


def with_width(experiment: Experiment, part: str, width: int) -> Experiment:
    if part == "generator":
        return dataclasses.replace(experiment, generator={**experiment.generator, "width": width})
    name = part.split(".", 1)[1]
    critics = {**experiment.discriminators, name: {**experiment.discriminators[name], "width": width}}
    return dataclasses.replace(experiment, discriminators=critics)
