"""Bring captioned video in, look whether it is usable, pack it for large machines.

python -m t2vgan.data import my_videos/ -o data/mine                      # any layout -> one manifest
python -m t2vgan.data import list.csv -o data/mine --video file --caption text --videos my_videos/
python -m t2vgan.data check data/mine                                     # what is usable, what is not and why
python -m t2vgan.data shard data/mine -o shards/mine                      # into tars, for training from anywhere
"""

from __future__ import annotations

import argparse
from pathlib import Path

from t2vgan.command import run_command

FIELDS = ("video", "caption", "start", "end", "split", "key", "fps")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="import | check | shard")
    _import_arguments(commands)
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
    add("source", type=Path, help="a folder, a table, or the file of a published data set")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="the data set's folder, such as data/mine")
    add("--layout", choices=list(LAYOUTS), metavar="NAME", help="one of those above (default: found out)")
    trusted = "where the videos are; nothing outside of it is ever read (default: the source, or the folder it lies in)"
    add("--videos", type=Path, metavar="DIR", help=trusted)
    for field in FIELDS:
        add(f"--{field}", metavar="COLUMN", help=f"of a table: the column with the {field}")
    add("--delimiter", default="", help="of a csv (default: a comma)")
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


def main() -> None:
    args = arguments()
    {"import": import_command}[args.command](args)


if __name__ == "__main__":
    run_command(main)
