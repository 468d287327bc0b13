"""Where the clips of a report come from: a model that renders a split's captions, or a folder of generated clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

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
    left_out: list[str] = field(default_factory=list)  # clips that could not be read: name and reason


@runtime_checkable
class Source(Protocol):
    """Pairs of clips, and real clips to compare with; the same in every process."""

    extractors: list[Any]  # the first one is the judge
    apart: bool  # the reference are other clips than the real ones of the pairs
    encoder: Any  # of captions and clips, or None

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
    pairs, or as many spread evenly over it where their order may mean something.
    """

    apart = True

    def __init__(
        self,
        checkpoint: Path,
        split: str,
        num_clips: int | None,
        *,
        features: Sequence[str] = (),
        quick: bool = False,
        device: str = "cpu",
    ) -> None:
        from t2vgan import assemble

        self.model, self.experiment = assemble.load_model(checkpoint, device)
        second = None if quick else assemble.second_judge(self.experiment)
        self.encoder = None if quick else assemble.retriever(self.experiment).to(device)
        self.extractors = [assemble.judge(self.experiment), *([second] if second else [])]
        self.extractors += [extractor_of(name) for name in features]
        self.extractors += [Embedding(self.encoder)] if self.encoder is not None else []
        for extractor in self.extractors:
            extractor.to(device)
        # Files are for people; here the frame cache is read, and to fork beside the threads of torch may hang.
        data = replace(self.experiment.data, files=self.experiment.data.files and not self.experiment.data.cache)
        make = assemble.datasets(replace(self.experiment, data=data))
        self.clips = make(split, num_clips)
        drawn = hasattr(self.clips, "PROBE_SPLIT")
        self.training = make("train", len(self.clips) if drawn else None)
        count = min(len(self.clips), len(self.training))
        self.others = np.linspace(0, len(self.training) - 1, count).round().astype(int).tolist()
        self.checkpoint, self.split, self.device = checkpoint, split, device

    def batches(self, rank: int, ranks: int) -> Iterator[tuple[int, Pairs]]:
        for number, indices in shared(len(self.clips), rank, ranks):
            samples, indices, left_out = readable(self.clips, indices)
            if not samples:
                continue
            times = torch.from_numpy(np.stack([s.times for s in samples]).astype(np.float32))
            fake = self.model.generate([s.caption for s in samples], z=self.noise("clip", indices), times=times)
            yield number, pairs_of(samples, indices, fake, self.device, left_out)

    def reference(self, rank: int, ranks: int) -> Iterator[tuple[int, Video]]:
        for number, indices in shared(len(self.others), rank, ranks):
            if samples := readable(self.training, [self.others[i] for i in indices])[0]:
                yield number, video_of(samples).to(self.device)

    def counts(self) -> tuple[int, int]:
        return -(-len(self.clips) // BATCH), -(-len(self.others) // BATCH)

    def again(self, captions: Sequence[str]) -> Iterator[Video]:
        for i, caption in enumerate(captions):
            z = self.noise("again", range(i * SAMPLES, (i + 1) * SAMPLES))
            yield self.model.generate([caption] * SAMPLES, z=z)

    def retold(self, captions: Sequence[str], indices: Sequence[int]) -> Video:
        return self.model.generate(list(captions), z=self.noise("clip", indices)).float().clamp(-1, 1)

    def noise(self, purpose: str, numbers: Sequence[int]) -> Tensor:
        seeds = (stable_seed("evaluate", purpose, number) for number in numbers)
        dim = self.model.ema_generator.z_dim
        return torch.stack([torch.randn(dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds])  # type: ignore[arg-type]

    def protocol(self) -> dict[str, Any]:
        clip, data = self.experiment.clip, self.clips
        return {
            "generated": self.checkpoint.as_posix(),
            "experiment": self.experiment.name,
            "data": {"name": self.experiment.data.dataset.get("name"), "split": self.split, "hash": data.fingerprint},
            "reference": {"split": "train", "clips": len(self.others)},
            "clip": {"frames": clip.frames, "duration_s": clip.duration_s, "size": clip.size, "frame_stride": 1},
            "noise": "one draw per clip, seeded by its place in the split",
        }


class Folder:
    """Generated clips in a folder, each with its caption beside it, against real clips: a folder or a manifest.

    A generated clip belongs to a real clip with its caption, if there are several to the one of its name. Real clips
    that belong to no generated one are the reference; where they are fewer than the pairs, the real clips of the pairs
    are, and there is no floor. Clips that are shorter than `duration_s` are left out.
    """

    def __init__(
        self,
        generated: Path,
        real: Path,
        judge: Any,
        *,
        size: int,
        frames: int,
        duration_s: float,
        split: str = "all",
        num_clips: int | None = None,
        features: Sequence[str] = (),
        device: str = "cpu",
    ) -> None:
        from t2vgan.datasets.captioned_folder import CaptionedFolder
        from t2vgan.datasets.manifest import Manifest

        view: dict[str, Any] = {"size": size, "frames": frames, "duration_s": duration_s}
        self.view, view = view, {**view, "short": "skip"}
        self.made = CaptionedFolder(root=generated, split="all", **view)
        is_manifest = real.suffix == ".jsonl" or any(real.glob("*.jsonl"))
        kind: Any = Manifest if is_manifest else CaptionedFolder
        self.real = kind(root=real, split=split, **view)
        self.partners = partners(self.made, self.real, generated, real)[:num_clips]
        paired = {r for _, r in self.partners}
        others = [i for i in range(len(self.real)) if i not in paired]
        self.apart = len(others) >= len(self.partners)
        self.others = others[: len(self.partners)] if self.apart else sorted(paired)
        self.extractors, self.encoder = [judge, *(extractor_of(name) for name in features)], None
        for extractor in self.extractors:
            extractor.to(device)
        self.device, self.folders = device, (generated, real)

    def batches(self, rank: int, ranks: int) -> Iterator[tuple[int, Pairs]]:
        for number, indices in shared(len(self.partners), rank, ranks):
            made, real, kept, left_out = [], [], [], []
            for i in indices:
                one, _, why = readable(self.made, [self.partners[i][0]])
                other, _, why_not = readable(self.real, [self.partners[i][1]])
                left_out += why + why_not
                if one and other:
                    made, real, kept = [*made, *one], [*real, *other], [*kept, i]
            if made:
                pairs = pairs_of(real, kept, video_of(made).to(self.device), self.device, left_out)
                pairs.captions = [sample.caption for sample in made]
                yield number, pairs

    def reference(self, rank: int, ranks: int) -> Iterator[tuple[int, Video]]:
        for number, indices in shared(len(self.others), rank, ranks):
            if samples := readable(self.real, [self.others[i] for i in indices])[0]:
                yield number, video_of(samples).to(self.device)

    def counts(self) -> tuple[int, int]:
        return -(-len(self.partners) // BATCH), -(-len(self.others) // BATCH)

    def again(self, captions: Sequence[str]) -> None:
        return None

    def retold(self, captions: Sequence[str], indices: Sequence[int]) -> None:
        return None

    def protocol(self) -> dict[str, Any]:
        generated, real = (folder.as_posix() for folder in self.folders)
        which = "real clips that belong to no generated one" if self.apart else "the real clips of the pairs themselves"
        return {
            "generated": generated,
            "data": {"name": real, "hash": self.real.fingerprint},
            "reference": {"which": which, "clips": len(self.others)},
            "clip": {**self.view, "frame_stride": 1},
        }


class Embedding(torch.nn.Module):
    """The dual encoder's view of clips among the features that are taken in one look."""

    name = "retrieval"

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.dim, self.fingerprint, self.accuracy = encoder.dim, encoder.fingerprint, encoder.accuracy

    def features(self, video: Video) -> Tensor:
        return self.encoder.embed_video(video)


def model_source(
    checkpoint: Path, split: str, num_clips: int | None, features: Sequence[str], quick: bool, device: str
) -> Model:
    return Model(checkpoint, split, num_clips, features=features, quick=quick, device=device)


def folder_source(
    generated: Path, real: Path, view: dict[str, Any], split: str, num_clips: int | None, features: Sequence[str],
    experiment: str | None, device: str,
) -> Folder:  # fmt: skip
    """Judged by the probe of `experiment`, where one is named, else by ImageNet features of the frames."""
    from t2vgan import assemble, config
    from t2vgan.metrics.effnet import EffNetFeatures

    judge = assemble.judge(config.load(experiment)) if experiment else EffNetFeatures()
    return Folder(generated, real, judge, **view, split=split, num_clips=num_clips, features=features, device=device)


def partners(made: Any, real: Any, made_folder: Path, real_folder: Path) -> list[tuple[int, int]]:
    """(generated, real) of each generated clip that belongs to a real one. ValueError if none does."""
    places = list(reversed(range(len(real))))  # so that the first one with a name or caption is found
    names = {real.clips[i].file.stem: i for i in places}
    told = {caption: i for i in places for caption in real.clips[i].captions}
    found = []
    for i, clip in enumerate(made.clips):
        match = names.get(clip.file.stem)
        if match is None or not set(clip.captions) & set(real.clips[match].captions):
            match = next((told[caption] for caption in clip.captions if caption in told), None)
        if match is not None:
            found.append((i, match))
    if not found:
        raise ValueError(f"{made_folder}: none of its {len(made)} clips has the caption of a clip in {real_folder}")
    return found


def extractor_of(told: str) -> Any:
    """`effnet`, or `<network>=<file>`, `<network>:<convention>=<file>` for weights on this disk; else ValueError."""
    from t2vgan.metrics.effnet import EffNetFeatures
    from t2vgan.metrics.features import CONVENTIONS, load_features
    from t2vgan.metrics.weights import sha256_of

    if told == "effnet":
        return EffNetFeatures()
    way, _, file = told.partition("=")
    network, _, convention = way.partition(":")
    if network not in CONVENTIONS or not file:
        raise ValueError(
            f"--features {told}: choose effnet, or one of {', '.join(CONVENTIONS)} with its weights, as in "
            "i3d=i3d_torchscript.pt or i3d:cdfvd=i3d_torchscript.pt"
        )
    path = Path(file)
    told_hash = None if network == "i3d" or not path.is_file() else sha256_of(path)
    return load_features(network, path, convention=convention or None, sha256=told_hash)


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


def pairs_of(
    samples: Sequence[Sample], indices: list[int], fake: Video, device: str, left_out: Sequence[str] = ()
) -> Pairs:
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
        left_out=list(left_out),
    )
