import errno
import os
import signal

import pytest
import torch
from lightning.pytorch import Callback

from t2vgan.callbacks.checkpointing import Checkpointing, rename_copy
from t2vgan.callbacks.ema import EMA
from t2vgan.callbacks.interrupt import Interrupt
from t2vgan.callbacks.owed import Owed
from t2vgan.checkpoint import load_generator
from t2vgan.sealed import damage

CONFIG, CARD = {"name": "tiny"}, {"experiment": "tiny"}
AS_IN_FIT = {"max_epochs": -1, "limit_val_batches": 1.0, "val_check_interval": 3, "check_val_every_n_epoch": None}


def keeper(fit, every_clips: int = 8, kind: type[Checkpointing] = Checkpointing, **options) -> list[Callback]:
    """What a round owes, and what saves it."""
    owed, folder = Owed(), fit.folder / "checkpoints"
    options = {"folder": folder, "every_clips": every_clips, "config": CONFIG, "card": CARD, "owed": owed, **options}
    return [owed, kind(**options)]


def seen_in(path) -> int:
    return int(torch.load(path, weights_only=True)["state_dict"]["clips_seen"])


def everything(trainer, module) -> dict[str, torch.Tensor]:
    moments = trainer.optimizers[0].state_dict()["state"]
    flat = {f"adam/{i}/{key}": value for i, state in moments.items() for key, value in state.items()}
    return {**module.state_dict(), **flat}


class Once(Callback):
    """Does something in the middle of step `step` of the run, the first time only."""

    def __init__(self, step: int, what) -> None:
        self.step, self.what = step, what

    def on_fit_start(self, trainer, pl_module) -> None:
        pl_module.midway = self

    def __call__(self, clips_seen: int) -> None:
        if clips_seen == 4 * self.step and self.what:
            what, self.what = self.what, None
            what()


def boom() -> None:
    raise RuntimeError("out of luck")


def test_every_so_often_and_at_the_end(fit):
    counts = []

    class Look(Checkpointing):
        def on_train_batch_end(self, *args):
            super().on_train_batch_end(*args)
            last = self.folder / "last.ckpt"
            counts.append(seen_in(last) if last.is_file() else 0)

    fit(EMA(halflife_clips=9, rampup=1), *keeper(fit, kind=Look))
    folder = fit.folder / "checkpoints"
    assert counts == [0, 8, 8, 16, 16]
    assert sorted(os.listdir(folder)) == ["generator.safetensors", "last.ckpt", "previous.ckpt"]
    assert seen_in(folder / "last.ckpt") == 20 and seen_in(folder / "previous.ckpt") == 16
    assert not damage(folder / "last.ckpt") and not damage(folder / "previous.ckpt")


@pytest.mark.parametrize(("kept", "expected"), [(1, []), (2, [16]), (4, [16, 12, 8]), (9, [16, 12, 8, 4])])
def test_as_many_as_are_wanted(fit, kept, expected):
    fit(*keeper(fit, 4, kept=kept))
    folder = fit.folder / "checkpoints"
    names = ["previous.ckpt", *(f"previous-{i}.ckpt" for i in range(2, 9))]
    assert [seen_in(folder / name) for name in names if (folder / name).is_file()] == expected
    assert seen_in(folder / "last.ckpt") == 20 and len(os.listdir(folder)) == 2 + len(expected)


def test_the_generator_file(fit):
    _, module = fit(EMA(halflife_clips=9, rampup=1), *keeper(fit))
    tensors, config, card = load_generator(fit.folder / "checkpoints" / "generator.safetensors")
    assert config == CONFIG
    assert card == {**CARD, "clips_seen": 20, "metrics": {}, "vocabulary": [], "vectors": None}
    expected = {f"generator.{k}": v for k, v in module.ema_generator.state_dict().items()}
    expected |= {f"text_encoder.{k}": v for k, v in module.ema_text_encoder.state_dict().items()}
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], value) for name, value in expected.items())


@pytest.mark.parametrize("stop_at", [1, 3, 4, 5, 7, 10])
def test_a_run_that_was_cut_short_and_extended_ends_where_a_whole_one_does(fit, stop_at):
    """`max_steps` within an epoch, at its last batch, after it."""
    average = EMA(halflife_clips=9, rampup=1)
    whole = everything(*fit(average, max_steps=12, **AS_IN_FIT))
    fit(average, *keeper(fit, 1000), max_steps=stop_at, **AS_IN_FIT)
    last = fit.folder / "checkpoints" / "last.ckpt"
    assert seen_in(last) == 4 * stop_at
    resumed = everything(*fit(average, max_steps=12, ckpt_path=str(last), **AS_IN_FIT))
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


@pytest.mark.parametrize("stop_at", [1, 3, 4, 5, 6])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_told_to_stop_resumes_exactly(fit, stop_at, how):
    """The signal comes in the middle of a step: the step is finished, saved, and nothing is lost or done twice."""
    before = signal.getsignal(signal.SIGINT)
    average = EMA(halflife_clips=9, rampup=1)
    whole = everything(*fit(average, max_steps=12, **AS_IN_FIT))
    with pytest.raises(SystemExit):
        told = Once(stop_at, lambda: os.kill(os.getpid(), how))
        fit(average, told, Interrupt(), *keeper(fit, 1000), max_steps=12, **AS_IN_FIT)
    assert signal.getsignal(signal.SIGINT) is before
    last = fit.folder / "checkpoints" / "last.ckpt"
    assert seen_in(last) == 4 * (stop_at + 1)
    resumed = everything(*fit(average, max_steps=12, ckpt_path=str(last), **AS_IN_FIT))
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


