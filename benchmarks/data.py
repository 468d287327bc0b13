"""Clips per CPU-second of the data path, against bare decord and bare PyAV on the same files and frames.

    python benchmarks/data.py                       # a few minutes on one core; videos are made in a temporary folder
    python benchmarks/data.py --step lion_savanna   # instead, the loader's share of a training step

Every figure of a row is measured in one process, one after the other in turns, so that only their ratios count. All
read the same frames: 16 over 2 seconds from random starts. `datamodule` is the whole of it: sampler, draw, collate,
floats; `shards` the same from tars; `cache` the same from the frame cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from t2vgan.config import Clip, Data, Experiment, load
from t2vgan.datamodule import ClipsDataModule
from t2vgan.datasets.cache import FrameCache
from t2vgan.datasets.manifest import Manifest
from t2vgan.datasets.sharding import clips_with_splits, write_shards
from t2vgan.datasets.shards import Shards
from t2vgan.seeds import stable_seed
from t2vgan.video.encode import write_mp4

SOURCES = {"64": (64, 64, 24), "256": (256, 256, 30), "720p": (720, 1280, 30)}  # height, width, fps
EPOCHS = {"64": 6, "256": 3, "720p": 1}  # of a turn
CLIPS, SECONDS, FRAMES, DURATION_S, TURNS = 8, 6, 16, 2.0, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--step", metavar="EXPERIMENT", help="measure the loader's share of a training step of it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if args.step:
        share_of_a_step(args.step)
        return
    columns = "".join(f"{name:>12}" for name in ("bare decord", "bare PyAV", "datamodule", "shards", "cache"))
    print(f"{'source':>8}{'at':>6}{'':4}{columns}   clips per CPU-second; below: over bare decord")
    for name in args.sources:
        height, width, fps = SOURCES[name]
        with tempfile.TemporaryDirectory() as folder:
            root = make(Path(folder) / "files", height, width, fps)
            shards = Path(folder) / "shards"
            write_shards(clips_with_splits(root), shards, shard_bytes=1 << 30)
            for size in args.sizes:
                rates = measured(root, shards, Path(folder) / f"cache{size}", size, EPOCHS[name])
                print(f"{name:>8}{size:>6}{'':4}" + "".join(f"{rate:>12.1f}" for rate in rates.values()))
                relative = {key: rate / rates["decord"] for key, rate in rates.items()}
                print(f"{'':>18}" + "".join(f"{share:>12.2f}" for share in relative.values()))


def make(root: Path, height: int, width: int, fps: int) -> Path:
    """Smooth random textures that drift, with a little noise: neither flat nor impossible to compress."""
    rows = []
    for i in range(CLIPS):
        rng, count = np.random.default_rng(i), SECONDS * fps
        coarse = rng.integers(0, 255, (height // 8 + 2, width // 8 + count // 4 + 2, 3))
        big = coarse.repeat(8, axis=0).repeat(8, axis=1)
        clip = (big[k % 8 : k % 8 + height, 2 * k : 2 * k + width] for k in range(count))
        noisy = np.stack([(frame + rng.integers(-4, 5, frame.shape)).clip(0, 255).astype(np.uint8) for frame in clip])
        write_mp4(root / f"{i}.mp4", noisy, fps=fps)
        rows.append({"video": f"{i}.mp4", "caption": f"texture {i}", "split": "train"})
    (root / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def measured(root: Path, shards: Path, cache: Path, size: int, epochs: int) -> dict[str, float]:
    """Clips per CPU-second of each way, the median of some turns; every way warm."""
    view: dict[str, Any] = {"size": size, "frames": FRAMES, "duration_s": DURATION_S}
    files = Manifest(root=root, **view)
    ways = {
        "decord": bare_decord(root, size),
        "pyav": bare_pyav(root, size),
        "datamodule": epoch_of(files, size),
        "shards": epoch_of(Shards(root=shards, **view), size),
        "cache": epoch_of(FrameCache(files, cache), size),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            repeats = 20 if name == "cache" else 1
            began, count = time.process_time(), 0
            for epoch in range(turn * epochs, (turn + 1) * epochs):
                count += sum(way(epoch) for _ in range(repeats))
            if turn:  # the first one warms
                taken[name].append(count / (time.process_time() - began))
    return {name: statistics.median(rates) for name, rates in taken.items()}


def start_s(epoch: int, index: int) -> float:
    """Where the datamodule begins to read this clip in this epoch."""
    return float(np.random.default_rng(stable_seed(0, epoch, index, "clip")).random()) * (SECONDS - DURATION_S)


def bare_decord(root: Path, size: int) -> Callable[[int], int]:
    """What one would write by hand: open, take the frames, scaled by the decoder; and the same floats."""
    import decord

    files = sorted(root.glob("*.mp4"))
    height, width = decord.VideoReader(str(files[0]), num_threads=1)[0].shape[:2]
    scaled = max(size, round(width * size / min(height, width))), max(size, round(height * size / min(height, width)))

    def run(epoch: int) -> int:
        clips = []
        for index, path in enumerate(files):
            reader = decord.VideoReader(str(path), width=scaled[0], height=scaled[1], num_threads=1)
            times = start_s(epoch, index) + np.arange(FRAMES) * DURATION_S / FRAMES
            wanted = (times * reader.get_avg_fps()).astype(int).clip(0, len(reader) - 1)
            clips.append(square(reader.get_batch(wanted.tolist()).asnumpy(), size))
        floats(np.stack(clips))
        return len(files)

    return run


def bare_pyav(root: Path, size: int) -> Callable[[int], int]:
    import av
    from av.video.reformatter import VideoReformatter

    files = sorted(root.glob("*.mp4"))

    def run(epoch: int) -> int:
        clips = []
        for index, path in enumerate(files):
            with av.open(str(path)) as container:
                stream, reformatter = container.streams.video[0], VideoReformatter()
                stream.thread_type = "NONE"
                scale = size / min(stream.height, stream.width)
                shape = max(size, round(stream.width * scale)), max(size, round(stream.height * scale))
                times = start_s(epoch, index) + np.arange(FRAMES) * DURATION_S / FRAMES
                assert stream.time_base is not None
                container.seek(int(times[0] / stream.time_base), stream=stream)
                found: list[np.ndarray] = []
                for frame in container.decode(stream):
                    while len(found) < FRAMES and frame.time is not None and frame.time + 1e-6 >= times[len(found)]:
                        picture = reformatter.reformat(frame, *shape, format="rgb24", interpolation="BILINEAR")
                        found.append(picture.to_ndarray())
                    if len(found) == FRAMES:
                        break
            clips.append(square(np.stack(found + found[-1:] * (FRAMES - len(found))), size))
        floats(np.stack(clips))
        return len(files)

    return run


def square(frames: np.ndarray, size: int) -> np.ndarray:
    top, left = ((side - size) // 2 for side in frames.shape[1:3])
    return frames[:, top : top + size, left : left + size]


def floats(batch: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(batch).permute(0, 4, 1, 2, 3).to(torch.float32).div_(127.5).sub_(1)


def epoch_of(data: Any, size: int) -> Callable[[int], int]:
    clip = Clip(size=size, frames=FRAMES, duration_s=DURATION_S)
    module = ClipsDataModule(
        make=lambda split, limit: data, data=Data(batch=CLIPS, workers=0), clip=clip, seed=0
    )  # fmt: skip
    loader = module.train_dataloader()

    def run(epoch: int) -> int:
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return sum(len(clips) for clips in loader)

    return run


def share_of_a_step(experiment: str) -> None:
    """CPU time of a batch from the frame cache beside that of the round that it feeds (benchmarks/train.py)."""
    import importlib.util

    from t2vgan import assemble

    path = Path(__file__).with_name("train.py")
    spec = importlib.util.spec_from_file_location("train_benchmark", path)
    assert spec is not None and spec.loader is not None
    train: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    settings = load(experiment, ["data.files=false", "data.dataset.counts.train=64"])
    with tempfile.TemporaryDirectory() as folder:
        settings.data.root = folder
        module = assemble.datamodule(settings)
        loader = module.train_dataloader()
        list(loader)
        began, batches = time.process_time(), 0
        for _ in range(10):
            batches += sum(1 for _ in loader)
        batch_s = (time.process_time() - began) / batches
    step_s = round_cpu_s(settings, train)
    told = f"{1000 * batch_s:.1f} CPU-ms for a batch of {settings.data.batch}, {1000 * step_s:.1f} for its round"
    print(f"{experiment}: {told}: the loader takes {100 * batch_s / (batch_s + step_s):.1f} %")


def round_cpu_s(settings: Experiment, train: Any) -> float:
    """Median CPU time of a round on random clips."""
    import lightning as L

    from t2vgan import assemble
    from t2vgan.training import precision, quiet_lightning

    quiet_lightning()
    game = assemble.model(settings, assemble.text_pipeline(settings))
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    game.training_step = train.timed(game.training_step, "round", times)  # type: ignore[method-assign]
    trainer = L.Trainer(
        accelerator="cpu", max_steps=11, precision=precision(settings), logger=False,  # type: ignore[arg-type]
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(game, DataLoader([train.random_clips(settings)] * 11, batch_size=None))  # type: ignore[arg-type]
    return statistics.median(cpu for cpu, _ in times["round"][3:])


if __name__ == "__main__":
    main()
