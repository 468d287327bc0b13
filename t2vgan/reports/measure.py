"""One pass over real and generated clips: all that a report is made from.

Batches have a fixed size and whole batches are shared out over processes, so that several find the same numbers as one.
"""

from __future__ import annotations

import queue
import signal
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2vgan.metrics.controls import CONTROLS
from t2vgan.metrics.panel import FLOW, Observation, observe
from t2vgan.reports.sources import Pairs, Source
from t2vgan.shapes import Video, to_uint8
from t2vgan.system import cores

CONTROLLED = 256  # real clips that are spoiled for the controls
CONSISTENT = 128  # clips whose single frames a network reads, which takes as long as all else together
CAPTIONS = 32  # that the diversity within a caption is measured on
STRIP, STRIP_PX = 8, 64  # frames kept of each clip to be shown, and their size at most
LISTS = ("captions", "wrong_captions", "keys", "indices", "attributes", "named", "contrasts", "changed")

Done = Callable[[], None]  # called after each batch


@dataclass
class Part:
    """What one batch gave."""

    real: Observation
    fake: Observation
    controls: dict[str, Observation]
    lists: dict[str, list[Any]]
    strips: tuple[np.ndarray, np.ndarray]  # uint8 (n, STRIP, h, w, 3): generated, real


@dataclass
class Parts:
    """What one process saw, by the numbers of the batches."""

    pairs: dict[int, Part] = field(default_factory=dict)
    reference: dict[int, Observation] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # what could not be read, and why


@dataclass
class Measured:
    """Everything that was seen, in the order of the clips."""

    reference: Observation
    real: Observation
    fake: Observation
    controls: dict[str, Observation]
    strips: tuple[np.ndarray, np.ndarray]
    captions: list[str]
    wrong_captions: list[str]
    keys: list[str]
    indices: list[int]
    attributes: list[Mapping[str, str]]
    named: list[Sequence[str]]
    contrasts: list[Any]
    changed: list[Any]
    left_out: list[str]


@torch.no_grad()
def look_at_share(source: Source, rank: int, ranks: int, done: Done) -> Parts:
    """The batches of one process of several."""
    parts = Parts()
    for number, pairs in source.batches(rank, ranks):
        parts.pairs[number] = look(pairs, source.extractors, source.frame_reader)
        done()
    for number, video in source.reference(rank, ranks):
        parts.reference[number] = observe(video, *source.extractors)
        done()
    parts.lost = list(source.lost)
    return parts


def look(pairs: Pairs, extractors: Sequence[Any], frame_reader: Any) -> Part:
    flow = any(set(FLOW) & set(truth) for truth in pairs.attributes)
    kept = [i for i, index in enumerate(pairs.indices) if index < CONTROLLED]
    reader = frame_reader if max(pairs.indices) < CONSISTENT else None
    spoiled = {}
    if kept:
        real, indices = pairs.real[kept], [pairs.indices[i] for i in kept]
        spoiled = {
            name: observe(control(real, indices), extractors[0], frame_reader=reader)
            for name, control in CONTROLS.items()
        }
    return Part(
        real=observe(pairs.real, *extractors, flow=flow, frame_reader=reader),
        fake=observe(pairs.fake, *extractors, flow=flow, frame_reader=reader),
        controls=spoiled,
        lists={name: list(getattr(pairs, name)) for name in LISTS},
        strips=(strips(pairs.fake), strips(pairs.real)),
    )


def strips(video: Video) -> np.ndarray:
    """A few small frames of each clip, to be shown: uint8 `(n, STRIP, h, w, 3)`."""
    t, size = video.shape[2], video.shape[-1]
    frames = video[:, :, torch.linspace(0, t - 1, min(STRIP, t)).round().long()]
    if size > STRIP_PX:
        flat = frames.transpose(1, 2).flatten(0, 1).float()
        small = torch.nn.functional.interpolate(flat, size=(STRIP_PX, STRIP_PX), mode="area")
        frames = small.unflatten(0, (len(video), -1)).transpose(1, 2)
    return to_uint8(frames).permute(0, 2, 3, 4, 1).cpu().numpy()


def joined(shares: Sequence[Parts]) -> Measured:
    """Everything in the order of the batches, whichever process looked at them. ValueError where there is nothing."""
    pairs = {number: part for share in shares for number, part in share.pairs.items()}
    reference = {number: seen for share in shares for number, seen in share.reference.items()}
    if not pairs or not reference:
        raise ValueError("there are no clips to measure: none could be read, or all are shorter than asked for")
    ordered = [pairs[number] for number in sorted(pairs)]
    spoiled = [part.controls for part in ordered if part.controls]
    return Measured(
        reference=Observation.joined(reference[number] for number in sorted(reference)),
        real=Observation.joined(part.real for part in ordered),
        fake=Observation.joined(part.fake for part in ordered),
        controls={name: Observation.joined(part[name] for part in spoiled) for name in (spoiled[0] if spoiled else ())},
        strips=(np.concatenate([p.strips[0] for p in ordered]), np.concatenate([p.strips[1] for p in ordered])),
        left_out=sorted(reason for share in shares for reason in share.lost),
        **{name: [value for part in ordered for value in part.lists[name]] for name in LISTS},  # type: ignore[arg-type]
    )


def measure(
    make: Callable[[str], Source], source: Source, *, devices: Sequence[str], progress: Callable[[int, int], None]
) -> Measured:
    """Looks at all clips of `source`, on several devices at a time; `progress(done, of)` in batches.

    `make(device)` makes the same source in another process. It is pickled: a function of a module, or a
    `functools.partial` of one.
    """
    if len(devices) == 1:
        seen = [0]
        whole = sum(source.counts())

        def done() -> None:
            seen[0] += 1
            progress(seen[0], whole)

        return joined([look_at_share(source, 0, 1, done)])
    return joined(in_processes(make, devices, progress))


def in_processes(
    make: Callable[[str], Source], devices: Sequence[str], progress: Callable[[int, int], None]
) -> list[Parts]:
    context = torch.multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    with tempfile.TemporaryDirectory(prefix="t2vgan-evaluate-") as folder:
        workers = [
            context.Process(target=_work, args=(make, device, rank, len(devices), folder, told), daemon=True)
            for rank, device in enumerate(devices)
        ]
        try:
            for worker in workers:
                worker.start()
            _wait_for(workers, told, progress)
        finally:
            for worker in workers:
                if worker.is_alive():
                    worker.terminate()
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(len(workers))]


def _wait_for(workers: Sequence[Any], told: Any, progress: Callable[[int, int], None]) -> None:
    seen, whole, finished = 0, 0, 0
    while finished < len(workers):
        try:
            word, value = told.get(timeout=2)
        except queue.Empty:
            if any(worker.exitcode not in (None, 0) for worker in workers):
                raise ValueError("evaluate: a process ended before its time; try again with --devices 1") from None
            continue
        if word == "error":
            raise ValueError(value)
        whole, seen, finished = max(whole, value), seen + (word == "batch"), finished + (word == "end")
        progress(seen, whole)
    for worker in workers:
        worker.join()


def _work(make: Callable[[str], Source], device: str, rank: int, ranks: int, folder: str, told: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began this one
    if device == "cpu":
        torch.set_num_threads(max(1, cores() // ranks))
    # What they say, the process that began this one has said already.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"t2vgan\.")
    try:
        source = make(device)
        whole = sum(source.counts())
        parts = look_at_share(source, rank, ranks, lambda: told.put(("batch", whole)))
        torch.save(parts, Path(folder) / f"{rank}.pt")
        told.put(("end", whole))
    except ValueError as error:
        told.put(("error", str(error)))
