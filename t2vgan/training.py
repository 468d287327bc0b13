"""A run: its folder, loggers, callbacks and Lightning Trainer, from an experiment."""

from __future__ import annotations

import csv
import ctypes
import dataclasses
import json
import logging
import math
import netrc
import os
import secrets
import urllib.parse
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.strategies import DDPStrategy

from t2vgan import assemble, runs
from t2vgan.callbacks.attention import Attention
from t2vgan.callbacks.best import Best
from t2vgan.callbacks.checkpointing import Checkpointing
from t2vgan.callbacks.curves import Curves
from t2vgan.callbacks.doctor import Doctor
from t2vgan.callbacks.ema import EMA
from t2vgan.callbacks.evaluation import Evaluation
from t2vgan.callbacks.interrupt import Interrupt
from t2vgan.callbacks.progress import ProgressBar
from t2vgan.callbacks.recovery import Recovery
from t2vgan.callbacks.samples import Samples
from t2vgan.callbacks.vital_signs import VitalSigns
from t2vgan.config import ConfigError, Experiment, to_dict, to_yaml
from t2vgan.system import cores


def trainer(experiment: Experiment, run_dir: Path, extractor: Any, *, fast_dev_run: bool = False) -> L.Trainer:
    """The Trainer of the run. Its one global step is one round of the game, i.e. `data.batch` clips."""
    quiet_lightning()
    settings, batch = experiment.trainer, experiment.data.batch
    several = settings.devices not in (1, "1") or settings.nodes > 1
    steps, between = rounds(math.ceil(experiment.clips / batch), experiment.evaluation.every_clips / batch)
    try:
        return L.Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            # The module exchanges gradients itself; buffers are equal on all ranks or belong to one.
            strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
            precision=precision(experiment),  # type: ignore[arg-type]
            max_epochs=-1,
            max_steps=steps,
            check_val_every_n_epoch=None,
            val_check_interval=between,
            num_sanity_val_steps=0,
            log_every_n_steps=settings.log_every_steps,
            logger=loggers(experiment, run_dir),
            callbacks=callbacks(experiment, run_dir, extractor),
            default_root_dir=run_dir,
            enable_model_summary=False,
            use_distributed_sampler=False,
            fast_dev_run=fast_dev_run,
        )
    except (RuntimeError, MisconfigurationException) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error


