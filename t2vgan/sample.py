"""Turn sentences into clips.

    python -m t2vgan.sample "A lion stalks its prey across the savanna at sunset" -o lion.mp4
    python -m t2vgan.sample "A zebra gallops" "An elephant drinks" --count 3 --seed 7 -o animals.gif
    python -m t2vgan.sample "A lion runs" -o lion.png --attention words.png --checkpoint runs/lion_savanna/00003

One clip is written as it is; several are shown in a grid above their captions. A .png is a sheet of eight frames.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2vgan.command import run_command

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

KINDS = (".mp4", ".gif", ".png")
MOST_FPS, MOST_SECONDS, MOST_CLIPS = 120, 60, 64
MOST_FRAMES = 10_000
LEAST_PX = 256  # smaller clips are enlarged by a whole factor, unless --scale says otherwise
FRAMES_AT_ONCE = 64


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.sample", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="a sentence in quotation marks")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help=".mp4, .gif or .png")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="PATH", help="a run folder, a .safetensors file, or pretrained"
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
    from t2vgan.runs import SHIPPED, chosen

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any
    checkpoint = chosen(args.checkpoint, args.experiment)
    model, experiment = load_model(checkpoint, device)
    clip = experiment.clip
    fps = args.fps or clip.frames / clip.duration_s
    times = [i / fps for i in range(max(1, round((args.length or clip.duration_s) * fps)))]
    captions = [prompt for prompt in args.prompts for _ in range(args.count)]
    if len(captions) * len(times) > MOST_FRAMES:
        raise ValueError(
            f"{len(captions)} clips of {len(times)} frames are too many: at most {MOST_FRAMES} frames in all"
        )
    z = noise(args.seed, args.count, model.ema_generator.z_dim).repeat(len(args.prompts), 1).to(device)
    clips = [render(model, caption, z[i : i + 1], times) for i, caption in enumerate(captions)]
    write(args.output, clips, captions, fps=fps, scale=args.scale)
    if checkpoint == SHIPPED:
        print("by the model that ships; train your own with python -m t2vgan.fit, or name one with --checkpoint")
    print(f"{args.output}: {len(clips)} clip{'s' * (len(clips) > 1)} of {len(times)} frames, {len(times) / fps:g} s")
    if args.attention:
        write_attention(args.attention, model, args.prompts[0], z[:1], times)
        print(f"{args.attention}: where each word is looked at")


def check(args: argparse.Namespace) -> None:
    """Everything that can be wrong with the command line, before anything slow is done. Raises ValueError."""
    if not all(prompt.strip() for prompt in args.prompts):
        raise ValueError("a prompt is empty: write what the video shows, for example 'A lion runs'")
    if args.output.suffix.lower() not in KINDS:
        raise ValueError(f"-o {args.output}: the name has to end in one of {', '.join(KINDS)}")
    if args.attention and args.attention.suffix.lower() != ".png":
        raise ValueError(f"--attention {args.attention}: the name has to end in .png")
    if args.checkpoint and args.experiment:
        raise ValueError("name either --checkpoint or --experiment, not both")
    numbers = [("--fps", args.fps, MOST_FPS), ("--length", args.length, MOST_SECONDS), ("--scale", args.scale, 64)]
    for option, value, most in numbers:
        if value is not None and not 0 < value <= most:
            raise ValueError(f"{option} {value:g}: has to be above 0 and at most {most}")
    if not 1 <= args.count * len(args.prompts) <= MOST_CLIPS:
        raise ValueError(f"--count {args.count}: from 1 to {MOST_CLIPS} clips in all can be made at once")
    for path in filter(None, (args.output, args.attention)):
        if path.exists() and not args.force:
            raise ValueError(f"{path} exists: choose another name, or overwrite it with --force")


def noise(seed: int, count: int, z_dim: int) -> Tensor:
    """`(count, z_dim)`; the k-th row depends on the seed and k alone, so every prompt gets the same rows."""
    import torch

    from t2vgan.seeds import stable_seed

    seeds = [stable_seed(seed, k, "sample") for k in range(count)]
    return torch.stack([torch.randn(z_dim, generator=torch.Generator().manual_seed(s)) for s in seeds])


def render(model: Any, caption: str, z: Tensor, times: list[float]) -> np.ndarray:
    """One clip, uint8 `(t, h, w, 3)`. A generator of continuous time makes long clips part by part."""
    import numpy as np
    import torch

    from t2vgan.callbacks.samples import frames_of

    step = FRAMES_AT_ONCE if model.ema_generator.continuous else len(times)
    parts = [torch.tensor([times[i : i + step]]) for i in range(0, len(times), step)]
    return np.concatenate([frames_of(model.generate([caption], z=z, times=part))[0] for part in parts])


def write(path: Path, clips: list[np.ndarray], captions: list[str], *, fps: float, scale: int | None) -> None:
    from t2vgan.video.encode import write_gif, write_mp4, write_png
    from t2vgan.video.sheet import contact_sheet, video_grid

    kind = path.suffix.lower()
    if kind == ".png":
        write_png(path, contact_sheet(clips, captions, columns=8, scale=scale))
        return
    factor = scale or -(-LEAST_PX // clips[0].shape[1])
    if len(clips) == 1:
        frames = clips[0].repeat(factor, axis=1).repeat(factor, axis=2)
    else:
        frames = video_grid(clips, captions, scale=factor)
    (write_mp4 if kind == ".mp4" else write_gif)(path, frames, fps=fps)


def write_attention(path: Path, model: Any, prompt: str, z: Tensor, times: list[float]) -> None:
    from t2vgan.callbacks.spotlight import Spotlight
    from t2vgan.video.encode import write_png

    spotlight = Spotlight.of(model, prompt, z=z, times=times) if hasattr(model.ema_generator, "attend") else None
    if spotlight is None or not spotlight.has_maps:
        raise ValueError("--attention: the generator of this model attends to no words")
    write_png(path, spotlight.sheet())


if __name__ == "__main__":
    run_command(main)
