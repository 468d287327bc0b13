"""What training costs: processor time, time on the clock and memory, without validations and samples."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

FILE = "cost.jsonl"


class Cost(Callback):
    """Adds a line to `<folder>/cost.jsonl` at each validation: what the rounds until then have cost.

    `{"clips_seen", "cpu_s", "wall_s", "peak_mb"}`: seconds of all threads of this process, and on the clock, from the
    first round on, also over several starts of the run; MiB of memory at the highest since this start (of the GPU where
    there is one). Has to come after the average, which is part of a round. Of several ranks the first one counts.
    """

    def __init__(self, *, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.cpu_s = self.wall_s = 0.0
        self._begun = (0.0, 0.0)

    def state_dict(self) -> dict[str, float]:
        return {"cpu_s": self.cpu_s, "wall_s": self.wall_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.cpu_s, self.wall_s = float(state_dict["cpu_s"]), float(state_dict["wall_s"])

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        with contextlib.suppress(OSError):  # what was needed before, to make data or a judge, is another matter
            Path("/proc/self/clear_refs").write_text("5")

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._begun = time.process_time(), time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.cpu_s += time.process_time() - self._begun[0]
        self.wall_s += time.perf_counter() - self._begun[1]

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        line = {
            "clips_seen": int(pl_module.clips_seen),
            "cpu_s": round(self.cpu_s, 3),
            "wall_s": round(self.wall_s, 3),
            "peak_mb": round(peak_mb(pl_module.device), 1),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / FILE).open("a") as file:
            file.write(json.dumps(line) + "\n")


def peak_mb(device: torch.device) -> float:
    """The most memory in use so far, MiB: of the GPU, or resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 2**10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10
