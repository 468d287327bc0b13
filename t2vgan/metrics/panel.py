"""Every figure of a report, from one look at each clip.

`observe` looks at a batch once: features forwards and backwards, what moves and how fast, where the flow goes. All else
is arithmetic on what was seen, so that generated clips, real clips and spoiled real ones (the controls) are measured
alike and together:

    seen = Observation.joined(observe(batch, extractor) for batch in clips)
    obedience(...); movement(...)          # and `near.distances(reference, real, fake, name="probe")`

The figures are plain nested dictionaries, as in `metrics.json` (docs/metrics_json.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from t2vgan.metrics.arrow import arrow_of_time
from t2vgan.metrics.attributes import (
    ALL,
    LEAST_CEILING,
    AttributeAccuracy,
    attribute_rows,
    normalised_accuracy,
    wilson_interval,
)
from t2vgan.metrics.checks import check_clips
from t2vgan.metrics.flow import LEAST_TEXTURE, STILL, STRIDE, ClipMotion, camera_and_subject_motion
from t2vgan.metrics.motion import (
    flicker,
    is_static,
    motion_energy,
    motion_spectrum,
    spectrum_gap,
    temporal_consistency,
)
from t2vgan.metrics.nearest import memorisation
from t2vgan.shapes import Video

FEWEST = 4  # clips that a figure of a part of them is given for
FLOW = ("camera", "direction")  # attributes that optical flow can tell, too

Figures = dict[str, Any]


@dataclass
class Observation:
    """What was seen of n clips; row i of everything is clip i."""

    features: dict[str, Float[Tensor, "n d"]]  # by the name of the network
    backwards: Float[Tensor, "n d"]  # of the first of them, of the same clips, last frame first
    energy: Float[Tensor, " n"]
    static: Bool[Tensor, " n"]
    flicker: Float[Tensor, " n"]
    spectrum: Float[Tensor, "n f"]
    consistency: Float[Tensor, " n"]  # NaN where no frames were read
    camera: list[str]  # by optical flow; "" where it was not asked for
    direction: list[str]

    def __len__(self) -> int:
        return len(self.energy)

    @staticmethod
    def joined(parts: Iterable[Observation]) -> Observation:
        """All parts as one. ValueError without any clip, and for clips of different length."""
        found = list(parts)
        if not found:
            raise ValueError("there are no clips to look at")
        lengths = sorted({2 * (part.spectrum.shape[1] - 1) for part in found})
        if len(lengths) > 1:
            raise ValueError(f"clips of different length cannot be compared: about {lengths} frames")
        joined: dict[str, Any] = {}
        for each in fields(Observation):
            values = [getattr(part, each.name) for part in found]
            joined[each.name] = _concatenated(values)
        return Observation(**joined)

    def __getitem__(self, rows: Sequence[int]) -> Observation:
        chosen: dict[str, Any] = {}
        for each in fields(Observation):
            chosen[each.name] = _taken(getattr(self, each.name), list(rows))
        return Observation(**chosen)


def _concatenated(values: list[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.cat(values)
    if isinstance(values[0], dict):
        return {name: torch.cat([value[name] for value in values]) for name in values[0]}
    return [value for row in values for value in row]


def _taken(value: Any, rows: list[int]) -> Any:
    if isinstance(value, Tensor):
        return value[rows]
    if isinstance(value, dict):
        return {name: features[rows] for name, features in value.items()}
    return [value[i] for i in rows]


@torch.no_grad()
def observe(video: Video, *extractors: Any, flow: bool = False, frame_reader: Any = None) -> Observation:
    """Look at a batch of clips of 3 frames or more, in [-1, 1]. ValueError for clips that cannot be judged.

    The first extractor also sees the clips backwards; `flow` asks for camera and direction by optical flow, and
    `frame_reader`, a network with `frame_features`, for temporal consistency.
    """
    check_clips(video, reader=extractors[0].name, least_frames=STRIDE + 1)
    video = video.float().clamp(-1, 1)
    motion = camera_and_subject_motion(video) if flow else None
    return Observation(
        features={extractor.name: extractor.features(video).cpu() for extractor in extractors},
        backwards=extractors[0].features(video.flip(2)).cpu(),
        energy=motion_energy(video).cpu(),
        static=is_static(video).cpu(),
        flicker=flicker(video).cpu(),
        spectrum=motion_spectrum(video).cpu(),
        consistency=consistency_of(video, frame_reader),
        camera=told_by_flow(motion, "camera") if motion else [""] * len(video),
        direction=told_by_flow(motion, "direction") if motion else [""] * len(video),
    )


def told_by_flow(motion: ClipMotion, name: str) -> list[str]:
    """STILL where there is no texture that anything could be told by."""
    seen = zip(getattr(motion, name), motion.texture.tolist(), strict=True)
    return [value if texture >= LEAST_TEXTURE else STILL for value, texture in seen]


def consistency_of(video: Video, frame_reader: Any) -> Float[Tensor, " b"]:
    if frame_reader is None:
        return torch.full((len(video),), torch.nan)
    return temporal_consistency(frame_reader.frame_features(video)).cpu()


def movement(real: Observation, fake: Observation, *, sees_order: bool, paired: bool = False) -> Figures:
    """Is it really video? Generated clips beside the real ones whose captions they render.

    sees_order: whether the first features depend on the order of frames; else they know no arrow of time.
    paired: the clips were not generated, but each was made from the real one of its row.
    """
    found: Figures = {
        "motion_energy": beside(fake.energy, real.energy),
        "static_share": beside(fake.static.double(), real.static.double()),
        "flicker": beside(finite(fake.flicker), finite(real.flicker)),
        "motion_spectrum_gap_db": {
            "value": float(spectrum_gap(real.spectrum, fake.spectrum)),
            "floor": float(spectrum_gap(real.spectrum[::2], real.spectrum[1::2])) if len(real) > 1 else None,
        },
    }
    if bool(torch.isfinite(fake.consistency).any()):
        found["temporal_consistency"] = beside(finite(fake.consistency), finite(real.consistency))
    if sees_order and min(len(real), len(fake)) >= 3:
        first = next(iter(real.features))
        sides = real.features[first], real.backwards, fake.features[first], fake.backwards
        arrow = arrow_of_time(*sides, paired=paired)
        found["arrow_of_time"] = {"value": arrow.score, "p_value": arrow.p_value, "forward": arrow.forward}
        found["arrow_of_time"]["forward_real"] = arrow.forward_real
    return found


def novelty(reference: Observation, real: Observation, fake: Observation) -> Figures:
    """Are generated clips copies of training clips?"""
    first = next(iter(reference.features))
    found = memorisation(reference.features[first], real.features[first], fake.features[first])
    return {"memorisation": {"value": found.copying, "copies": found.copies, "as_new_as_real": 0.5}}


def obedience(
    extractor: Any,
    real: Observation,
    fake: Observation,
    truth: Sequence[Mapping[str, str]],
    named: Sequence[Sequence[str]] | None,
) -> Figures:
    """Does it show what the text says? `attributes`, `all_correct`, and the same where everything is named.

    low and high are the Wilson interval of the accuracy, normalised as the accuracy itself is.
    """
    found = accuracies(extractor, real, fake, truth, named)
    full = [i for i, of_clip in enumerate(named or ()) if set(extractor.attributes) <= set(of_clip)]
    if len(full) >= FEWEST:
        told = [truth[i] for i in full], [(named or ())[i] for i in full]
        where = accuracies(extractor, real[full], fake[full], *told)
        for figure in where["attributes"].values():
            figure.pop("confusion")
        found["where_all_is_named"] = {"clips": len(full), **where}
    return found


def accuracies(
    extractor: Any,
    real: Observation,
    fake: Observation,
    truth: Sequence[Mapping[str, str]],
    named: Sequence[Sequence[str]] | None,
) -> Figures:
    """A figure for each attribute that captions name, and for all of them at once."""
    judged = {side: AttributeAccuracy(attributes=extractor.attributes) for side in ("real", "fake")}
    for side, seen in (("real", real), ("fake", fake)):
        judged[side].update(extractor.classify(seen.features[extractor.name]), truth, named)
    rows = {row.name: row for row in attribute_rows(judged["fake"].compute(), judged["real"].compute())}
    found: Figures = {"attributes": {}}
    for name, row in rows.items():
        figure = accuracy_figure(row.counts.correct, row.counts.total, floor=row.floor, ceiling=row.ceiling)
        if name == ALL:
            found["all_correct"] = figure
        else:
            figure["confusion"] = confusion(judged["fake"], name)
            found["attributes"][name] = figure
    return found


def by_flow(
    real: Observation, fake: Observation, truth: Sequence[Mapping[str, str]], named: Sequence[Sequence[str]] | None
) -> Figures:
    """Camera and direction by optical flow, of those that the truth knows."""
    found = {name: flow_figure(getattr(real, name), getattr(fake, name), truth, named, name) for name in FLOW}
    return {name: figure for name, figure in found.items() if figure}


def flow_figure(
    real: Sequence[str],
    fake: Sequence[str],
    truth: Sequence[Mapping[str, str]],
    named: Sequence[Sequence[str]] | None,
    name: str,
) -> Figures | None:
    """Accuracy of an attribute by optical flow: no weights, nothing that was trained.

    Clips in which it sees nothing that could tell (a subject that stays where it is faces somewhere, too) do not count.
    """
    wanted = [of_clip.get(name) if named is None or name in named[i] else None for i, of_clip in enumerate(truth)]
    asked = [i for i, value in enumerate(wanted) if value is not None]
    shown, known = ([i for i in asked if side[i] != STILL] for side in (fake, real))
    if len(known) < 2:
        return None
    right, ceiling = sum(fake[i] == wanted[i] for i in shown), sum(real[i] == wanted[i] for i in known)
    pairs = len(known) * (len(known) - 1)
    by_chance = sum(real[i] == wanted[j] for i in known for j in known if i != j) / pairs
    return accuracy_figure(right, len(shown), floor=by_chance, ceiling=ceiling / len(known))


def accuracy_figure(correct: int, total: int, *, floor: float, ceiling: float) -> Figures:
    """A row with its interval; `counts` is false where the judge errs on real clips too often to judge others."""

    def normal(value: float) -> float:
        return normalised_accuracy(value, floor=floor, ceiling=ceiling)

    low, high = wilson_interval(correct, total)
    return {
        "accuracy": correct / total if total else math.nan, "ceiling": ceiling, "floor": floor,
        "normalised": normal(correct / total) if total else math.nan, "low": normal(low), "high": normal(high),
        "correct": correct, "clips": total, "counts": ceiling >= LEAST_CEILING,
    }  # fmt: skip


def confusion(judged: AttributeAccuracy, name: str) -> Figures:
    """{"values": [...], "counts": rows of the wanted value, columns of what the judge saw}."""
    return {"values": judged.attributes[name], "counts": judged.confusion(name).tolist()}


def beside(fake: Tensor, real: Tensor) -> Figures:
    """Means of generated and real clips, and their ratio."""
    value, other = (float(side.double().mean()) if len(side) else math.nan for side in (fake, real))
    return {"value": value, "real": other, "ratio": value / other if other else math.nan}


def finite(values: Tensor) -> Tensor:
    return values[torch.isfinite(values)]
