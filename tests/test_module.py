"""The game: who steps on what, which frames are looked at, what is drawn for whom, and what breaks nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from t2vgan import assemble
from t2vgan.config import Experiment, load
from t2vgan.module import T2VGAN, motion_signs, pick
from t2vgan.shapes import Clips
from t2vgan.text import TextPipeline

MakeClips = Callable[..., Clips]
EYES = [
    *(
        f"discriminators.eyes.{option}"
        for option in ("name=projected", "frames=2", "see_size=32", "width=8", "match=true")
    ),
    "losses.d/eyes/nonsaturating=1.0",
    "losses.d/eyes/words=1.0",
    "losses.d/eyes/steer=1.0",
    "losses.g/eyes/steer=1.0",
    "losses.g/eyes/nonsaturating=1.0",
]
FRAMES = {"name": "frame_level", "frames": 2, "width": 8}
BATCH, STEPS = 4, 3
PARTS = ("generator", "text_encoder", "discriminators", "critic_text", "ema_generator", "ema_text_encoder")

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*have no `val_dataloader`.*", "ignore:.*LeafSpec.*", "ignore:.*in eval mode at the start of training.*"
)


def smoke(*overrides: str, **changed: Any) -> Experiment:
    return dataclasses.replace(load("smoke", [f"data.batch={BATCH}", *overrides]), **changed)


def one_critic(**options: Any) -> Experiment:
    """A single critic that looks at two of the eight frames."""
    losses = {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0}
    return smoke(discriminators={"frames": {**FRAMES, **options}}, losses=losses, augment={})


def copied(module: nn.Module | None) -> dict[str, Tensor]:
    assert module is not None
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def differ(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]


class Watch(L.Callback):
    """What was logged and what the weights were after each round."""

    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []
        self.signs: list[dict[str, float]] = []
        self.weights: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})
        self.signs.append({name: float(value) for name, value in pl_module.signs.items()})
        self.weights.append(copied(pl_module))


def fit(game: T2VGAN, batches: list[Clips], *callbacks: L.Callback, **options: Any) -> L.Trainer:
    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, logger=False, callbacks=list(callbacks), enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, **options,
    )  # fmt: skip
    trainer.fit(game, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return trainer


def batches_of(make_clips: MakeClips, steps: int = STEPS) -> list[Clips]:
    return [make_clips(range(BATCH * i, BATCH * (i + 1))) for i in range(steps)]


@dataclasses.dataclass
class Trained:
    game: T2VGAN
    before: dict[str, dict[str, Tensor]]
    trainer: L.Trainer
    watch: Watch


@pytest.fixture(scope="module")
def trained(words: TextPipeline, make_clips: MakeClips) -> Trained:
    """Three rounds with three critics, one of which sees through frozen eyes."""
    game, watch = assemble.model(smoke(*EYES), words), Watch()
    before = {part: copied(getattr(game, part)) for part in PARTS}
    eyes = game.discriminators["eyes"].eyes
    before["eyes"] = {name: buffer.clone() for name, buffer in eyes.named_buffers()}  # type: ignore[union-attr]
    return Trained(game, before, fit(game, batches_of(make_clips), watch), watch)


# ---- who steps on what


def test_both_players_learn_and_all_of_each(trained: Trained):
    for part in ("generator", "text_encoder", "discriminators", "critic_text"):
        owned = {name for name, _ in getattr(trained.game, part).named_parameters()}
        still = owned - set(differ(trained.before[part], copied(getattr(trained.game, part))))
        # see the tests of the generators; a relativistic critic's bias cancels out of every difference
        assert not [name for name in still if not name.endswith(("key.bias", "clip.head.realism.bias"))], part


def test_frozen_eyes_and_fixed_projections_stay(trained: Trained):
    critic = trained.game.discriminators["eyes"]
    assert not differ(trained.before["eyes"], dict(critic.eyes.named_buffers()))  # type: ignore[union-attr, operator]
    changed = differ(trained.before["discriminators"], copied(trained.game.discriminators))
    assert not [name for name in changed if ".mix" in name] and [name for name in changed if name.endswith(".u")]


def test_averages_are_left_to_their_callback(trained: Trained):
    for part in ("ema_generator", "ema_text_encoder"):
        average = getattr(trained.game, part)
        assert not differ(trained.before[part], copied(average))
        assert all(p.grad is None and not p.requires_grad for p in average.parameters())
    assert not differ(trained.before["ema_generator"], trained.before["generator"])


def test_all_players_are_awake_after_a_round(trained: Trained):
    for part in ("generator", "text_encoder", "discriminators", "critic_text"):
        assert all(p.requires_grad for p in getattr(trained.game, part).parameters())


def test_each_trained_parameter_has_one_optimiser(trained: Trained):
    optims = trained.game.configure_optimizers()
    g, d = ([p for group in optim.param_groups for p in group["params"]] for optim in optims)
    everything = [p for p in trained.game.parameters() if p.requires_grad]
    assert len(g) + len(d) == len({*g, *d}) == len(everything)
    assert set(g) == {*trained.game.generator.parameters(), *trained.game.text_encoder.parameters()}


@pytest.mark.parametrize(("still", "moves"), [("g", "d"), ("d", "g")])
def test_a_players_step_moves_that_player_only(words: TextPipeline, make_clips: MakeClips, still: str, moves: str):
    game = assemble.model(smoke(f"{still}_optim.lr=0"), words)
    before = {part: copied(getattr(game, part)) for part in PARTS}
    fit(game, batches_of(make_clips, 1))
    players = {"g": ("generator", "text_encoder"), "d": ("discriminators", "critic_text")}
    assert not [part for part in players[still] if differ(before[part], copied(getattr(game, part)))]
    assert all(differ(before[part], copied(getattr(game, part))) for part in players[moves])


# ---- counting and logging


def test_one_global_step_per_batch(trained: Trained):
    assert trained.trainer.global_step == STEPS
    assert trained.game.clips_seen.item() == STEPS * BATCH and "clips_seen" in trained.game.state_dict()
    assert [logged["clips_seen"] for logged in trained.watch.logged] == [BATCH * (i + 1) for i in range(STEPS)]


def test_the_names_of_the_losses_are_those_of_the_curves(trained: Trained):
    terms = set(trained.game.config.losses)
    other = {"d/total", "g/total", "d/grad_norm", "g/grad_norm", "clips_seen"}
    assert set(trained.watch.logged[0]) == terms | other
    assert all(math.isfinite(value) for logged in trained.watch.logged for value in logged.values())


def test_the_total_is_the_weighted_sum_and_rare_terms_weigh_more(trained: Trained):
    first = trained.watch.logged[0]
    weights = {"d/clip/r1": 0.1 * 4}  # each fourth round
    for side in "dg":
        total = sum(weights.get(key, 1.0) * first[key] for key in trained.game.config.losses if key.startswith(side))
        assert first[f"{side}/total"] == pytest.approx(total, rel=1e-5)


def test_rare_terms_come_in_their_rounds_only(words: TextPipeline, make_clips: MakeClips):
    watch = Watch()
    fit(assemble.model(smoke("losses.d/clip/r1.every=2"), words), batches_of(make_clips, 4), watch)
    penalties = [logged["d/clip/r1"] for logged in watch.logged]
    assert penalties[0] == penalties[1] != penalties[2] == penalties[3], "what was logged last stays until the next"
    others = [key for key in watch.logged[0] if key.startswith(("d/frames/", "d/clip/")) and key != "d/clip/r1"]
    sums = [logged["d/total"] - sum(logged[key] for key in others) for logged in watch.logged]
    assert sums == pytest.approx([0.2 * penalties[0], 0.0, 0.2 * penalties[2], 0.0], abs=1e-5)


def test_a_term_fades_and_then_costs_nothing(words: TextPipeline, make_clips: MakeClips, monkeypatch: Any):
    energy = ("losses.g/eyes/energy.weight=2.0", "losses.g/eyes/energy.until=0.5")
    game = assemble.model(smoke(*EYES, *energy, f"clips={4 * BATCH}"), words)
    rendered, watch = [], Watch()
    twin = game.twin
    monkeypatch.setattr(game, "twin", lambda *given: rendered.append(twin(*given)) or rendered[-1])
    fit(game, batches_of(make_clips, 4), watch)
    term = game.terms["g"]["eyes"]["energy"]
    assert [term.weight_at(share) for share in (0.0, 0.25, 0.5, 1.0)] == [2.0, 1.0, 0.0, 0.0]
    assert [clip is not None for clip in rendered] == [True, True, False, False], "no twin is rendered for what is over"
    assert ["g/eyes/energy" in logged for logged in watch.logged] == [True] * 4, "Lightning keeps what was logged last"
    assert "g/eyes/energy" not in game.latest
    others = [key for key in watch.logged[0] if key.startswith("g/") and key.count("/") == 2 and "energy" not in key]
    sums = [logged["g/total"] - sum(logged[key] for key in others) for logged in watch.logged]
    energies = [logged["g/eyes/energy"] for logged in watch.logged]
    assert sums == pytest.approx([2 * energies[0], energies[1], 0, 0], abs=1e-4)


def test_a_share_of_a_term_stays(words: TextPipeline, make_clips: MakeClips):
    energy = [f"losses.g/eyes/energy.{key}" for key in ("weight=2.0", "until=0.5", "stays=0.25")]
    game, watch = assemble.model(smoke(*EYES, *energy, f"clips={4 * BATCH}"), words), Watch()
    fit(game, batches_of(make_clips, 4), watch)
    others = [key for key in watch.logged[0] if key.startswith("g/") and key.count("/") == 2 and "energy" not in key]
    sums = [logged["g/total"] - sum(logged[key] for key in others) for logged in watch.logged]
    energies = [logged["g/eyes/energy"] for logged in watch.logged]
    weights = (2.0, 1.25, 0.5, 0.5)
    assert sums == pytest.approx([weight * each for weight, each in zip(weights, energies, strict=True)], abs=1e-4)


def test_legs_grow_as_a_training_goes_on(words: TextPipeline, make_clips: MakeClips):
    game, grown = assemble.model(smoke(*EYES, f"clips={4 * BATCH}"), words), []
    generators: list[Any] = [game.generator, game.ema_generator]
    game.generator.register_forward_pre_hook(lambda *_: grown.append([float(g.steering.grown) for g in generators]))
    fit(game, batches_of(make_clips, 4))
    shown = [each for i, each in enumerate(grown) if i % (len(grown) // 4) == 0]
    assert shown == [[pytest.approx(share)] * 2 for share in (0, 0, 1, 1)]


def test_a_checkpoint_knows_how_far_legs_have_grown(words: TextPipeline):
    """A run that is stopped before a validation and goes on with it shows the same clips."""
    game, again, saved = assemble.model(smoke(), words), assemble.model(smoke(), words), {}
    game.grow(0.45)
    game.on_save_checkpoint(saved)
    again.on_load_checkpoint(saved)
    parts: list[Any] = [again.generator, again.ema_generator]
    assert [float(part.steering.grown) for part in parts] == [pytest.approx(0.5)] * 2


def test_signs_of_life(trained: Trained):
    each = ("real", "fake", "real_right", "fake_right")
    expected = {f"d/{critic}/{what}" for critic in ("frames", "clip", "eyes") for what in each}
    expected |= {f"{side}/{what}" for side in "dg" for what in ("grad_norm", "skipped")}
    expected |= {"motion/real", "motion/fake", "g/mirrored"}
    assert set(trained.watch.signs[-1]) == expected
    shares = [value for key, value in trained.watch.signs[-1].items() if key.endswith("_right")]
    assert all(0 <= share <= 1 for share in shares)
    assert trained.watch.signs[-1]["d/skipped"] == trained.watch.signs[-1]["g/skipped"] == 0


def test_the_same_game_again(words: TextPipeline, make_clips: MakeClips):
    ends = []
    for seed in (1, 2):  # of torch, which must not matter
        game = assemble.model(smoke("losses.d/clip/r1.every=1"), words)
        torch.manual_seed(seed)
        fit(game, batches_of(make_clips, 2))
        ends.append(copied(game))
    assert not differ(*ends)


def test_another_seed_is_another_game(words: TextPipeline):
    one, other = (assemble.model(smoke(f"seed={seed}"), words) for seed in (0, 1))
    assert differ(copied(one.generator), copied(other.generator))
    assert differ(copied(one.discriminators), copied(other.discriminators))


def test_wrong_captions_are_what_the_mismatch_is_about(words: TextPipeline, make_clips: MakeClips):
    logged = []
    for wrong in ("an old elephant sleeps", "two zebras at dawn"):
        watch, clips = Watch(), make_clips(range(BATCH))
        clips.wrong_captions = [wrong] * BATCH
        fit(assemble.model(smoke(), words), [clips], watch)
        logged.append(watch.logged[0])
    changed = {key for key in logged[0] if key.startswith("d/") and logged[0][key] != logged[1][key]}
    assert changed == {"d/frames/mismatch", "d/clip/mismatch", "d/total", "d/grad_norm"}


def test_a_round_in_bfloat16(words: TextPipeline, make_clips: MakeClips):
    game, watch = assemble.model(one_critic(), words), Watch()
    before = copied(game.generator)
    fit(game, batches_of(make_clips, 1), watch, precision="bf16-mixed")
    assert all(math.isfinite(value) for value in watch.logged[0].values())
    assert differ(before, copied(game.generator)) and {p.dtype for p in game.parameters()} == {torch.float32}


def test_a_round_without_captions_for_anyone_but_the_generator(words: TextPipeline, make_clips: MakeClips):
    game = assemble.model(one_critic(blind=True), words)
    before = {part: copied(getattr(game, part)) for part in ("generator", "text_encoder", "discriminators")}
    fit(game, batches_of(make_clips, 1))
    assert all(differ(before[part], copied(getattr(game, part))) for part in before)


# ---- what is not finite


def test_a_round_that_is_not_finite_changes_nothing(words: TextPipeline, make_clips: MakeClips):
    batches, watch = batches_of(make_clips, 3), Watch()
    batches[1].video = batches[1].video * math.nan
    game = assemble.model(smoke(), words)
    trainer = fit(game, batches, watch)
    assert trainer.global_step == 3, "a round that is skipped is a round: budgets and `every` count it"
    skipped = [(signs["d/skipped"], signs["g/skipped"]) for signs in watch.signs]
    assert skipped == [(0, 0), (1, 1), (0, 0)]
    first, second, third = watch.weights
    assert differ(first, second) == ["clips_seen"], "the clips were seen, but nothing was learnt from them"
    assert differ(second, third) and all(tensor.isfinite().all() for tensor in third.values())


def test_critics_may_skip_while_the_generator_learns(words: TextPipeline, make_clips: MakeClips):
    """Its hinge loss never looks at the real clips."""
    game, watch, clips = assemble.model(one_critic(), words), Watch(), make_clips(range(BATCH))
    before = {part: copied(getattr(game, part)) for part in PARTS}
    clips.video = clips.video * math.nan
    fit(game, [clips], watch)
    assert (watch.signs[0]["d/skipped"], watch.signs[0]["g/skipped"]) == (1, 0)
    assert not differ(before["discriminators"], copied(game.discriminators))
    assert differ(before["generator"], copied(game.generator))


# ---- optimisation and small parts


def test_rates_follow_their_own_schedules(words: TextPipeline):
    game = assemble.model(smoke("clips=1000", "g_optim.lr=0.1", "g_optim.warmup_clips=100", "d_optim.final=0.0"), words)
    optims = game.configure_optimizers()
    rates = []
    for seen in (49, 500, 1000):
        game.clips_seen.fill_(seen)
        game.set_rates(*optims)
        rates.append([optim.param_groups[0]["lr"] for optim in optims])
    d_lr = game.config.d_optim.lr
    assert [g for g, _ in rates] == pytest.approx([0.05, 0.1, 0.1])
    assert [d for _, d in rates] == pytest.approx([d_lr * (1 + math.cos(math.pi * s)) / 2 for s in (0.049, 0.5, 1.0)])


def test_pick():
    video = torch.arange(2 * 3 * 5 * 2 * 2.0).reshape(2, 3, 5, 2, 2)
    picked = pick(video, torch.tensor([[0, 4], [2, 2]]))
    assert torch.equal(picked[0], video[0][:, [0, 4]]) and torch.equal(picked[1], video[1][:, [2, 2]])


def test_motion_signs():
    still = torch.ones(2, 3, 4, 2, 2)
    blinking = still * torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None, None]
    signs = motion_signs(still, blinking)
    assert signs["motion/real"] == 0 and signs["motion/fake"] == 2
    assert motion_signs(still[:, :, :1], blinking[:, :, :1])["motion/fake"] == 0, "one frame does not move"
