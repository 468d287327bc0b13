"""Bring captioned video in, look whether it is usable, pack it for large machines.

python -m t2vgan.data import my_videos/ -o data/mine                      # any layout -> one manifest
python -m t2vgan.data import list.csv -o data/mine --video file --caption text --videos my_videos/
python -m t2vgan.data check data/mine                                     # what is usable, what is not and why
python -m t2vgan.data shard data/mine -o shards/mine                      # into tars, for training from anywhere
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from t2vgan.command import run_command

FIELDS = ("video", "caption", "start", "end", "split", "key", "fps")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # as a path is left of one: s3:/bucket/lions
WRITTEN = {"import": ("a data set is", "it"), "check": ("a report is", "it"), "shard": ("shards are", "them")}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="import | check | shard")
    _import_arguments(commands)
    _check_arguments(commands)
    _shard_arguments(commands)
    return parser.parse_args()


def _import_arguments(commands: argparse._SubParsersAction) -> None:
    from t2vgan.datasets.importing import LAYOUTS

    layouts = "\n".join(f"  {name:10} {layout.about}" for name, layout in LAYOUTS.items())
    parser = commands.add_parser(
        "import",
        help="any layout of captioned video -> a manifest",
        description=f"Reads captioned video in any layout and writes DIR/manifest.jsonl. Layouts:\n{layouts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", type=Path, help="a folder, a table, or the file of a published data set, on this machine")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="the data set's folder, such as data/mine")
    add("--layout", choices=list(LAYOUTS), metavar="NAME", help="one of those above (default: found out)")
    trusted = "where the videos are; nothing outside of it is ever read (default: the source, or the folder it lies in)"
    add("--videos", type=Path, metavar="DIR", help=trusted)
    for field in FIELDS:
        add(f"--{field}", metavar="COLUMN", help=f"of a table: the column with the {field}")
    add("--delimiter", default="", help="of a csv (default: whichever of , ; | and tab its first line has most of)")
    add("--rate", type=float, default=24.0, metavar="FPS", help="of folders of pictures (default: 24)")
    add("--language", default="English", help="of MSVD's captions (default: English)")
    add("--template", default="{label}", help="caption of a class, such as 'a video of {label}'")
    add("--scenes", action="store_true", help="cut every video where its content changes at once")
    add("--shortest_s", type=float, default=1.0, metavar="S", help="with --scenes: drop shorter ones (default: 1)")
    add("--longest_s", type=float, metavar="S", help="with --scenes: cut longer ones into equal parts")
    add("--copy", action="store_true", help="copy the videos into DIR/clips; by default they stay where they are")


def import_command(args: argparse.Namespace) -> None:
    from t2vgan.datasets.importing import Options, layout_of
    from t2vgan.datasets.importing.write import Scenes, import_clips

    videos = args.videos or (args.source if args.source.is_dir() else args.source.parent)
    if not videos.is_dir():
        raise ValueError(f"--videos {videos}: no such folder")
    if not args.rate > 0:
        raise ValueError(f"--rate {args.rate:g}: it has to be above 0")
    for option, seconds in (("shortest_s", args.shortest_s), ("longest_s", args.longest_s)):
        if seconds is not None and not 0 < seconds < float("inf"):
            raise ValueError(f"--{option} {seconds:g}: it has to be above 0")
    try:
        args.template.format(label="x")
    except (ValueError, LookupError, AttributeError):
        raise ValueError(f"--template {args.template!r}: nothing but {{label}} can stand in braces") from None
    columns = {field: column for field in FIELDS if (column := getattr(args, field))}
    options = Options(videos, columns, args.delimiter, args.language, args.template, args.rate)
    layout = args.layout or layout_of(args.source, options)
    scenes = Scenes(args.shortest_s, args.longest_s) if args.scenes else None
    found = import_clips(args.source, args.output, layout=layout, options=options, copy=args.copy, scenes=scenes)
    counts = found.counts()
    splits = ", ".join(f"{count} {name}" for name, count in counts["splits"].items())
    print(f"{layout}: {counts['clips']} clips of {counts['videos']} videos, {counts['captions']} captions ({splits})")
    for line in found.told:
        print(line)
    if found.left_out:
        first = found.left_out[0]
        print(f"{len(found.left_out)} left out, such as {first['where']}: {first['reason']}")
        print(f"{args.output / 'left_out.jsonl'}: says which and why")
    print(f"{args.output / 'manifest.jsonl'}: written; next: python -m t2vgan.data check {args.output}")


def _check_arguments(commands: argparse._SubParsersAction) -> None:
    from t2vgan.datasets.checking.clips import FINDINGS

    notes = [name for name, (unusable, _) in FINDINGS.items() if not unusable]
    listed = "\n".join(f"  {name:20} {means}" for name, (_, means) in FINDINGS.items())
    parser = commands.add_parser(
        "check",
        help="decode every clip: what is usable, what is not and why",
        description=f"Decodes every clip and writes report.json, report.html and quarantine.jsonl. Findings:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", type=Path, help="a folder of captioned videos, a manifest or its folder, or shards, on this machine")
    add("-o", "--output", type=Path, metavar="DIR", help="where the report goes (default: check/ in the data set)")
    add("--size", type=int, default=32, help="pixels of a clip (default: 32)")
    add("--frames", type=int, default=16, help="frames of a clip (default: 16)")
    add("--duration_s", type=float, default=2.0, metavar="S", help="seconds of a clip (default: 2)")
    add("--short", default="hold", choices=["hold", "pingpong", "loop", "skip"], help="as data.dataset.short")
    add("--threshold", type=float, default=0.1, help="exit status 1 when a larger share is unusable (default: 0.1)")
    also = f"findings that send a clip into quarantine too: {', '.join(notes)}"
    add("--quarantine", nargs="+", default=[], choices=notes, metavar="FINDING", help=also)
    add("--no_quarantine", action="store_true", help="leave quarantine.jsonl as it is")
    add("--no_captions", action="store_true", help="leave the captions unread")
    add("--processes", type=int, metavar="N", help="default: one per core")
    patience = "of one video, more where it lasts long; then it is given up (default: 300)"
    add("--patience_s", type=float, default=300.0, metavar="S", help=patience)


def check_command(args: argparse.Namespace) -> None:
    from t2vgan.datasets.checking import dataset
    from t2vgan.datasets.checking.clips import FINDINGS, Wanted
    from t2vgan.datasets.sampling import View
    from t2vgan.reports import data_page
    from t2vgan.system import cores, written_whole

    View(args.size, args.frames, args.duration_s, "auto", args.short)  # says what is wrong with them
    if not 0 <= args.threshold <= 1:
        raise ValueError(f"--threshold {args.threshold:g}: it is a share from 0 to 1")
    if args.processes is not None and args.processes < 1:
        raise ValueError(f"--processes {args.processes}: at least one is needed")
    if not args.patience_s > 0:
        raise ValueError(f"--patience_s {args.patience_s:g}: it has to be above 0")
    found, wanted = dataset.found_in(args.path), Wanted(args.size, args.frames, args.duration_s, args.short)
    clips = dataset.checked(found, wanted, processes=args.processes or cores(), patience_s=args.patience_s)
    listed = None  # first of all, so that nothing that goes wrong below costs what was found
    if not args.no_quarantine:
        listed = dataset.put_in_quarantine(found, clips, args.quarantine)
    summary, captions = dataset.summary(clips, wanted), {}
    if not args.no_captions:
        from t2vgan.text.statistics import statistics

        captions = statistics(caption for clip in clips for caption in clip.captions)
    folder = args.output or found.home / "check"
    told = [clip.told() for clip in clips]
    dataset.write_report(folder, {"path": str(args.path), "summary": summary, "captions": captions, "clips": told})
    pictures = [{**each, "thumbnail": clip.thumbnail} for each, clip in zip(told, clips, strict=True)]
    means = {name: means for name, (_, means) in FINDINGS.items()}
    with written_whole(folder / "report.html") as part:
        report = {"summary": summary, "captions": captions}
        page = data_page.data_page(f"Check of {args.path}", report, pictures, means)
        part.write_text(page, encoding="utf-8", errors="backslashreplace")  # names need not be UTF-8
    data_page.show(summary, told)
    print(f"{folder}/report.html, report.json: written")
    if listed is not None:
        print(
            f"{found.home}/quarantine.jsonl: {listed} clips, which training leaves out" if listed else "no quarantine"
        )
    if summary["unusable_share"] > args.threshold:
        share = f"{summary['unusable']} of {summary['clips']} clips cannot be used"
        print(f"t2vgan: {share}, more than --threshold {args.threshold:g}", file=sys.stderr)
        raise SystemExit(1)


def _shard_arguments(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "shard",
        help="pack a data set into tars with an index",
        description="Packs the videos as they are into tars of WebDataset's layout, with an index. It resumes.",
    )
    add = parser.add_argument
    add("path", type=Path, help="a folder of captioned videos, a manifest or its folder, on this machine")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="the folder of the shards, on this machine")
    add("--shard_mb", type=float, default=512.0, metavar="MB", help="of a tar (default: 512)")


def shard_command(args: argparse.Namespace) -> None:
    from t2vgan.datasets.sharding import clips_with_splits, write_shards

    if not args.shard_mb > 0:
        raise ValueError(f"--shard_mb {args.shard_mb:g}: it has to be above 0")
    done = write_shards(clips_with_splits(args.path), args.output, shard_bytes=round(args.shard_mb * 1e6))
    print(f"{args.output}: {done.clips} clips in {done.shards} shards, {done.byte_count / 1e6:.1f} MB")
    if done.left_out:
        name, reason = next(iter(done.left_out.items()))
        print(f"{len(done.left_out)} videos left out, such as {name}: {reason}; left_out.jsonl has all")
    print(f"to train: data.dataset.name=shards data.dataset.root={args.output}, here or copied to s3:// or https://")


def refuse_addresses(args: argparse.Namespace) -> None:
    """ValueError for a path that is an address. As a path, it would be a folder called `s3:` here."""
    for name, value in vars(args).items():
        if isinstance(value, Path) and ADDRESS.match(str(value)):
            address = str(value).replace(":/", "://", 1)
            if name == "output":
                what, them = WRITTEN[args.command]
                raise ValueError(f"-o {address}: {what} written to a local folder: copy {them} there afterwards")
            raise ValueError(f"{address}: {args.command} reads local folders: copy it here first")


def main() -> None:
    args = arguments()
    refuse_addresses(args)
    {"import": import_command, "check": check_command, "shard": shard_command}[args.command](args)


if __name__ == "__main__":
    run_command(main)
