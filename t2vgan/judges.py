"""Who judges a run: a probe trained on demand on the data set's own ground truth, and kept beside it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2vgan.datasets.cache import FrameCache, alone
from t2vgan.metrics.fitting import collect_attributes, fit_probe, probe_accuracy
from t2vgan.metrics.probe import Probe
from t2vgan.shapes import Clips, to_float

BATCH = 16
TESTED = 400  # real clips, kept from the probe's training, that its accuracy is measured on


def trained_probe(dataset: Any, folder: Path, *, epochs: int, width: int = 32, seed: int = 0) -> Probe:
    """The probe for this data set from `folder`, trained there first where it is missing.

    `dataset` shows all combinations of attributes and is seen by no generator. The last `TESTED` clips (a tenth of a
    small data set) measure the probe's accuracy, which is kept with it.
    """
    settings = json.dumps([dataset.fingerprint, len(dataset), epochs, width, seed])
    digest = hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()
    path = folder / f"probe-{digest}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(path.with_suffix(".lock")):  # of several processes one trains it, the others wait
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=folder, prefix="probe-frames-") as frames:
                probe = _train(FrameCache(dataset, frames), epochs=epochs, width=width, seed=seed)
            probe.fingerprint = digest
            probe.save(path)
    return Probe.load(path)


def _train(clips: Any, *, epochs: int, width: int, seed: int) -> Probe:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    tested = min(TESTED, len(clips) // 10)
    shown = len(clips) - tested
    truths = [clips[i].attributes for i in range(len(clips))]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    columns = (TextColumn("training the judge (once)"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=1.0)
        probe = fit_probe(
            lambda epoch: _Batches(clips, np.random.default_rng([seed, epoch]).permutation(shown)),
            attributes=collect_attributes(truths),
            epochs=epochs,
            width=width,
            seed=seed,
            device=device,
            progress=lambda share, text: bar.update(task, completed=share, description=text),
        )
    if tested:
        accuracy = probe_accuracy(probe, _Batches(clips, np.arange(shown, len(clips)))).compute().accuracy
        probe.accuracy = {name: round(a.rate, 4) for name, a in accuracy.items() if a.total}
    return probe.cpu()


class _Batches:
    """Clips in a given order, BATCH at a time."""

    def __init__(self, clips: Any, order: np.ndarray) -> None:
        self.clips, self.order = clips, order

    def __len__(self) -> int:
        return -(-len(self.order) // BATCH)

    def __iter__(self) -> Iterator[Clips]:
        for start in range(0, len(self.order), BATCH):
            samples = [self.clips[int(i)] for i in self.order[start : start + BATCH]]
            yield Clips(
                video=to_float(torch.from_numpy(np.stack([s.video for s in samples])).permute(0, 4, 1, 2, 3)),
                times=torch.from_numpy(np.stack([s.times for s in samples])),
                captions=[s.caption for s in samples],
                wrong_captions=[s.wrong_caption for s in samples],
                keys=[s.key for s in samples],
                indices=[s.index for s in samples],
                attributes=[s.attributes for s in samples],
                named=[s.named for s in samples],
            )
