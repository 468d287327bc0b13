"""Measure generated clips against real ones: a table, metrics.json and a page to look at.

    python -m t2vgan.evaluate                                          # the newest run: test, and held-out combinations
    python -m t2vgan.evaluate --checkpoint runs/lion_savanna/00003 --split test --num_clips 256
    python -m t2vgan.evaluate --generated clips/ --real my_clips/      # any clips, with their captions beside them
    python -m t2vgan.evaluate --compare runs/lion_savanna/00003 runs/lion_savanna/00004

Clips are generated from noise that their place in the split decides, and looked at once. What the figures are:
docs/metrics_json.md.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from t2vgan.command import run_command


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        help="a run folder, a .safetensors file, pretrained, or pretrained_hd",
    )
    add("--experiment", metavar="NAME", help="the newest run of this experiment; with --generated: whose judge to use")
    add("--generated", type=Path, metavar="DIR", help="clips of any origin, each with its caption beside it")
    add("--real", type=Path, metavar="PATH", help="with --generated: a folder or manifest of real clips")
    add("--data_root", type=Path, metavar="DIR", help="where data sets are (default: where the run had them)")
    add("--split", nargs="+", metavar="NAME", help="default: test, and heldout where there is one")
    add("--num_clips", type=int, metavar="N", help="only the first N clips of each split")
    spaces = "more feature spaces: effnet, i3d (downloaded), i3d=FILE, videomae=FILE, clip=FILE or FOLDER, or with a "
    spaces += "convention, i3d:cdfvd=FILE; FILE#SHA256 uses only the file that you expect (docs/feature_networks.md)"
    add("--features", nargs="+", default=[], metavar="NAME", help=spaces)
    add("--download", choices=["i3d"], help="fetch these weights, verify them, keep them for --features, and stop")
    add("--quick", action="store_true", help="without second judge and R-precision")
    add("--devices", type=int, metavar="N", help="processes or GPUs (default: all GPUs, or all cores up to four)")
    add("--size", type=int, default=64, help="with --generated: pixels to compare at (default: 64)")
    add("--frames", type=int, default=16, help="with --generated: frames per clip (default: 16)")
    add("--duration_s", type=float, default=2.0, help="with --generated: seconds per clip (default: 2)")
    add("--compare", type=Path, nargs="+", metavar="RUN", help="two or more evaluated runs, clip by clip")
    folder = "default: evaluation/ in the run folder; evaluation/<split>_first_<N>_quick for a part of it"
    add("--output", type=Path, metavar="DIR", help=folder)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    check(args)
    if args.download:
        from t2vgan.metrics.weights import download_i3d

        print(f"{download_i3d()}: verified")
        return
    if args.compare:
        from t2vgan.reports.compare import compare

        for path in compare(args.compare, output=args.output):
            print(f"{path}: written")
        return
    from t2vgan.reports import report, table

    makers, history, folder = sources(args)
    splits, protocol = {}, {}
    for name, make in makers.items():
        splits[name], told = judged(name, make, args.devices)
        protocol = protocol or told
    whole = report.report_of(splits, protocol)
    written = report.write(args.output or folder, whole, splits, history=history)
    table.show(whole)
    for path in written:
        print(f"{path}: written")


def check(args: argparse.Namespace) -> None:
    """ValueError for options that do not go together, and for values that leave nothing to measure."""
    if args.checkpoint and args.experiment:
        raise ValueError("name either --checkpoint or --experiment, not both")
    if bool(args.generated) != bool(args.real):
        raise ValueError("--generated and --real belong together: a folder of generated clips, and the real ones")
    if args.generated and args.checkpoint:
        raise ValueError("name either --checkpoint or --generated: a model's clips or those of a folder")
    if args.compare and len(args.compare) < 2:
        raise ValueError("--compare needs two runs or more")
    for name, least in (("num_clips", 8), ("devices", 1), ("size", 8), ("frames", 3)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} {value}: it has to be at least {least}")
    if not 0 < args.duration_s < float("inf"):
        raise ValueError(f"--duration_s {args.duration_s:g}: it has to be above 0")
    check_folders(args.generated, args.real)


def check_folders(generated: Path | None, real: Path | None) -> None:
    for path in (generated, real):
        if path and not path.exists():
            raise ValueError(f"{path}: there is no such folder or file")
    if generated and not generated.is_dir():
        raise ValueError(f"{generated}: not a folder; generated clips lie in one, each with its caption beside it")


def sources(args: argparse.Namespace) -> tuple[dict[str, Any], Path | None, Path]:
    """What makes the source of each split on a device, the run's validations, and where the report goes."""
    from t2vgan.reports.folder import folder_source
    from t2vgan.reports.sources import model_source

    shorter = [f"first_{args.num_clips}"] * bool(args.num_clips) + ["quick"] * args.quick
    part = Path("_".join([*(args.split or []), *shorter]) or ".")  # a shorter look replaces no whole one
    if args.generated:
        view = {"size": args.size, "frames": args.frames, "duration_s": args.duration_s}
        judges = None if args.quick else (args.output or args.generated / "evaluation") / "judges"
        told = args.num_clips, args.features, args.experiment, args.data_root, judges
        makers = {
            name: partial(folder_source, args.generated, args.real, view, name, *told) for name in args.split or ["all"]
        }
        return makers, None, args.generated / "evaluation" / part
    from t2vgan import assemble
    from t2vgan.runs import PRETRAINED, chosen

    checkpoint = assemble.generator_file(chosen(args.checkpoint, args.experiment))
    run = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    run = Path() if checkpoint in PRETRAINED.values() else run  # nothing is written into an installation
    names = args.split or assemble.reported_splits(checkpoint)
    told = args.num_clips, args.features, args.quick, args.data_root
    makers = {name: partial(model_source, checkpoint, name, *told) for name in names}
    return makers, run / "evaluation.jsonl", run / "evaluation" / part


def judged(name: str, make: Any, devices: int | None) -> tuple[Any, dict[str, Any]]:
    """A split, looked at and judged; and what was compared with what."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from t2vgan.reports import report
    from t2vgan.reports.measure import measure
    from t2vgan.system import eval_devices

    chosen = eval_devices(devices)
    source = make(chosen[0])  # here first: what is missing, as the judge, is made once and before the processes
    columns = (TextColumn(f"{name}: looking at clips"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("batches"), transient=True) as bar:
        task = bar.add_task("", total=None)
        seen = measure(
            make, source, devices=chosen, progress=lambda done, of: bar.update(task, completed=done, total=of)
        )
    return report.look_and_judge(seen, source), report.told_of_figures(source, seen)


if __name__ == "__main__":
    run_command(main)
