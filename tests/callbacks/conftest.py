"""A game small enough to be fitted for real in a fraction of a second, with everything the callbacks look at."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from t2vgan.shapes import Clips, Sample, TextFeatures, TextInputs, to_uint8

WORDS = ["a", "lion", "runs", "sleeps", "at", "dusk", "dawn"]
CONTENT = {"lion", "runs", "sleeps", "dusk", "dawn"}
CAPTIONS = ["a lion runs at dusk", "a lion sleeps at dawn", "a lion runs at dawn", "a lion sleeps at dusk"]


@dataclass
class Analysis:
    words: tuple[str, ...]
    content: tuple[bool, ...]


class Pipeline:
    """Captions to one-hot word vectors."""

    def __call__(self, captions: list[str]) -> TextInputs:
        rows = [[WORDS.index(word) for word in caption.split()] for caption in captions]
        longest = max(len(row) for row in rows)
        vectors, mask = torch.zeros(len(rows), longest, len(WORDS)), torch.zeros(len(rows), longest, dtype=torch.bool)
        for i, row in enumerate(rows):
            vectors[i, torch.arange(len(row)), row] = 1.0
            mask[i, : len(row)] = True
        return TextInputs(vectors=vectors, tags=mask.long(), entities=mask.long() * 0, mask=mask, content=mask)

    def analyser(self, captions: list[str]) -> list[Analysis]:
        split = [tuple(caption.split()) for caption in captions]
        return [Analysis(words, tuple(word in CONTENT for word in words)) for words in split]


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(len(WORDS), 6, bias=False)

    def forward(self, inputs: TextInputs) -> TextFeatures:
        words = self.embedding(inputs.vectors) * inputs.mask[..., None]
        return TextFeatures(words.sum(1) / inputs.mask.sum(1, keepdim=True), words, inputs.mask)


class Painter(nn.Module):
    """8 x 8 pixels; attends to the third word most, in the right half of the frame."""

    z_dim = 5
    continuous = True

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5)
        self.paint = nn.Linear(5 + 6 + 1, 3 * 8 * 8)

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        return self.attend(z, text, times)[0]

    def attend(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Tensor]:
        (b, t), length = times.shape, text.words.shape[1]
        code = torch.cat([self.norm(z), text.sentence], 1)[:, None].expand(b, t, -1)
        frames = self.paint(torch.cat([code, times[..., None]], -1)).tanh().reshape(b, t, 3, 8, 8)
        logits = torch.zeros(b, t, length, 4, 4)
        logits[:, :, 2, :, 2:] = 3.0
        return frames.transpose(1, 2), logits.softmax(2)


class Tiny(L.LightningModule):
    """The module's contract with the callbacks; its critic is a straight line."""

    clips_seen: Tensor

    def __init__(self, *, broken_from: int | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.broken_from = broken_from  # step from which gradients are not finite
        torch.manual_seed(0)
        self.text_pipeline = Pipeline()
        self.generator, self.text_encoder, self.critic = Painter(), Encoder(), nn.Linear(3, 1)
        self.ema_generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.ema_text_encoder = copy.deepcopy(self.text_encoder).eval().requires_grad_(False)
        self.register_buffer("clips_seen", torch.zeros((), dtype=torch.long))
        self.signs: dict[str, float | Tensor] = {}
        self.midway: Callable[[int], None] = lambda clips_seen: None  # called within each step

    @property
    def seen(self) -> int:
        return int(self.clips_seen)

    def training_step(self, clips: Clips, batch_idx: int) -> None:
        torch.manual_seed(1000 * self.trainer.current_epoch + int(self.clips_seen))
        optim: Any = self.optimizers()
        z = torch.randn(len(clips), 5)
        fake = self.generator(z, self.text_encoder(self.text_inputs(clips.captions)), clips.times)
        loss = (fake - clips.video).square().mean() + self.critic(fake.mean((2, 3, 4))).square().mean()
        optim.zero_grad()
        self.manual_backward(loss)
        self.midway(int(self.clips_seen))
        broken = self.broken_from is not None and batch_idx >= self.broken_from
        if not broken:
            optim.step()
        self.clips_seen += len(clips) * self.trainer.world_size
        self.signs = {"d/frames/real": loss.detach(), "d/frames/fake": -1.0, "g/skipped": float(broken)}
        self.log_dict({"clips_seen": self.clips_seen.float(), "d/total": loss.detach(), "g/total": 2 * loss.detach()})

    def validation_step(self, clips: Clips, batch_idx: int) -> Tensor:
        return self.generate(clips.captions, z=torch.zeros(len(clips), 5), times=clips.times)

    def text_inputs(self, captions: list[str]) -> TextInputs:
        return self.text_pipeline(captions)

    @torch.no_grad()
    def generate(
        self, captions: list[str], *, z: Tensor | None = None, times: Tensor | None = None, ema: bool = True
    ) -> Tensor:
        generator = self.ema_generator if ema else self.generator
        text = (self.ema_text_encoder if ema else self.text_encoder)(self.text_inputs(captions))
        z = torch.randn(len(captions), 5) if z is None else z
        return generator(z, text, torch.arange(4).div(4).expand(len(captions), -1) if times is None else times)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        trained = [self.generator, self.text_encoder, self.critic]
        return torch.optim.Adam([p for net in trained for p in net.parameters()], lr=1e-2)


def batch_of_clips(first: int, size: int) -> Clips:
    places = list(range(first, first + size))
    captions = [CAPTIONS[i % 4] for i in places]
    video = torch.stack([torch.full((3, 4, 8, 8), i / 20 - 0.5) for i in places])
    return Clips(
        video, torch.arange(4).div(4).expand(size, -1), captions, captions, [f"clip{i}" for i in places], places
    )


class Loader(DataLoader):
    """Goes on where it stopped, as the data module's does."""

    def __init__(self, batches: list[Clips]) -> None:
        super().__init__(batches, batch_size=None)  # type: ignore[arg-type]
        self.done = 0

    def __iter__(self) -> Any:
        start, batches = self.done % len(self.dataset), list(self.dataset)  # type: ignore[arg-type]
        for batch in batches[start:]:
            self.done += 1
            yield copy.copy(batch)

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.done = state["done"]


class Data(L.LightningDataModule):
    """`batches` of 4 clips for training, 6 clips in two batches for validation."""

    def __init__(self, batches: int = 5) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> Any:
        return Loader([batch_of_clips(4 * i, 4) for i in range(self.batches)])

    def val_dataloader(self) -> Any:
        return DataLoader([batch_of_clips(0, 4), batch_of_clips(4, 2)], batch_size=None)  # type: ignore[arg-type]

    def first(self, count: int) -> list[Sample]:
        clips = batch_of_clips(0, 6)
        videos = to_uint8(clips.video).permute(0, 2, 3, 4, 1).numpy()
        found = zip(videos, clips.times.numpy(), clips.captions, clips.captions, clips.keys, range(6), strict=True)
        return [Sample(*each) for each in found][:count]


class Fit:
    """Fits a `Tiny` with the given callbacks: `fit(callback, max_epochs=2) -> (trainer, module)`."""

    Tiny, Data = Tiny, Data

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trainer(self, *callbacks: Callback, **options: Any) -> Trainer:
        options = {"max_epochs": 1, "logger": False, "limit_val_batches": 0, **options}
        keeps = any(isinstance(callback, Checkpoint) for callback in callbacks)  # else Lightning would add its own
        return Trainer(
            accelerator="cpu", default_root_dir=self.folder, callbacks=list(callbacks), log_every_n_steps=1,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=keeps, num_sanity_val_steps=0,
            use_distributed_sampler=False, **options,
        )  # fmt: skip

    def __call__(
        self, *callbacks: Callback, module: Tiny | None = None, batches: int = 5, ckpt_path: str | None = None,
        **options: Any,
    ) -> tuple[Trainer, Tiny]:  # fmt: skip
        trainer, module = self.trainer(*callbacks, **options), module or Tiny()
        trainer.fit(module, datamodule=Data(batches), ckpt_path=ckpt_path)
        return trainer, module


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    return Fit(tmp_path)
