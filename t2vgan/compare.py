"""Train and judge many designs on the same data with the same budget, and say which one leads.

    python -m t2vgan.compare experiments/zoo                     # all arms, all seeds; stopped and given again: goes on
    python -m t2vgan.compare experiments/zoo --only ours tgan    # these arms
    python -m t2vgan.compare experiments/zoo --workers 8         # so many trainings at a time, on one GPU, say
    python -m t2vgan.compare experiments/zoo --price             # CPU-seconds a clip, latency, memory of each arm, here
    python -m t2vgan.compare experiments/zoo --prepare           # captions, word vectors, frames, judge; no training
    python -m t2vgan.compare experiments/zoo --pack text.tar.gz  # captions and word vectors for a machine without spaCy
    python -m t2vgan.compare experiments/zoo --status            # a table of what there is
    python -m t2vgan.compare experiments/zoo --report            # leaderboard.json, .md and .html from what is finished
    python -m t2vgan.compare experiments/zoo --widths            # what the rule of widths says of each arm
    python -m t2vgan.compare experiments/essay_claims data.root=/elsewhere

A study is a folder of experiments and a study.yaml. A finished training is a json under experiments/results/<study>/:
nothing that has one is trained again. Overrides hold for all arms.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from t2vgan.command import run_command
from t2vgan.config import ConfigError

if TYPE_CHECKING:
    from t2vgan.comparisons.results import Results
    from t2vgan.comparisons.study import Study


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="a folder of experiments, e.g. experiments/zoo")
    parser.add_argument("--only", nargs="+", default=[], metavar="ARM", help="these arms")
    parser.add_argument("--results", type=Path, metavar="DIR", help="default: experiments/results")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="trainings at a time (default 1)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show the leaderboard so far and what is left")
    what.add_argument("--report", action="store_true", help="write the leaderboard from what is finished")
    what.add_argument("--price", action="store_true", help="measure what each arm costs on a processor")
    what.add_argument("--prepare", action="store_true", help="make captions, word vectors, frames and the judge")
    what.add_argument("--pack", type=Path, metavar="FILE", help="captions and word vectors as a .tar.gz")
    what.add_argument("--widths", action="store_true", help="show each part's width, and what the rule allows")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides for all arms")
    return parser.parse_intermixed_args()


def main() -> None:
    args = arguments()
    from t2vgan.comparisons.study import read_study

    overrides, arms = args.overrides, [word for word in args.only if "=" not in word]
    overrides = [*overrides, *(word for word in args.only if "=" in word)]  # they may follow --only
    for word in overrides:
        if word.split("=", 1)[0] in ("seed", "run_dir"):
            raise ConfigError(f"'{word}': the study sets seeds and run folders itself (seeds: in study.yaml)")
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}: at least 1")
    study = read_study(args.study, overrides=overrides, only=arms)
    if args.widths:
        show_widths(study)
        return
    if args.prepare or args.pack:
        make(study, args.pack)
        return

    from t2vgan.comparisons import board
    from t2vgan.comparisons.results import RESULTS, Results

    results = Results(study, args.results or RESULTS)
    if args.status:
        board.show(study, results)
        return
    if args.price:
        show_prices(study, results)
        return
    if not args.report:
        train(study, results, args.workers)
        board.show(study, results)
    whole = read_study(args.study, overrides=overrides)  # a board of some arms would take the place of that of all
    pictures = args.results / "pictures" if args.results else board.PICTURES
    for path in board.write(whole, Results(whole, results.root), pictures=pictures):
        print(f"{path}: written")


def make(study: Study, archive: Path | None) -> None:
    from t2vgan.comparisons import prepare

    if archive is None:
        prepare.prepare(study)
        return
    prepare.pack(study, archive)
    print(f"{archive}: written; unpack it where the folder data lies")


def train(study: Study, results: Results, workers: int) -> None:
    from t2vgan.comparisons import run

    if workers == 1:
        run.run_all(study, results)
        return
    from t2vgan.comparisons.workers import run_all

    run_all(study, results, workers=workers)


def show_prices(study: Study, results: Results) -> None:
    from t2vgan.comparisons.prepare import check_models, make_captions, make_vectors
    from t2vgan.comparisons.price import price_all

    check_models(study, study.arms)
    make_vectors(study)
    make_captions(study)  # a language model would be counted as the arm's memory
    print(f"{price_all(study, results)}: written")


def show_widths(study: Study) -> None:
    from rich.console import Console
    from rich.progress import track

    from t2vgan.comparisons.prepare import check_models, make_vectors
    from t2vgan.comparisons.widths import widths
    from t2vgan.reports.table import table

    check_models(study, study.arms)
    make_vectors(study)
    found = []
    for arm in track(study.arms, description="building every arm at many widths", transient=True):
        for w in widths(study.experiment(arm)):
            found.append([arm, w.part, str(w.given or ""), str(w.allowed), f"{w.parameters:,}", f"{w.most:,}"])
    Console().print(table("widths", ["arm", "part", "width", "allowed", "parameters", "at most"], found))


if __name__ == "__main__":
    run_command(main)
