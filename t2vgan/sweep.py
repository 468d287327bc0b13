"""Many runs of one question.

    python -m t2vgan.sweep experiments/sweeps/smoke.yaml                # runs its trials; Ctrl-C and again: goes on
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --workers 2    # two at a time
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --status       # a table of what there is
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --report       # runs/sweeps/smoke/report.html

The file is a Weights & Biases sweep: with a server, `wandb sweep FILE` and `wandb agent` take the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from t2vgan.command import run_command
from t2vgan.config import ConfigError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a sweep file, e.g. experiments/sweeps/smoke.yaml")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="trials that are trained at a time")
    parser.add_argument(
        "--storage", metavar="URL", help="a database, e.g. sqlite:///sweep.db; by default a journal file"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show the trials; on a terminal until Ctrl-C")
    what.add_argument("--report", action="store_true", help="write report.html into the sweep's folder")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}: at least one has to work")
    from t2vgan.sweeps.plan import read_plan

    plan = read_plan(args.file)

    from t2vgan.sweeps import report, status, worker

    sweep = worker.open_sweep(plan, storage=args.storage)
    if args.status:
        status.show(sweep)
    elif args.report:
        print(report.write(sweep))
    else:
        worker.work_together(sweep, args.file, args.workers, args.storage)
        status.show(sweep, live=False)


if __name__ == "__main__":
    run_command(main)
