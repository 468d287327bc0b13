"""CPU-seconds of one full round of the game (critics' step and generator's step), by phase.

    python benchmarks/train.py --experiment lion_savanna --threads 1
    python benchmarks/train.py --experiment lion_savanna --threads 2 --profile    # and the costliest operators

Random clips and real captions, the experiment's own sizes and batch, warm process, median over rounds. Wall times mean
something on a quiet machine only; CPU-seconds nearly always.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader

from t2vgan import assemble, config
from t2vgan.shapes import Clips
from t2vgan.training import precision, quiet_lightning, spare_page_faults

PAIRS = 4  # of captions to learn words from, per clip, as savanna has
PHASES = ("look", "step")  # of T2VGAN: render and see; a player's losses, backward and optimizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="lion_savanna")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()

    quiet_lightning()
    spare_page_faults()
    torch.set_num_threads(args.threads)
    experiment = config.load(args.experiment, args.overrides)
    game = assemble.model(experiment, assemble.text_pipeline(experiment))
    clips = random_clips(experiment)
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for phase in PHASES:
        setattr(game, phase, timed(getattr(game, phase), phase, times))
    game.training_step = timed(game.training_step, "round", times)  # type: ignore[method-assign]
    trainer = L.Trainer(
        accelerator="cpu", max_steps=args.rounds + 3, precision=precision(experiment), logger=False,  # type: ignore[arg-type]
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with (
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
        if args.profile
        else contextlib.nullcontext() as seen
    ):
        trainer.fit(game, DataLoader([clips] * (args.rounds + 3), batch_size=None))  # type: ignore[arg-type]
    report(experiment, args.threads, times)
    if args.profile:
        print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=40))


def random_clips(experiment: config.Experiment) -> Clips:
    clip, batch = experiment.clip, experiment.data.batch
    times = (torch.arange(clip.frames) * clip.duration_s / clip.frames).expand(batch, -1)
    told = "A majestic {} stalks its prey across the golden savanna at {} as the camera pans left"
    captions = [told.format("lion" if i % 2 else "zebra", "dawn" if i % 3 else "sunset") for i in range(batch)]
    wrong = [told.format("zebra" if i % 2 else "lion", "dawn" if i % 3 else "sunset") for i in range(batch)]
    video = torch.rand(batch, 3, clip.frames, clip.size, clip.size) * 2 - 1
    pairs = [((right, not_right),) * PAIRS for right, not_right in zip(captions, wrong, strict=True)]
    keys = [str(i) for i in range(batch)]
    return Clips(video, times, captions, wrong, keys, list(range(batch)), contrasts=pairs)


def timed(function: Callable[..., Any], name: str, times: dict[str, list[tuple[float, float]]]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        done = function(*args, **kwargs)
        times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
        return done

    return run


def report(experiment: config.Experiment, threads: int, times: dict[str, list[tuple[float, float]]]) -> None:
    clip, batch = experiment.clip, experiment.data.batch
    print(
        f"{experiment.name}: {clip.frames} frames of {clip.size} pixels, batch {batch}, "
        f"{threads} threads, {precision(experiment)}"
    )
    warm = {
        "round": times["round"][3:],
        "look": times["look"][3:],
        "d step": times["step"][6::2],
        "g step": times["step"][7::2],
    }
    for name, taken in warm.items():
        cpu, wall = (statistics.median(t[i] for t in taken) for i in (0, 1))
        print(f"{name:>8}  {1000 * cpu:7.1f} CPU-ms  {1000 * wall:7.1f} ms wall  {cpu / batch:.4f} CPU-s per clip")


if __name__ == "__main__":
    main()
