"""Rounds that are not finite: forgiven, gone back from, or the end; the same on every rank."""

from __future__ import annotations

import dataclasses
import math
import os
import socket
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
import torch.multiprocessing as mp
from lightning.pytorch import Callback
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from t2vgan import assemble
from t2vgan.callbacks.checkpointing import Checkpointing
from t2vgan.callbacks.ema import EMA
from t2vgan.callbacks.kept import keep, put_back
from t2vgan.callbacks.owed import Owed
from t2vgan.callbacks.recovery import DivergedError, Recovery
from t2vgan.config import load

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*have no `val_dataloader`.*", "ignore:.*LeafSpec.*", "ignore:.*in eval mode at the start of training.*"
)


def lines(folder: Path) -> list[str]:
    path = folder / "doctor.txt"
    return path.read_text().splitlines() if path.is_file() else []


def game(words: Any) -> Any:
    hinge = {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0}
    critic = {"frames": {"name": "frame_level", "frames": 2, "width": 8}}
    experiment = dataclasses.replace(load("smoke", ["data.batch=4"]), discriminators=critic, losses=hinge, augment={})
    return assemble.model(experiment, words)


def fit_game(module: Any, batches: list[Any], *callbacks: Callback, **options: Any) -> L.Trainer:
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, callbacks=list(callbacks), enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, **options,
    )  # fmt: skip
    trainer.fit(module, DataLoader(batches, batch_size=None))  # pyright: ignore[reportArgumentType]
    return trainer


def state(trainer: Any, module: Any) -> dict[str, Tensor]:
    """Everything that goes back, by name."""
    found = {name: tensor.clone() for name, tensor in module.state_dict().items() if name != "clips_seen"}
    for i, optim in enumerate(trainer.optimizers):
        for j, values in optim.state_dict()["state"].items():
            found |= {f"optimizer {i} {j} {name}": value.clone() for name, value in values.items()}
    return found


class Watch(Callback):
    """The state after each round, by clips seen."""

    def __init__(self) -> None:
        self.states: dict[int, dict[str, Tensor]] = {}
        self.skipped: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.states[int(pl_module.clips_seen)] = state(trainer, pl_module)
        self.skipped.append((pl_module.signs["d/skipped"], pl_module.signs["g/skipped"]))


class Poison(Callback):
    """A weight of the generator is lost after the round that reaches so many clips."""

    def __init__(self, at_clips: int) -> None:
        self.at_clips = at_clips

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if int(pl_module.clips_seen) == self.at_clips:
            with torch.no_grad():
                next(pl_module.generator.parameters()).fill_(math.nan)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_lost_weight_is_found_again(tmp_path, words, make_clips, capsys):
    """Rounds of 4 clips, copies each 8: that of 24 clips is not trusted yet when the weight is lost at 28."""
    watch, module = Watch(), game(words)
    recovery = Recovery(folder=tmp_path, max_skipped=3, every_clips=8)
    average = EMA(halflife_clips=8, rampup=1.0)
    fit_game(module, [make_clips(range(4 * i, 4 * i + 4)) for i in range(12)], Poison(28), average, recovery, watch)
    assert [players == (0, 0) for players in watch.skipped] == [True] * 7 + [False] * 3 + [True] * 2
    average = [tensor for name, tensor in watch.states[36].items() if name.startswith("ema_generator")]
    assert any(tensor.isnan().any() for tensor in average), "it had caught it too"
    assert same(watch.states[40], watch.states[16]) and not same(watch.states[16], watch.states[24])
    assert all(tensor.isfinite().all() for tensor in watch.states[48].values())
    assert not same(watch.states[48], watch.states[24]) and int(module.clips_seen) == 48, "other clips came next"
    (line,) = lines(tmp_path)
    assert line == (
        "40 clips: the gradient was not finite in 3 rounds in a row (d/skipped, g/skipped): "
        "back to the state of 16 clips"
    )
    assert line in capsys.readouterr().out


def test_lost_statistics_are_found_again_though_no_round_is_skipped(fit):
    """One clip that is infinite stays in running statistics: the average's clips are lost, training goes on."""
    module: Any = fit.Tiny()
    module.norm = nn.BatchNorm1d(3)

    def midway(seen: int) -> None:
        if seen == 28:
            module.norm.running_var.fill_(math.nan)

    module.midway = midway
    fit(Recovery(folder=fit.folder, max_skipped=3, every_clips=8), module=module, batches=12)
    assert lines(fit.folder) == ["32 clips: weights or statistics were not finite: back to the state of 16 clips"]
    assert module.norm.running_var.isfinite().all()


