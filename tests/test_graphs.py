"""Rounds played from what a graph reads are the rounds themselves; and, where there is a GPU, from graphs."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from t2vgan import assemble
from t2vgan.config import load
from t2vgan.graphs import Graphs, Late, Play, let_go
from t2vgan.module import T2VGAN
from t2vgan.shapes import Clips, Trial
from t2vgan.text import TextPipeline

MakeClips = Callable[..., Clips]
BATCH, ROUNDS = 4, 8
PACKAGE = f"{Path(assemble.__file__).parent}{os.sep}"
EYES = [
    *(f"discriminators.eyes.{o}" for o in ("name=projected", "frames=2", "see_size=32", "width=8", "match=true")),
    *(f"losses.{t}=1.0" for t in ("d/eyes/hinge", "g/eyes/hinge", "d/eyes/words", "g/eyes/words", "g/eyes/mirror")),
    *("augment.noise=0.2", "augment.rise=0.5", "augment.cutout=0.2", "losses.d/clip/r1.every=1"),
]
STEER = ["losses.d/eyes/steer=1.0", "losses.g/eyes/steer=1.0"]  # draws in both steps
CUDA = "graphs of a GPU"
RARE = ["losses.g/eyes/energy.weight=1.0", "losses.g/eyes/energy.until=0.5", "losses.d/clip/r1.every=2"]

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*have no `val_dataloader`.*", "ignore:.*LeafSpec.*", "ignore:.*in eval mode at the start of training.*"
)


class Recorded:
    """In the place of CUDA graphs: does the same again, from the same tensors."""

    def __init__(self) -> None:
        self.captured = self.played = 0

    def __call__(self, play: Play) -> Play:
        self.captured += 1

        def again() -> None:
            self.played += 1
            play()

        return again

    @contextlib.contextmanager
    def aside(self, device: torch.device) -> Iterator[None]:
        yield


def batches(make_clips: MakeClips, device: str = "cpu") -> list[Clips]:
    """Another one in each round, with captions and pairs of other lengths."""
    found = []
    for k in range(ROUNDS):
        clips = make_clips(range(BATCH * k, BATCH * (k + 1)))
        pairs = (("a lion walks at noon", "a lion rests at noon"), ("a lion in the snow", "a zebra in the snow"))
        clips.contrasts = [pairs[: 1 + (k + i) % 2] for i in range(BATCH)]
        clips.captions = [f"{'a majestic ' * (k % 3)}lion walks"] * BATCH
        clips.video, clips.times = clips.video.to(device), clips.times.to(device)
        found.append(clips)
    return found


def trained(
    words: TextPipeline,
    given: list[Clips],
    record: Any,
    *callbacks: L.Callback,
    options: list[str],
    accelerator: str = "cpu",
) -> tuple[T2VGAN, dict[str, Tensor], dict[str, float], L.Trainer]:
    game = assemble.model(load("smoke", [f"data.batch={BATCH}", f"clips={ROUNDS * BATCH}", *EYES, *options]), words)
    game.graphs = record and Graphs(game, None if record is CUDA else record, warm_up=1)
    trainer = L.Trainer(
        accelerator=accelerator, devices=1, max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, callbacks=list(callbacks),
    )  # fmt: skip
    trainer.fit(game, torch.utils.data.DataLoader(given, batch_size=None))  # type: ignore[arg-type]
    state = {name: tensor.detach().cpu().clone() for name, tensor in game.state_dict().items()}
    return game, state, {name: float(value) for name, value in game.signs.items()}, trainer


def apart(one: dict[str, Tensor], other: dict[str, Tensor], start: dict[str, Tensor]) -> float:
    """How far the weights are from each other, as a share of their way. Adam makes a step of rounding, too, where there
    is no gradient.
    """
    assert one.keys() == other.keys() == start.keys()
    far, way = (
        sum(float((a[name].float() - b[name].float()).square().sum()) for name in one if name != "clips_seen")
        for a, b in ((one, other), (one, start))
    )
    return (far / way) ** 0.5


def start_of(game: T2VGAN, words: TextPipeline) -> dict[str, Tensor]:
    return assemble.model(game.config, words).state_dict()


class Norms(L.Callback):
    def __init__(self) -> None:
        self.found: list[list[float]] = []
        self.penalties: list[float] = []  # as they are logged: of this round or of the last that had one

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.found.append([float(pl_module.signs[f"{side}/grad_norm"]) for side in "gd"])
        self.penalties.append(float(pl_module.latest["d/clip/r1"]))


def test_rounds_from_the_tensors_of_a_graph_are_the_rounds_themselves(words: TextPipeline, make_clips: MakeClips):
    given, recorded, norms, norms_again = batches(make_clips), Recorded(), Norms(), Norms()
    plain, state, signs, trainer = trained(words, given, None, norms, options=STEER + RARE)
    game, again, signs_again, trainer_again = trained(words, given, recorded, norms_again, options=STEER + RARE)
    assert recorded.captured == recorded.played == 4, "with and without a penalty, before and after a loss has faded"
    assert trainer_again.global_step == trainer.global_step == ROUNDS and int(game.clips_seen) == ROUNDS * BATCH
    assert apart(state, again, start_of(plain, words)) < 0.02, "padded captions are summed in another order, no more"
    # Later norms of the generator's gradient only tell how rounding has grown: 0.001 to 0.25 within four rounds.
    assert norms_again.found[:3] == [pytest.approx(each, rel=1e-3) for each in norms.found[:3]]
    assert norms_again.penalties == pytest.approx(norms.penalties, rel=0.3)
    assert [a != b for a, b in pairwise(norms_again.penalties)] == [i % 2 == 1 for i in range(ROUNDS - 1)]
    assert signs_again.keys() == signs.keys()
    assert signs_again == pytest.approx(signs | {"g/grad_norm": signs_again["g/grad_norm"]}, rel=0.15, abs=0.02)


class FromTheHost(TorchDispatchMode):
    """Where the code of this repository makes a tensor of numbers, or numbers of a tensor: no graph can hold either."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name() in ("aten::lift_fresh", "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"):
            frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(PACKAGE)]
            self.found.add(f"{Path(frames[-1].filename).name}: {frames[-1].line}")
        return func(*args, **(kwargs or {}))


