"""A run's folder, loggers and Trainer."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy

from t2vgan import devices, going_on, resume, system, training
from t2vgan.callbacks.checkpointing import Checkpointing
from t2vgan.callbacks.ema import EMA
from t2vgan.callbacks.progress import ProgressBar
from t2vgan.config import ConfigError, load, to_dict
from t2vgan.devices import check_accumulable, check_compilable, check_shareable, graphs_fit, precision, settled
from t2vgan.discriminators.stylegan_v import StyleganV
from t2vgan.discriminators.tgan import TganVideo
from t2vgan.metrics.effnet import EffNetFeatures
from t2vgan.training import (
    claim_run_dir,
    hurried,
    rounds,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and nobody logged in to W&B."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "LOCAL_RANK", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("T2VGAN_RUN_DIR", "")  # so that what a test sets is taken back
    monkeypatch.setenv("HOME", str(tmp_path))


# ---- precision


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed"])
def test_precision_that_was_asked_for(asked: str):
    assert precision(load("smoke", [f"trainer.precision={asked}"])) == asked


@pytest.mark.parametrize(("able", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_automatic_precision_looks_at_the_cpu(monkeypatch: pytest.MonkeyPatch, able: bool, expected: str):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    assert precision(load("smoke", ["trainer.accelerator=cpu"])) == expected


@pytest.mark.parametrize(("able", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_automatic_precision_looks_at_the_gpu(monkeypatch: pytest.MonkeyPatch, able: bool, expected: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: able)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: not able)
    assert precision(load("smoke")) == expected


def test_compiled_critics_have_no_second_derivative():
    check_compilable(load("smoke", ["trainer.compile=true"]))
    with pytest.raises(ConfigError, match=r"losses.d/clip/r1 has to be computed by differences: method: finite"):
        check_compilable(load("smoke", ["trainer.compile=true", "losses.d/clip/r1.method=exact"]))
    check_compilable(load("smoke", ["trainer.compile=true", "losses.d/clip/r1=0"]))


def test_micro_batches_have_to_add_up_to_the_batch():
    check_accumulable(load("smoke", ["trainer.accumulate=2", "losses.g/frames/mirror=0"]))
    with pytest.raises(ConfigError, match=r"data.batch = 8 cannot be shared equally by trainer.accumulate = 3"):
        check_accumulable(load("smoke", ["trainer.accumulate=3"]))
    with pytest.raises(ConfigError, match=r"losses.g/frames/mirror compares a clip with the whole batch"):
        check_accumulable(load("smoke", ["trainer.accumulate=2"]))


# ---- the run's folder


def test_the_folder_says_what_is_run(tmp_path: Path):
    experiment = load("lion_savanna_minimax", ["seed=4", "run_dir=mine"])
    run_dir = claim_run_dir(experiment, None, fast_dev_run=False)
    assert run_dir == Path("mine") and len((run_dir / "commit.txt").read_text().splitlines()) == 1
    again = load(run_dir / "config.yaml")
    assert again == dataclasses.replace(experiment, extends=None, run_dir=None), "complete, and free to be run again"


def test_rehearsals_have_a_place_of_their_own():
    assert claim_run_dir(load("smoke"), None, fast_dev_run=False) == Path("runs/smoke/00000")
    assert claim_run_dir(load("smoke"), None, fast_dev_run=True) == Path("runs/fast_dev_run/00000")


def test_a_resumed_run_keeps_its_settings_and_notes_the_code():
    run_dir = claim_run_dir(load("smoke"), None, fast_dev_run=False)
    before = (run_dir / "config.yaml").read_text()
    assert claim_run_dir(load("smoke", ["seed=9"]), run_dir, fast_dev_run=False) == run_dir
    assert load(run_dir / "config.yaml").seed == 9, "new settings hold from now on, for the next --resume too"
    assert (run_dir / "config.before-1.yaml").read_text() == before, "and the old ones are kept"
    claim_run_dir(load("smoke", ["seed=9"]), run_dir, fast_dev_run=False)
    assert not (run_dir / "config.before-2.yaml").exists(), "nothing changed, nothing to keep"
    assert len((run_dir / "commit.txt").read_text().splitlines()) == 3


@pytest.mark.parametrize("file", [0, 1])
def test_a_full_disk_leaves_the_settings_of_a_run_as_they_are(monkeypatch: pytest.MonkeyPatch, file: int):
    run_dir = claim_run_dir(load("smoke"), None, fast_dev_run=False)
    before, written = (run_dir / "config.yaml").read_text(), []

    def sync(path: Path) -> None:
        written.append(path)
        if len(written) > 2 * file:  # the file and its folder
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(system, "_sync", sync)
    with pytest.raises(OSError, match="No space left"):
        claim_run_dir(load("smoke", ["seed=9"]), run_dir, fast_dev_run=False)
    assert (run_dir / "config.yaml").read_text() == before and not list(run_dir.glob(".*"))


def test_a_start_that_was_cut_off_before_its_settings_were_written_leaves_a_folder_to_begin_in():
    left = Path("mine")
    left.mkdir()
    for name in ("lock", ".config.yaml.123.part"):
        (left / name).write_text("process 123")
    mine = load("smoke", ["run_dir=mine"])
    assert resume.existing(mine) is None
    training.check_in_time(mine, None)
    assert claim_run_dir(mine, None, fast_dev_run=False) == left and (left / "config.yaml").is_file()


def test_processes_of_one_run_share_its_folder(monkeypatch: pytest.MonkeyPatch):
    run_dir = claim_run_dir(load("smoke"), None, fast_dev_run=False)
    assert os.environ["T2VGAN_RUN_DIR"] == str(run_dir)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert claim_run_dir(load("smoke"), None, fast_dev_run=False) == run_dir
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert claim_run_dir(load("smoke"), None, fast_dev_run=False) == Path("runs/smoke/00001")


def test_rehearsals_are_short():
    whole, short = load("lion_savanna"), hurried(load("lion_savanna"))
    assert short.evaluation.probe["clips"] < 100 and short.data.val_clips == 2 * short.data.batch
    changed = {f.name for f in dataclasses.fields(whole) if getattr(whole, f.name) != getattr(short, f.name)}
    assert changed == {"evaluation", "data", "clips", "trainer"}
    assert hurried(load("smoke", ["evaluation.probe.split=test"])).evaluation.probe["split"] == "test"


# ---- the Trainer


def trainer(*overrides: str, fast_dev_run: bool = False) -> L.Trainer:
    experiment = load("smoke", ["logger.wandb=off", "trainer.accelerator=cpu", *overrides])
    run_dir = claim_run_dir(experiment, None, fast_dev_run=fast_dev_run)
    return training.trainer(experiment, run_dir, EffNetFeatures(), fast_dev_run=fast_dev_run)


def test_a_run_is_as_long_as_its_clips():
    made = trainer("clips=100", "data.batch=8", "evaluation.every_clips=33")
    # 12.5 rounds of 8 clips, validated about every 4.1: three times every 5 rounds, the last time at the end
    assert made.max_steps == 15 and made.val_check_interval == 5 and made.max_epochs == -1
    assert trainer("evaluation.every_clips=1").val_check_interval == 1


def test_the_average_acts_first():
    made: Any = trainer()
    ours = [type(callback) for callback in made.callbacks if type(callback).__module__.startswith("t2vgan")]
    assert ours[0] is EMA and len(ours) == 15
    assert ours[-2:] == [ProgressBar, Checkpointing], "killed before its end was done, a run does it again"


def test_several_devices_exchange_gradients_themselves():
    strategy = trainer("trainer.devices=2").strategy
    assert isinstance(strategy, DDPStrategy) and strategy._ddp_kwargs["broadcast_buffers"] is False
    assert not isinstance(trainer().strategy, DDPStrategy)


@pytest.mark.parametrize(
    ("cores", "batch", "val", "expected"),
    [(1, 16, 50, (1, 0)), (2, 16, 50, (2, 1)), (2, 15, 50, (1, 0)), (3, 16, 50, (2, 1)), (6, 9, 50, (3, 2)),
     (64, 16, 50, (4, 16)), (64, 16, 1, (1, 0)), (8, 16, 3, (2, 4))],
)  # fmt: skip
def test_automatic_devices_share_the_batch_among_processes_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, cores: int, batch: int, val: int, expected: tuple[int, int]
):
    monkeypatch.setattr(devices, "cores", lambda: cores)
    monkeypatch.setattr(devices, "gpu_found", lambda: False)
    found = settled(load("smoke", ["trainer.devices=auto", f"data.batch={batch}"]), val).trainer
    assert (found.devices, found.threads) == expected
    asked = load("smoke", ["trainer.devices=2", f"data.batch={batch}"])
    assert settled(asked, val) == asked


@pytest.mark.parametrize(
    ("cores", "batch", "accumulate", "expected"), [(2, 12, 4, 1), (4, 8, 4, 2), (4, 8, 8, 1), (4, 16, 2, 4)]
)
def test_automatic_devices_share_the_batch_in_equal_micro_batches(
    monkeypatch: pytest.MonkeyPatch, cores: int, batch: int, accumulate: int, expected: int
):
    monkeypatch.setattr(devices, "cores", lambda: cores)
    monkeypatch.setattr(devices, "gpu_found", lambda: False)
    asked = load("smoke", ["trainer.devices=auto", f"data.batch={batch}", f"trainer.accumulate={accumulate}"])
    found = settled(asked, 50)
    assert found.trainer.devices == expected
    check_shareable(found, expected)


@pytest.mark.parametrize(("gpus", "expected"), [(0, 1), (1, 1), (3, 2), (8, 8)])
def test_automatic_devices_are_the_gpus_that_share_the_batch(monkeypatch: pytest.MonkeyPatch, gpus: int, expected: int):
    """No GPU, but one found: Apple's, of which there is one."""
    monkeypatch.setattr(devices, "gpu_found", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    found = settled(load("smoke", ["trainer.devices=auto", "data.batch=16"]), 50).trainer
    assert (found.devices, found.threads) == (expected, 0)


def test_gpus_that_are_not_there_are_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"^trainer: You requested gpu: \[0, 1\] But your machine only has: \[0\]"):
        training.check_in_time(load("smoke", ["trainer.devices=2", "trainer.accelerator=gpu"]), None)


