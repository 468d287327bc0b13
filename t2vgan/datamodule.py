"""From captioned clips to batches: order, share of each rank, resuming, and what is done about clips that fail.

The order of an epoch is a function of (seed, epoch), and what is drawn for a clip one of (seed, epoch, index of the
clip): neither depends on the number of ranks or workers, and both can be taken up again in the middle of an epoch.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from t2vgan.config import Clip, Data
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Clips, Sample, onto
from t2vgan.system import WARNINGS_OF_SLURM

Shape = tuple[int, int, int, int]
MOST_OUTAGES = 3  # clips that are tried for one draw where none can be fetched
NO_VIDEO = np.empty((0, 0, 0, 3), dtype=np.uint8)
TIMEOUT_S = 120  # some files make decoders hang; a worker that is silent for so long ends the run


class ClipsDataModule(L.LightningDataModule):
    """Loaders of the splits `train`, `val` and any other.

    Args:
        make: `make(split, limit)` gives the data set of a split, or only its first `limit` clips. It is called once per
            split and limit, first on one process per machine, so that it can make what is not there yet.
        data: batch, workers and val_clips are used.
        clip: what every clip has to be.
        seed: of the order of the clips and of what is drawn for each.
        limit: use only the first so many clips for training.

    `skipped` maps the clips that could not be used in this process, by name, to the reason.
    """

    def __init__(
        self, *, make: Callable[[str, int | None], Any], data: Data, clip: Clip, seed: int, limit: int | None = None
    ) -> None:
        super().__init__()
        self.make, self.data, self.clip, self.seed, self.limit = make, data, clip, seed, limit
        self.skipped: dict[str, str] = {}
        self._datasets: dict[tuple[str, int | None], Any] = {}

    def dataset(self, split: str, limit: int | None = None) -> Any:
        """The data set of a split; made once."""
        if (split, limit) not in self._datasets:
            self._datasets[split, limit] = self.make(split, limit)
        return self._datasets[split, limit]

    def looked_at(self) -> dict[str, str]:
        """By split: how many clips, and what changes with whatever changes one of them."""
        sets = {"train": self.dataset("train", self.limit), "val": self.dataset("val", self.data.val_clips)}
        return {split: f"{len(clips):,} clips ({clips.fingerprint[:8]})" for split, clips in sets.items()}

    def prepare_data(self) -> None:
        """Makes what training and validation need; ValueError where that is too little to train."""
        self.enough()
        self.dataset("val", self.data.val_clips)

    def enough(self) -> Any:
        """The data set to train from, which fills a batch at least."""
        data = self.dataset("train", self.limit)
        if len(data) < self.data.batch:
            raise ValueError(f"split train has {len(data)} clips, fewer than data.batch = {self.data.batch}: lower it")
        return data

    def shown_captions(self) -> list[str]:
        """Those of training's own clips, without wrong captions and those of validation, where the data set tells."""
        data = self.dataset("train", self.limit)
        return data.shown_captions() if hasattr(data, "shown_captions") else data.captions()

    def captions(self) -> list[str]:
        """All captions that training and validation batches can hold, distinct and sorted."""
        sets = self.dataset("train", self.limit), self.dataset("val", self.data.val_clips)
        return sorted({caption for data in sets for caption in data.captions()})

    def first(self, count: int) -> list[Sample]:
        """The first so many clips of validation that can be used: the same ones on any number of devices."""
        data = self.dataset("val", self.data.val_clips)
        found: list[Sample] = []
        for item in map(Fixed(data, self._shape()).__getitem__, range(len(data))):
            self._note(item.skipped)
            found += [item.sample] if item.sample is not None else []
            if len(found) == count:
                break
        return found

    def train_dataloader(self) -> ClipLoader:
        """Shuffled, `data.batch` clips over all ranks, the incomplete last batch left out."""
        data = self.enough()
        share, rank, ranks = self._share(), *self._ranks()
        order = ShuffledShare(count=len(data), share=share, rank=rank, ranks=ranks, seed=self.seed)
        return self._loader(Draws(data, self._shape(), self.seed), order, pin=self.data.pin_memory)

    def val_dataloader(self) -> ClipLoader:
        """The first `data.val_clips` of val, always the same; each rank its share, nothing twice."""
        return self.loader("val", self.data.val_clips)

    def test_dataloader(self) -> ClipLoader:
        return self.loader("test")

    def loader(self, split: str, limit: int | None = None) -> ClipLoader:
        """The evaluation view of a split, in order; each rank its share, nothing twice and nothing left out."""
        data, (rank, ranks) = self.dataset(split, limit), self._ranks()
        if len(data) < ranks:
            raise ValueError(f"split {split} has {len(data)} clips, fewer than there are devices ({ranks})")
        return self._loader(Fixed(data, self._shape()), range(rank, len(data), ranks))

    def _loader(self, items: Dataset[Item], order: ShuffledShare | range, *, pin: bool = False) -> ClipLoader:
        return ClipLoader(
            items, order=order, share=self._share(), workers=self.data.workers, note=self._note,
            prefetch=self.data.prefetch, pin=pin,
        )  # fmt: skip

    def _shape(self) -> Shape:
        return self.clip.frames, self.clip.size, self.clip.size, 3

    def _ranks(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _share(self) -> int:
        """Clips per rank and batch."""
        ranks = self._ranks()[1]
        if self.data.batch % ranks:
            raise ValueError(f"data.batch = {self.data.batch} cannot be shared equally by {ranks} devices")
        return self.data.batch // ranks

    def _note(self, skipped: dict[str, str]) -> None:
        for name, reason in skipped.items():
            if name not in self.skipped:
                self.skipped[name] = reason
                warnings.warn(f"clip {name} is left out: {reason}", stacklevel=2)


class ShuffledShare(Sampler[tuple[int, int]]):
    """The (epoch, index) pairs of one rank, batch after batch, in an order that (seed, epoch) alone decide.

    Batch k of all ranks together is the k-th slice of the permutation; each rank takes `share` clips of it. `start`
    batches are passed over, once.
    """

    def __init__(self, *, count: int, share: int, rank: int, ranks: int, seed: int) -> None:
        self.count, self.share, self.rank, self.ranks, self.seed = count, share, rank, ranks, seed
        self.epoch = self.start = 0

    @property
    def batches(self) -> int:
        return self.count // (self.share * self.ranks)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches * self.share

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, start, self.start = self.epoch, self.start, 0
        order = np.random.default_rng(stable_seed(self.seed, epoch, "order")).permutation(self.count).tolist()
        for batch in range(start, self.batches):
            begin = (batch * self.ranks + self.rank) * self.share
            yield from ((epoch, index) for index in order[begin : begin + self.share])


@dataclass
class Item:
    """A sample (None: no clip can be used) and the clips that failed on the way to it: name -> reason."""

    sample: Sample | None
    epoch: int
    skipped: dict[str, str]


class Draws(Dataset[Item]):
    """The training view. Where a clip cannot be used, the next one that can takes its place."""

    def __init__(self, data: Any, shape: Shape, seed: int) -> None:
        self.data, self.shape, self.seed = data, shape, seed
        self.failed: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, place: tuple[int, int]) -> Item:
        epoch, first = place
        skipped: dict[str, str] = {}
        outages = 0
        for step in range(len(self.data)):
            index = (first + step) % len(self.data)
            if index not in self.failed:
                try:
                    rng = np.random.default_rng(stable_seed(self.seed, epoch, first, "clip"))
                    return Item(_checked(self.data.draw(index, rng), self.shape), epoch, skipped)
                except ValueError as error:
                    if getattr(error, "passing", False):  # the network's fault: another time it may come
                        skipped[_name(self.data, index)] = str(error)
                        outages += 1
                        if outages == MOST_OUTAGES:
                            break
                        continue
                    self.failed[index] = str(error)
            skipped[_name(self.data, index)] = self.failed[index]
        return Item(None, epoch, skipped)


