"""Order, shares, exact resuming and failing clips, with clips whose pixels say which they are and what was drawn."""

from __future__ import annotations

import json
import subprocess
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from t2vgan.config import Clip, Data
from t2vgan.datamodule import ClipsDataModule, ShuffledShare
from t2vgan.datasets.cache import FrameCache
from t2vgan.datasets.manifest import Manifest
from t2vgan.shapes import Clips, Sample, to_float
from t2vgan.video.encode import write_mp4

pytestmark = pytest.mark.filterwarnings("ignore:clip .* is left out")  # where it is not the matter
CLIP = Clip(size=8, frames=4, duration_s=2.0)


class Numbered:
    """Clip i: pixels of value i in the first frame, and in the second what was drawn for it. Clips in `bad` fail."""

    def __init__(self, count: int, *, bad: tuple[int, ...] = (), size: int = 8) -> None:
        self.count, self.bad, self.size = count, bad, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self._sample(index, 0)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        return self._sample(index, int(rng.integers(256)))

    def _sample(self, index: int, drawn: int) -> Sample:
        if index in self.bad:
            raise ValueError(f"clips/{index}.mp4: the file is empty (0 bytes)")
        video = np.zeros((4, self.size, self.size, 3), dtype=np.uint8)
        video[0], video[1] = index, drawn
        video[2] = np.array([10, 20, 30], dtype=np.uint8)
        times = np.arange(4, dtype=np.float32) / 2
        return Sample(video, times, f"caption {index}", "wrong", self.key(index), index, {"n": str(index)}, ("n",))

    def key(self, index: int) -> str:
        return f"clip{index}"

    def captions(self) -> list[str]:
        return [f"caption {index}" for index in range(self.count)] + ["wrong"]


def module(
    *,
    train: Any = None,
    val: Any = None,
    batch: int = 4,
    workers: int = 0,
    seed: int = 0,
    ranks: tuple[int, int] | None = None,
) -> ClipsDataModule:
    sets = {"train": train or Numbered(20), "val": val or Numbered(6)}
    data = Data(batch=batch, workers=workers, val_clips=6)
    found = ClipsDataModule(make=lambda split, limit: sets[split], data=data, clip=CLIP, seed=seed)
    if ranks is not None:
        found.trainer = SimpleNamespace(global_rank=ranks[0], world_size=ranks[1])  # type: ignore[assignment]
    return found


def pixels(clips: Clips) -> list[tuple[int, int]]:
    """(index, drawn) of each clip, from its pictures."""
    bytes_ = (clips.video[:, 0, :2, 0, 0] + 1) * 127.5
    return [(int(a), int(b)) for a, b in bytes_.round().int().tolist()]


def epoch_of(data: ClipsDataModule, epoch: int) -> list[list[tuple[int, int]]]:
    loader = data.train_dataloader()
    assert isinstance(loader.sampler, ShuffledShare)
    loader.sampler.set_epoch(epoch)
    return [pixels(clips) for clips in loader]


def test_a_batch() -> None:
    data = module()
    clips = next(iter(data.train_dataloader()))
    assert clips.video.shape == (4, 3, 4, 8, 8) and clips.video.dtype == torch.float32 and clips.video.is_contiguous()
    assert [index for index, _ in pixels(clips)] == clips.indices
    assert clips.keys == [f"clip{i}" for i in clips.indices] and clips.captions == [
        f"caption {i}" for i in clips.indices
    ]
    assert clips.attributes == [{"n": str(i)} for i in clips.indices] and clips.named == [("n",)] * 4
    assert clips.times.tolist() == [[0.0, 0.5, 1.0, 1.5]] * 4 and clips.wrong_captions == ["wrong"] * 4
    colour = torch.tensor([10, 20, 30], dtype=torch.uint8)
    assert torch.equal(clips.video[0, :, 2, 3, 4], to_float(colour)), "the same floats as shapes.to_float"


