"""SIGKILL at random moments, again and again, and the same command again: the run ends as one that was never stopped.

pytest -m slow tests/chaos                                          # 50 kills
T2VGAN_KILLS=25 T2VGAN_KILLS_SEED=7 pytest -m slow tests/chaos -s   # fewer, others, and the trace
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from t2vgan.checkpoint import load_generator
from t2vgan.datasets.savanna import Savanna
from t2vgan.datasets.sharding import clips_with_splits, write_shards
from t2vgan.sealed import damage, read
from t2vgan.video.encode import write_mp4
from tests.chaos.victim import ROUND, VALIDATION, WRITING, Kill, play, train

KILLS = int(os.environ.get("T2VGAN_KILLS", "50"))
SEED = int(os.environ.get("T2VGAN_KILLS_SEED", "6"))
PER_RUN = 4
PATIENCE_S = 1800
LONGEST_DELAY_S = {WRITING: 0.03, VALIDATION: 0.2, ROUND: 0.2}  # of 0.035, 0.2 to 0.25 and 0.2 that they take
COMMAND = [
    *("trainer.checkpoint_every_clips=16", "trainer.log_every_steps=1", "data.batch=8"),
    *("trainer.accelerator=cpu", "trainer.precision=32-true", "evaluation.every_clips=32", "samples.count=1"),
]
RUN = Path("runs/smoke/00000")
# Drawn clips, one epoch, in the process itself; and 24 clips in tars, nearly three epochs, by two workers.
KINDS = {"drawn": "smoke", "shards": "./shards.yaml"}
SHARDS = """
extends: smoke
name: smoke
data: {dataset: {name: shards, root: shards}, workers: 2}
evaluation: {probe: {split: train, clips: 24}}
"""
IMPORTED = ["t2vgan.training", "wandb", "wandb.sdk.launch", "matplotlib.figure"]  # once, and used in no process before


def process(target: Callable[..., None], *arguments: Any) -> int:
    """The exit code of one try; -9 when it was killed."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    victim = context.Process(target=target, args=arguments)
    victim.start()
    victim.join(PATIENCE_S)
    assert victim.exitcode is not None, "it hangs"
    return victim.exitcode


def planned(rng: random.Random, longest_s: dict[str, float]) -> Kill:
    phase = rng.choices([WRITING, VALIDATION, ROUND], [4, 3, 3])[0]
    return Kill(phase, rng.randint(1, 3), rng.uniform(0, longest_s[phase]))