def test_a_round_takes_nothing_from_the_host(words: TextPipeline, make_clips: MakeClips):
    """On a GPU the capture would fail: so it did for a tensor of two numbers, which no test on a CPU had told."""
    host = FromTheHost()

    class Watched(Recorded):
        def __call__(self, play: Play) -> Play:
            def watched() -> None:
                with host:
                    play()

            return super().__call__(watched)

    recorded = Watched()
    game = trained(words, batches(make_clips), recorded, options=STEER + RARE)[0]
    # A step is skipped or not by a number where no graph is captured.
    assert recorded.played == 4 and {where.split(":")[0] for where in host.found} == {"optim.py"}
    game._known = None
    with host:
        assert game.seen == ROUNDS * BATCH
    assert "module.py" in {where.split(":")[0] for where in host.found}, "else it would never find anything"


def test_a_step_that_is_skipped_is_told_one_round_later(words: TextPipeline, make_clips: MakeClips):
    class Skips(L.Callback):
        def __init__(self) -> None:
            self.found: list[bool] = []

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.found.append(pl_module.signs["d/skipped"] > 0)

    given, plain, later = batches(make_clips), Skips(), Skips()
    given[4].video = given[4].video * float("nan")
    for record, skips in ((None, plain), (Recorded(), later)):
        trained(words, given, record, skips, options=[])
    assert plain.found == [i == 4 for i in range(ROUNDS)] and later.found == [i == 5 for i in range(ROUNDS)]


def test_a_graph_is_made_anew_for_longer_captions_and_for_other_states_of_optimisers(
    words: TextPipeline, make_clips: MakeClips
):
    given, recorded = batches(make_clips), Recorded()
    for clips in given:
        clips.contrasts = [(("a lion walks at noon", "a lion rests at noon"),)] * BATCH
    given[-1].captions = ["a lion " * 12 + "walks"] * BATCH

    class PutsBack(L.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == ROUNDS - 3:
                for optim in trainer.optimizers:
                    optim.load_state_dict(optim.state_dict())

    game, state, _, _ = trained(words, given, None, PutsBack(), options=STEER)
    _, again, _, _ = trained(words, given, recorded, PutsBack(), options=STEER)
    assert recorded.captured == 3, "the first one, one for the state that was put back, one for more words"
    assert apart(state, again, start_of(game, words)) < 0.02


def test_checkpoints_of_graphs_are_those_of_plain_rounds(words: TextPipeline, make_clips: MakeClips, tmp_path: Any):
    groups = []
    for record in (None, Recorded()):
        trainer = trained(words, batches(make_clips), record, options=STEER)[-1]
        trainer.save_checkpoint(tmp_path / "made.ckpt")
        saved = torch.load(tmp_path / "made.ckpt", weights_only=True)
        groups.append([group for optim in saved["optimizer_states"] for group in optim["param_groups"]])
    rates = [[group.pop("lr") for group in each] for each in groups]
    assert groups[0] == groups[1] and rates[0] == pytest.approx(rates[1])
    assert all(isinstance(rate, float) for each in rates for rate in each)


def test_parts_let_go_of_their_last_round(words: TextPipeline, make_clips: MakeClips):
    game = trained(words, batches(make_clips)[:1], None, options=STEER)[0]
    kept = [value for part in game.modules() for value in vars(part).values()]
    assert any(isinstance(value, Trial) for value in kept), "else there is nothing to let go of"
    let_go(game)
    kept = [value for part in game.modules() for value in vars(part).values()]
    assert not any(isinstance(value, Trial) or getattr(value, "grad_fn", None) is not None for value in kept)


@pytest.mark.gpu
def test_graphs_on_a_gpu(words: TextPipeline, make_clips: MakeClips):
    """Not bit by bit: a round's two steps draw one after the other from the numbers that losses need."""
    given = batches(make_clips, "cuda")
    options = STEER + RARE
    game, state, signs, trainer = trained(words, given, None, options=options, accelerator="gpu")
    played, again, signs_again, trainer_again = trained(words, given, CUDA, options=options, accelerator="gpu")
    assert len(played.graphs.made) == 4 and trainer.global_step == trainer_again.global_step == ROUNDS
    assert apart(state, again, start_of(game, words)) < 0.2
    norms = {"d/grad_norm", "g/grad_norm"}  # grow apart as rounding does
    assert signs_again == pytest.approx(signs | {name: signs_again[name] for name in norms}, rel=0.25, abs=0.05)
    assert all(0.5 * signs[name] < signs_again[name] < 2 * signs[name] for name in norms)


@pytest.mark.gpu
def test_what_a_gpu_finds_is_told_one_round_later():
    late = Late({"d/skipped": torch.ones((), device="cuda"), "g/skipped": torch.zeros((), device="cuda")})
    assert late.read() == {"d/skipped": 1.0, "g/skipped": 0.0}