def settled(experiment: Experiment, val_clips: int) -> Experiment:
    """The experiment with a number in the place of `trainer.devices: auto`, of which each has clips to validate.

    On a CPU these are processes. Two of one thread each do half as much again as one of two threads: small
    convolutions do not share well. More than four would get too few clips of a batch each.
    """
    settings = experiment.trainer
    if settings.devices != "auto":
        return experiment
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 1  # MPS is one device
    most = max(1, min(min(cores(), 4) if on_cpu(experiment) else gpus, val_clips))
    devices = max(n for n in range(1, most + 1) if experiment.data.batch % n == 0)
    threads = settings.threads or (cores() // devices if devices > 1 and on_cpu(experiment) else 0)
    return dataclasses.replace(experiment, trainer=dataclasses.replace(settings, devices=devices, threads=threads))


def on_cpu(experiment: Experiment) -> bool:
    asked = experiment.trainer.accelerator
    return asked == "cpu" or (asked == "auto" and not gpu_found())


def gpu_found() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def rounds(steps: int, wanted: int | float) -> tuple[int, int]:
    """Rounds of a run, and rounds between validations: near what is wanted, but so that it ends with one."""
    validations = max(1, round(steps / wanted))
    between = math.ceil(steps / validations)
    return validations * between, between


def precision(experiment: Experiment) -> str:
    """`auto`: bfloat16 where the device computes in it, which halves the time; float32 elsewhere."""
    asked = experiment.trainer.precision
    if asked != "auto":
        return asked
    if experiment.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"


def callbacks(experiment: Experiment, run_dir: Path, extractor: Any) -> list[L.Callback]:
    """In the order in which they act: the average first, so that what follows sees it up to date."""
    clip, checkpoints = experiment.clip, run_dir / "checkpoints"
    times = [i * clip.duration_s / clip.frames for i in range(clip.frames)]
    card = {"commit": runs.commit(), "run": run_dir.as_posix()}
    saved: dict[str, Any] = {"config": to_dict(experiment), "card": card}
    watched = experiment.samples
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
    return [
        EMA(halflife_clips=experiment.ema.halflife_clips, rampup=experiment.ema.rampup),
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
        Interrupt(),
        Evaluation(extractor=extractor, folder=run_dir),
        Best(folder=checkpoints, monitor=experiment.evaluation.monitor, mode=experiment.evaluation.mode, **saved),
        Checkpointing(folder=checkpoints, every_clips=experiment.trainer.checkpoint_every_clips, **saved),
        Curves(folder=run_dir),
        ProgressBar(total_clips=experiment.clips),
    ]


class ContinuedCsv(CSVLogger):
    """`metrics.csv` of the run folder; a resumed run goes on in the same file, where Lightning's would begin anew."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(save_dir=run_dir, name="", version="")
        self.file = run_dir / "metrics.csv"

    @property
    def experiment(self) -> Any:
        if self._experiment is None and self.file.is_file():
            with self.file.open(newline="") as file:
                earlier = [{k: v for k, v in row.items() if v != ""} for row in csv.DictReader(file)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "previous log files will be deleted": they come back in a moment
                writer = super().experiment
            writer.metrics = earlier
            writer.save()
            return writer
        return super().experiment


def loggers(experiment: Experiment, run_dir: Path) -> list[Logger]:
    settings = experiment.logger
    found: list[Logger] = [ContinuedCsv(run_dir)] if settings.csv else []
    if settings.tensorboard:
        found.append(TensorBoardLogger(save_dir=run_dir, name="tensorboard", version=""))
    if settings.wandb != "off":
        os.environ.setdefault("WANDB_SILENT", "true")
        wandb = WandbLogger(
            project=settings.project,
            name=f"{experiment.name}/{run_dir.name}",
            id=wandb_id(run_dir),
            save_dir=run_dir,
            offline=wandb_offline(settings.wandb),
            config=to_dict(experiment),
            resume="allow",
        )
        wandb._wandb_init.pop("anonymous", None)  # Lightning hands on a setting that W&B no longer has and warns of
        found.append(wandb)
    return found


def wandb_id(run_dir: Path) -> str:
    """The run's W&B name, kept in the folder, so that a resumed run goes on in the same curves."""
    path = run_dir / "wandb_id.txt"
    if not path.is_file():
        path.write_text(secrets.token_hex(4) + "\n")
    return path.read_text().strip()


def wandb_offline(mode: str) -> bool:
    """`auto` asks nobody: online only where a key is known. `online` without one is an error before training starts."""
    if mode == "offline" or (mode == "auto" and os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun")):
        return True
    if mode == "online" and not _wandb_key():
        raise ConfigError("logger.wandb is 'online', but no key is configured: run 'wandb login', or take 'offline'")
    return not _wandb_key()


def _wandb_key() -> bool:
    """Whether `wandb login` has been done here, without asking W&B itself, which would prompt."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urllib.parse.urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


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


def fit(experiment: Experiment, *, resume: Path | None = None, fast_dev_run: bool = False) -> Path:
    """Trains the experiment in its run folder, which is returned. `resume`: a run folder to go on in."""
    if fast_dev_run:
        experiment = hurried(experiment)
    spare_page_faults()
    refuse_foreign_launchers(experiment)
    last = resume / "checkpoints" / "last.ckpt" if resume else None
    if last and not last.is_file():
        raise ConfigError(f"--resume {resume}: no checkpoints/last.ckpt in it, so there is nothing to go on from")

    check_in_time(experiment, resume)
    parts = assemble.run(experiment, limit=16 * experiment.data.batch if fast_dev_run else None)
    if last:
        check_checkpoint_fits(last, parts.game)
    run_dir = claim_run_dir(experiment, resume, fast_dev_run)
    experiment = settled(experiment, len(parts.data.dataset("val", experiment.data.val_clips)))
    if threads := experiment.trainer.threads:
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # which Lightning would otherwise choose for several processes
    lightning = trainer(experiment, run_dir, parts.extractor, fast_dev_run=fast_dev_run)
    if lightning.is_global_zero:
        print(f"{experiment.name}: {run_dir}, {precision(experiment)} on {lightning.strategy.root_device}")
    try:
        lightning.fit(parts.game, datamodule=parts.data, ckpt_path=last, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C is exit status 1, which would say that something went wrong
        raise SystemExit(0 if int(os.environ.get("LOCAL_RANK", 0)) else 130) from None
    if lightning.is_global_zero:
        if parts.data.skipped:
            (run_dir / "skipped.json").write_text(json.dumps(parts.data.skipped, indent=1, ensure_ascii=False) + "\n")
            print(f"{len(parts.data.skipped)} clips could not be used: {run_dir / 'skipped.json'} says why")
        print(f"done: samples, curves.png and checkpoints are in {run_dir}")
    return run_dir


def check_in_time(experiment: Experiment, resume: Path | None) -> None:
    """Mistakes that would otherwise come to light once the data is there, minutes later."""
    if experiment.logger.wandb != "off":
        wandb_offline(experiment.logger.wandb)
    if not resume and experiment.run_dir:
        runs.refuse_used(Path(experiment.run_dir))
    settings = experiment.trainer
    quiet_lightning()
    try:
        L.Trainer(
            accelerator=settings.accelerator, devices=settings.devices, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
    except (RuntimeError, TypeError, ValueError, MisconfigurationException) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error


def check_checkpoint_fits(checkpoint: Path, game: torch.nn.Module) -> None:
    """ConfigError when the checkpoint is of another model: before anything in its run folder is changed."""
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)["state_dict"]
    mine = game.state_dict()
    for name in sorted(saved.keys() | mine.keys()):
        if name not in saved or name not in mine or saved[name].shape != mine[name].shape:
            raise ConfigError(
                f"{checkpoint}: its {name} is not that of this experiment; resume with the settings that it was "
                f"trained with, and with the version of t2vgan that commit.txt beside it names"
            )


def refuse_foreign_launchers(experiment: Experiment) -> None:
    """torchrun and srun start every rank themselves; their ranks do not agree on a run folder yet."""
    if (
        "TORCHELASTIC_RUN_ID" in os.environ
        or int(os.environ.get("SLURM_NTASKS") or 1) > 1
        or experiment.trainer.nodes > 1
    ):
        raise ConfigError(
            "several nodes, torchrun and srun are not supported: start one process with trainer.devices=N"
        )


def hurried(experiment: Experiment) -> Experiment:
    """The same experiment with the judge, too, trained on a handful of clips: a rehearsal of every part."""
    devices = 1 if experiment.trainer.devices == "auto" else experiment.trainer.devices
    return dataclasses.replace(
        experiment,
        clips=experiment.data.batch,
        data=dataclasses.replace(experiment.data, val_clips=2 * experiment.data.batch),
        trainer=dataclasses.replace(experiment.trainer, devices=devices),
        evaluation=dataclasses.replace(experiment.evaluation, probe={"clips": 64, "epochs": 1}),
    )


def claim_run_dir(experiment: Experiment, resume: Path | None, fast_dev_run: bool) -> Path:
    """The folder of the run, with config.yaml and commit.txt; the same on every rank that this process starts."""
    inherited = os.environ.get("T2VGAN_RUN_DIR")
    if inherited and int(os.environ.get("LOCAL_RANK", 0)) > 0:
        return Path(inherited)
    run_dir = resume or runs.new_run_dir("fast_dev_run" if fast_dev_run else experiment.name, experiment.run_dir)
    os.environ["T2VGAN_RUN_DIR"] = str(run_dir)
    config, wanted = run_dir / "config.yaml", to_yaml(dataclasses.replace(experiment, extends=None, run_dir=None))
    if config.is_file() and config.read_text() != wanted:  # resumed with other settings: these hold from now on
        config.replace(run_dir / f"config.before-{sum(1 for _ in run_dir.glob('config.before-*')) + 1}.yaml")
    config.write_text(wanted)
    with (run_dir / "commit.txt").open("a") as file:  # a resumed run may go on with newer code: it says so
        file.write(runs.commit() + "\n")
    return run_dir


def spare_page_faults() -> None:
    """Lets glibc keep freed memory: convolutions allocate and free megabytes thousands of times a minute.

    Measured on a 2-core machine in float32: a fifth of the CPU time of a training step.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        pass  # not glibc: nothing to do
