"""A folder of generated clips as the source of a report, beside a folder or a manifest of real ones."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from t2vgan.metrics.bodies import FRAMES as PROBE_FRAMES
from t2vgan.metrics.bodies import SIZE as PROBE_SIZE
from t2vgan.reports.sources import BATCH, Pairs, pairs_of, readable, shared, video_of
from t2vgan.reports.spaces import Embedding, extractor_of, frame_reader_of
from t2vgan.shapes import Video

RETRIEVER_CLIPS = 64  # real clips without a pair from which the judge of captions need not learn from the pairs
LOOKED_AT = 32  # clips of each folder whose headers tell of sizes and frame rates
LEAST_CAPTIONS = 16  # clips and captions that it learns from at least
RETRIEVER_LOOKS, FEWEST_EPOCHS, MOST_EPOCHS = 48_000, 6, 30  # clips that it sees in all, in so many epochs


class Folder:
    """Generated clips in a folder, each with its caption beside it, against real clips: a folder or a manifest.

    A generated clip belongs to a real clip with its caption, if there are several to the one of its name; others are
    left out, with a warning. Real clips
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
        judges: Path | None = None,
        device: str = "cpu",
    ) -> None:
        from t2vgan.datasets.captioned_folder import CaptionedFolder

        view: dict[str, Any] = {"size": size, "frames": frames, "duration_s": duration_s}
        self.view, view = view, {**view, "short": "skip"}
        self.made = CaptionedFolder(root=generated, split="all", **view)
        self.real = real_clips(real, split=split, **view)
        found = partners(self.made, self.real, generated, real)
        self.partners = found[:num_clips]
        check_readable(self.made, self.real, self.partners)
        self.unused = {
            "generated_without_caption": len(self.made.uncaptioned),
            "generated_without_real": len(self.made.clips) - len(found),
            "real_without_caption": len(getattr(self.real, "uncaptioned", ())),
        }
        if self.unused["generated_without_real"]:
            told = (
                f"{self.unused['generated_without_real']} of {len(self.made.clips)} clips have the caption of no clip"
            )
            warnings.warn(f"{generated}: {told} in {real} and are left out", stacklevel=2)
        self.unlike = unlike(self.made, self.real, size)
        for told in self.unlike if multiprocessing.parent_process() is None else []:
            warnings.warn(f"{generated} beside {real}: {told}", stacklevel=2)
        paired = {r for _, r in self.partners}
        others = [i for i in range(len(self.real)) if i not in paired]
        self.apart = len(others) >= len(self.partners)
        self.others = others[: len(self.partners)] if self.apart else sorted(paired)
        self.encoder, self.retriever = None, "none was asked for"
        if judges is not None:
            seen = real_clips(real, split=split, **{**view, "size": PROBE_SIZE, "frames": PROBE_FRAMES})
            self.encoder, self.retriever = retriever_of(seen, others, judges)
        self.extractors = [judge, *(extractor_of(name) for name in features)]
        self.extractors += [Embedding(self.encoder)] if self.encoder is not None else []
        self.frame_reader = frame_reader_of(self.extractors)
        for part in (*self.extractors, self.frame_reader):
            part.to(device)
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
            "unused": self.unused,
            "unlike": self.unlike,
            "retriever": self.retriever,
            "temporal_consistency": f"cosine of neighbouring frames' features: {self.frame_reader.name}",
        }


def folder_source(
    generated: Path, real: Path, view: dict[str, Any], split: str, num_clips: int | None, features: Sequence[str],
    experiment: str | None, data_root: Path | None, judges: Path | None, device: str,
) -> Folder:  # fmt: skip
    """Judged by the probe of `experiment`, where one is named, else by ImageNet features of the frames.

    judges: where the dual encoder for R-precision is kept, or None for a look without it.
    """
    from t2vgan import assemble, config
    from t2vgan.metrics.effnet import EffNetFeatures

    check_count(generated)
    root = [f"data.root={data_root}"] if data_root else []
    judge = assemble.judge(config.load(experiment, root)) if experiment else EffNetFeatures()
    told: dict[str, Any] = {"split": split, "num_clips": num_clips, "features": features, "judges": judges}
    return Folder(generated, real, judge, **view, **told, device=device)


