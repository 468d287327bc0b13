from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vgan.comparisons import board, price
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.rows import table
from t2vgan.comparisons.study import Study, digest_of, read_study
from t2vgan.config import ConfigError, load

Made = Callable[..., dict[str, Any]]
FORK = multiprocessing.get_context("fork")


def priced(study: Study, results: Results, **per_clip: float) -> Path:
    arms = {
        arm: {
            "cpu_s_per_clip": seconds,
            "latency_ms": 1000 * seconds,
            "peak_mb": 700.0,
            "digest": price.digest(study, arm),
            "machine": {"device": "a processor"},
            "commit": "0123456789",
        }
        for arm, seconds in per_clip.items()
    }
    path = results.folder / price.FILE
    path.write_text(json.dumps({"format": price.FORMAT, "threads": 1, "arms": arms}))
    return path


def test_seconds_are_clips_times_price(made: Made):
    run = price.at_price(
        {**made(accuracy=0.8, fd=40.0, seconds=3.0), "machine": {"gpu": True}},
        {"cpu_s_per_clip": 0.5, "latency_ms": 7.0, "peak_mb": 1.0},
    )
    assert [p["cpu_s"] for p in run["curve"]] == [8.0, 16.0, 24.0, 32.0] and run["machine"]["gpu"] is False
    assert run["cost"]["clips_per_s"] == 2.0 and run["latency_ms"] == 7.0 and run["cost"]["peak_mb"] == 1.0


def test_the_board_at_the_price(study: Study, whole: Results, tmp_path: Path):
    """64 clips of `other` cost 6.4 s; ours has then seen 32 of its clips, half of the way."""
    priced(study, whole, ours=0.2, other=0.1)
    rows, seconds = table(study, whole)
    ours, other = rows
    assert seconds == pytest.approx(6.4) and ours.seconds == pytest.approx(12.8)
    assert ours.cheap["normalised/mean"].mean == pytest.approx(0.805 / 2)
    assert other.cheap["normalised/mean"].mean == pytest.approx(0.505)
    assert ours.clips_per_s.mean == pytest.approx(5.0) and math.isnan(ours.clips_per_s.half), "one measurement"
    assert other.latency_ms.mean == 100.0 and ours.peak_mb == 700.0
    markdown = board.write(study, whole, pictures=tmp_path / "pictures")[1].read_text()
    assert "are prices" in markdown and "a processor, commit 01234567" in markdown


def test_an_arm_without_a_price_that_holds_leaves_seconds_as_they_were(study: Study, whole: Results, folder: Path):
    priced(study, whole, ours=0.2)
    assert table(study, whole)[1] == 10.0
    path = priced(study, whole, ours=0.2, other=0.1)
    content = json.loads(path.read_text())
    content["arms"]["other"]["digest"] = "of another experiment"
    path.write_text(json.dumps(content))
    assert table(study, whole)[1] == 10.0
    path.write_text("{}")
    with pytest.raises(ConfigError, match="not a list of prices"):
        table(study, whole)


def test_prices_of_two_processors_are_not_compared(study: Study, whole: Results):
    path = priced(study, whole, ours=0.2, other=0.1)
    content = json.loads(path.read_text())
    content["arms"]["other"]["machine"]["device"] = "another processor"
    path.write_text(json.dumps(content))
    assert table(study, whole)[1] == 10.0, "seconds of the trainings"


def test_pricing_one_arm_leaves_the_others_prices(
    study: Study, whole: Results, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    path = priced(study, whole, ours=0.2)
    monkeypatch.setattr(multiprocessing, "get_context", lambda how: FORK)
    monkeypatch.setattr(price, "price", lambda e: {"cpu_s_per_clip": 0.3, "latency_ms": 1.0, "peak_mb": 2.0})
    one = read_study(folder, only=["other"])
    price.price_all(one, whole)
    arms = json.loads(path.read_text())["arms"]
    assert arms["ours"]["cpu_s_per_clip"] == 0.2 and arms["other"]["cpu_s_per_clip"] == 0.3


def test_a_gpus_result_without_latency_can_be_shown(study: Study, whole: Results):
    job = study.run("ours", 0, 1.0)
    found = json.loads(whole.path(job).read_text())
    whole.write(job, {**found, "latency_ms": None})
    assert not math.isnan(table(study, whole)[0][0].latency_ms.mean)


def test_a_cycle_holds_every_term(folder: Path):
    experiment = load(folder / "ours.yaml")
    assert price.cycle(experiment) == 4, "smoke: r1 in every fourth round"
    experiment.losses = {"d/a/r1": {"weight": 1.0, "every": 4}, "d/b/r1": {"every": 6}, "d/a/hinge": 1.0}
    assert price.cycle(experiment) == 12


def test_a_price_is_measured(folder: Path, tmp_path: Path):
    experiment = load(folder / "ours.yaml", [f"data.root={tmp_path / 'data'}"])
    found = price.price(experiment, seconds=0.0)
    assert found["rounds"] == 4 and 0 < found["cpu_s_per_clip"] < 10 and found["latency_ms"] > 0
    assert found["peak_mb"] > 50


def test_neither_place_nor_machine_changes_a_digest(folder: Path):
    study = read_study(folder)
    elsewhere = read_study(
        folder,
        overrides=[
            "data.root=/elsewhere", "data.files=false", "data.workers=2", "data.pin_memory=true",
            "trainer.accelerator=gpu", "trainer.devices=1", "trainer.threads=1", "trainer.checkpoint_every_clips=64",
            "trainer.log_every_steps=1", "samples.every_clips=64", "logger.wandb=offline",
        ],
    )  # fmt: skip
    for arm in study.arms:
        assert study.run(arm, 1, 4.0).digest == elsewhere.run(arm, 1, 4.0).digest
    assert digest_of(load(folder / "ours.yaml", ["trainer.precision=bf16-mixed"])) != digest_of(
        load(folder / "ours.yaml")
    )
