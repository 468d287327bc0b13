"""Turn sentences into clips.

    python -m t2vgan.sample "A lion stalks its prey across the savanna at sunset" -o lion.mp4
    python -m t2vgan.sample "A zebra gallops" "An elephant drinks" --count 3 --seed 7 -o animals.gif
    python -m t2vgan.sample "A lion runs" -o lion.png --attention words.png --checkpoint runs/lion_savanna/00003

One clip is written as it is; several are shown in a grid above their captions. A .png is a sheet of eight frames.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2vgan.command import run_command
from t2vgan.system import check_output

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from t2vgan.callbacks.spotlight import Spotlight

MOST_FRAMES = {".mp4": 10_000, ".gif": 2_000, ".png": 2_000}  # in all; the last two are made in memory
FPS, SECONDS, SCALE, MOST_CLIPS = (0.1, 120), (0.01, 60), (1, 64), 64
GIF_FPS = 100
LEAST_PX = 256  # smaller clips are enlarged by a whole factor, unless --scale says otherwise
MOST_PIXELS = 4096**2  # of a frame with all clips
MOST_IN_MEMORY = 2**29  # pixels of all the frames that are enlarged at once: 1.5 GB
FRAMES_AT_ONCE, OF_ALL_CLIPS = 64, 512  # rendered and written before the next ones are
MOST_IN_ONE_GO = 512  # frames of a clip by a generator that has to walk through it


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.sample", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="a sentence in quotation marks")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help=".mp4, .gif or .png")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        help="a run folder, a .safetensors file, pretrained, or pretrained_hd",
    )
    parser.add_argument("--experiment", metavar="NAME", help="the newest run of this experiment (default: of any)")
    parser.add_argument("--seed", type=int, default=0, help="other noise, other clips (default: 0)")
    parser.add_argument("--count", type=int, default=1, help="clips per prompt (default: 1)")
    parser.add_argument("--fps", type=float, help="frames per second (default: as trained)")
    parser.add_argument("--length", type=float, metavar="SECONDS", help="length of the clips (default: as trained)")
    parser.add_argument("--scale", type=int, help=f"enlarge by this factor (default: to {LEAST_PX} pixels or more)")
    parser.add_argument(
        "--attention", type=Path, metavar="FILE.png", help="where each word of the first prompt is seen"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    check(args)

    import torch

    from t2vgan.assemble import load_model
    from t2vgan.devices import spare_page_faults
    from t2vgan.runs import PRETRAINED, chosen
    from t2vgan.video.encode import write_png

    spare_page_faults()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any
    checkpoint = chosen(args.checkpoint, args.experiment)
    model, experiment = load_model(checkpoint, device)
    clip = experiment.clip
    fps = args.fps or clip.frames / clip.duration_s
    times = [i / fps for i in range(max(1, round((args.length or clip.duration_s) * fps)))]
    captions = [prompt for prompt in args.prompts for _ in range(args.count)]
    check_size(args, frames=len(times), clips=len(captions), px=clip.size, continuous=model.ema_generator.continuous)
    remark(model.text_pipeline, args.prompts)
    z = noise(args.seed, args.count, model.ema_generator.z_dim).repeat(len(args.prompts), 1).to(device)
    # Whether there is any is known before a file is written.
    spotlight = spotlight_of(model, args.prompts[0], z[:1], times) if args.attention else None
    write(args.output, render(model, captions, z, times), captions, fps=fps, scale=args.scale)
    if checkpoint in PRETRAINED.values():
        print("by a model that ships; train your own with python -m t2vgan.fit, or name one with --checkpoint")
    n = len(captions)
    print(f"{args.output}: {n} clip{'s' * (n > 1)} of {len(times)} frames, {len(times) / fps:g} s")
    if spotlight is not None:
        write_png(args.attention, spotlight.sheet())
        print(f"{args.attention}: where each word is looked at")


def check(args: argparse.Namespace) -> None:
    """Everything that can be wrong with the command line, before anything slow is done. Raises ValueError."""
    if not all(prompt.strip() for prompt in args.prompts):
        raise ValueError("a prompt is empty: write what the video shows, for example 'A lion runs'")
    check_names(args)
    if args.checkpoint and args.experiment:
        raise ValueError("name either --checkpoint or --experiment, not both")
    numbers = [("--fps", args.fps, FPS), ("--length", args.length, SECONDS), ("--scale", args.scale, SCALE)]
    for option, value, (least, most) in numbers:
        if value is not None and not least <= value <= most:
            raise ValueError(f"{option} {value:g}: has to be from {least} to {most}")
    if not 1 <= args.count * len(args.prompts) <= MOST_CLIPS:
        raise ValueError(f"--count {args.count}: from 1 to {MOST_CLIPS} clips in all can be made at once")
    if args.output.suffix.lower() == ".gif" and args.fps and args.fps > GIF_FPS:
        raise ValueError(f"--fps {args.fps:g}: a .gif shows at most {GIF_FPS} frames per second; an .mp4 shows more")


def check_names(args: argparse.Namespace) -> None:
    """ValueError for files that cannot be what they are called, or are there already."""
    if args.output.suffix.lower() not in MOST_FRAMES:
        raise ValueError(f"-o {args.output}: the name has to end in one of {', '.join(MOST_FRAMES)}")
    if args.attention and args.attention.suffix.lower() != ".png":
        raise ValueError(f"--attention {args.attention}: the name has to end in .png")
    if args.attention and args.attention.resolve() == args.output.resolve():
        raise ValueError(f"--attention {args.attention}: -o has the same name")
    for path in filter(None, (args.output, args.attention)):
        check_output(path, force=args.force)


def check_size(args: argparse.Namespace, *, frames: int, clips: int, px: int, continuous: bool) -> None:
    """What only the model tells: whether clips of its size fit into files and memory. Raises ValueError."""
    kind = args.output.suffix.lower()
    if clips * frames > MOST_FRAMES[kind]:
        raise ValueError(
            f"{clips} clip{'s' * (clips > 1)} of {frames} frames are too many: at most {MOST_FRAMES[kind]} frames in "
            f"all in a {kind} file (--fps, --length and --count make fewer)"
        )
    if not continuous and frames > MOST_IN_ONE_GO:
        raise ValueError(
            f"{frames} frames are too many for this model, whose generator makes a clip in one go: at most "
            f"{MOST_IN_ONE_GO} (--fps and --length make fewer)"
        )
    most = max(1, math.isqrt(MOST_PIXELS // clips) // px)
    if args.scale and args.scale > most:
        raise ValueError(f"--scale {args.scale}: {clips} of {px} pixels are too large: here it can be at most {most}")
    held = clips * frames if kind == ".gif" else min(clips * min(frames, FRAMES_AT_ONCE), OF_ALL_CLIPS)
    if args.scale and kind != ".png" and held * (px * args.scale) ** 2 > MOST_IN_MEMORY:
        most = max(1, math.isqrt(MOST_IN_MEMORY // held) // px)
        raise ValueError(f"--scale {args.scale}: too large for {frames} frames of it: here it can be at most {most}")


def remark(pipeline: Any, prompts: list[str]) -> None:
    """Says on stderr which words of the prompts will not be shown, and why."""
    for line in (line for prompt in dict.fromkeys(prompts) for line in pipeline.remarks(prompt)):
        print(f"t2vgan: note: {line}", file=sys.stderr)
    pipeline.warned = True  # of long captions: that has been said


def noise(seed: int, count: int, z_dim: int) -> Tensor:
    """`(count, z_dim)`; the k-th row depends on the seed and k alone, so every prompt gets the same rows."""
    import torch

    from t2vgan.seeds import stable_seed

    seeds = [stable_seed(seed, k, "sample") for k in range(count)]
    return torch.stack([torch.randn(z_dim, generator=torch.Generator().manual_seed(s)) for s in seeds])


def render(model: Any, captions: list[str], z: Tensor, times: list[float]) -> Iterator[list[np.ndarray]]:
    """The clips part by part: the next frames of each of them, uint8 `(t, h, w, 3)`.

    A generator of continuous time makes clips of any length in the same memory.
    """
    import torch

    from t2vgan.callbacks.samples import frames_of
    from t2vgan.datasets.progress import with_progress
    from t2vgan.devices import rendering

    step = min(FRAMES_AT_ONCE, max(1, OF_ALL_CLIPS // len(captions))) if model.ema_generator.continuous else len(times)
    parts = [torch.tensor([times[i : i + step]]) for i in range(0, len(times), step)]
    turns = [(part, k) for part in parts for k in range(len(captions))]
    clips: list[np.ndarray] = []
    for part, k in with_progress(turns, "rendering", len(turns), unit="parts"):
        with rendering(z.device.type):
            clips.append(frames_of(model.generate([captions[k]], z=z[k : k + 1], times=part))[0])
        if len(clips) == len(captions):
            yield clips
            clips = []


def write(path: Path, parts: Iterator[list[np.ndarray]], captions: list[str], *, fps: float, scale: int | None) -> None:
    import numpy as np

    from t2vgan.video.encode import write_gif, write_mp4, write_png
    from t2vgan.video.sheet import contact_sheet

    if path.suffix.lower() == ".mp4":
        write_mp4(path, (shown(part, captions, scale) for part in parts), fps=fps)
        return
    clips = [np.concatenate(clip) for clip in zip(*parts, strict=True)]
    if path.suffix.lower() == ".gif":
        write_gif(path, shown(clips, captions, scale), fps=fps)
    else:
        write_png(path, contact_sheet(clips, captions, columns=8, scale=scale))


def shown(clips: list[np.ndarray], captions: list[str], scale: int | None) -> np.ndarray:
    """One clip enlarged, or several in a grid."""
    from t2vgan.video.sheet import video_grid

    factor = scale or -(-LEAST_PX // clips[0].shape[1])
    if len(clips) > 1:
        return video_grid(clips, captions, scale=factor)
    return clips[0].repeat(factor, axis=1).repeat(factor, axis=2)


def spotlight_of(model: Any, prompt: str, z: Tensor, times: list[float]) -> Spotlight:
    """Where the words of a prompt are looked at. ValueError for a generator that looks at none."""
    from t2vgan.callbacks.spotlight import Spotlight

    if model.ema_generator.continuous:  # of a long clip, a share of its frames
        times = times[:: -(-len(times) // FRAMES_AT_ONCE)]
    spotlight = Spotlight.of(model, prompt, z=z, times=times) if hasattr(model.ema_generator, "attend") else None
    if spotlight is None or not spotlight.has_maps:
        raise ValueError("--attention: the generator of this model attends to no words")
    return spotlight


if __name__ == "__main__":
    run_command(main)