def test_more_processes_than_cores_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "cores", lambda: 2)
    with pytest.warns(UserWarning, match=r"trainer\.devices is 4: so many processes share 2 cores here"):
        assert settled(load("smoke", ["trainer.devices=4", "trainer.accelerator=cpu"]), 50).trainer.devices == 4


def test_a_rehearsal_starts_one_process_only():
    assert hurried(load("smoke", ["trainer.devices=auto"])).trainer.devices == 1
    assert hurried(load("smoke", ["trainer.devices=2"])).trainer.devices == 2


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("trainer.devices=two", "trainer: "),
        ("trainer.accelerator=abacus", r"trainer: .*\(trainer.accelerator is abacus; auto takes what there is\)$"),
        ("logger.wandb=online", "wandb"),
        ("run_dir=used", "not empty"),
        ("trainer.devices=3 trainer.accelerator=cpu", "data.batch = 8 cannot be shared equally by 3 devices$"),
        ("trainer.devices=2 trainer.accelerator=cpu trainer.accumulate=8", "2 devices of 8 micro-batches each"),
    ],
)
def test_mistakes_are_told_before_any_data_is_made(override: str, told: str, monkeypatch: pytest.MonkeyPatch):
    Path("used").mkdir()
    Path("used/mine.txt").write_text("mine")
    monkeypatch.setattr(training.assemble, "run", lambda *args, **options: pytest.fail("data was made"))
    with pytest.raises(ValueError, match=told):
        training.fit(load("smoke", ["losses.g/frames/mirror=0", *override.split()]))


