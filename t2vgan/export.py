"""Make one file of a run's generator, to share and to ship.

    python -m t2vgan.export runs/lion_savanna/00003 -o lion.safetensors --half

The file holds the averaged generator, its text encoder, the experiment and what is known of them; `sample` and
`evaluate` take it by --checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from t2vgan.command import run_command

LARGE = 1_000  # values: smaller tensors, such as frequencies, stay in full precision


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, metavar="PATH", help="a run folder or a .safetensors file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="a name in .safetensors")
    parser.add_argument("--half", action="store_true", help="weights in float16: half the size")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.output.suffix != ".safetensors":
        raise ValueError(f"-o {args.output}: the name has to end in .safetensors")
    if args.output.exists() and not args.force:
        raise ValueError(f"{args.output} exists: choose another name, or overwrite it with --force")

    from t2vgan.assemble import generator_file
    from t2vgan.checkpoint import load_generator, save_generator

    source = generator_file(args.checkpoint)
    tensors, config, card = load_generator(source)
    if args.half:
        tensors = {name: t.half() if t.is_floating_point() and t.numel() > LARGE else t for name, t in tensors.items()}
    save_generator(args.output, tensors, config, {**card, "exported_from": source.as_posix()})
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, from {source}")


if __name__ == "__main__":
    run_command(main)
