"""Each verdict by a run that has the disease, and none by a run that has not."""

from __future__ import annotations

import copy
import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from t2vgan import assemble
from t2vgan.callbacks.doctor import Doctor
from t2vgan.config import load
from t2vgan.shapes import Clips, TextFeatures
from t2vgan.text import TextPipeline

FRAMES = 8
CAPTIONS = ["a lion runs at dusk", "a lion sleeps at dawn", "a lion runs at dawn", "a lion sleeps at dusk"]

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*have no `val_dataloader`.*", "ignore:.*LeafSpec.*", "ignore:.*in eval mode at the start of training.*"
)


def film(ground: Tensor, height: Tensor, place: Tensor) -> Tensor:
    """`(b, 3, t, 8, 8)`: a bright bar of that height at these places (b, t) before a ground of that colour (b, 3)."""
    columns = torch.exp(-((torch.linspace(0, 1, 8) - place[..., None]) / 0.15).square())
    rows = torch.sigmoid((height[:, None] - torch.linspace(0, 1, 8)) / 0.1)
    bar = columns[:, None, :, None, :] * rows[:, None, None, :, None]
    return ground[:, :, None, None, None] * (1 - bar) + bar


@dataclasses.dataclass
class Habits:
    """What a generator does with what it is given; by default all that it should."""

    text: float = 1.0
    noise: float = 1.0
    pace: Callable[[Tensor], Tensor] = lambda times: times


class Filmer(nn.Module):
    z_dim = 5
    continuous = True

    def __init__(self, habits: Habits) -> None:
        super().__init__()
        self.habits = habits
        self.gain = nn.Parameter(torch.tensor(30.0))

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        ground = (self.habits.text * self.gain * text.sentence[:, :3]).sin() * 0.6
        ground = ground + 0.4 * (self.habits.noise * z[:, 2:]).tanh()
        noise = (self.habits.noise * z[:, :2]).sigmoid()
        return film(ground, noise[:, 0], self.habits.pace(times) + noise[:, 1:] * 0.3)


def real_clips(first: int, size: int) -> Clips:
    places = list(range(first, first + size))
    draw = torch.rand(size, 5, generator=torch.Generator().manual_seed(first))
    colours = torch.tensor([[0.8, -0.5, 0.1], [-0.6, 0.7, 0.0], [0.2, 0.2, 0.9], [-0.7, -0.7, -0.4]])
    ground = colours[[i % 4 for i in places]] + 0.4 * draw[:, 2:] - 0.2
    times = (torch.arange(FRAMES) / FRAMES).expand(size, -1)
    video = film(ground.clamp(-1, 1), draw[:, 0], times + draw[:, 1:2] * 0.3)
    captions = [CAPTIONS[i % 4] for i in places]
    return Clips(video, times, captions, captions, [f"clip{i}" for i in places], places)


def loader(batches: list[Clips]) -> Any:
    return DataLoader(batches, batch_size=None)  # pyright: ignore[reportArgumentType]


def with_noise(module: Any) -> Callable[[Clips, int], Tensor]:
    """Validation with the noise of the batch, as the game has it."""

    def validation_step(clips: Clips, batch_idx: int) -> Tensor:
        z = torch.randn(len(clips), 5, generator=torch.Generator().manual_seed(batch_idx))
        return module.generate(clips.captions, z=z, times=clips.times)

    return validation_step


def run(fit: Any, habits: Habits, *callbacks: Callback, doctor: Doctor | None = None) -> list[str]:
    """The verdicts in the order in which they were told in a run of six validations, one after each round."""
    module = fit.Tiny()
    module.generator = Filmer(habits)
    module.ema_generator = copy.deepcopy(module.generator).eval().requires_grad_(False)
    module.ema_generator.habits = habits
    module.validation_step = with_noise(module)
    doctor = doctor or Doctor(folder=fit.folder, every_steps=1, quiet_clips=0, window_clips=1)
    logger = CSVLogger(fit.folder, name="logs", version="")
    trainer = fit.trainer(doctor, *callbacks, logger=logger, limit_val_batches=1.0, val_check_interval=1, max_epochs=1)
    trainer.fit(module, loader([real_clips(4 * i, 4) for i in range(6)]), loader([real_clips(0, 8), real_clips(8, 8)]))
    return told(fit.folder)


def told(folder: Path) -> list[str]:
    path = folder / "doctor.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line.split(" clips: ", 1)[1] for line in lines]


def logged(folder: Path, verdict: str) -> list[float]:
    with (folder / "logs" / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name := f"doctor/{verdict}")]


def freeze(times: Tensor) -> Tensor:
    return times * 0.02


def there_and_back(times: Tensor) -> Tensor:
    return 0.8 * (1 - (2 * times / times.max() - 1).abs())


def test_a_healthy_run_is_left_alone(fit):
    assert run(fit, Habits()) == []
    for verdict in ("mode_collapse", "noise_ignored", "text_ignored", "frozen_motion", "back_and_forth"):
        assert logged(fit.folder, verdict) == [0.0] * 6, "it was looked at"


