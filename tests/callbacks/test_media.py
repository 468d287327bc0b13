import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger

from t2vgan.callbacks.media import log_image, log_scalars, log_video, use_clips_axis
from t2vgan.callbacks.samples import Samples
from t2vgan.callbacks.vital_signs import VitalSigns
from t2vgan.video.encode import write_mp4, write_png

PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


@pytest.fixture
def media(tmp_path) -> tuple[Path, Path]:
    image, video = tmp_path / "a.png", tmp_path / "a.mp4"
    write_png(image, PICTURE)
    write_mp4(video, np.stack([PICTURE] * 4), fps=4)
    return image, video


def log_all(trainer, media) -> None:
    use_clips_axis(trainer)
    log_scalars(trainer, {"x": 2.5, "n": 3}, clips_seen=160)
    log_image(trainer, "picture", media[0], clips_seen=160, caption="a lion")
    log_video(trainer, "video", media[1], clips_seen=160, caption="a lion")


def test_weights_and_biases_offline_is_written_and_read_back(fit, monkeypatch):
    """A real fit: each video and each number is in the run's own file, at its count of clips."""
    import wandb

    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = WandbLogger(project="t2vgan", name="test", save_dir=fit.folder, offline=True)
    shown = Samples(folder=fit.folder / "samples", prompts=["a lion runs at dusk"], count=1, every_clips=8, fps=4)
    fit(VitalSigns(every_steps=2), shown, logger=logger)
    wandb.finish()
    (log,) = fit.folder.glob("wandb/offline-run-*/run-*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    axes = [r["metric"] for r in records if r["type"] == "metric" and r["metric"].get("glob_name") == "*"]
    assert axes[-1]["step_metric"] == "clips_seen"
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    videos = {item["clips_seen"]: item for item in items if "samples/video.path" in item}
    assert list(videos) == [8, 16, 20]
    for seen, item in videos.items():
        sent = log.parent / "files" / item["samples/video.path"]
        assert sent.read_bytes() == (fit.folder / "samples" / f"{seen:09d}.mp4").read_bytes()
        assert item["samples/video._type"] == "video-file" and item["samples/video.caption"] == "a lion runs at dusk"
    assert [item["clips_seen"] for item in items if "samples/sheet.path" in item] == [8, 16, 20]
    assert [item["clips_seen"] for item in items if "signs/d/frames/real" in item] == [8, 16]
    assert [item["clips_seen"] for item in items if "d/total" in item] == [4, 8, 12, 16, 20]


def test_tensorboard_gets_the_picture_and_the_numbers(fit, media):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(fit.folder, name="tb", version="")
    log_all(fit.trainer(logger=logger), media)
    logger.experiment.flush()
    events = EventAccumulator(str(fit.folder / "tb"))
    events.Reload()
    assert events.Tags()["images"] == ["picture"]
    assert {name: events.Scalars(name)[0].value for name in ("x", "n", "clips_seen")} == {
        "x": 2.5, "n": 3.0, "clips_seen": 160.0
    }  # fmt: skip
    assert events.Images("picture")[0].width == 8


def test_csv_gets_the_numbers(fit, media):
    logger = CSVLogger(fit.folder, name="logs", version="")
    log_all(fit.trainer(logger=logger), media)
    logger.save()
    with (fit.folder / "logs" / "metrics.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"x": "2.5", "n": "3", "clips_seen": "160", "step": "0"}]


@pytest.mark.parametrize("options", [{"logger": False}, {"logger": True, "fast_dev_run": True}])
def test_without_a_logger_nothing_happens(fit, media, options):
    trainer = fit.trainer(**options)
    log_all(trainer, media)
    assert len(trainer.loggers) == (1 if "fast_dev_run" in options else 0)


def test_other_ranks_do_not_log(fit, media, monkeypatch):
    logger = CSVLogger(fit.folder, name="logs", version="")
    trainer = fit.trainer(logger=logger)
    monkeypatch.setattr(type(trainer), "is_global_zero", False)
    log_all(trainer, media)
    assert not logger.experiment.metrics
