"""Many runs of one question.

    python -m t2vgan.sweep experiments/sweeps/smoke.yaml                # runs its trials; Ctrl-C and again: goes on
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --workers 2    # two at a time
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --workers 4 --launch slurm    # a job array
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --status       # a table of what there is
    python -m t2vgan.sweep experiments/sweeps/smoke.yaml --report       # runs/sweeps/smoke/report.html

The file is a Weights & Biases sweep: `wandb sweep FILE` and `wandb agent` take it, too (tried: tests/wandb_server.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from t2vgan.command import run_command
from t2vgan.config import ConfigError

if TYPE_CHECKING:
    from t2vgan.sweeps.plan import Plan


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a sweep file, e.g. experiments/sweeps/smoke.yaml")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="trials that are trained at a time")
    parser.add_argument(
        "--storage", metavar="URL", help="a database, e.g. sqlite:///sweep.db; by default a journal file"
    )
    parser.add_argument("--launch", choices=["here", "slurm"], default="here", help="where the workers are")
    parser.add_argument("--print", action="store_true", help="with --launch slurm: show the script, submit nothing")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show the trials; on a terminal until Ctrl-C")
    what.add_argument("--report", action="store_true", help="write report.html into the sweep's folder")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}: at least one has to work")
    if args.print and (args.launch != "slurm" or args.status or args.report):
        raise ConfigError("--print shows the script of --launch slurm; give it with that, and alone")
    from t2vgan.sweeps.plan import check_values, read_plan

    plan = read_plan(args.file)
    if not (args.status or args.report):
        from t2vgan import assemble

        check_values(plan, assemble.check_parts)

    if args.launch == "slurm" and not (args.status or args.report):
        launch(args, plan)
        return
    from t2vgan.sweeps import report, status, worker

    folder = worker.folder_of(plan)
    if (args.status or args.report) and not folder.is_dir():
        raise ConfigError(f"{folder}: no trial has been begun here; without --status and --report the sweep starts")
    sweep = worker.open_sweep(plan, storage=args.storage)
    if args.status:
        status.show(sweep)
    elif args.report:
        print(report.write(sweep))
    else:
        worker.work_together(sweep, args.file, args.workers, args.storage)
        status.show(sweep, live=False)


def launch(args: argparse.Namespace, plan: Plan) -> None:
    """A job array of workers; a worker that is stopped is queued again and goes on with its trial."""
    from t2vgan import cluster

    folder = Path("runs") / "sweeps" / plan.name / "jobs"
    options = cluster.parameters(plan.experiment({}), name=f"sweep-{plan.name}", alone=True)
    if args.print:
        print(cluster.script(folder, options, jobs=args.workers))
        return
    cluster.check_here()
    from t2vgan.sweeps import worker

    worker.open_sweep(plan, storage=args.storage)  # a changed question is said here, and one process makes the storage
    words = [str(args.file), *(["--storage", args.storage] if args.storage else [])]
    jobs = cluster.submit(folder, options, cluster.Command("t2vgan.sweep", words), jobs=args.workers)
    print(f"jobs {', '.join(jobs)}: what they say goes to {folder}; --status shows the trials")


if __name__ == "__main__":
    run_command(main)