def check_count(folder: Path) -> None:
    """ValueError for a folder of too few clips, before anything takes time."""
    from t2vgan.reports.figures import LEAST
    from t2vgan.video.decode import VIDEO_SUFFIXES

    count = sum(file.suffix.lower() in VIDEO_SUFFIXES for file in folder.iterdir())
    if 0 < count < LEAST:
        raise ValueError(f"{folder}: {count} generated clips; at least {LEAST} are needed")


def check_readable(made: Any, real: Any, pairs: Sequence[tuple[int, int]]) -> None:
    """ValueError with the first reason where of none of these pairs both clips can be read."""
    reasons: list[str] = []
    for i, k in pairs:
        one, _, why = readable(made, [i])
        other, _, why_not = readable(real, [k])
        if one and other:
            return
        reasons += why + why_not
    raise ValueError(f"none of {len(pairs)} clips can be measured; {reasons[0]}")


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


def unlike(made: Any, real: Any, size: int) -> list[str]:
    """What the files' own sizes and frame rates are, where not all are alike; of the first few of each folder."""
    from t2vgan.video.decode import probe_video
    from t2vgan.video.sources import VideoError

    infos = []
    for clip in (*made.clips[:LOOKED_AT], *real.clips[:LOOKED_AT]):
        with contextlib.suppress(VideoError):  # is told of when it is to be measured
            infos.append(probe_video(clip.file))
    sizes = sorted({(info.width, info.height) for info in infos})
    rates = sorted({f"{info.fps:.3g}" for info in infos}, key=float)
    told = []
    if len(sizes) > 1:
        names = ", ".join(f"{w} x {h}" for w, h in sizes)
        told.append(
            f"clips of different sizes ({names}) are all brought to {size} x {size}: the smaller ones look blurred"
        )
    if len(rates) > 1:
        told.append(
            f"clips of different frame rates ({', '.join(rates)} per second) are compared at the same instants: those "
            "of lower rates show some frames twice"
        )
    return told


def real_clips(root: Path, *, split: str, **view: Any) -> Any:
    """A folder of captioned clips, or a manifest."""
    from t2vgan.datasets.captioned_folder import CaptionedFolder
    from t2vgan.datasets.manifest import Manifest

    is_manifest = root.suffix == ".jsonl" or (root.is_dir() and any(root.glob("*.jsonl")))
    kind: Any = Manifest if is_manifest else CaptionedFolder
    return kind(root=root, split=split, **view)


def retriever_of(clips: Any, others: Sequence[int], folder: Path) -> tuple[Any, str]:
    """A dual encoder for R-precision that has learned from real clips, and from which; None and why where it cannot.

    It learns from the clips `others`, which belong to no generated one, where these are enough. Else it has to learn
    from the clips of the pairs: then their own R-precision, the ceiling, is partly what it remembers.
    """
    from t2vgan.judges import trained_retriever

    enough = len(others) >= RETRIEVER_CLIPS
    shown = copy.copy(clips)
    shown.clips = shown._of_split = [clips.clips[i] for i in (others if enough else range(len(clips)))]
    captions = {caption for clip in shown.clips for caption in clip.captions}
    if min(len(shown.clips), len(captions)) < LEAST_CAPTIONS:
        return None, f"none: {len(shown.clips)} real clips with {len(captions)} captions are too few to learn from"
    epochs = max(FEWEST_EPOCHS, min(MOST_EPOCHS, RETRIEVER_LOOKS // len(shown.clips)))
    which = "real clips without a pair" if enough else "real clips, all there are: its ceiling is partly memory"
    told = f"learned in {epochs} epochs from {len(shown.clips)} {which}"
    return trained_retriever(shown, folder, epochs=epochs), told
