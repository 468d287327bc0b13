"""Watches over a run and says in a plain sentence what has gone wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from t2vgan.callbacks.diagnosis import SKIPPED_IN_A_ROW, Finding, diagnose, skipped_players
from t2vgan.callbacks.media import log_scalars
from t2vgan.callbacks.notes import tell
from t2vgan.callbacks.sensitivity import sensitivity
from t2vgan.callbacks.symptoms import small, symptoms

IN_A_ROW = 2  # looks that have to agree, either way: nothing is said after one
LEAST_RECORDS = 10  # rounds that a look at the critics is the mean of
CLIPS = 64  # of a validation that are looked at, at most; 8 of them are rendered with other text and other noise
HEALED_ROUNDS = 100  # without a skipped one


class Doctor(Callback):
    """Says each verdict of `diagnosis` once, and once that it has gone: on the screen and in `<folder>/doctor.txt`.

    Two kinds of looks: the mean of the critics' signs over `window_clips`, and each validation (the averaged weights'
    clips beside the real ones; the effect of caption and noise on the weights that train). What is logged is
    `doctor/<verdict>`: 1 while it holds, else 0. Only rank zero looks, at its own share of the clips: the ranks need
    not agree on any of this.

    Args:
        folder: the run folder.
        every_steps: rounds between two records of the critics' signs.
        quiet_clips: at the beginning, when nobody has learnt anything yet; only losses that are not finite are told.
        window_clips: that a look at the critics is the mean over.
    """

    def __init__(self, *, folder: str | Path, every_steps: int, quiet_clips: int, window_clips: int) -> None:
        self.folder = Path(folder)
        self.every_steps, self.quiet_clips, self.window_clips = every_steps, quiet_clips, window_clips
        self.active: set[str] = set()
        self._resumed = False
        self._forget()

    def _forget(self) -> None:
        self._streaks: dict[str, int] = {}  # looks in a row that found what is not believed yet
        self._records: list[dict[str, float]] = []
        self._last_look, self._skipped, self._clean = -1, 0, 0
        self._clips: list[tuple[Tensor, Tensor]] = []
        self._signs: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        kept = {"streaks": dict(self._streaks), "records": list(self._records), "last_look": self._last_look}
        return {"active": sorted(self.active), **kept, "skipped": self._skipped, "clean": self._clean}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._forget()
        self.active = set(state_dict["active"])
        self._streaks = dict(state_dict.get("streaks", {}))
        self._records = list(state_dict.get("records", []))
        self._last_look = state_dict.get("last_look", -1)
        self._skipped, self._clean = state_dict.get("skipped", 0), state_dict.get("clean", 0)
        self._resumed = True

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        if not self._resumed:
            self._forget()
        self._resumed = False

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not trainer.is_global_zero:
            return
        seen = pl_module.seen
        self._count_skipped(trainer, bool(skipped_players(pl_module.signs)), seen)
        if seen < self.quiet_clips or self._skipped or trainer.global_step % self.every_steps:
            return
        critics = {name: float(value) for name, value in pl_module.signs.items() if name.startswith("d/")}
        self._records.append(critics)
        self._last_look = seen if self._last_look < 0 else self._last_look
        if seen - self._last_look >= self.window_clips and len(self._records) >= LEAST_RECORDS:
            names = self._records[0].keys()
            means = {n: sum(record[n] for record in self._records) / len(self._records) for n in names}
            self._records, self._last_look = [], seen
            self._judge(trainer, diagnose(means), seen)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._clips, self._signs = [], {}

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        seen = pl_module.seen
        if not trainer.is_global_zero or trainer.state.fn != "fit" or seen < max(1, self.quiet_clips):
            return
        if not self._clips:
            changes = sensitivity(pl_module, batch.captions[:8], seed=seen)
            differ = (batch.video - batch.video.roll(1, 0)).abs().mean()  # of each real clip and the next
            self._signs = {**changes, "real_change": float(differ)} if float(differ) else {}
        room = CLIPS - sum(len(real) for real, _ in self._clips)
        if room > 0:
            self._clips.append((small(batch.video[:room]), small(outputs[:room])))

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self._clips:
            real, fake = (torch.cat(side) for side in zip(*self._clips, strict=True))
            looks = {**self._signs, **symptoms(real, fake)}
            self._clips = []
            self._judge(trainer, diagnose(looks), pl_module.seen)

    def _count_skipped(self, trainer: Trainer, skipped: bool, seen: int) -> None:
        self._skipped, self._clean = (self._skipped + 1, 0) if skipped else (0, self._clean + 1)
        if self._skipped == SKIPPED_IN_A_ROW or (self._clean == HEALED_ROUNDS and "loss_nan" in self.active):
            self._judge(trainer, diagnose({"skipped_in_a_row": self._skipped}), seen, looks=1)

    def _judge(self, trainer: Trainer, found: dict[str, Finding], seen: int, *, looks: int = IN_A_ROW) -> None:
        for verdict, finding in found.items():
            news = finding.ill != (verdict in self.active)
            self._streaks[verdict] = self._streaks.get(verdict, 0) + 1 if news else 0
            if self._streaks[verdict] < looks:
                continue
            self._streaks[verdict] = 0
            if finding.ill:
                self.active.add(verdict)
                tell(trainer, self.folder, seen, f"{verdict}: {finding.sentence}")
            else:
                self.active.remove(verdict)
                tell(trainer, self.folder, seen, f"{verdict}: gone")
        log_scalars(trainer, {f"doctor/{verdict}": float(verdict in self.active) for verdict in found}, clips_seen=seen)
