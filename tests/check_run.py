"""Has a finished run left behind what it should? For `.ci/run`, after the smoke experiment.

python tests/check_run.py runs/smoke/00000
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from t2vgan.checkpoint import load_generator
from t2vgan.config import load, to_dict
from t2vgan.video.decode import probe_video

MEDIA = ("samples/video.path", "samples/video.caption", "attention/maps.path", "report.path")


def main(run: Path) -> None:
    for name in ("config.yaml", "commit.txt", "metrics.csv", "evaluation.jsonl", "curves.png", "checkpoints/last.ckpt"):
        found(run, name)
    for video in found(run, "samples/*.mp4"):
        print(f"{video}: {probe_video(video).frames} frames")
    tensors, _, card = load_generator(run / "checkpoints" / "generator.safetensors")
    print(f"{run}: generator of {len(tensors)} tensors after {card['clips_seen']} clips")
    for record in found(run, "wandb/offline-run-*/run-*.wandb"):
        logged = history(record)
        for name in ("d/total", "val/fd_probe", "val/accuracy/place", *MEDIA):
            seen = [item["clips_seen"] for item in logged if name in item]
            if not seen:
                raise SystemExit(f"{record}: nothing was logged as {name}")
            print(f"{record.name}: {name} at {seen} clips")
        once = [(item["clips_seen"], name) for item in logged for name in item if name.startswith(("d/", "g/", "val/"))]
        if len(once) != len(set(once)):
            raise SystemExit(f"{record}: rows came twice")
        check_record(run, record, card["clips_seen"])
    for video in found(run, "wandb/offline-run-*/files/media/videos/**/*.mp4"):
        print(f"{video}: {probe_video(video).frames} frames")


def check_record(run: Path, record: Path, clips_seen: int) -> None:
    """Settings, x axis and model, as Weights & Biases' file has them."""
    entries, experiment = records(record), load(run / "config.yaml")
    (begun,) = (entry["run"] for entry in entries if entry["type"] == "run")
    settings, wanted = begun["config"]["update"], to_dict(experiment)
    for key in ("name", "seed", "clips", "data", "generator", "losses"):
        same(record, key, settings[key], wanted[key])
    axes = [entry["metric"]["step_metric"] for entry in entries if entry.get("metric", {}).get("glob_name") == "*"]
    same(record, "x axis of every curve", axes[-1:], ["clips_seen"])
    (model,) = (entry["artifact"] for entry in entries if entry["type"] == "artifact")
    same(record, "artifact", (model["name"], model["type"]), (f"{experiment.name}-generator", "model"))
    best = json.loads((run / "checkpoints" / "best.json").read_text())
    same(record, "artifact's metadata", json.loads(model["metadata"]), {"clips_seen": clips_seen, "best": best})
    files = sorted(file["path"] for file in model["manifest"]["contents"])
    same(record, "artifact's files", files, ["best_generator.safetensors", "generator.safetensors"])
    print(f"{record.name}: {len(settings)} settings, group {begun.get('run_group')}, {model['name']} of {files}")


def same(record: Path, what: str, there: object, wanted: object) -> None:
    if there != wanted:
        raise SystemExit(f"{record}: {what}: {there}, not {wanted}")


def history(record: Path) -> list[dict]:
    """What was logged to Weights & Biases' own file, in order."""
    return [entry["history"]["item"] for entry in records(record) if entry["type"] == "history"]


def records(record: Path) -> list[dict]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(record)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    return [json.loads(line) for line in lines]


def found(run: Path, pattern: str) -> list[Path]:
    """The files of this pattern; it ends the program when there are none, or an empty one."""
    files = sorted(run.glob(pattern))
    if not files or not all(file.stat().st_size for file in files):
        raise SystemExit(f"{run / pattern}: {'empty' if files else 'not there'}")
    return files


if __name__ == "__main__":
    main(Path(sys.argv[1]))
