"""A run: its folder, loggers, callbacks and Lightning Trainer, from an experiment."""

from __future__ import annotations

import dataclasses
import errno
import functools
import html
import json
import logging
import math
import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy

from t2vgan import assemble, cluster, going_on, ranks, resume, runs, warm_start
from t2vgan.callbacks.attention import Attention
from t2vgan.callbacks.best import Best
from t2vgan.callbacks.checkpointing import Checkpointing
from t2vgan.callbacks.cost import Cost
from t2vgan.callbacks.curves import Curves, draw_curves
from t2vgan.callbacks.doctor import Doctor
from t2vgan.callbacks.ema import EMA
from t2vgan.callbacks.evaluation import Evaluation
from t2vgan.callbacks.interrupt import Interrupt
from t2vgan.callbacks.owed import Owed
from t2vgan.callbacks.progress import ProgressBar
from t2vgan.callbacks.publish import Publish
from t2vgan.callbacks.recovery import Recovery
from t2vgan.callbacks.samples import Samples
from t2vgan.callbacks.vital_signs import VitalSigns
from t2vgan.config import ConfigError, Experiment, to_dict
from t2vgan.devices import (
    check_accumulable,
    check_compilable,
    check_shareable,
    compile_parts,
    computed,
    graphs_fit,
    one_device,
    precision,
    set_up,
    settled,
    spare_page_faults,
)
from t2vgan.graphs import Graphs
from t2vgan.reports import page
from t2vgan.system import as_json, written_whole
from t2vgan.tracking import cut, finish_timeout, lengths, loggers, wandb_offline


def trainer(
    experiment: Experiment, run_dir: Path, extractor: Any, *, rounds_done: int = 0, fast_dev_run: bool = False
) -> L.Trainer:
    """The Trainer of the run. Its one global step is one round of the game, i.e. `data.batch` clips."""
    quiet_lightning()
    settings = experiment.trainer
    several = not one_device(settings.devices) or settings.nodes > 1
    steps, between = rounds_of(experiment)
    try:
        return L.Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            # The module exchanges gradients itself; buffers are equal on all ranks (`settled`).
            strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
            precision=precision(experiment),  # type: ignore[arg-type]
            max_epochs=-1,
            max_steps=steps,
            check_val_every_n_epoch=None,
            val_check_interval=between,
            num_sanity_val_steps=0,
            log_every_n_steps=settings.log_every_steps,
            logger=loggers(experiment, run_dir, rounds_done=rounds_done),
            callbacks=callbacks(experiment, run_dir, extractor),
            default_root_dir=run_dir,
            enable_model_summary=False,
            use_distributed_sampler=False,
            plugins=ranks.environments(),
            fast_dev_run=fast_dev_run,
        )
    except (RuntimeError, MisconfigurationException) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error


def rounds_of(experiment: Experiment) -> tuple[int, int]:
    batch = experiment.data.batch
    return rounds(math.ceil(experiment.clips / batch), experiment.evaluation.every_clips / batch)


def rounds(steps: int, wanted: int | float) -> tuple[int, int]:
    """Rounds of a run, and rounds between validations: near what is wanted, but so that it ends with one."""
    between = math.ceil(steps / max(1, round(steps / wanted)))
    return math.ceil(steps / between) * between, between