def test_a_checkpoint_of_another_model_changes_nothing_and_the_settings_that_differ_are_named(tmp_path: Path):
    game, smoke = torch.nn.Linear(2, 3), load("smoke")
    saved = {"Checkpointing": {"config": to_dict(smoke), "computed": {"processes": 2}}, "Owed": {"settled": True}}
    torch.save({"state_dict": game.state_dict(), "callbacks": saved, "global_step": 3}, tmp_path / "last.ckpt")
    found = going_on.check_fits(tmp_path / "last.ckpt", game, smoke)
    assert (found["computed"], found["settled"], found["rounds"]) == ({"processes": 2}, True, 3)
    with pytest.raises(ConfigError, match=r"of 8 clips, and now data.batch is 16; .*: resume with data.batch=8, or"):
        going_on.check_fits(tmp_path / "last.ckpt", game, load("smoke", ["data.batch=16"]))
    other = load("smoke", ["generator.width=16", "trainer.devices=2"])
    for net in (torch.nn.Linear(2, 4), torch.nn.Linear(2, 3, bias=False), torch.nn.Sequential(game)):
        with pytest.raises(ConfigError, match=r"settings differ: generator.width \(32 there, 16 here\); resume"):
            going_on.check_fits(tmp_path / "last.ckpt", net, other)
    torch.save({"state_dict": game.state_dict(), "vectors": "1-abc"}, tmp_path / "last.ckpt")
    with pytest.raises(ConfigError, match=r"last\.ckpt: trained with other word vectors than text\.vectors = glove"):
        going_on.check_fits(tmp_path / "last.ckpt", game, smoke)


