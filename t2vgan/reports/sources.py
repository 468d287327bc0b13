"""Where the clips of a report come from: a model that renders a split's captions (a folder of clips: `folder`)."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from t2vgan.reports.spaces import Embedding, extractor_of, frame_reader_of
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Sample, Video, to_float

BATCH = 16  # clips; the same on every machine and for any number of processes
SAMPLES = 4  # clips of each caption, for the diversity within captions


@dataclass
class Pairs:
    """A batch of real clips and those generated for their captions."""

    real: Video
    fake: Video
    captions: list[str]
    wrong_captions: list[str]
    keys: list[str]
    indices: list[int]
    attributes: list[dict[str, Any]] = field(default_factory=list)
    named: list[tuple[str, ...]] = field(default_factory=list)
    contrasts: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    changed: list[tuple[tuple[str, str], ...]] = field(default_factory=list)


@runtime_checkable
class Source(Protocol):
    """Pairs of clips, and real clips to compare with; the same in every process."""

    extractors: list[Any]  # the first one is the judge
    apart: bool  # the reference are other clips than the real ones of the pairs, and none of these occurs twice
    learned_from: bool  # the generator learned from the reference, and the pairs' real clips are like it
    lost: list[str]  # name and reason of clips that could not be read so far, in this process
    encoder: Any  # of captions and clips, or None
    frame_reader: Any  # a network with `frame_features`, for temporal consistency

    def batches(self, rank: int, ranks: int) -> Iterator[tuple[int, Pairs]]:
        """(number, batch) of every `ranks`-th batch, from the `rank`-th on."""
        ...

    def reference(self, rank: int, ranks: int) -> Iterator[tuple[int, Video]]:
        """Real clips, none of which belongs to a pair."""
        ...

    def again(self, captions: Sequence[str]) -> Iterator[Video] | None:
        """SAMPLES clips of each caption, from other noise; None where nothing can be generated."""
        ...

    def retold(self, captions: Sequence[str], indices: Sequence[int]) -> Video | None:
        """Clips of other captions from the noise of the pairs with these indices; None where it cannot be had."""
        ...

    def counts(self) -> tuple[int, int]:
        """Batches of pairs and of reference."""
        ...

    def protocol(self) -> dict[str, Any]:
        """What was compared with what."""
        ...


class Model:
    """The averaged generator of a run against a split of the data set that it was trained on.

    A clip's place in the split decides its noise. The reference are the first clips of `train`, as many as there are
    pairs, or as many spread evenly over it where their order may mean something; of `train` itself they are others.
    """

    def __init__(
        self,
        checkpoint: Path,
        split: str,
        num_clips: int | None,
        *,
        features: Sequence[str] = (),
        quick: bool = False,
        data_root: Path | None = None,
        device: str = "cpu",
    ) -> None:
        from t2vgan import assemble

        self.model, self.experiment = assemble.load_model(checkpoint, device, data_root=data_root)
        second = None if quick else assemble.second_judge(self.experiment)
        self.encoder = None if quick else assemble.retriever(self.experiment).to(device)
        self.extractors = [assemble.judge(self.experiment), *([second] if second else [])]
        self.extractors += [extractor_of(name) for name in features]
        self.extractors += [Embedding(self.encoder)] if self.encoder is not None else []
        check_names(self.extractors)
        self.frame_reader = frame_reader_of(self.extractors)
        for part in (*self.extractors, self.frame_reader):
            part.to(device)
        # Files are for people; here the frame cache is read, and to fork beside the threads of torch may hang.
        data = replace(self.experiment.data, files=self.experiment.data.files and not self.experiment.data.cache)
        make = assemble.datasets(replace(self.experiment, data=data))
        self.clips = make(split, num_clips)
        drawn, taken = hasattr(self.clips, "PROBE_SPLIT"), len(self.clips) if split == "train" else 0
        self.training = make("train", taken + len(self.clips) if drawn else None)
        self.apart = split != "all" and len(self.training) > taken
        self.learned_from = split != "heldout"  # combinations that training never has are far from it, real ones, too
        first = taken if self.apart else 0
        count = min(len(self.clips), len(self.training) - first)
        self.others = np.linspace(first, len(self.training) - 1, count).round().astype(int).tolist()
        self.lost: list[str] = []
        self.checkpoint, self.split, self.device = checkpoint, split, device
        pipeline: Any = self.model.text_pipeline
        pipeline.warm([caption for caption in self.clips.captions() if caption.strip()])

    def batches(self, rank: int, ranks: int) -> Iterator[tuple[int, Pairs]]:
        for number, indices in shared(len(self.clips), rank, ranks):
            samples, indices, lost = readable(self.clips, indices)
            self.lost += lost
            if not samples:
                continue
            times = torch.from_numpy(np.stack([s.times for s in samples]).astype(np.float32))
            fake = self.model.generate([s.caption for s in samples], z=self.noise("clip", indices), times=times)
            yield number, pairs_of(samples, indices, fake, self.device)

    def reference(self, rank: int, ranks: int) -> Iterator[tuple[int, Video]]:
        for number, indices in shared(len(self.others), rank, ranks):
            samples, _, lost = readable(self.training, [self.others[i] for i in indices])
            self.lost += lost
            if samples:
                yield number, video_of(samples).to(self.device)

    def counts(self) -> tuple[int, int]:
        return -(-len(self.clips) // BATCH), -(-len(self.others) // BATCH)

    def again(self, captions: Sequence[str]) -> Iterator[Video]:
        for i, caption in enumerate(captions):
            z = self.noise("again", range(i * SAMPLES, (i + 1) * SAMPLES))
            yield self.model.generate([caption] * SAMPLES, z=z, times=self.times.expand(SAMPLES, -1))

    def retold(self, captions: Sequence[str], indices: Sequence[int]) -> Video:
        times = self.times.expand(len(captions), -1)
        return self.model.generate(list(captions), z=self.noise("clip", indices), times=times).float().clamp(-1, 1)

    @functools.cached_property
    def times(self) -> Tensor:
        """The instants of the split's clips, `(t,)`: of a view all clips have the same."""
        found = (readable(self.clips, [i])[0] for i in range(len(self.clips)))
        return torch.from_numpy(next(samples for samples in found if samples)[0].times.astype(np.float32))

    def noise(self, purpose: str, numbers: Sequence[int]) -> Tensor:
        seeds = (stable_seed("evaluate", purpose, number) for number in numbers)
        dim = self.model.ema_generator.z_dim
        return torch.stack([torch.randn(dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds])  # type: ignore[arg-type]

    def protocol(self) -> dict[str, Any]:
        clip, data = self.experiment.clip, self.clips
        shape = {"frames": clip.frames, "duration_s": clip.duration_s, "size": clip.size}
        stride = 1 if hasattr(data, "PROBE_SPLIT") else None  # drawn at these instants; videos are read at them
        which = "other real ones, of the training split" if self.apart else "real ones, which may be the same clips"
        return {
            "generated": self.checkpoint.as_posix(),
            "experiment": self.experiment.name,
            "data": {"name": self.experiment.data.dataset.get("name"), "split": self.split, "hash": data.fingerprint},
            "reference": {"split": "train", "which": which, "clips": len(self.others)},
            "clip": {**shape, "frames_per_s": clip.frames / clip.duration_s, "frame_stride": stride},
            "noise": "one draw per clip, seeded by its place in the split",
            "temporal_consistency": f"cosine of neighbouring frames' features: {self.frame_reader.name}",
        }


def model_source(
    checkpoint: Path, split: str, num_clips: int | None, features: Sequence[str], quick: bool, data_root: Path | None,
    device: str,
) -> Model:  # fmt: skip
    return Model(checkpoint, split, num_clips, features=features, quick=quick, data_root=data_root, device=device)


def check_names(extractors: Sequence[Any]) -> None:
    """ValueError for two of one name: figures are named after them."""
    names = [extractor.name for extractor in extractors]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"--features: two networks are called {twice}; give one of them in a call of its own")