def wandb_rows(run: Path) -> list[tuple[float, str, float]]:
    """Every number that was logged, over clips seen, of all the processes of the run."""
    found: list[tuple[float, str, float]] = []
    for record in sorted(run.glob("wandb/offline-run-*/run-*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(record)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        for item in (entry["history"]["item"] for entry in map(json.loads, lines) if entry["type"] == "history"):
            numbers = {k: v for k, v in item.items() if "/" in k and isinstance(v, int | float) and "path" not in k}
            found += [(item["clips_seen"], name, value) for name, value in numbers.items() if "media" not in name]
    return sorted(row for row in found if row[1].startswith(("d/", "g/", "val/")))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(run: Path, beginning: str) -> dict[str, bytes]:
    """Pictures, clips and notes, by their names."""
    files = (path for path in run.rglob("*") if path.is_file())
    return {name: path.read_bytes() for path in files if (name := str(path.relative_to(run))).startswith(beginning)}


def differing(one: Any, other: Any, where: str = "") -> list[str]:
    """The places at which two checkpoints are not equal bit by bit."""
    if isinstance(one, dict):
        keys = one.keys() | other.keys()
        return [p for k in keys for p in differing(one.get(k), other.get(k), f"{where}/{k}")]
    if isinstance(one, torch.Tensor):
        return [] if isinstance(other, torch.Tensor) and torch.equal(one, other) else [where]
    if isinstance(one, list):
        return [p for i, (a, b) in enumerate(zip(one, other, strict=True)) for p in differing(a, b, f"{where}/{i}")]
    return [] if one == other else [where]


def assert_same_checkpoint(run: Path, whole: Path) -> None:
    for name in ("metrics.csv", "evaluation.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    last, reference = (read(folder / "checkpoints" / "last.ckpt") for folder in (run, whole))
    assert damage(run / "checkpoints" / "last.ckpt") is None
    parts = ("state_dict", "optimizer_states", "loops", "global_step", "epoch", "callbacks")
    apart = [p for part in parts for p in differing(last[part], reference[part], part)]
    assert [p for p in apart if not p.startswith("callbacks/Cost/")] == []  # the time that it took may differ
    for name in names(whole / "checkpoints"):
        if name.endswith(".safetensors"):  # also the best one; what is said in it has no order
            mine, theirs = (load_generator(folder / "checkpoints" / name)[0] for folder in (run, whole))
            assert differing(mine, theirs) == [], name


def where_killed(trace: Path) -> Counter[str]:
    return Counter(trace.read_text().splitlines()) if trace.exists() else Counter()


def test_a_small_game_killed_again_and_again(tmp_path: Path):
    """Twelve kills; loops, weights, averages, optimisers, rows and lines are those of a run that never stopped."""
    rng, trace, done, runs = random.Random(2), tmp_path / "trace.txt", 0, 0
    (tmp_path / "whole").mkdir()
    assert process(play, str(tmp_path / "whole"), None, str(trace)) == 0
    where: Counter[str] = Counter()
    while done < 12 or (done < 40 and not (where[WRITING] and where[VALIDATION])):  # what is hit is a matter of time
        folder = tmp_path / f"run{runs}"
        folder.mkdir()
        for _ in range(4):
            kill = planned(rng, {WRITING: 0.002, VALIDATION: 0.005, ROUND: 0.001})
            code = process(play, str(folder), kill, str(trace))
            assert code in (0, -9), kill
            done += code == -9
        assert process(play, str(folder), None, str(trace)) == 0
        assert_same_checkpoint(folder / "run", tmp_path / "whole" / "run")
        runs += 1
        where = where_killed(trace)
    print(f"{done} kills in {runs} runs, all exact: {dict(where)}")
    assert where[WRITING] and where[VALIDATION]


def pack(folder: Path) -> None:
    """Clips of the savanna as files, in tars: `shards` and `shards.yaml` in the folder."""
    rows = []
    (folder / "files").mkdir()
    for split, count in (("train", 24), ("val", 16)):
        view: dict[str, Any] = {
            "size": 16,
            "frames": 8,
            "duration_s": 2.0,
            "counts": {split: count},
            "source": "render",
        }
        drawn = Savanna(root=folder / "drawn", split=split, **view)
        for i in range(count):
            sample, name = drawn[i], f"{split}{i}.mp4"
            write_mp4(folder / "files" / name, sample.video, fps=4)
            rows.append({"video": name, "caption": sample.caption, "split": split, "attributes": sample.attributes})
    (folder / "files" / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert write_shards(clips_with_splits(folder / "files"), folder / "shards", shard_bytes=20_000).shards > 2
    (folder / "shards.yaml").write_text(SHARDS)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_killed_again_and_again(tmp_path: Path):
    rng, trace, done = random.Random(SEED), tmp_path / "trace.txt", 0
    wholes = {kind: tmp_path / kind for kind in KINDS}
    for whole in wholes.values():
        whole.mkdir()
    pack(wholes["shards"])
    for kind, whole in wholes.items():
        assert process(train, str(whole), ["--experiment", KINDS[kind], *COMMAND], None, str(trace)) == 0
    runs, where = 0, Counter[str]()
    while done < KILLS:
        kind = list(KINDS)[runs % len(KINDS)]
        whole, command = wholes[kind], ["--experiment", KINDS[kind], *COMMAND]
        folder = tmp_path / f"run{runs}"
        folder.mkdir()
        for name in ("data", "shards", "shards.yaml"):
            if (whole / name).exists():
                (folder / name).symlink_to(whole / name)
        here = 0
        while here < min(PER_RUN, KILLS - done):
            kill = planned(rng, LONGEST_DELAY_S)
            code = process(train, str(folder), command, kill, str(trace))
            assert code in (0, -9), (kill, (folder / "said.txt").read_text()[-2000:])
            if code == 0:
                break  # it was at its end before the moment came
            here += 1
        assert process(train, str(folder), command, None, str(trace)) == 0, (folder / "said.txt").read_text()[-2000:]
        assert_same_checkpoint(folder / RUN, whole / RUN)
        for kept in ("samples", "checkpoints/best.json"):
            assert contents(folder / RUN, kept) == contents(whole / RUN, kept)
        assert wandb_rows(folder / RUN) == wandb_rows(whole / RUN), "a row was lost, or came twice"
        assert names(folder / "runs/smoke") == ["00000"], "one run all along"
        done, runs = done + here, runs + 1
        where = where_killed(trace)
        print(f"{done} kills, {runs} runs, all exact; killed in {dict(where)}", flush=True)
    assert where[WRITING] >= KILLS // 5 and where[VALIDATION] >= KILLS // 5
