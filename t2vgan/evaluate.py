"""Measure a generator against the real clips of a split.

    python -m t2vgan.evaluate                                            # the newest run, on its test split
    python -m t2vgan.evaluate --checkpoint runs/lion_savanna/00003
    python -m t2vgan.evaluate --experiment lion_savanna --split heldout --num_clips 512

Prints tables and writes metrics.json. Every clip is generated once, from noise that its place in the split decides.
Distances compare half of the clips with the other half, so they only compare with those of as many clips.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2vgan.command import run_command
from t2vgan.system import written_whole

if TYPE_CHECKING:
    from t2vgan.metrics.attributes import Row
    from t2vgan.metrics.suite import Suite

DIVERSITY = 16, 4  # captions, and clips of each from different noise


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, metavar="PATH", help="a run folder or a .safetensors file")
    parser.add_argument("--experiment", metavar="NAME", help="the newest run of this experiment (default: of any)")
    parser.add_argument("--split", default="test", help="split of the data set (default: test)")
    parser.add_argument("--num_clips", type=int, metavar="N", help="only the first N clips (default: the whole split)")
    folder = "default: evaluation/<split> in the run folder; with --num_clips, evaluation/<split>_<N>"
    parser.add_argument("--output", type=Path, metavar="DIR", help=folder)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.checkpoint and args.experiment:
        raise ValueError("name either --checkpoint or --experiment, not both")
    if args.num_clips is not None and args.num_clips < 4:
        raise ValueError(f"--num_clips {args.num_clips}: at least 4 clips are needed, two for each half")

    import torch

    from t2vgan import assemble
    from t2vgan.metrics.suite import Suite
    from t2vgan.runs import newest_run

    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint = assemble.generator_file(args.checkpoint or newest_run(args.experiment))
    model, experiment = assemble.load_model(checkpoint, device)
    loader = assemble.datamodule(experiment).loader(args.split, args.num_clips)
    suite = Suite(assemble.judge(experiment)).to(device)
    captions = measure(model, loader, suite)
    values = suite.compute()
    if len(captions) >= DIVERSITY[0]:
        values["diversity"] = caption_diversity(model, captions[: DIVERSITY[0]], suite)
    rows = suite.rows()
    show(f"{experiment.name}, {suite.clips} clips of {args.split}", rows, values)
    part = args.split if args.num_clips is None else f"{args.split}_{args.num_clips}"  # a quick look overwrites nothing
    folder = args.output or run_folder(checkpoint) / "evaluation" / part
    about = {"checkpoint": checkpoint.as_posix(), "experiment": experiment.name, "split": args.split}
    write(folder / "metrics.json", {**about, **described(suite), **as_json(rows, values)})
    print(f"{folder / 'metrics.json'}: written")


def measure(model: Any, loader: Any, suite: Suite) -> list[str]:
    """Feeds the suite all clips of the loader and what the model makes of their captions, which are returned."""
    import torch
    from rich.progress import track

    captions: list[str] = []
    for i, clips in enumerate(track(loader, description="generating", transient=True)):
        with torch.no_grad():
            fake = model.validation_step(clips, i)
        suite.update(clips.video.to(fake.device), fake, clips.attributes, clips.named or None)
        captions += clips.captions
    return captions


def caption_diversity(model: Any, captions: list[str], suite: Suite) -> float:
    """See `metrics.motion.diversity`; in the extractor's features."""
    import torch

    from t2vgan.metrics.motion import diversity

    z = torch.randn(DIVERSITY[1], model.ema_generator.z_dim, generator=torch.Generator().manual_seed(0))
    made = [suite.extractor.features(model.generate([caption] * len(z), z=z)) for caption in captions]
    return float(diversity(torch.stack(made)))


def show(title: str, rows: list[Row], values: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if rows:
        table = Table("attribute", "accuracy", "95 %", "real clips", "other captions", "normalised", title=title)
        for row in rows:
            low, high = row.counts.interval
            interval = f"{100 * low:.1f} to {100 * high:.1f}"
            figures = (row.counts.rate, row.ceiling, row.floor, row.normalised)
            accuracy, *others = (f"{100 * value:.1f}" for value in figures)
            table.add_row(row.name, accuracy, interval, *others)
        console.print(table)
    table = Table("metric", "generated", "real", title="" if rows else title)
    for name, value, real in paired(values):
        table.add_row(name, f"{value:.4g}", "" if real is None else f"{real:.4g}")
    console.print(table)


def paired(values: dict[str, float]) -> list[tuple[str, float, float | None]]:
    """(name, value, the same between real clips where there is such a thing) of everything but the accuracies."""
    plain = {name: value for name, value in values.items() if "/" not in name or name.startswith("motion/")}
    suffixes = ("_floor", "_real")
    return [
        (name, value, next((plain[name + suffix] for suffix in suffixes if name + suffix in plain), None))
        for name, value in plain.items()
        if not name.endswith(suffixes)
    ]


def described(suite: Suite) -> dict[str, Any]:
    """What the figures depend on."""
    judge = suite.extractor
    about = {"name": judge.name, "dim": judge.dim}
    about |= {key: getattr(judge, key) for key in ("fingerprint", "accuracy") if hasattr(judge, key)}
    return {"clips": suite.clips, "distance_clips": suite.clips // 2, "judge": about}


def as_json(rows: list[Row], values: dict[str, float]) -> dict[str, Any]:
    figures = {name: value if math.isfinite(value) else None for name, value in values.items()}
    counts = {
        row.name: {"correct": row.counts.correct, "total": row.counts.total, "interval": row.counts.interval}
        for row in rows
    }
    return {"metrics": figures, "counts": counts}


def run_folder(checkpoint: Path) -> Path:
    """The run folder of a generator file, or the folder that it lies in."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent


def write(path: Path, report: dict[str, Any]) -> None:
    with written_whole(path) as part:
        part.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    run_command(main)