def callbacks(experiment: Experiment, run_dir: Path, extractor: Any) -> list[L.Callback]:
    """In the order in which they act: the average first, so that what follows sees it up to date."""
    clip, checkpoints = experiment.clip, run_dir / "checkpoints"
    times = [i * clip.duration_s / clip.frames for i in range(clip.frames)]
    card = {"commit": runs.commit(), "run": run_dir.as_posix()}
    saved: dict[str, Any] = {"config": to_dict(experiment), "card": card}
    watched, owed = experiment.samples, Owed()
    beside_real = [
        Samples(
            folder=run_dir / "samples" / "val",
            name="samples_val",
            prompts=[],
            count=watched.count,
            every_clips=watched.every_clips,
            fps=clip.frames / clip.duration_s,
            seed=experiment.seed,
        )
    ]
    checkpointing = Checkpointing(
        folder=checkpoints,
        every_clips=experiment.trainer.checkpoint_every_clips,
        owed=owed,
        kept=experiment.trainer.checkpoints_kept,
        records=functools.partial(lengths, run_dir),
        computed=computed,
        **saved,
    )
    return [
        EMA(
            halflife_clips=experiment.ema.halflife_clips, rampup=math.inf if experiment.start else experiment.ema.rampup
        ),
        Cost(folder=run_dir),
        VitalSigns(every_steps=experiment.trainer.log_every_steps),
        Doctor(
            folder=run_dir,
            every_steps=experiment.trainer.log_every_steps,
            quiet_clips=max(2_000, experiment.clips // 10),
            window_clips=experiment.clips // 40,
        ),
        Recovery(
            folder=run_dir,
            max_skipped=experiment.trainer.max_skipped,
            every_clips=experiment.trainer.checkpoint_every_clips,
        ),
        Samples(
            folder=run_dir / "samples",
            prompts=watched.prompts,
            count=watched.count,
            every_clips=watched.every_clips,
            fps=clip.frames / clip.duration_s,
            seed=experiment.seed,
        ),
        *(beside_real if watched.prompts else []),  # without prompts, the first sheet shows real clips already
        Attention(
            path=run_dir / "attention.png",
            prompt=watched.prompts[0] if watched.prompts else "",
            times=times,
            every_clips=experiment.evaluation.every_clips,
            judge=getattr(extractor, "predict", None),
        ),
        owed,
        Interrupt(),
        Evaluation(extractor=extractor, folder=run_dir),
        Best(folder=checkpoints, monitor=experiment.evaluation.monitor, mode=experiment.evaluation.mode, **saved),
        checkpointing,
        Curves(folder=run_dir),
        Publish(
            folder=checkpoints,
            name=experiment.name,
            page=functools.partial(run_page, run_dir),
            export=checkpointing.export,
        ),
        ProgressBar(total_clips=rounds_of(experiment)[0] * experiment.data.batch),
    ]


def quiet_lightning() -> None:
    """Takes away Lightning's advertisements and the warnings that do not fit a run like this."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ".*The `srun` command is available.*",
        ".*is not currently supported by the .* logger.*",
        ".*Experiment logs directory .* exists and is not empty.*",  # ContinuedCsv brings the old lines back
        ".*`broadcast_buffers` is deprecated.*",  # torch 2.13; its successor is unknown to the torch before
        ".*module\\(s\\) in eval mode at the start of training.*",  # frozen eyes and averages are meant to be
    ):
        warnings.filterwarnings("ignore", message)


def fit(experiment: Experiment, *, go_on: Path | None = None, fast_dev_run: bool = False) -> Path:
    """Trains the experiment in its run folder, which is returned. `go_on`: a run folder to go on in."""
    if fast_dev_run:
        experiment = dataclasses.replace(hurried(experiment), run_dir=None)  # a rehearsal leaves the run's folder alone
    spare_page_faults()
    experiment = ranks.as_launched(experiment)
    check_in_time(experiment, go_on)
    checkpoint = ranks.decided(functools.partial(start_of, go_on))
    with ranks.first_one_alone():
        parts = assemble.run(experiment, limit=16 * experiment.data.batch if fast_dev_run else None)
    saved = going_on.check_fits(checkpoint, parts.game, experiment) if checkpoint else {}
    began = warm_start.begin(parts.game, experiment.start) if experiment.start and not checkpoint else ""
    run_dir = ranks.decided(functools.partial(claim_run_dir, experiment, go_on, fast_dev_run))
    if go_on and not ranks.rank():
        take_up(go_on, saved)
    experiment = settled(experiment, len(parts.data.dataset("val", experiment.data.val_clips)), parts.game)
    set_up(experiment)
    if experiment.trainer.compile:
        compile_parts(parts.game)
    if saved.get("settled") and saved["clips_seen"] >= experiment.clips:  # stopped between its end and the note of it
        return ended(run_dir, saved["clips_seen"])
    lightning = trainer(
        experiment, run_dir, parts.extractor, rounds_done=saved.get("rounds", 0), fast_dev_run=fast_dev_run
    )
    if graphs_fit(experiment, lightning.strategy.root_device, parts.game):
        parts.game.graphs = Graphs(parts.game)
    if lightning.is_global_zero:
        says = [f"{experiment.name}: {run_dir}, {precision(experiment)} on {lightning.strategy.root_device}"]
        says += [began] * bool(began) + going_on.told(
            saved, to_dict(experiment), computed(lightning), parts.data.looked_at()
        )
        print(*says, sep="\n")
    skipped = [parts.data.skipped]
    try:
        train(lightning, parts, checkpoint)
        skipped = ranks.gathered(parts.data.skipped)
    finally:
        if lightning.is_global_zero:
            note_skipped(run_dir, skipped)
    if lightning.is_global_zero:
        ended(run_dir, int(parts.game.clips_seen))
    return run_dir


def note_skipped(run_dir: Path, found: Sequence[dict[str, str]]) -> None:
    """Adds the clips that each process could not use, and why, to those of the run's earlier parts."""
    path = run_dir / "skipped.json"
    try:
        whole = dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        whole = {}
    for of_a_rank in found:
        whole |= of_a_rank
    if whole:
        with written_whole(path) as part:
            part.write_text(as_json(whole, indent=1) + "\n")
        print(f"{len(whole)} clips could not be used: {path} says why")


def run_page(run_dir: Path) -> str:
    """The run's validations, its settings and its code as one html page."""
    path = run_dir / "evaluation.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    names = [name for name in lines[-1] if not name.startswith(("floor/", "ceiling/"))] if lines else []
    parts = [
        page.section("Validations", page.curves(lines)),
        page.section("Figures", page.table(names, [[line.get(name) for name in names] for line in lines])),
        page.section("Settings", f"<pre>{html.escape((run_dir / 'config.yaml').read_text())}</pre>"),
        page.section("Code", f"<pre>{html.escape((run_dir / 'commit.txt').read_text())}</pre>"),
    ]
    return page.page(run_dir.as_posix(), parts)


def train(lightning: L.Trainer, parts: assemble.Run, checkpoint: Path | None) -> None:
    """Lightning's `fit`; says how to go on where it is broken off."""
    try:
        lightning.fit(parts.game, datamodule=parts.data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C is exit status 1, which would say that something went wrong
        if not ranks.rank():
            print("waiting in the queue again" if requeued(lightning) else "to go on: the same command again")
        raise SystemExit(130 if not ranks.rank() else 0) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            f"no room is left on the disk ({error}); the last checkpoint is whole: make room, then give the same "
            "command again"
        ) from error
    except RuntimeError as error:
        if lightning.world_size > 1 and ranks.lost_another(error):
            raise ConnectionError(
                f"another process of the run has ended, and this one with it ({str(error).split('. ')[0]}); the same "
                "command goes on from the last checkpoint"
            ) from error
        raise


def requeued(lightning: L.Trainer) -> bool:
    """Whether SLURM had asked to stop, and runs the job again: it then goes on by itself."""
    asked_by = [callback.asked_by for callback in lightning.callbacks if isinstance(callback, Interrupt)]  # type: ignore[attr-defined]
    return any(cluster.is_to_go_on(number) for number in asked_by) and cluster.requeue()


def start_of(go_on: Path | None) -> Path | None:
    """The checkpoint that the run goes on from, which is held from now on; what rank 0 has found, on every rank."""
    if ranks.rank():
        return Path(found) if (found := os.environ.get("T2VGAN_CHECKPOINT")) else None
    checkpoint = None
    if go_on:
        resume.hold(go_on)
        checkpoint = resume.newest_checkpoint(go_on)
        print(f"going on from {checkpoint}" if checkpoint else f"{go_on} has no checkpoint yet: it begins anew")
    os.environ["T2VGAN_CHECKPOINT"] = str(checkpoint or "")
    return checkpoint


def take_up(run: Path, saved: dict[str, Any]) -> None:
    """Takes back what was recorded after the checkpoint, for it will come again."""
    if not saved or "records" in saved:  # else a checkpoint of a version that did not note it
        cut(run, saved.get("records", {}))


def ended(run_dir: Path, clips_seen: int) -> Path:
    if run_dir.parent.name != "fast_dev_run":
        resume.mark_finished(run_dir, clips_seen)
    draw_curves(run_dir)
    print(f"done: samples, curves.png and checkpoints are in {run_dir}")
    return run_dir


def check_in_time(experiment: Experiment, go_on: Path | None) -> None:
    """Mistakes that would otherwise come to light once the data is there, minutes later."""
    if experiment.logger.wandb != "off":
        wandb_offline(experiment.logger.wandb)
        finish_timeout()
    if experiment.logger.tensorboard and not any(map(find_spec, ("tensorboard", "tensorboardX"))):
        raise ConfigError("logger.tensorboard: TensorBoard is not installed: pip install tensorboard")
    if not go_on:
        runs.refuse_unwritable(Path(experiment.run_dir or runs.RUNS / experiment.name))
        if experiment.run_dir:
            runs.refuse_used(Path(experiment.run_dir))
        if experiment.start:
            warm_start.source(experiment.start)
    assemble.has_truth(experiment)  # which reads evaluation.probe
    check_compilable(experiment)
    check_accumulable(experiment)
    settings = experiment.trainer
    quiet_lightning()
    try:
        tried = L.Trainer(
            accelerator=settings.accelerator, devices=settings.devices, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, num_nodes=settings.nodes,
            plugins=ranks.environments(),
        )  # fmt: skip
    except (RuntimeError, TypeError, ValueError, MisconfigurationException) as error:
        told = " ".join(str(error).split()).rstrip("!.")  # which GPUs there are comes last
        asked = settings.accelerator
        hint = "" if asked == "auto" else f" (trainer.accelerator is {asked}; auto takes what there is)"
        raise ConfigError(f"trainer: {told}{hint}") from error
    if settings.devices != "auto":  # else as many as share the batch are taken
        check_shareable(experiment, tried.world_size)


def hurried(experiment: Experiment) -> Experiment:
    """The same experiment with the judge, too, trained on a handful of clips: a rehearsal of every part."""
    devices = 1 if experiment.trainer.devices == "auto" else experiment.trainer.devices
    return dataclasses.replace(
        experiment,
        clips=experiment.data.batch,
        data=dataclasses.replace(experiment.data, val_clips=2 * experiment.data.batch),
        trainer=dataclasses.replace(experiment.trainer, devices=devices),
        evaluation=dataclasses.replace(
            experiment.evaluation, probe={**experiment.evaluation.probe, "clips": 64, "epochs": 1}
        ),
    )


def claim_run_dir(experiment: Experiment, go_on: Path | None, fast_dev_run: bool) -> Path:
    """The folder of the run, with config.yaml and commit.txt; the same on every rank that this process starts."""
    inherited = os.environ.get("T2VGAN_RUN_DIR")
    if inherited and ranks.rank():
        return Path(inherited)
    run_dir = go_on or runs.new_run_dir("fast_dev_run" if fast_dev_run else experiment.name, experiment.run_dir)
    if not go_on:
        resume.hold(run_dir)
    os.environ["T2VGAN_RUN_DIR"] = str(run_dir)
    resume.write_settings(run_dir, experiment)
    with (run_dir / "commit.txt").open("a") as file:  # a resumed run may go on with newer code: it says so
        file.write(runs.commit() + "\n")
    return run_dir