@pytest.mark.parametrize(("stop_at", "rounds"), [(3, 7), (4, 7), (5, 7), (4, 10), (4, 12), (9, 10), (11, 12)])
def test_a_run_that_was_told_to_stop_counts_epochs_like_one_that_was_not(fit, stop_at, rounds):
    """An epoch has five rounds; the run ends within one or with one."""
    last = fit.folder / "checkpoints" / "last.ckpt"
    saved = []
    for stop in (None, stop_at):
        told = Once(stop_at, (lambda: os.kill(os.getpid(), signal.SIGTERM)) if stop else None)
        try:
            fit(told, Interrupt(), *keeper(fit, 1000), max_steps=rounds, **AS_IN_FIT)
        except SystemExit:
            fit(*keeper(fit, 1000), max_steps=rounds, ckpt_path=str(last), **AS_IN_FIT)
        saved.append(torch.load(last, weights_only=True))
    assert saved[1]["loops"] == saved[0]["loops"] and saved[1]["epoch"] == saved[0]["epoch"]


class Fails(Callback):
    """An error of another callback, after a round or in a validation."""

    def __init__(self, *, at: int, hook: str) -> None:
        self.at, self.hook = at, hook

    def on_train_batch_end(self, trainer, pl_module, *args) -> None:
        if self.hook == "round" and int(pl_module.clips_seen) == self.at:
            boom()

    def on_validation_batch_end(self, trainer, pl_module, *args) -> None:
        if self.hook == "validation" and int(pl_module.clips_seen) == self.at:
            boom()


@pytest.mark.parametrize("last_in_line", [True, False])
@pytest.mark.parametrize("hook", ["round", "validation"])
def test_an_error_between_rounds_saves_what_there_is_and_is_raised(fit, capsys, hook, last_in_line):
    average, fails = EMA(halflife_clips=9, rampup=1), Fails(at=12, hook=hook)
    whole = everything(*fit(average, max_steps=12, **AS_IN_FIT))
    order = [*keeper(fit, 1000), fails] if last_in_line else [fails, *keeper(fit, 1000)]
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(average, *order, max_steps=12, **AS_IN_FIT)
    last = fit.folder / "checkpoints" / "last.ckpt"
    assert seen_in(last) == 12 and f"saved after 12 clips: {last}" in capsys.readouterr().out
    resumed = everything(*fit(average, Owed(), max_steps=12, ckpt_path=str(last), **AS_IN_FIT))
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_an_error_in_the_middle_of_a_round_saves_nothing(fit, capsys):
    """The critics may be a step ahead of the generator: no resume from there would be exact."""
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(Once(3, boom), *keeper(fit, 8))
    assert seen_in(fit.folder / "checkpoints" / "last.ckpt") == 8
    assert "broken off in the middle of a round" in capsys.readouterr().out


def test_an_error_before_anything_was_done_leaves_the_files_alone(fit):
    fit(*keeper(fit))
    last = fit.folder / "checkpoints" / "last.ckpt"
    before = last.stat()
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(Once(0, boom), *keeper(fit))
    assert last.stat().st_mtime_ns == before.st_mtime_ns


def test_an_error_right_after_a_save_does_not_put_half_a_step_over_it(fit):
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(Once(2, boom), *keeper(fit, 8))
    assert sorted(os.listdir(fit.folder / "checkpoints")) == ["generator.safetensors", "last.ckpt"]


def test_when_saving_fails_too_the_first_error_is_the_one_raised(fit, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Trouble(Fails):
        def on_train_batch_end(self, trainer, pl_module, *args) -> None:
            if int(pl_module.clips_seen) == 12:
                monkeypatch.setattr("pathlib.Path.write_bytes", full)
                boom()

    with pytest.raises(RuntimeError, match="out of luck"), pytest.warns(UserWarning, match="No space left"):
        fit(Trouble(at=12, hook="round"), *keeper(fit, 8))
    assert seen_in(fit.folder / "checkpoints" / "last.ckpt") == 8
    assert sorted(os.listdir(fit.folder / "checkpoints")) == ["generator.safetensors", "last.ckpt"]


def test_a_full_disk_is_said_once_and_the_checkpoint_before_is_whole(fit, monkeypatch, recwarn):
    class Fills(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args) -> None:
            if int(pl_module.clips_seen) == 16:
                monkeypatch.setattr("t2vgan.callbacks.checkpointing.sealed", full)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"last.ckpt: the checkpoint after 16 clips could not be written \(No space left"):
        fit(Fills(), *keeper(fit, 8))
    last = fit.folder / "checkpoints" / "last.ckpt"
    assert seen_in(last) == 8 and damage(last) is None and len(os.listdir(last.parent)) == 2
    assert not [w for w in recwarn if "could not be saved" in str(w.message)]


def test_fast_dev_run_saves(fit):
    fit(*keeper(fit, 10_000), fast_dev_run=True)
    assert seen_in(fit.folder / "checkpoints" / "last.ckpt") == 4


@pytest.mark.parametrize("links", [True, False])
def test_rename_copy(tmp_path, monkeypatch, links):
    def refuse(*args):
        raise OSError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    new, old = tmp_path / "last", tmp_path / "previous"
    new.write_text("new")
    old.write_text("old")
    rename_copy(new, old)
    assert old.read_text() == new.read_text() == "new" and len(os.listdir(tmp_path)) == 2