class Fixed(Dataset[Item]):
    """The evaluation view. Clips that cannot be used are missing from it."""

    def __init__(self, data: Any, shape: Shape) -> None:
        self.data, self.shape = data, shape

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Item:
        try:
            return Item(_checked(self.data[index], self.shape), 0, {})
        except ValueError as error:
            return Item(None, 0, {_name(self.data, index): str(error)})


def _checked(sample: Sample, shape: Shape) -> Sample:
    if sample.video.shape != shape:
        raise ValueError(f"it is (t, h, w, c) = {sample.video.shape}, but clip.frames and clip.size say {shape}")
    return sample


def _name(data: Any, index: int) -> str:
    return str(data.key(index)) if hasattr(data, "key") else str(index)


@dataclass
class Batch:
    """A batch as workers hand it over: pictures are still bytes, a quarter of the size of floats."""

    video: Tensor | None  # uint8 (b, t, h, w, 3)
    samples: list[Sample]  # without their video
    epoch: int
    skipped: dict[str, str]


def _batch(items: list[Item], *, whole: bool = False) -> Batch:
    """`whole`: clips that could not be fetched are replaced by others of the batch, so that every rank has its share:
    what is due after so many clips is due on all of them.
    """
    samples = [item.sample for item in items if item.sample is not None]
    if whole:
        samples = list(itertools.islice(itertools.cycle(samples), len(items)))
    video = torch.from_numpy(np.stack([sample.video for sample in samples])) if samples else None
    bare = [dataclasses.replace(sample, video=NO_VIDEO) for sample in samples]
    skipped = {name: reason for item in items for name, reason in item.skipped.items()}
    return Batch(video, bare, items[0].epoch, skipped)


