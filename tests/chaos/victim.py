"""A training process that kills itself, as SIGKILL from outside would, at a planned place; its trace says where."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

WRITING, VALIDATION, ROUND, ELSEWHERE = "writing a checkpoint", "validation", "a round", "elsewhere"


@dataclass(frozen=True)
class Kill:
    """`delay_s` of computing time after the process has come to `phase` for the `nth` time."""

    phase: str
    nth: int
    delay_s: float


class Phases:
    """Where the process is, the innermost phase of those that were entered."""

    def __init__(self, kill: Kill | None, trace: Path) -> None:
        self.kill, self.trace = kill, trace
        self.stack, self.entered = [ELSEWHERE], Counter[str]()

    def within(self, owner: Any, name: str, phase: str) -> None:
        """From now on `owner.name` is a phase."""
        original = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.stack.append(phase)
            self.entered[phase] += 1
            if self.kill and (self.kill.phase, self.kill.nth) == (phase, self.entered[phase]):
                threading.Thread(target=self.strike, args=(self.kill.delay_s,), daemon=True).start()
            try:
                return original(*args, **kwargs)
            finally:
                self.stack.pop()

        setattr(owner, name, wrapped)

    def strike(self, delay_s: float) -> None:
        until = time.process_time() + delay_s  # of this process, so that a busy machine changes nothing
        while time.process_time() < until:
            time.sleep(0.001)
        with self.trace.open("a") as file:
            file.write(self.stack[-1] + "\n")
        os.kill(os.getpid(), signal.SIGKILL)


class Judge(Callback):
    """Validates as `callbacks.evaluation` does: a row for the loggers and a line of its own."""

    def __init__(self, run: Path) -> None:
        self.run, self.values = run, list[float]()

    def on_validation_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.values.clear()

    def on_validation_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *args: Any, **kwargs: Any) -> None:
        self.values.append(float(outputs.mean()))

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        seen = float(pl_module.clips_seen)
        pl_module.log_dict({"val/mean": sum(self.values), "clips_seen": seen})
        with (self.run / "evaluation.jsonl").open("a") as file:
            file.write(f"{seen} {self.values}\n")


def play(folder: str, kill: Kill | None, trace: str) -> None:
    """The same for a game of a fraction of a second, with all that a resume is made of."""
    os.chdir(folder)
    from lightning.pytorch import Trainer
    from lightning.pytorch.loops import _EvaluationLoop

    from t2vgan import resume, sealed
    from t2vgan.callbacks.checkpointing import Checkpointing
    from t2vgan.callbacks.ema import EMA
    from t2vgan.callbacks.owed import Owed
    from t2vgan.tracking import ContinuedCsv, cut, lengths
    from tests.callbacks.conftest import Data, Tiny

    run = Path("run")
    run.mkdir(exist_ok=True)
    resume.hold(run)
    checkpoint = resume.newest_checkpoint(run)
    cut(run, sealed.read(checkpoint)["callbacks"]["Checkpointing"]["records"] if checkpoint else {})
    phases = Phases(kill, Path(trace))
    phases.within(Checkpointing, "_write", WRITING)
    phases.within(_EvaluationLoop, "run", VALIDATION)
    phases.within(Tiny, "training_step", ROUND)
    owed = Owed()
    saves = Checkpointing(
        folder=run / "checkpoints", every_clips=8, config={}, card={}, owed=owed, records=lambda: lengths(run)
    )
    trainer = Trainer(
        accelerator="cpu", default_root_dir=run, callbacks=[EMA(halflife_clips=9, rampup=1), owed, Judge(run), saves],
        logger=ContinuedCsv(run), log_every_n_steps=1, max_epochs=-1, max_steps=24, val_check_interval=3,
        check_val_every_n_epoch=None, num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(Tiny(), datamodule=Data(5), ckpt_path=checkpoint, weights_only=True)
    resume.mark_finished(run, 96)


def train(folder: str, command: list[str], kill: Kill | None, trace: str) -> None:
    """`python -m t2vgan.fit <command>` in `folder` but for `curves.png`, up to the planned end of its process."""
    os.chdir(folder)
    os.environ["WANDB_MODE"] = "offline"
    # As in a user's process. By the test's fork server, workers would be children of that and outlive a killed run.
    multiprocessing.set_start_method("fork", force=True)
    with Path("said.txt").open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    from lightning.pytorch.loops import _EvaluationLoop
    from wandb.sdk.data_types._private import MEDIA_TMP

    MEDIA_TMP.name = tempfile.mkdtemp(dir=Path.cwd())  # else the first process to end takes away that of all

    from t2vgan import fit, training
    from t2vgan.callbacks import curves
    from t2vgan.callbacks.checkpointing import Checkpointing
    from t2vgan.module import T2VGAN

    for module in (curves, training):
        module.draw_curves = lambda folder: None  # half of the time, for a picture of files that are compared anyway
    phases = Phases(kill, Path(trace))
    places: list[tuple[Any, str, str]] = [
        (Checkpointing, "_write", WRITING),
        (_EvaluationLoop, "run", VALIDATION),
        (T2VGAN, "training_step", ROUND),
    ]
    for place in places:
        phases.within(*place)
    sys.argv = ["fit", *command]
    main: Callable[[], None] = fit.main
    main()
    atexit._run_exitfuncs()  # W&B ends here; a child of multiprocessing would leave it out
