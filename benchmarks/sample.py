"""What a clip costs, from the sentence to the file, and how that grows with frames, pixels and seconds.

    python benchmarks/sample.py                                        # lion_savanna at 64 pixels, untrained
    python benchmarks/sample.py --checkpoint runs/lion_savanna/00003 --prompts 100
    python benchmarks/sample.py --only onnx growth --threads 1

prompt   text analysis with word vectors, text encoder, generator, and H.264 beside them; no cache knows the prompts
onnx     the text encoder and generator by PyTorch and by ONNX Runtime, by turns: the same noise, the same prompt
growth   the generator for more frames and for more pixels. The exponent says how near to linear that is, from the row
         before: 1 is linear, less is cheaper
memory   the largest resident set of `t2vgan.sample` for longer clips, each in a process of its own

Warm process, medians, `--threads` one after the other. What a clip costs does not depend on the weights. Times mean
something on a quiet machine only. onnx needs the extra `onnx`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2vgan import assemble, config, devices, portable, sample
from t2vgan.callbacks.samples import frames_of
from t2vgan.checkpoint import save_generator
from t2vgan.video.encode import write_mp4

WARM = 3  # rounds that do not count
FRAMES, SIZES = (4, 8, 16, 32, 64), (16, 32, 64, 128)
LENGTHS_S = (2, 15, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        help="a run folder, a .safetensors file, pretrained, or pretrained_hd",
    )
    parser.add_argument("--experiment", default="lion_savanna", help="untrained, where no checkpoint is named")
    parser.add_argument("--size", type=int, default=64, help="pixels, where no checkpoint is named")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=7, help="of each row of growth")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    devices.spare_page_faults()  # as `sample` does
    with tempfile.TemporaryDirectory() as folder:
        args.folder = Path(folder)
        file = generator_of(args)
        for threads in args.threads:
            torch.set_num_threads(threads)
            for name in args.only:
                if name != "memory":
                    PARTS[name](args, file, threads)
        if "memory" in args.only:
            memory(args, file)


def generator_of(args: argparse.Namespace) -> Path:
    """The named generator, or one that was never trained, as a file."""
    if args.checkpoint:
        from t2vgan.runs import chosen

        return assemble.generator_file(chosen(args.checkpoint, None))
    experiment = config.load(args.experiment, [f"clip.size={args.size}"])
    game = assemble.model(experiment, assemble.text_pipeline(experiment), to_train=False)
    parts = {"generator": game.ema_generator, "text_encoder": game.ema_text_encoder}
    tensors = {f"{part}.{key}": value for part, net in parts.items() for key, value in net.state_dict().items()}
    save_generator(args.folder / "generator.safetensors", tensors, config.to_dict(experiment), {})
    return args.folder / "generator.safetensors"


def fresh(file: Path) -> tuple[Any, config.Experiment]:
    """The model, with a text pipeline that knows no caption and keeps none."""
    model, experiment = assemble.load_model(file)
    model.text_pipeline = assemble.text_pipeline(experiment)
    return model, experiment


def prompts(count: int, seed: int = 0) -> list[str]:
    """Different sentences of the length that captions have, in a random order."""
    kinds = ("lion", "zebra", "giraffe", "elephant", "gazelle", "ostrich", "young lion", "huge elephant")
    does = ("walks to the left", "runs to the right", "stalks its prey", "leaps", "rests", "stands still")
    where = ("across the golden savanna", "in the snow", "through the desert", "in the forest")
    when = ("at dawn", "at noon", "at sunset", "at night")
    camera = ("", " as the camera pans left", " while the camera zooms in")
    told = [f"A {' '.join(words[:4])}{words[4]}" for words in itertools.product(kinds, does, where, when, camera)]
    random.Random(seed).shuffle(told)
    if count > len(told):
        raise SystemExit(f"--prompts {count}: there are {len(told)} different ones")
    return told[:count]


def timed(steps: dict[str, list[float]], name: str, function: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = function()
    steps.setdefault(name, []).append(1000 * (time.perf_counter() - began))
    return result


def ms(taken: list[float]) -> float:
    return statistics.median(taken[WARM:])


def noises(model: Any) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.randn(1, model.ema_generator.z_dim, generator=generator)


def instants(experiment: config.Experiment, frames: int) -> Tensor:
    return (torch.arange(frames) * experiment.clip.duration_s / experiment.clip.frames)[None]


@torch.no_grad()
def prompt(args: argparse.Namespace, file: Path, threads: int) -> None:
    model, experiment = fresh(file)
    clip, steps = experiment.clip, {}
    times = instants(experiment, clip.frames)
    for told, z in zip(prompts(args.prompts + WARM), noises(model), strict=False):
        analysed = timed(steps, "text analysis", lambda told=told: model.text_pipeline([told]))
        text = timed(steps, "text encoder", lambda analysed=analysed: model.ema_text_encoder(analysed))
        with devices.rendering("cpu"):
            video = timed(steps, "generator", lambda z=z, text=text: frames_of(model.ema_generator(z, text, times)))
        frames = sample.shown(video, [told], None)
        timed(
            steps,
            "mp4",
            lambda frames=frames: write_mp4(args.folder / "a.mp4", frames, fps=clip.frames / clip.duration_s),
        )
    whole = [
        sum(each)
        for each in zip(*(steps[name] for name in ("text analysis", "text encoder", "generator")), strict=True)
    ]
    total, plays_ms = ms(whole), 1000 * clip.duration_s
    print(
        f"\nprompt: {clip.frames} frames of {clip.size} pixels, {threads} thread(s), {args.prompts} prompts, median ms"
    )
    for name, taken in steps.items():
        print(
            f"  {name:16}{ms(taken):8.1f}"
            + (f"   (as sample writes it, {frames.shape[2]} pixels)" if name == "mp4" else "")
        )
    print(f"  {'prompt to clip':16}{total:8.1f}   {plays_ms / total:.0f} times faster than it plays")


@torch.no_grad()
def onnx(args: argparse.Namespace, file: Path, threads: int) -> None:
    model, experiment = fresh(file)
    path, clip, steps = args.folder / "generator.onnx", experiment.clip, {}
    if not path.exists():
        told = portable.export(model, path, config=config.to_dict(experiment), card={})
        print(f"\nonnx: {told}")
    run, metadata = portable.opened_onnx(path, threads=threads)
    net, times = portable.whole(model), instants(experiment, clip.frames)
    for told, z in zip(prompts(args.prompts + WARM), noises(model), strict=False):
        text = model.text_pipeline([told])
        given = portable.inputs(text, z, times, words=metadata["words"])
        bare = portable.inputs(text, z, times, words=text.mask.shape[1])
        timed(steps, "torch", lambda bare=bare: net(*bare))
        timed(steps, "onnx", lambda given=given: run(*given))
    ratios = [theirs / ours for ours, theirs in zip(steps["torch"][WARM:], steps["onnx"][WARM:], strict=True)]
    print(f"\nonnx: {clip.frames} frames of {clip.size} pixels, {threads} thread(s), {args.prompts} pairs, median ms")
    tenths = statistics.quantiles(ratios, n=10)
    print(f"  PyTorch {ms(steps['torch']):.1f}   ONNX Runtime {ms(steps['onnx']):.1f}")
    print(f"  ONNX Runtime over PyTorch {statistics.median(ratios):.2f} (tenths: {tenths[0]:.2f} to {tenths[-1]:.2f})")


def growth(args: argparse.Namespace, file: Path, threads: int) -> None:
    model, experiment = fresh(file)
    trained = experiment.clip
    print(f"\ngrowth: generator, {threads} thread(s), median ms of {args.repeats}")
    table(f"frames of {trained.size} pixels", {n: rendering(args, model, experiment, n) for n in FRAMES})
    sizes = {}
    for size in SIZES:
        resized = config.from_dict(config.to_dict(experiment) | {"clip": {**vars(trained), "size": size}})
        game = assemble.model(resized, model.text_pipeline, to_train=False).eval()
        sizes[size**2] = rendering(args, game, resized, trained.frames)
    table(f"pixels, {trained.frames} frames", sizes)


@torch.no_grad()
def rendering(args: argparse.Namespace, model: Any, experiment: config.Experiment, frames: int) -> float:
    text = model.ema_text_encoder(model.text_pipeline(prompts(1)))
    steps: dict[str, list[float]] = {}
    for _, z in zip(range(args.repeats + WARM), noises(model), strict=False):
        timed(steps, "", lambda z=z: model.ema_generator(z, text, instants(experiment, frames)))
    return ms(steps[""])


def table(what: str, costs: dict[int, float]) -> None:
    print(f"  {what:>24}        ms   us each   exponent")
    before: tuple[int, float] | None = None
    for count, cost in costs.items():
        power = f"{math.log(cost / before[1]) / math.log(count / before[0]):.2f}" if before else ""
        print(f"  {count:24d}{cost:10.1f}{1000 * cost / count:10.2f}{power:>11}")
        before = count, cost


def memory(args: argparse.Namespace, file: Path) -> None:
    print("\nmemory: largest resident set of one process")
    # Linux's own count: that of `getrusage` begins with what the process that started this one has needed.
    program = (
        "from t2vgan import sample; sample.main();"
        " print(next(int(line.split()[1]) // 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    for length in LENGTHS_S:
        output = args.folder / f"{length}.mp4"
        given = [prompts(1)[0], "-o", output, "--checkpoint", file, "--length", length]
        command = [sys.executable, "-c", program, *map(str, given)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"  {length:3d} s {int(done.stdout.split()[-1]):6d} MiB")


PARTS: dict[str, Callable[..., None]] = {"prompt": prompt, "onnx": onnx, "growth": growth, "memory": memory}

if __name__ == "__main__":
    main()
