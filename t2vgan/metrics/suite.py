"""All metrics from one pass over real and generated clips, for validation in training and for the command line alike.

Keys, with `probe` standing for the extractor's name:
- `fd_probe`, `kid_probe`: the mean of both distances between one half of the real clips and generated clips for the
  captions of the other half; `fd_probe_floor`, `kid_probe_floor`: real half against real half. All of them compare
  n/2 clips with n/2 clips, since the Fréchet distance is biased by about c/n: compare only runs of equal n.
- `accuracy/<attribute>`, `accuracy/all`: generated clips against their captions, of the attributes that these name;
  `ceiling/...`: the same for real clips; `floor/...`: real clips against other clips' captions;
  `normalised/...`: (accuracy - floor) / (ceiling - floor).
- `motion/...`: see `MotionStatistics`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import Metric

from t2vgan.metrics import METRICS
from t2vgan.metrics.attributes import AttributeAccuracy, Row, attribute_rows
from t2vgan.metrics.motion import MotionStatistics
from t2vgan.metrics.precise import MetricWarning
from t2vgan.shapes import Video


@runtime_checkable
class Extractor(Protocol):
    """A frozen network that turns clips of any size and length into features: `Probe`, `EffNetFeatures`."""

    name: str
    dim: int

    def features(self, video: Video) -> Float[Tensor, "b d"]: ...


def half(position: int) -> bool:
    """Which half a clip belongs to, by the Thue-Morse sequence: even, also where the data repeats with some period."""
    return bool(position.bit_count() % 2)


class Distance(nn.Module):
    """One distance and its floor, with equally many clips on every side."""

    def __init__(self, metric: type[Metric], dim: int) -> None:
        super().__init__()
        # real halves A and B against the clips generated for the other half, and against each other
        self.pairs = nn.ModuleDict({pair: metric(dim=dim, reset_real=True) for pair in ("a", "b", "floor")})

    def update(self, real: Float[Tensor, "n d"], fake: Float[Tensor, "n d"], positions: Sequence[int]) -> None:
        """Add features of clips and of those generated for them; `positions` are those of the clips in their order."""
        a = torch.tensor([half(position) for position in positions], dtype=torch.bool, device=real.device)
        b = ~a
        for pair, left, right in (("a", real[a], fake[b]), ("b", real[b], fake[a]), ("floor", real[a], real[b])):
            metric = cast(Metric, self.pairs[pair])
            metric.update(left, real=True)
            metric.update(right, real=False)

    def compute(self) -> tuple[float, float]:
        """The distance and its floor."""
        a, b, floor = (float(cast(Metric, self.pairs[pair]).compute()) for pair in ("a", "b", "floor"))
        return (a + b) / 2, floor

    def reset(self) -> None:
        for metric in self.pairs.values():
            cast(Metric, metric).reset()


class Suite(nn.Module):
    """Feed it batches of real and generated clips, then `compute`. Move it by device only."""

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        self.attributes: Mapping[str, Sequence[str]] = getattr(extractor, "attributes", {})
        self.distances = nn.ModuleDict({key: Distance(metric, extractor.dim) for key, metric in METRICS.items()})
        self.accuracy = AttributeAccuracy(attributes=self.attributes)
        self.ceiling = AttributeAccuracy(attributes=self.attributes)
        self.motion = MotionStatistics()
        self.clips = 0  # seen by this process

    @torch.no_grad()
    def update(
        self,
        real: Video,
        fake: Float[Tensor, "n c t h w"],
        truth: Sequence[Mapping[str, str]] = (),
        named: Sequence[Sequence[str]] | None = None,
        positions: Sequence[int] | None = None,
    ) -> None:
        """Add a batch: real clips, clips generated for their captions, the truth, and what the captions name of it.

        `positions`: which clips of all these are, where processes share them; else they follow on those before.
        """
        if len(real) != len(fake):
            raise ValueError(f"{len(fake)} generated clips for {len(real)} real ones")
        sides = self.extractor.features(real), self.extractor.features(fake)
        for distance in self.distances.values():
            cast(Distance, distance).update(*sides, positions or range(self.clips, self.clips + len(real)))
        if self.attributes and truth:
            classify = self.extractor.classify  # pyright: ignore[reportAttributeAccessIssue]
            self.ceiling.update(classify(sides[0]), truth, named)
            self.accuracy.update(classify(sides[1]), truth, named)
        self.motion.update(real, real=True)
        self.motion.update(fake, real=False)
        self.clips += len(real)

    def compute(self) -> dict[str, float]:
        """All figures by name, over all ranks; call it on every rank.

        NaN where there were too few clips, and for everything of generated clips where one of them was not finite:
        what a judge says of those is no accuracy.
        """
        found: dict[str, float] = {}
        for key, distance in self.distances.items():
            name = f"{key}_{self.extractor.name}"
            with warnings.catch_warnings():  # of a rehearsal or a diverged generator NaN is the figure
                warnings.simplefilter("ignore", MetricWarning)
                found[name], found[f"{name}_floor"] = cast(Distance, distance).compute()
        motion = self.motion.compute()
        if self.attributes:
            found |= self._accuracies(broken=math.isnan(motion["static"]))
        return found | {f"motion/{name}": value for name, value in motion.items()}

    def rows(self) -> list[Row]:
        """Accuracy, ceiling and floor of each attribute that some caption names, over all ranks."""
        return attribute_rows(self.accuracy.compute(), self.ceiling.compute())

    def _accuracies(self, *, broken: bool) -> dict[str, float]:
        found = {}
        for row in self.rows():
            found[f"accuracy/{row.name}"] = math.nan if broken else row.counts.rate
            found[f"ceiling/{row.name}"] = row.ceiling
            found[f"floor/{row.name}"] = row.floor
            found[f"normalised/{row.name}"] = math.nan if broken else row.normalised
        return found

    def reset(self) -> None:
        """Forget all clips."""
        for distance in self.distances.values():
            cast(Distance, distance).reset()
        for metric in (self.accuracy, self.ceiling, self.motion):
            metric.reset()
        self.clips = 0
