"""What a finished run is worth and what it has cost."""

from __future__ import annotations

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from t2vgan import assemble
from t2vgan.comparisons.widths import parameters
from t2vgan.config import Experiment, load
from t2vgan.metrics.attributes import LEAST_CEILING
from t2vgan.metrics.suite import Suite
from t2vgan.reports.sources import Model
from t2vgan.system import cores

LATENCIES = 7  # clips that the latency is the median of, after one to warm up


def finished(run: Path) -> dict[str, Any]:
    """Everything that is told of a run, as the json of its arm."""
    experiment = load(run / "config.yaml")
    file = run / "checkpoints" / "generator.safetensors"  # of the end of the budget, not the best one on the way
    splits = {split: figures(file, split) for split in assemble.reported_splits(file)}
    return {
        "figures": splits,
        "judge": judge_of(experiment),
        "curve": curve(run),
        "cost": cost(run, gpu=trained_on_gpu(experiment)),
        "parameters": parameters(experiment),
        # While others wait for the same GPU, processors have other things to do: see `price`.
        "latency_ms": None if torch.cuda.is_available() else latency_ms(file),
        "commit": (run / "commit.txt").read_text().split()[-1],
        "machine": machine(gpu=trained_on_gpu(experiment)),
    }


def searched(run: Path) -> dict[str, Any]:
    experiment = load(run / "config.yaml")
    return {
        "curve": curve(run),
        "judge": judge_of(experiment),
        "commit": (run / "commit.txt").read_text().split()[-1],
        "machine": machine(gpu=trained_on_gpu(experiment)),
    }


def judge_of(experiment: Experiment) -> str:
    """The fingerprint of its weights: only distances by one judge can be compared."""
    return getattr(assemble.judge(experiment), "fingerprint", "")


def trained_on_gpu(experiment: Experiment) -> bool:
    """Of a run of this machine."""
    return torch.cuda.is_available() and experiment.trainer.accelerator != "cpu"


def figures(file: Path, split: str) -> dict[str, float]:
    """What `metrics.suite` says of all clips of a split, by the averaged weights."""
    source = Model(file, split, None, quick=True, device=device())
    suite = Suite(source.extractors[0]).to(device())
    for _, pairs in source.batches(0, 1):
        suite.update(pairs.real, pairs.fake, pairs.attributes, pairs.named)
    found = suite.compute()
    return {**found, "clips": float(suite.clips), "normalised/mean": mean_normalised(found)}


def mean_normalised(found: dict[str, Any]) -> float:
    """Mean over attributes of (accuracy - floor) / (ceiling - floor).

    Attributes of one value have none, and those that the judge misreads on real clips do not count (LEAST_CEILING).
    """
    names = [k.split("/", 1)[1] for k in found if k.startswith("normalised/") and k not in ("normalised/all", MEAN)]
    values = [found[f"normalised/{n}"] for n in names if (found.get(f"ceiling/{n}") or 0.0) >= LEAST_CEILING]
    values = [v for v in values if v is not None and v == v]
    return statistics.fmean(values) if values else float("nan")


MEAN = "normalised/mean"


def curve(run: Path) -> list[dict[str, Any]]:
    """The validations of a run with what training had cost until then, in order."""
    costs = {line["clips_seen"]: line for line in lines(run / "cost.jsonl")}
    points = {}
    for line in lines(run / "evaluation.jsonl"):
        spent = costs.get(line["clips_seen"], {})
        points[line["clips_seen"]] = {**line, MEAN: mean_normalised(line), **spent}
    return [points[seen] for seen in sorted(points)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def cost(run: Path, *, gpu: bool) -> dict[str, float | None]:
    """Of training alone. On a GPU the seconds on the clock count, for processors only wait there.

    None for a run that diverged before its first validation, when costs are noted.
    """
    costs = lines(run / "cost.jsonl")
    if not costs:
        return dict.fromkeys(("cpu_s", "wall_s", "clips_per_s", "peak_mb"))
    last = costs[-1]
    seconds = last["wall_s" if gpu else "cpu_s"]
    return {
        "cpu_s": last["cpu_s"],
        "wall_s": last["wall_s"],
        "clips_per_s": last["clips_seen"] / max(seconds, 1e-9),
        "peak_mb": max(line["peak_mb"] for line in costs),
    }


def latency_ms(file: Path) -> float:
    return latency_of(*assemble.load_model(file))


@torch.no_grad()
def latency_of(game: Any, experiment: Experiment) -> float:
    """From one caption to its clip, in float32 and on one thread of a processor: the median of LATENCIES."""
    prompts = (experiment.samples.prompts or ["a lion runs"])[:1]
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for _ in range(1 + LATENCIES):
            begun = time.process_time()
            game.generate(prompts)
            times.append(1000 * (time.process_time() - begun))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times[1:])


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def machine(*, gpu: bool) -> dict[str, Any]:
    return {
        "device": torch.cuda.get_device_name() if gpu else processor(),
        "gpu": gpu,
        "cores": cores(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
