"""Train an experiment.

    python -m t2vgan.fit --experiment lion_savanna                  # data made on first use, trains, logs; given again,
                                                                    # it goes on with the run that was stopped
    python -m t2vgan.fit --experiment lion_savanna --new            # another run, whatever there is
    python -m t2vgan.fit --experiment lion_savanna --fast_dev_run   # one round of everything, in a minute or two
    python -m t2vgan.fit --experiment lion_savanna clips=50000 g_optim.lr=1e-4 trainer.devices=2
    python -m t2vgan.fit --resume runs/lion_savanna/00003           # go on where a run was stopped
    python -m t2vgan.fit --experiment lion_savanna --launch slurm   # as a job of a cluster; --print shows its script

The keys that can be overridden are those that --print_config shows.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from t2vgan import config, ranks
from t2vgan.command import run_command

FINISHED = Path("finished")  # in the place of a run folder


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m t2vgan.fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", help="name of a file in experiments/, or the path of a YAML file")
    parser.add_argument("--resume", metavar="RUN", help="a run folder: go on from its last checkpoint")
    parser.add_argument("--new", action="store_true", help="start another run, even if one could go on")
    parser.add_argument("--fast_dev_run", action="store_true", help="one round, one validation, one sample sheet")
    parser.add_argument("--launch", choices=["here", "slurm"], default="here", help="where to train")
    parser.add_argument("--print", action="store_true", help="with --launch slurm: show the script, submit nothing")
    parser.add_argument("--print_config", action="store_true", help="print the merged experiment and stop")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides of the experiment's keys")
    return parser.parse_intermixed_args()


def main() -> None:
    args = arguments()
    check(args)
    inherits = ranks.launcher() is None and ranks.rank() > 0
    started_by = os.environ.get("T2VGAN_RUN_DIR") if inherits else None
    if started_by:  # what rank 0 has read, even if its files have changed since
        experiment = config.load(Path(started_by) / "config.yaml")
    else:
        experiment = config.load(Path(args.resume) / "config.yaml" if args.resume else args.experiment, args.overrides)
    if args.print_config:
        print(config.to_yaml(experiment), end="")
        return

    if args.launch == "slurm":
        launch(args, experiment)
        return
    ranks.join(experiment.trainer.accelerator)
    go_on = Path(started_by) if started_by else ranks.decided(lambda: run_to_go_on_with(args, experiment))
    if go_on == FINISHED:
        return

    from t2vgan.training import fit  # imports torch and Lightning, which a typo need not wait for

    fit(experiment, go_on=go_on, fast_dev_run=args.fast_dev_run)


def launch(args: argparse.Namespace, experiment: config.Experiment) -> None:
    """Submits a job with a run folder of its own, which it goes on with whenever it is started.

    The folder has its settings before the job begins: so the same command finds the run while the job still waits, and
    what is trained is what was launched, even if the experiment's file has changed since.
    """
    from t2vgan import cluster, resume, runs

    go_on = run_to_go_on_with(args, experiment)
    if go_on == FINISHED:
        return
    experiment.trainer.devices = cluster.tasks_per_node(experiment)
    options = cluster.parameters(experiment, name=experiment.name)
    if args.print:
        print(cluster.script(Path("jobs"), options))
        return
    cluster.check_here()
    if go_on and (jobs := cluster.in_queue(go_on / "job")):
        print(f"job {jobs[0]} trains {go_on} already: scancel {jobs[0]} first, or --new for another run")
        return
    run = go_on or runs.new_run_dir(experiment.name, experiment.run_dir)
    if not go_on:
        resume.write_settings(run, experiment)
    kept = [word for word in args.overrides if not word.startswith("run_dir=")]
    where = [f"trainer.nodes={experiment.trainer.nodes}", f"trainer.devices={experiment.trainer.devices}"]
    words = ["--resume", str(run), *kept, *where]
    (job,) = cluster.submit(run / "job", options, cluster.Command("t2vgan.fit", words))
    print(f"job {job}: {run}; what it says goes to {run / 'job'}")


def check(args: argparse.Namespace) -> None:
    """ConfigError for arguments that do not go together."""
    if bool(args.experiment) == bool(args.resume):
        raise config.ConfigError("name either --experiment NAME or --resume RUN")
    if args.resume and not (Path(args.resume) / "config.yaml").is_file():
        raise config.ConfigError(f"--resume {args.resume}: no config.yaml there, so it is not a run folder")
    if args.resume and args.new:
        raise config.ConfigError("--resume goes on with a run and --new starts another: name one of them")
    if args.print and args.launch != "slurm":
        raise config.ConfigError("--print shows the script of --launch slurm; --print_config shows the experiment")
    if args.launch == "slurm" and args.fast_dev_run:
        raise config.ConfigError("--fast_dev_run is a rehearsal of a minute or two: leave --launch away")
    if args.resume and args.fast_dev_run:
        raise config.ConfigError("--fast_dev_run rehearses an experiment in a run of its own: leave --resume away")


def run_to_go_on_with(args: argparse.Namespace, experiment: config.Experiment) -> Path | None:
    """The run that the command means, None for a new one; says so and gives FINISHED where nothing is left to do."""
    from t2vgan import resume

    if args.resume:
        found = resume.Found(Path(args.resume), resume.is_finished(Path(args.resume), experiment.clips))
    elif args.new or args.fast_dev_run:
        return None
    else:
        found = resume.existing(experiment)
    if found and found.finished:
        print(
            f"{found.run} is finished ({experiment.clips:,} clips): --new trains another run; to train this one for "
            f"longer, --resume {found.run} clips=..."
        )
        return FINISHED
    return found.run if found else None


if __name__ == "__main__":
    run_command(main)