def test_an_epoch_is_a_permutation_that_seed_and_epoch_decide() -> None:
    first, second = epoch_of(module(), 0), epoch_of(module(), 1)
    for batches in (first, second):
        assert sorted(index for batch in batches for index, _ in batch) == list(range(20))
    assert first == epoch_of(module(), 0) == epoch_of(module(workers=2), 0)
    assert first != second != epoch_of(module(seed=1), 1)
    drawn = [dict(pair for batch in batches for pair in batch) for batches in (first, second)]
    assert sum(drawn[0][i] == drawn[1][i] for i in range(20)) < 4, "other draws in another epoch"


def test_the_incomplete_batch_is_left_out() -> None:
    data = module(train=Numbered(23))
    assert len(data.train_dataloader()) == len(epoch_of(data, 0)) == 5
    passed_over = [set(range(23)) - {i for batch in epoch_of(data, e) for i, _ in batch} for e in range(4)]
    assert all(len(rest) == 3 for rest in passed_over) and len(set.union(*passed_over)) > 3, "others each time"


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_the_batches_of_one_process(ranks: int) -> None:
    alone = epoch_of(module(train=Numbered(27)), 3)
    shares = [epoch_of(module(train=Numbered(27), ranks=(rank, ranks)), 3) for rank in range(ranks)]
    assert [len(share) for share in shares] == [len(alone)] * ranks
    for k, batch in enumerate(alone):
        assert [pair for share in shares for pair in share[k]] == batch, "same clips, same draws, no overlap"


def test_a_batch_that_devices_cannot_share() -> None:
    with pytest.raises(ValueError, match=r"data\.batch = 4 cannot be shared equally by 3 devices"):
        module(ranks=(0, 3)).train_dataloader()
    with pytest.raises(ValueError, match=r"split train has 3 clips, fewer than data\.batch = 4"):
        module(train=Numbered(3)).train_dataloader()
    with pytest.raises(ValueError, match=r"split train has 3 clips, fewer than data\.batch = 4"):
        module(train=Numbered(3)).prepare_data()  # before a run has a folder
    with pytest.raises(ValueError, match="split val has 1 clips, fewer than there are devices"):
        module(val=Numbered(1), ranks=(0, 2)).val_dataloader()


def test_captions_that_training_shows_are_not_all_that_it_meets() -> None:
    train, val = Numbered(5), Numbered(7)
    assert module(train=train, val=val).shown_captions() == train.captions(), "all that it tells"
    train.shown_captions = lambda: ["a big lion", "a lion"]  # type: ignore[attr-defined]
    assert module(train=train, val=val).shown_captions() == ["a big lion", "a lion"]


def test_validation_is_fixed_complete_and_shared_without_duplicates() -> None:
    for count in (6, 7, 9):
        whole = [c.indices for c in module(val=Numbered(count)).val_dataloader()]
        assert [i for batch in whole for i in batch] == list(range(count)), "in order, the last batch incomplete"
        shares = [module(val=Numbered(count), ranks=(rank, 2)).val_dataloader() for rank in range(2)]
        seen = [[i for clips in share for i in clips.indices] for share in shares]
        assert sorted(seen[0] + seen[1]) == list(range(count))
        assert all(len(clips) <= 2 for clips in shares[0]), "each rank takes its part of the batch"
    loader = module().val_dataloader()
    assert [pixels(c) for c in loader] == [pixels(c) for c in loader] and pixels(next(iter(loader)))[3] == (3, 0)


