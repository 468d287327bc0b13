"""The probe: a small classifier of real clips. Its heads judge generated clips, its pooled feature is a feature space.

It is trained on the `probe` split, which shows every combination of attributes, so that it can also judge those that
generators never saw. Clips of any size and length are brought to 64 pixels and 16 frames at fixed instants, and some
training clips are degraded to fewer pixels, so that runs of different size can be judged by one probe. Distances in
its feature space are comparable between runs only for the same probe: compare `fingerprint`.

Models that are chosen by one judge come to please that judge. So there are two kinds, `probe` and `probe2`, which share
nothing but the clips: what the first likes and the second does not is no progress.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from t2vgan.metrics.bodies import FRAMES, SIZE, Fitted, SpaceTime, TwoStream, fit_clip
from t2vgan.metrics.cards import load_network, save_network
from t2vgan.metrics.checks import check_clips
from t2vgan.shapes import Video

FORMAT = "t2vgan-probe-2"
BODIES = {"probe": TwoStream, "probe2": SpaceTime}  # by the probe's name, which completes those of its distances


class Probe(nn.Module):
    """Video classifier with one head per attribute, on the features of the body that `name` stands for.

    `attributes` lists the values of each attribute in the order of the logits.
    """

    protocol = MappingProxyType(
        {"resize": f"{SIZE} x {SIZE}, means over areas when frames shrink, bilinear when they grow", "frames": FRAMES}
    )

    def __init__(
        self, *, attributes: Mapping[str, Sequence[str]], name: str = "probe", width: int = 32, seed: int = 0
    ) -> None:
        super().__init__()
        if not attributes:
            raise ValueError("a probe needs at least one attribute to classify; this data set has no ground truth")
        if name not in BODIES:
            raise ValueError(f"there is no probe '{name}'; choose from {', '.join(BODIES)}")
        self.attributes = {name: list(values) for name, values in attributes.items()}
        self.name, self.width, self.seed = name, width, seed
        self.fingerprint = ""  # of the weights: two probes are the same only if these are
        self.accuracy: dict[str, float] = {}  # on real clips that it was not trained on
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = BODIES[name](width=width)
            self.dim = self.body.dim
            self.heads = nn.ModuleDict({part_of(n): nn.Linear(self.dim, len(v)) for n, v in self.attributes.items()})
        self.mean = nn.Buffer(torch.zeros(self.dim))
        self.scale = nn.Buffer(torch.ones(()))
        self.register_load_state_dict_pre_hook(_under_body)

    def pooled(self, video: Fitted) -> Float[Tensor, "b d"]:
        """Features of clips of FRAMES frames of SIZE pixels, with gradient: for training the probe."""
        return (self.body(video) - self.mean) / self.scale

    def classify(self, features: Float[Tensor, "b d"]) -> dict[str, Float[Tensor, "b v"]]:
        """Logits per attribute from features: judging costs no second pass."""
        features = features.to(self.mean.device)  # what was seen of many clips is kept on the CPU
        return {name: head(features) for name, head in zip(self.attributes, self.heads.values(), strict=True)}

    @torch.no_grad()
    def features(self, video: Video) -> Float[Tensor, "b d"]:
        """Clips of any size and length to features, in float32 whatever autocast is on."""
        check_clips(video, reader=self.name, finite=False)
        self.eval()
        with torch.autocast(video.device.type, enabled=False):
            return self.pooled(fit_clip(video.float().clamp(-1, 1)))

    @torch.no_grad()
    def predict(self, video: Video) -> dict[str, Float[Tensor, "b v"]]:
        """Clips of any size and length to logits per attribute."""
        return self.classify(self.features(video))

    @torch.no_grad()
    def standardise(self, features: Float[Tensor, "n d"]) -> None:
        """From now on `features` are centred, with a mean variance of 1, over clips like these; the logits stay.

        Distances then do not depend on the arbitrary scale that training ended with (a polynomial kernel cares).
        """
        mean, scale = features.mean(0), features.var(0).mean().sqrt()
        for head in self.heads.values():
            assert isinstance(head, nn.Linear)
            head.bias.add_(head.weight @ mean)
            head.weight.mul_(scale)
        self.mean += self.scale * mean
        self.scale *= scale

    def save(self, path: Path) -> None:
        """Write one safetensors file with everything that `load` needs; atomic."""
        card = {
            "format": FORMAT,
            "attributes": json.dumps(self.attributes),
            "settings": json.dumps({"name": self.name, "width": self.width, "seed": self.seed}),
            "fingerprint": self.fingerprint,
            "accuracy": json.dumps(self.accuracy),
        }
        save_network(path, self, card)

    @classmethod
    def load(cls, path: Path) -> Probe:
        """A frozen probe on the CPU; ValueError if the file is damaged or something else."""

        def build(card: dict[str, str]) -> Probe:
            probe = cls(attributes=json.loads(card["attributes"]), **json.loads(card["settings"]))
            probe.fingerprint, probe.accuracy = card["fingerprint"], json.loads(card["accuracy"])
            return probe

        return load_network(path, build, what="probe", version=FORMAT)


def part_of(attribute: str) -> str:
    """What the head of an attribute is called: the same, but where a ModuleDict has no part of that name."""
    usable = attribute.isidentifier() and not hasattr(nn.ModuleDict(), attribute)
    return attribute if usable else f"attribute_{attribute.encode().hex()}"


def _under_body(probe: nn.Module, tensors: dict[str, Any], *rest: object) -> None:
    """Files from when there was one kind of body do not name it."""
    del probe, rest
    for name in [name for name in tensors if name.startswith(("look.", "move.", "order."))]:
        tensors[f"body.{name}"] = tensors.pop(name)