def shared(count: int, rank: int, ranks: int) -> Iterator[tuple[int, list[int]]]:
    """Every `ranks`-th batch of `count` clips, with its number."""
    for number in range(rank, -(-count // BATCH), ranks):
        yield number, list(range(number * BATCH, min((number + 1) * BATCH, count)))


def readable(clips: Any, indices: Sequence[int]) -> tuple[list[Sample], list[int], list[str]]:
    """The samples that can be read, their indices, and name and reason of the others."""
    samples, kept, left_out = [], [], []
    for i in indices:
        try:
            samples.append(clips[i])
            kept.append(i)
        except ValueError as error:
            left_out.append(str(error))
    return samples, kept, left_out


def video_of(samples: Sequence[Sample]) -> Video:
    return to_float(torch.from_numpy(np.stack([s.video for s in samples])).permute(0, 4, 1, 2, 3))


def pairs_of(samples: Sequence[Sample], indices: list[int], fake: Video, device: str) -> Pairs:
    return Pairs(
        real=video_of(samples).to(device),
        fake=fake.float().clamp(-1, 1),
        captions=[s.caption for s in samples],
        wrong_captions=[s.wrong_caption for s in samples],
        keys=[s.key for s in samples],
        indices=indices,
        attributes=[s.attributes for s in samples],
        named=[s.named for s in samples],
        contrasts=[s.contrasts for s in samples],
        changed=[s.changed for s in samples],
    )
