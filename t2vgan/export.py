"""Make one file of a run's generator, to share, to ship, or to run without t2vgan.

    python -m t2vgan.export runs/lion_savanna/00003 -o lion.safetensors --half
    python -m t2vgan.export runs/lion_savanna/00003 -o lion.onnx
    python -m t2vgan.export runs/lion_savanna/00003 -o lion.pt2

.safetensors holds the averaged generator, its text encoder, the experiment and what is known of them; `sample` and
`evaluate` take it by --checkpoint. .onnx and .pt2 (torch.export) are programs, generator and text encoder in one, for
any number of clips; docs/export.md says what goes in and out. They are compared with PyTorch before they are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from t2vgan.command import run_command
from t2vgan.system import check_output

KINDS = (".safetensors", ".onnx", ".pt2")
LARGE = 1_000  # values: smaller tensors, such as frequencies, stay in full precision


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="PATH",
        help="a run folder or a .safetensors file; pretrained, pretrained_hd: what ships",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help=f"a name in {', '.join(KINDS)}"
    )
    parser.add_argument("--half", action="store_true", help="weights in float16: half the size (.safetensors)")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.output.suffix not in KINDS:
        raise ValueError(f"-o {args.output}: the name has to end in one of {', '.join(KINDS)}")
    if args.half and args.output.suffix != ".safetensors":
        raise ValueError(f"--half: {args.output.suffix} programs compute in float32; export a .safetensors file")
    check_output(args.output, force=args.force)

    from t2vgan.assemble import generator_file
    from t2vgan.runs import chosen

    source = generator_file(chosen(args.checkpoint, None))
    if args.output.suffix == ".safetensors":
        write_weights(source, args.output, half=args.half)
    else:
        write_program(source, args.output)


def without_places(config: dict[str, Any], card: dict[str, Any], source: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same without the folders of this machine: where it is used, the experiment's defaults hold."""
    data = {key: value for key, value in config["data"].items() if key != "root"}
    dataset = dict(data.get("dataset") or {})
    for key in ("root", "videos"):
        if isinstance(dataset.get(key), str):
            dataset[key] = Path(dataset[key]).name
    bare = {**config, "data": {**data, "dataset": dataset}, "run_dir": None}
    text = dict(config.get("text") or {})
    named = {key: Path(text[key]).name for key in ("vectors", "sentences") if text.get(key)}
    bare["text"] = {**text, **named}  # looked for by these names in data/models
    if bare.get("extends"):
        bare["extends"] = Path(bare["extends"]).name
    bare.pop("cluster", None)
    if bare.get("start"):  # that there was one is told: legs had grown from the first round on
        bare["start"] = Path(bare["start"]).name
    places = {"run": card.get("run"), "exported_from": source.as_posix()}
    return bare, {**card, **{key: "/".join(Path(place).parts[-3:]) for key, place in places.items() if place}}


def write_weights(source: Path, output: Path, *, half: bool) -> None:
    from t2vgan.checkpoint import load_generator, save_generator

    tensors, config, card = load_generator(source)
    config, card = without_places(config, card, source)
    if half:
        tensors = {name: t.half() if t.is_floating_point() and t.numel() > LARGE else t for name, t in tensors.items()}
    save_generator(output, tensors, config, card)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, from {source}")


def write_program(source: Path, output: Path) -> None:
    from t2vgan import portable
    from t2vgan.assemble import load_model
    from t2vgan.checkpoint import load_generator

    if output.suffix == ".onnx":
        portable.require_onnx()
    _, config, card = load_generator(source)
    config, card = without_places(config, card, source)
    model: Any = load_model(source)[0]
    print(f"{output}: tracing the generator, which takes a minute")
    told = portable.export(model, output, config=config, card=card)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, from {source}; {told}")


if __name__ == "__main__":
    run_command(main)