def test_splits_are_made_once_and_with_their_limits() -> None:
    asked: list[tuple[str, int | None]] = []

    def make(split: str, limit: int | None) -> Numbered:
        asked.append((split, limit))
        return Numbered(limit or 12)

    data = ClipsDataModule(make=make, data=Data(batch=4, val_clips=5), clip=CLIP, seed=0, limit=8)
    data.prepare_data()
    assert len(data.train_dataloader()) == 2 and len(data.val_dataloader()) == 2
    assert data.captions() == sorted([f"caption {i}" for i in range(8)] + ["wrong"])
    assert len(list(data.test_dataloader())) == len(list(data.loader("heldout", 9))) == 3
    assert asked == [("train", 8), ("val", 5), ("test", None), ("heldout", 9)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failing_clip_is_replaced_counted_and_named_once(workers: int) -> None:
    data = module(train=Numbered(20, bad=(3, 4, 19)), workers=workers)
    with pytest.warns(UserWarning, match=r"clip clip3 is left out: clips/3\.mp4: the file is empty") as caught:
        batches = epoch_of(data, 0)
    indices = [index for batch in batches for index, _ in batch]
    assert len(indices) == 20 and not {3, 4, 19} & set(indices) and set(indices) == set(range(20)) - {3, 4, 19}
    assert indices.count(5) == 3 and indices.count(0) == 2, "the next usable clip takes the place"
    assert sorted(data.skipped) == ["clip19", "clip3", "clip4"]
    assert data.skipped["clip19"] == "clips/19.mp4: the file is empty (0 bytes)"
    assert len([w for w in caught if "is left out" in str(w.message)]) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert epoch_of(data, 0) == batches, "deterministic, and not said again"
    assert len({drawn for batch in batches for index, drawn in batch if index == 5}) == 3, "each place has its own draw"


class AwayError(ValueError):
    passing = True


class Unreachable(Numbered):
    """As where a network is gone: no draw but one of clip 0 can be made, and none is anybody's fault."""

    def _sample(self, index: int, drawn: int) -> Sample:
        if index:
            raise AwayError("no answer")
        return super()._sample(index, drawn)


def test_a_batch_of_training_is_whole_whatever_could_be_fetched() -> None:
    """Else what is due after so many clips would be due on some ranks and not on others."""
    data = module(train=Unreachable(8), batch=8)
    with pytest.warns(UserWarning, match="no answer"):
        (batch,) = epoch_of(data, 0)
    assert len(batch) == 8 and {index for index, _ in batch} == {0}


def test_the_first_clips_are_the_same_on_any_number_of_devices() -> None:
    for ranks in ((0, 1), (0, 2), (1, 2)):
        data = module(val=Numbered(9, bad=(1, 4)), ranks=ranks)
        with pytest.warns(UserWarning, match="clip1 is left out"):
            assert [sample.index for sample in data.first(3)] == [0, 2, 3]
        assert list(data.skipped) == ["clip1"], "no more clips are looked at than are needed"
    assert len(module(val=Numbered(2)).first(3)) == 2


def test_failing_clips_are_missing_from_validation() -> None:
    data = module(val=Numbered(9, bad=(1, 4, 5, 6, 7)))
    with pytest.warns(UserWarning, match="clip1 is left out"):
        assert [clips.indices for clips in data.val_dataloader()] == [[0, 2, 3], [8]]
    assert len(data.skipped) == 5


def test_workers_leave_signals_of_the_whole_job_to_their_parent() -> None:
    """As `timeout`, Ctrl-C and `scancel` send them: without its workers the parent would fail before it has saved."""
    loader = module(train=Numbered(200), workers=2).train_dataloader()
    batches = iter(loader)
    next(batches), next(batches)  # one of each: both workers are at work
    workers: Any = loader._iterator._workers  # type: ignore[union-attr]
    for name in ("TERM", "INT"):
        subprocess.run(["kill", f"-{name}", *(str(worker.pid) for worker in workers)], check=True)
    assert len(list(batches)) == 48 and all(worker.is_alive() for worker in workers)
    for worker in workers:
        worker.terminate()
        worker.join(10)
        assert worker.exitcode == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_usable_is_one_clear_error(workers: int) -> None:
    nothing = Numbered(5, bad=(0, 1, 2, 3, 4))
    data = module(train=nothing, val=nothing, workers=workers)
    for loader in (data.train_dataloader(), data.val_dataloader()):
        with (
            warnings.catch_warnings(),
            pytest.raises(ValueError, match=r"^none of 5 clips can be used; clip\d: clips/") as e,
        ):
            warnings.simplefilter("ignore")
            list(loader)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(("workers", "through_cache"), [(0, False), (2, False), (0, True)])
def test_broken_videos_do_not_stop_an_epoch(tmp_path: Path, workers: int, through_cache: bool) -> None:
    good = [f"good{i}.mp4" for i in range(5)]
    for i, name in enumerate(good):
        write_mp4(tmp_path / name, np.full((16, 8, 8, 3), 40 * i, dtype=np.uint8), fps=8.0)
    whole = (tmp_path / good[0]).read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) - 200])
    (tmp_path / "text.mp4").write_text("no video")
    names = [*good, "empty.mp4", "cut.mp4", "text.mp4"]
    rows = [json.dumps({"video": name, "caption": f"this is {name}"}) for name in names]
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    videos: Any = Manifest(root=tmp_path, size=8, frames=4, duration_s=2.0)
    data = module(train=FrameCache(videos, tmp_path / "cache") if through_cache else videos, workers=workers)
    with pytest.warns(UserWarning, match="is left out"):
        batches = list(data.train_dataloader())
    assert [len(clips) for clips in batches] == [4, 4]
    assert {key for clips in batches for key in clips.keys} == set(good)
    reasons = {name: data.skipped[name].removeprefix(f"{tmp_path}/{name}: ").split(":")[0] for name in data.skipped}
    assert reasons["empty.mp4"] == "the file is empty (0 bytes)" and reasons["cut.mp4"] == "truncated"
    assert reasons["text.mp4"].startswith("not a video that can be read") and len(reasons) == 3


