"""Real Lightning validations: fresh figures each time, none from the sanity check, exact over two processes."""

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
import torch.multiprocessing as mp
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from t2vgan.callbacks.evaluation import Evaluation
from t2vgan.metrics.suite import Suite
from t2vgan.shapes import Clips

ATTRIBUTES = {"colour": ["dark", "light"]}


class Brightness:
    """An extractor and judge of a few lines: clip brightness per channel."""

    name = "probe"
    dim = 3
    attributes = ATTRIBUTES

    def features(self, video: torch.Tensor) -> torch.Tensor:
        return video.float().mean(dim=(2, 3, 4))

    def classify(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        light = features.mean(1, keepdim=True)
        return {"colour": torch.cat([-light, light], 1)}


def clips(batch: int, size: int) -> Clips:
    generator = torch.Generator().manual_seed(batch)
    light = torch.arange(size) % 2
    video = 0.3 * torch.randn(size, 3, 4, 8, 8, generator=generator) + (light * 1.0 - 0.5).reshape(-1, 1, 1, 1, 1)
    truth = [{"colour": ATTRIBUTES["colour"][int(i)]} for i in light]
    words = [""] * size
    return Clips(video, torch.zeros(size, 4), words, words, words, list(range(size)), 0, truth, [("colour",)] * size)


BATCHES = [clips(0, 6), clips(1, 6), clips(2, 5)]


class Module(L.LightningModule):
    """Generates the real clips, more and more of them inverted with each validation."""

    clips_seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.layer = torch.nn.Linear(1, 1)
        self.register_buffer("clips_seen", torch.zeros((), dtype=torch.long))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.clips_seen += 10

    def validation_step(self, clips: Clips, batch_idx: int) -> torch.Tensor:
        sign = torch.ones(len(clips), 1, 1, 1, 1)
        sign[: int(self.clips_seen) // 10 - 1] = -1
        return clips.video * sign

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(batches: list[Clips]) -> Any:
    return DataLoader(batches, batch_size=None)  # pyright: ignore[reportArgumentType]


def trainer_for(folder: Path, *callbacks: Callback, **options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu", default_root_dir=folder, callbacks=list(callbacks), enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=1, use_distributed_sampler=False,
        **{"logger": CSVLogger(folder), "devices": 1, "max_epochs": 2, **options},
    )  # fmt: skip


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "evaluation.jsonl").read_text().splitlines()]


def expected(batches: list[Clips], module: Module) -> dict[str, float]:
    suite = Suite(Brightness())
    for i, batch in enumerate(batches):
        suite.update(batch.video, module.validation_step(batch, i), batch.attributes, batch.named, batch.indices)
    return suite.compute()


def test_each_validation_logs_its_own_figures(tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []

    class Watch(Callback):
        def on_validation_end(self, trainer: Trainer, pl_module: L.LightningModule) -> None:
            seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    module = Module()
    trainer = trainer_for(
        tmp_path, Evaluation(extractor=Brightness(), folder=tmp_path), Watch(), num_sanity_val_steps=1
    )
    trainer.fit(module, loader(BATCHES[:1]), loader(BATCHES))
    assert not any(name.startswith("val/") for name in seen[0])  # the sanity check
    written = lines(tmp_path)
    assert [line["clips_seen"] for line in written] == [10, 20]
    assert [line["accuracy/colour"] for line in written] == pytest.approx([1.0, 14 / 17])
    for line, logged in zip(written, seen[1:], strict=True):
        for name, value in line.items():
            if name != "clips_seen" and value is not None:
                assert logged[f"val/{name}"] == pytest.approx(value, rel=1e-5)
    for name, value in expected(BATCHES, module).items():
        assert written[1][name] == pytest.approx(value, rel=1e-6)
    assert "val/kid_probe" in (tmp_path / "lightning_logs/version_0/metrics.csv").read_text().splitlines()[0]


def test_figures_that_cannot_be_had_are_null(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, Evaluation(extractor=Brightness(), folder=tmp_path), max_epochs=1)
    trainer.fit(Module(), loader(BATCHES[:1]), loader([clips(0, 1)]))
    (line,) = lines(tmp_path)
    assert line["fd_probe"] is None and line["accuracy/colour"] == 1.0


def rank_main(rank: int, folder: str) -> None:
    import os

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "NODE_RANK": "0", "LOCAL_RANK": str(rank)}
    os.environ["MASTER_PORT"] = (Path(folder) / "port").read_text()
    share = BATCHES[:2] if rank == 0 else BATCHES[2:]
    module = Module()
    module.clips_seen += 30
    evaluation = Evaluation(extractor=Brightness(), folder=folder)
    trainer = trainer_for(Path(folder), evaluation, devices=2, strategy="ddp", logger=False)
    trainer.validate(module, loader(share), verbose=False)
    torch.save({name: float(value) for name, value in trainer.callback_metrics.items()}, f"{folder}/{rank}.pt")


def test_two_processes_with_uneven_shares_agree_with_one(tmp_path: Path, unused_port: int) -> None:
    (tmp_path / "port").write_text(str(unused_port))
    mp.start_processes(rank_main, args=(str(tmp_path),), nprocs=2, start_method="fork")
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert found[0] == found[1]
    module = Module()
    module.clips_seen += 30
    alone = expected(BATCHES, module)
    for name in ("accuracy/colour", "accuracy/all", "ceiling/colour", "motion/energy_ratio", "motion/flicker"):
        assert found[0][f"val/{name}"] == pytest.approx(alone[name], rel=1e-6)
    assert len(lines(tmp_path)) == 1


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