def test_a_run_is_finished_with_the_clips_that_it_has_seen():
    run_dir = claim_run_dir(load("smoke"), None, fast_dev_run=False)
    training.ended(run_dir, 40)
    assert resume.is_finished(run_dir, 40) and not resume.is_finished(run_dir, 64)


def test_what_is_no_longer_as_it_was_is_said():
    then = {"processes": 1, "device": "cpu", "precision": "32-true", "threads": 2}
    saved = {"config": to_dict(load("smoke")), "computed": then}
    same = to_dict(load("smoke", ["trainer.devices=2", "run_dir=elsewhere"]))
    assert going_on.told({}, same, then) == going_on.told(saved, same, then) == []
    clips = {"train": "5 clips (ab)", "val": "2 clips (cd)"}
    assert going_on.told({**saved, "clips": clips}, same, then, clips) == going_on.told(saved, same, then, clips) == []
    (line,) = going_on.told({**saved, "clips": clips}, same, then, {**clips, "train": "4 clips (ef)"})
    assert "other clips than so far: train 4 clips (ef), 5 clips (ab) so far; order" in line and "2 clips" not in line
    (line,) = going_on.told(saved, same, {**then, "processes": 2, "threads": 1})
    assert line.startswith("goes on with processes 2 (1 so far), threads 1 (2 so far): the same clips, captions, noise")
    assert line.endswith("no longer bit by bit")
    (line,) = going_on.told(saved, to_dict(load("smoke", ["clips=80", "g_optim.eps=1.0e-3"])), then)
    assert (
        line
        == "goes on with other settings than so far: clips (64 there, 80 here), g_optim.eps (1e-08 there, 0.001 here)"
    )
    assert len(going_on.told(saved, same, {"processes": 1, "device": "cuda", "precision": "32-true"})) == 1


def test_a_rate_of_words_cannot_come_or_go(tmp_path: Path):
    game, saved = torch.nn.Linear(2, 3), {"Checkpointing": {"config": to_dict(load("smoke"))}}
    torch.save({"state_dict": game.state_dict(), "callbacks": saved}, tmp_path / "last.ckpt")
    with pytest.raises(ConfigError, match=r"text\.lr was None so far and is 0\.001: .* give text\.lr as it was"):
        going_on.check_fits(tmp_path / "last.ckpt", game, load("smoke", ["text.lr=0.001"]))


def test_a_checkpoint_of_another_experiment_is_refused(tmp_path: Path):
    game, smoke = torch.nn.Linear(2, 3), load("smoke")
    saved = {"Checkpointing": {"config": {**to_dict(smoke), "name": "other"}}}
    torch.save({"state_dict": game.state_dict(), "callbacks": saved}, tmp_path / "last.ckpt")
    with pytest.raises(ConfigError, match=r"last\.ckpt is of a run of other, and not of smoke"):
        going_on.check_fits(tmp_path / "last.ckpt", game, smoke)


