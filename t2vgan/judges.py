"""Who judges a run: probes trained on demand on the data set's own ground truth, and a dual encoder of its clips and
captions; all are kept beside it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from t2vgan.datasets.cache import FrameCache, alone
from t2vgan.metrics.cards import fingerprint_of
from t2vgan.metrics.contrastive import fit_dual_encoder
from t2vgan.metrics.dual_encoder import DualEncoder
from t2vgan.metrics.fitting import SIZES, collect_attributes, fit_probe, probe_accuracy
from t2vgan.metrics.probe import Probe
from t2vgan.metrics.retrieval import hard_negatives, retrieval_precision
from t2vgan.shapes import Clips, Sample, to_float

BATCH = 16
PAIRS = 32  # clips in a batch of the retriever: it learns by telling their captions apart
TESTED = 400  # real clips, kept from a judge's training, that its accuracy is measured on

Judge = TypeVar("Judge", Probe, DualEncoder)


def trained_probe(
    dataset: Any, folder: Path, *, epochs: int, name: str = "probe", width: int = 32, seed: int = 0
) -> Probe:
    """The probe for this data set from `folder`, trained there first where it is missing.

    `dataset` best shows all combinations of attributes, and is seen by no generator. The last `TESTED` clips (a tenth
    of a small data set) measure the probe's accuracy, which is kept with it. name: which kind, "probe" or "probe2".
    """

    def make(clips: Any) -> Probe:
        return _fitted_probe(clips, epochs=epochs, name=name, width=width, seed=seed)

    return _found_or_made(Probe.load, make, dataset, folder, name, [epochs, width, seed])


def probe_file(dataset: Any, folder: Path, *, epochs: int, name: str = "probe", width: int = 32, seed: int = 0) -> Path:
    """Where `trained_probe` keeps it."""
    return _file(dataset, folder, name, [epochs, width, seed])


def trained_retriever(dataset: Any, folder: Path, *, epochs: int, width: int = 32, seed: int = 0) -> DualEncoder:
    """The dual encoder for this data set's clips and captions, likewise; it asks for no ground truth."""

    def make(clips: Any) -> DualEncoder:
        return _fitted_retriever(clips, epochs=epochs, width=width, seed=seed)

    return _found_or_made(DualEncoder.load, make, dataset, folder, DualEncoder.name, [epochs, width, seed])


def _found_or_made(
    load: Callable[[Path], Judge],
    make: Callable[[Any], Judge],
    dataset: Any,
    folder: Path,
    name: str,
    settings: list[int],
) -> Judge:
    path = _file(dataset, folder, name, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(path.with_suffix(".lock")):  # of several processes one trains it, the others wait
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=folder, prefix=f"{name}-frames-") as frames:
                judge = make(FrameCache(dataset, frames))
            judge.fingerprint = fingerprint_of(judge)
            judge.save(path)
    return load(path)


def _file(dataset: Any, folder: Path, name: str, settings: list[int]) -> Path:
    told = json.dumps([dataset.fingerprint, len(dataset), *settings, *SIZES])
    digest = hashlib.blake2b(told.encode(), digest_size=6).hexdigest()
    return folder / f"{name}-{digest}.safetensors"


def _fitted_probe(clips: Any, *, epochs: int, name: str, width: int, seed: int) -> Probe:
    usable = _usable(clips)
    attributes = collect_attributes(clips[int(i)].attributes for i in usable)
    if not attributes:
        raise ValueError(
            f"evaluation.probe.split: none of its {len(usable)} usable clips has attributes that differ, so there is "
            "nothing for a judge to learn; write `attributes` into the manifest, or take the setting away"
        )
    shown, tested = _parted(usable)
    with _bar("training the judge (once)") as progress:
        probe = fit_probe(
            lambda epoch: _Batches(clips, _shuffled(shown, seed, epoch)),
            attributes=attributes,
            epochs=epochs,
            name=name,
            width=width,
            seed=seed,
            device=_device(),
            progress=progress,
        )
    if len(tested):
        accuracy = probe_accuracy(probe, _Batches(clips, tested)).compute().accuracy
        probe.accuracy = {key: round(a.rate, 4) for key, a in accuracy.items() if a.total}
    return probe.cpu()


def _fitted_retriever(clips: Any, *, epochs: int, width: int, seed: int) -> DualEncoder:
    usable = _usable(clips)
    if len(usable) < 4:
        raise ValueError(f"a judge of captions needs at least 4 clips to learn from, not {len(usable)}")
    shown, tested = _parted(usable)
    with _bar("training the judge of captions (once)") as progress:
        encoder = fit_dual_encoder(
            lambda epoch: _Batches(clips, _shuffled(shown, seed, epoch), size=PAIRS, draws=(seed, epoch)),
            epochs=epochs,
            width=width,
            seed=seed,
            device=_device(),
            progress=progress,
        )
    if len(tested) > 1:
        encoder.accuracy = retrieval_accuracy(encoder, _Batches(clips, tested))
    return encoder.cpu()


def retrieval_accuracy(encoder: DualEncoder, batches: Iterable[Clips]) -> dict[str, float]:
    """R-precision of real clips, with `random` and `hard` negatives; {} where all captions are the same."""
    device = encoder.log_scale.device
    embeddings, captions, hard = [], [], []
    for clips in batches:
        embeddings.append(encoder.embed_video(clips.video.to(device)))
        captions += clips.captions
        hard += hard_negatives(clips)
    if len(set(captions)) < 2:
        return {}
    found = retrieval_precision(encoder, torch.cat(embeddings), captions, hard)
    return {name: round(each.found.rate, 4) for name, each in found.items()}


def _parted(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a judge is trained on, and the end, which it is tested on."""
    tested = min(TESTED, len(indices) // 10)
    return indices[: len(indices) - tested], indices[len(indices) - tested :]


def _shuffled(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(indices)


def _usable(clips: Any) -> np.ndarray:
    """The clips that can be read: of people's own videos some cannot."""
    found = []
    for index in range(len(clips)):
        with contextlib.suppress(ValueError):
            clips[index]
            found.append(index)
    return np.array(found, dtype=int)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[float, str], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=text)


class _Batches:
    """Clips in a given order, `size` at a time.

    draws: (seed, epoch) for the training view, which differs from epoch to epoch; else the evaluation view.
    """

    def __init__(
        self, clips: Any, order: np.ndarray, *, size: int = BATCH, draws: tuple[int, int] | None = None
    ) -> None:
        self.clips, self.order, self.size, self.draws = clips, order, size, draws

    def __len__(self) -> int:
        return -(-len(self.order) // self.size)

    def __iter__(self) -> Iterator[Clips]:
        for start in range(0, len(self.order), self.size):
            samples = [self.sample(int(i)) for i in self.order[start : start + self.size]]
            yield Clips(
                video=to_float(torch.from_numpy(np.stack([s.video for s in samples])).permute(0, 4, 1, 2, 3)),
                times=torch.from_numpy(np.stack([s.times for s in samples])),
                captions=[s.caption for s in samples],
                wrong_captions=[s.wrong_caption for s in samples],
                keys=[s.key for s in samples],
                indices=[s.index for s in samples],
                attributes=[s.attributes for s in samples],
                named=[s.named for s in samples],
                contrasts=[s.contrasts for s in samples],
                changed=[s.changed for s in samples],
            )

    def sample(self, index: int) -> Sample:
        if self.draws is None:
            return self.clips[index]
        return self.clips.draw(index, np.random.default_rng([*self.draws, index]))