def test_clips_of_another_shape_are_said_to_be_so() -> None:
    data = module(train=Numbered(8, size=16))
    shapes = r"it is \(t, h, w, c\) = \(4, 16, 16, 3\), but clip\.frames and clip\.size say \(4, 8, 8, 3\)"
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=f"none of 8 clips can be used; clip.: {shapes}"):
        list(data.train_dataloader())


def test_the_global_random_numbers_stay_as_they_are() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    list(module().train_dataloader())
    assert torch.equal(torch.random.get_rng_state(), before)


class Recorder(L.LightningModule):
    """Notes what it is given; its one weight depends on all of it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, list[tuple[int, int]]]] = []

    def training_step(self, clips: Clips, batch_idx: int) -> None:
        self.seen.append((clips.epoch, pixels(clips)))
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward((self.weight * 0.9 - clips.video[:, 0, 1].mean()) ** 2)
        optimizer.step()

    def validation_step(self, clips: Clips, batch_idx: int) -> None:
        assert clips.epoch == 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.3)


class SaveAt(L.Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def fit(
    steps: int, folder: Path, *, callbacks: list[L.Callback], workers: int, ckpt_path: Path | None = None
) -> Recorder:
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=-1, max_steps=steps, check_val_every_n_epoch=None, val_check_interval=3,
        num_sanity_val_steps=0, use_distributed_sampler=False, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, callbacks=callbacks,
    )  # fmt: skip
    recorder = Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(recorder, datamodule=module(workers=workers), ckpt_path=ckpt_path, weights_only=True)
    return recorder


@pytest.mark.parametrize(("step", "workers"), [(2, 0), (5, 0), (6, 0), (8, 0), (10, 0), (7, 2)])
def test_a_resumed_run_sees_exactly_what_is_left(tmp_path: Path, step: int, workers: int) -> None:
    """Five batches make an epoch: step 5 and 10 are the ends of epochs, the others lie within."""
    whole = fit(13, tmp_path, callbacks=[SaveAt(step, tmp_path / "at.ckpt")], workers=workers)
    assert [epoch for epoch, _ in whole.seen] == [0] * 5 + [1] * 5 + [2] * 3
    rest = fit(13, tmp_path, callbacks=[], workers=0, ckpt_path=tmp_path / "at.ckpt")
    assert rest.seen == whole.seen[step:]
    assert torch.equal(rest.weight, whole.weight)