def test_hardware_that_is_not_there():
    with pytest.raises(ValueError, match="abacus"):
        trainer("trainer.accelerator=abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"^trainer: "):
            trainer("trainer.accelerator=gpu")


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (9500, 1250),
        (12000, 1250),
        (3, 1250),
        (8, 4),
        (1, 0.5),
        (1251, 1250),
        (7, 2),
        (8, 0.125),
        (63, 0.5),
        (1000, 1.5),
    ],
)
def test_a_run_ends_with_a_validation_and_is_hardly_longer(steps: int, wanted: int | float):
    total, between = rounds(steps, wanted)
    assert total % between == 0 and steps <= total < steps + between
    assert between <= max(steps, 1) and between <= 2 * wanted + 1


def test_models_that_take_means_over_the_batch_are_trained_in_one_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "cores", lambda: 4)
    game = torch.nn.ModuleDict({"generator": torch.nn.Sequential(torch.nn.BatchNorm2d(3))})
    assert settled(load("smoke", ["trainer.devices=auto"]), 50, game).trainer.devices == 1
    for asked in ("trainer.devices=2", "trainer.accumulate=2"):
        with pytest.raises(ConfigError, match=r"generator\.0 takes statistics over the batch"):
            settled(load("smoke", ["trainer.devices=1", asked]), 50, game)
    assert settled(load("smoke", ["trainer.devices=2"]), 50, torch.nn.ModuleDict()).trainer.devices == 2
    assert settled(load("smoke", ["trainer.devices=[1]"]), 50, game).trainer.devices == [1], "which one, not how many"
    critic = torch.nn.ModuleDict({"critic": StyleganV(text_dim=8, size=16, width=4)})
    assert settled(load("smoke", ["trainer.devices=auto"]), 50, critic).trainer.devices == 1, "it has groups of clips"


def test_graphs_are_for_one_gpu_and_for_parts_that_read_nothing_midway():
    gpu, game = torch.device("cuda"), torch.nn.ModuleDict()
    assert graphs_fit(load("smoke", ["trainer.graphs=true", "trainer.devices=1"]), gpu, game)
    assert graphs_fit(load("smoke", ["trainer.graphs=true", "trainer.devices=[0]"]), gpu, game)
    for other in ("trainer.devices=2", "trainer.devices=[0,1]", "trainer.accumulate=2", "trainer.graphs=false"):
        assert not graphs_fit(load("smoke", ["trainer.graphs=true", "trainer.devices=1", other]), gpu, game)
    asked = load("smoke", ["trainer.graphs=true", "trainer.devices=1"])
    assert not graphs_fit(asked, torch.device("cpu"), game)
    with pytest.warns(UserWarning, match=r"trainer\.graphs: critic reads numbers in the middle of a round"):
        assert not graphs_fit(asked, gpu, torch.nn.ModuleDict({"critic": TganVideo(text_dim=8, size=16, width=4)}))


def test_a_rehearsal_leaves_the_runs_own_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def stop(experiment: Any, go_on: Any) -> None:
        seen.append(experiment.run_dir)
        raise ConfigError("enough")

    monkeypatch.setattr(training, "check_in_time", stop)
    with pytest.raises(ConfigError, match="enough"):
        training.fit(load("smoke", [f"run_dir={tmp_path / 'mine'}"]), fast_dev_run=True)
    assert seen == [None]


def test_averages_that_a_run_begins_with_are_not_forgotten(tmp_path: Path):
    """As those of a random start are."""
    for overrides, rampup in (([], 0.1), (["start=pretrained"], float("inf"))):
        ema = training.callbacks(load("smoke", overrides), tmp_path, EffNetFeatures())[0]
        assert isinstance(ema, EMA) and ema.rampup == rampup


def test_clips_that_could_not_be_used_are_noted_by_all_processes_and_parts_of_a_run(tmp_path: Path):
    training.note_skipped(tmp_path, [{}, {}])
    assert not list(tmp_path.iterdir())
    training.note_skipped(tmp_path, [{"a": "it is empty"}, {"b": "it is damaged"}])
    training.note_skipped(tmp_path, [{"c": "it is short"}])
    found = json.loads((tmp_path / "skipped.json").read_text())
    assert found == {"a": "it is empty", "b": "it is damaged", "c": "it is short"}