@pytest.mark.parametrize(
    ("habits", "verdicts"),
    [
        (Habits(text=0.0), {"text_ignored": "0 % of what two real clips differ by"}),
        (Habits(noise=0.0), {"noise_ignored": "one clip for each caption"}),
        (Habits(text=0.0, noise=0.0), {"mode_collapse": "count as 1.0", "noise_ignored": "", "text_ignored": ""}),
        (Habits(pace=freeze), {"frozen_motion": "% as much as real ones: motion is frozen"}),
        (Habits(pace=there_and_back), {"back_and_forth": "100 % of the generated clips, 0 % of the real ones"}),
    ],
    ids=["ignores text", "ignores noise", "one film for all", "frozen", "back and forth"],
)
def test_a_disease_is_told_once(fit, capsys, habits, verdicts):
    lines = run(fit, habits)
    assert sorted(line.split(":")[0] for line in lines) == sorted(verdicts)
    shown = capsys.readouterr().out
    for line in lines:
        assert verdicts[line.split(":")[0]] in line
        assert any(key in line for key in ("losses.", "g_optim.", "discriminators.")), "what to try"
        assert shown.count(line) == 1
    for verdict in verdicts:
        assert logged(fit.folder, verdict) == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0], "never after one look"


class Cure(Callback):
    """The generator hears the text again after three rounds."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        pl_module.generator.habits.text = float(batch_idx >= 2)


def test_that_it_has_gone_is_told_too(fit):
    lines = run(fit, Habits(text=0.0), Cure())
    assert [line[:17] for line in lines] == ["text_ignored: ano", "text_ignored: gon"]
    assert logged(fit.folder, "text_ignored") == [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]


def test_a_resumed_run_does_not_repeat_itself(fit):
    earlier = Doctor(folder=fit.folder, every_steps=1, quiet_clips=0, window_clips=1)
    earlier.active = {"text_ignored"}
    doctor = Doctor(folder=fit.folder, every_steps=1, quiet_clips=0, window_clips=1)
    doctor.load_state_dict(earlier.state_dict())
    assert run(fit, Habits(text=0.0), doctor=doctor) == []
    assert set(logged(fit.folder, "text_ignored")) == {1.0}


def test_a_young_run_is_left_in_peace(fit):
    """Rounds of 4 clips; the validation at 20 clips is the first that is looked at."""
    doctor = Doctor(folder=fit.folder, every_steps=1, quiet_clips=20, window_clips=1)
    assert run(fit, Habits(text=0.0), doctor=doctor)[0].startswith("text_ignored")
    assert (fit.folder / "doctor.txt").read_text().startswith("24 clips: ")


def critics_game(words: TextPipeline, **rates: float) -> Any:
    hinge = {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0}
    critic = {"frames": {"name": "frame_level", "frames": 2, "width": 8}}
    overrides = [f"{player}_optim.lr={rate}" for player, rate in rates.items()]
    experiment = load("smoke", ["data.batch=4", *overrides])
    return assemble.model(dataclasses.replace(experiment, discriminators=critic, losses=hinge, augment={}), words)


@pytest.mark.parametrize(("rates", "won"), [({"d": 0.01, "g": 0.0}, True), ({"d": 0.0, "g": 1e-4}, False)])
def test_a_critic_that_learns_fast_from_a_generator_that_stands_still(tmp_path, words, make_clips, rates, won):
    doctor = Doctor(folder=tmp_path, every_steps=1, quiet_clips=40, window_clips=40)
    batches = [make_clips(range(4 * i, 4 * i + 4)) for i in range(50)]
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, callbacks=[doctor], enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(critics_game(words, **rates), loader(batches))
    assert [line.split(":")[0] for line in told(tmp_path)] == (["discriminator_won/frames"] if won else [])
    if won:
        assert "lower d_optim.lr" in told(tmp_path)[0] and "losses.d/frames/r1" in told(tmp_path)[0]


def test_losses_that_are_not_finite(fit):
    module = fit.Tiny()
    module.midway = lambda seen: setattr(module, "broken_from", 0 if 20 <= seen < 40 else None)
    fit(Doctor(folder=fit.folder, every_steps=1, quiet_clips=10**6, window_clips=1), module=module, batches=110)
    lines = (fit.folder / "doctor.txt").read_text().splitlines()
    assert lines[0].startswith("32 clips: loss_nan: 3 rounds in a row were skipped") and "precision=32-true" in lines[0]
    assert lines[1:] == ["440 clips: loss_nan: gone"], "a hundred rounds after the last skipped one"


def test_one_bad_round_is_no_disease(fit):
    module = fit.Tiny()
    module.midway = lambda seen: setattr(module, "broken_from", 0 if seen in (8, 12) else None)
    fit(Doctor(folder=fit.folder, every_steps=1, quiet_clips=0, window_clips=1), module=module, batches=8)
    assert told(fit.folder) == []
