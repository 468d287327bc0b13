"""A training process that kills itself, as SIGKILL from outside would, at a planned place; its trace says where."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def train(folder: str, command: list[str], kill: Kill | None, trace: str) -> None:
    """`python -m t2vgan.fit <command>` in `folder`, up to the planned end of its process."""
    os.chdir(folder)
    os.environ["WANDB_MODE"] = "offline"
    with Path("said.txt").open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    from lightning.pytorch.loops import _EvaluationLoop

    from t2vgan import fit
    from t2vgan.callbacks.checkpointing import Checkpointing
    from t2vgan.module import T2VGAN

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