class ClipLoader(DataLoader[Item]):
    """Batches of `share` clips in `order`, as `Clips`. Its state is the number of batches done in the epoch.

    Raises ValueError when no clip at all can be used.
    """

    def __init__(
        self,
        items: Dataset[Item],
        *,
        order: ShuffledShare | range,
        share: int,
        workers: int,
        note: Callable[[dict[str, str]], None],
        prefetch: int = 2,
        pin: bool = False,
    ) -> None:
        super().__init__(
            items,
            batch_size=share,
            sampler=order,
            num_workers=workers,
            collate_fn=functools.partial(_batch, whole=isinstance(order, ShuffledShare)),
            persistent_workers=workers > 0,
            prefetch_factor=prefetch if workers else None,
            timeout=TIMEOUT_S if workers else 0,
            worker_init_fn=leave_signals,
            generator=torch.Generator(),  # so that the global one stays as it is
        )
        self.order, self.note, self.pin = order, note, pin
        self.done = self.resume_at = 0

    def state_dict(self) -> dict[str, int]:
        return {"batches": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.resume_at = state["batches"] % len(self)

    def __iter__(self) -> Iterator[Clips]:  # type: ignore[override]
        # A generator: nothing is fetched before the first batch is asked for, by which time the epoch is set.
        self.done, self.resume_at = self.resume_at, 0
        if isinstance(self.order, ShuffledShare):
            self.order.start = self.done
        seen, skipped = 0, {}
        for batch in super().__iter__():
            self.done += 1
            skipped.update(batch.skipped)
            self.note(batch.skipped)
            if batch.video is not None:
                seen += 1
                yield _clips(batch, "cuda" if self.pin and torch.cuda.is_available() else "cpu")
            elif isinstance(self.order, ShuffledShare):
                raise ValueError(_none_left(batch.skipped))
        if skipped and not seen:
            raise ValueError(_none_left(skipped))


def leave_signals(worker: int) -> None:
    """In a worker: leaves to its parent what is sent to all processes of a job, by Ctrl-C, `timeout` or `scancel`.

    Else it ends before the parent has saved, which then fails for want of it. SIGTERM of the parent alone ends it, also
    while it waits for a decoder that hangs.
    """
    for number in (signal.SIGINT, *WARNINGS_OF_SLURM):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with, args=[multiprocessing.parent_process()], daemon=True).start()


def _end_with(parent: Any) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid and parent.is_alive():
        pass
    os._exit(0)


def _to_float(video: Tensor) -> Tensor:
    """`shapes.to_float` of `(b, t, h, w, c)` as `(b, c, t, h, w)`, in half the time: one allocation."""
    channels_first = video.permute(0, 4, 1, 2, 3)
    return channels_first.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)


def _none_left(skipped: dict[str, str]) -> str:
    name, reason = next(iter(skipped.items()))
    return f"none of {len(skipped)} clips can be used; {name}: {reason}"


def _clips(batch: Batch, device: str) -> Clips:
    samples, video = batch.samples, batch.video
    assert video is not None
    times = torch.from_numpy(np.stack([sample.times for sample in samples]).astype(np.float32))
    return Clips(
        video=_to_float(onto(video, device)),  # as bytes, of which there are a quarter as many as of floats
        times=onto(times, device),
        captions=[sample.caption for sample in samples],
        wrong_captions=[sample.wrong_caption for sample in samples],
        keys=[sample.key for sample in samples],
        indices=[sample.index for sample in samples],
        epoch=batch.epoch,
        attributes=[sample.attributes for sample in samples],
        named=[sample.named for sample in samples],
        contrasts=[sample.contrasts for sample in samples],
        changed=[sample.changed for sample in samples],
    )