def test_what_is_kept_stays_as_it_was():
    module: Any = nn.BatchNorm1d(3)
    module.register_buffer("clips_seen", torch.tensor(5))
    optim = torch.optim.Adam(module.parameters(), lr=0.1, fused=True)
    trainer = L.Trainer(barebones=True, accelerator="cpu")
    trainer.optimizers = [optim]

    def step() -> None:
        module(torch.randn(4, 3)).square().mean().backward()
        optim.step()
        module.clips_seen += 1

    step()
    kept, before = keep(trainer, module), state(trainer, module)
    for _ in range(2):
        step()
        assert not same(state(trainer, module), before)
        put_back(trainer, module, kept)
        assert same(state(trainer, module), before)
    assert int(module.clips_seen) == 8 and kept.clips_seen == 6


def test_divergence_ends_the_run_and_saves_the_good_state(fit):
    keeper = Checkpointing(folder=fit.folder / "c", every_clips=0, config={}, card={}, owed=(owed := Owed()))
    recovery = Recovery(folder=fit.folder, max_skipped=5, every_clips=4)
    module = fit.Tiny(broken_from=3)
    found = r"training diverged: at 92 clips .*in 5 rounds in a row \(g/skipped\).*going back 3 times.* of 8 clips"
    with pytest.raises(DivergedError, match=found):
        fit(recovery, owed, keeper, module=module, batches=40)
    assert issubclass(DivergedError, ValueError)
    *backs, end = lines(fit.folder)
    assert [line.split(" clips")[0] for line in backs] == ["32", "52", "72"] and all("back to" in s for s in backs)
    assert end.startswith("92 clips: training diverged: the gradient was not finite in 5 rounds in a row")
    saved = torch.load(fit.folder / "c" / "last.ckpt", weights_only=True)
    assert saved["optimizer_states"][0]["state"][0]["step"] == 2, "two rounds of 4 clips"


def test_a_few_skipped_rounds_are_forgiven(fit):
    module = fit.Tiny()
    module.midway = lambda seen: setattr(module, "broken_from", 0 if seen % 80 < 76 else None)  # 19 of 20
    fit(Recovery(folder=fit.folder, max_skipped=20, every_clips=8), module=module, batches=45)
    assert int(module.clips_seen) == 180 and lines(fit.folder) == []


@pytest.mark.parametrize(("every_clips", "backs", "ends"), [(4, 5, False), (20, 3, True), (0, 3, True)])
def test_going_back_is_for_runs_that_get_on(fit, every_clips, backs, ends):
    """Three of ten rounds fail, five times over: well when good states come between, else the end.

    A single copy between two failures has not lasted, so it is none.
    """
    module = fit.Tiny()
    module.midway = lambda seen: setattr(module, "broken_from", 0 if seen % 40 >= 28 else None)
    recovery = Recovery(folder=fit.folder, max_skipped=3, every_clips=every_clips)
    if ends:
        with pytest.raises(DivergedError, match="state of 0 clips"):
            fit(recovery, module=module, batches=50)
    else:
        fit(recovery, module=module, batches=50)
    assert len([line for line in lines(fit.folder) if "back to the state" in line]) == backs


def test_a_run_that_starts_lost(fit):
    module = fit.Tiny()
    with torch.no_grad():
        module.generator.paint.bias[0] = math.inf
    with pytest.raises(DivergedError, match=r"weights that training starts with are not finite.*previous\.ckpt"):
        fit(Recovery(folder=fit.folder, max_skipped=3, every_clips=4), module=module)


def rank_main(rank: int, folder: str, port: int, words: Any, make_clips: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    os.environ["LOCAL_RANK"] = str(rank)
    batches = [make_clips(range(4 * i + 2 * rank, 4 * i + 2 * rank + 2)) for i in range(9)]
    for i in (5, 6, 7):  # only the second rank has clips that break the critic
        batches[i].video = batches[i].video * (math.nan if rank == 1 else 1.0)
    watch, recovery = Watch(), Recovery(folder=folder, max_skipped=3, every_clips=8)
    strategy = DDPStrategy(broadcast_buffers=False)
    fit_game(game(words), batches, recovery, watch, strategy=strategy, devices=2)
    torch.save({"states": watch.states, "skipped": watch.skipped}, f"{folder}/{rank}.pt")


def test_ranks_skip_and_go_back_together(tmp_path, words, make_clips):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.start_processes(rank_main, args=(str(tmp_path), port, words, make_clips), nprocs=2, start_method="fork")
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert one["skipped"] == two["skipped"] == [(0, 0)] * 5 + [(1, 0)] * 3 + [(0, 0)]
    for found in (one, two):
        assert same(found["states"][32], found["states"][8]), "as it was at the copy before last"
    parameters = [name for name, _ in game(words).named_parameters()]
    assert all(torch.equal(one["states"][36][name], two["states"][36][name]) for name in parameters)
    assert len(lines(tmp_path)) == 1, "told by one rank"
