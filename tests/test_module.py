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
    *(f"discriminators.eyes.{option}" for option in ("name=projected", "frames=2", "see_size=32", "width=8")),
    "losses.d/eyes/nonsaturating=1.0",
    "losses.g/eyes/nonsaturating=1.0",
]
FRAMES = {"name": "frame_level", "frames": 2, "width": 8}
BATCH, STEPS = 3, 3
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

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *args: Any) -> None:
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
        assert not [name for name in still if not name.endswith("key.bias")], part  # see the tests of the generators


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
    others = ("d/frames/hinge", "d/frames/mismatch", "d/clip/relativistic", "d/clip/mismatch")
    sums = [logged["d/total"] - sum(logged[key] for key in others) for logged in watch.logged]
    assert sums == pytest.approx([0.2 * penalties[0], 0.0, 0.2 * penalties[2], 0.0], abs=1e-5)


def test_signs_of_life(trained: Trained):
    expected = {f"d/{critic}/{what}" for critic in ("frames", "clip", "eyes") for what in ("real", "fake")}
    expected |= {f"{side}/{what}" for side in "dg" for what in ("grad_norm", "skipped")}
    expected |= {"motion/real", "motion/fake"}
    assert set(trained.watch.signs[-1]) == expected
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


# ---- what is not finite


def test_a_round_that_is_not_finite_changes_nothing(words: TextPipeline, make_clips: MakeClips):
    batches, watch = batches_of(make_clips, 3), Watch()
    batches[1].video = batches[1].video * math.nan
    game = assemble.model(smoke(), words)
    fit(game, batches, watch)
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


# ---- what is drawn, and for whom


@pytest.fixture(scope="module")
def game(words: TextPipeline) -> T2VGAN:
    return assemble.model(smoke(), words)


def test_noise_belongs_to_the_clip(game: T2VGAN, make_clips: MakeClips):
    alone, together = game.noise(make_clips([5])), game.noise(make_clips([2, 9, 5]))
    assert alone.shape == (1, game.generator.z_dim) and torch.equal(alone[0], together[2])
    assert len({tuple(row.tolist()) for row in together}) == 3
    torch.manual_seed(7)
    assert torch.equal(game.noise(make_clips([5])), alone)


def test_noise_changes_with_the_epoch_and_the_seed(game: T2VGAN, words: TextPipeline, make_clips: MakeClips):
    other = assemble.model(smoke("seed=1"), words)
    noises = [game.noise(make_clips([5])), game.noise(make_clips([5], epoch=1)), other.noise(make_clips([5]))]
    assert not any(torch.equal(noises[i], noises[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_noise_is_normally_distributed(game: T2VGAN, make_clips: MakeClips):
    z = game.noise(make_clips(range(300), size=2, frames=1))
    assert abs(z.mean()) < 0.05 and abs(z.std() - 1) < 0.05


def test_purposes_do_not_share_their_draws(game: T2VGAN, make_clips: MakeClips):
    def how(generator: torch.Generator) -> Tensor:
        return torch.rand(4, generator=generator)

    assert not torch.equal(game.draw(make_clips([1]), "frames", how), game.draw(make_clips([1]), "augment", how))


def look_of(game: T2VGAN, clips: Clips) -> dict[str, Any]:
    return game.look(clips, game.text_encoder(game.text_inputs(clips.captions)))


def test_what_is_looked_at_belongs_to_the_clip(game: T2VGAN, make_clips: MakeClips):
    few, many = look_of(game, make_clips([3, 5])), look_of(game, make_clips([1, 3, 7]))
    for critic in ("frames", "clip"):
        assert torch.equal(few[critic].times[0], many[critic].times[1])
        assert torch.equal(few[critic].real[0][0], many[critic].real[0][1])
        assert torch.allclose(few[critic].fake[0][0], many[critic].fake[0][1], atol=1e-5)


def test_only_frames_that_are_looked_at_are_rendered(words: TextPipeline, make_clips: MakeClips):
    game, rendered = assemble.model(one_critic(), words), []
    game.generator.register_forward_hook(lambda module, inputs, video: rendered.append(video.shape))
    clips = make_clips(range(4))
    look = look_of(game, clips)["frames"]
    assert rendered == [(4, 3, 2, 16, 16)]
    assert look.times.shape == (4, 2) and (look.times.diff() > 0).all()
    for i in range(4):
        frames = (look.times[i] / 0.25).long()
        assert torch.equal(look.real[0][i], clips.video[i][:, frames]), "real frames of the same instants"


def test_frames_are_drawn_anew_for_each_clip_and_epoch(words: TextPipeline, make_clips: MakeClips):
    game = assemble.model(one_critic(), words)
    times = [look_of(game, make_clips(range(30), epoch=epoch))["frames"].times for epoch in (0, 1)]
    assert len({tuple(row.tolist()) for row in times[0]}) > 10 and not torch.equal(*times)
    assert set(times[0].flatten().tolist()) == {0.25 * i for i in range(8)}, "every frame gets its turn"


def test_a_critic_of_few_frames_sees_a_share_of_what_the_other_sees(words: TextPipeline, make_clips: MakeClips):
    critics = {"few": FRAMES, "more": {**FRAMES, "frames": 4}}
    losses = {f"{side}/{critic}/hinge": 1.0 for side in "dg" for critic in critics}
    game = assemble.model(smoke(discriminators=critics, losses=losses, augment={}), words)
    looks = look_of(game, make_clips(range(4)))
    for i in range(4):
        assert set(looks["few"].times[i].tolist()) < set(looks["more"].times[i].tolist())
        where = torch.searchsorted(looks["more"].times[i], looks["few"].times[i])
        assert torch.equal(looks["few"].fake[0][i], looks["more"].fake[0][i][:, where])


def test_a_generator_that_walks_through_time_renders_all_frames(words: TextPipeline, make_clips: MakeClips):
    convlstm = {"name": "convlstm", "z_dim": 16, "dim": 32, "width": 16}
    game = assemble.model(dataclasses.replace(one_critic(), generator=convlstm), words)
    videos: list[Tensor] = []
    game.generator.register_forward_hook(lambda module, inputs, video: videos.append(video))
    look = look_of(game, make_clips(range(3)))["frames"]
    assert videos[0].shape[2] == 8
    for i in range(3):
        assert torch.equal(look.fake[0][i], videos[0][i][:, (look.times[i] / 0.25).long()])


def test_real_and_fake_get_the_same_augmentation(words: TextPipeline, make_clips: MakeClips):
    game = assemble.model(dataclasses.replace(one_critic(), augment={"cutout": 0.5}), words)
    look = look_of(game, make_clips(range(3)))["frames"]
    holes = [(seen[0] == 0).all(1) for seen in (look.real, look.fake)]
    assert torch.equal(*holes) and holes[0].flatten(1).any(1).all()


# ---- captions


def test_a_blind_critic_is_never_told_the_caption(words: TextPipeline):
    critics = {"frames": {**FRAMES, "blind": True}, "clip": {"name": "clip_level", "width": 8}}
    losses = {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0, "d/clip/hinge": 1.0}
    game = assemble.model(smoke(discriminators=critics, losses=losses), words)
    views = game.critic_views(game.text_inputs(["a lion runs"]))
    assert views["frames"] is None and views["clip"] is not None


def test_blind_critics_need_no_encoder_and_ignore_the_text(words: TextPipeline, make_clips: MakeClips):
    game = assemble.model(one_critic(blind=True), words)
    assert game.critic_text is None
    clips, watches = make_clips(range(BATCH)), []
    look = look_of(game, clips)["frames"]
    for captions in (clips.captions, clips.wrong_captions):
        text = game.critic_views(game.text_inputs(captions))["frames"]
        watches.append(game.play("d", "frames", look, text, None).real_logits)
    assert torch.equal(*watches)
    fit(game, [clips])


def test_critics_read_with_their_own_encoder(game: T2VGAN):
    inputs = game.text_inputs(["a lion runs"])
    assert game.critic_text is not None
    view = game.critic_views(inputs)["frames"]
    assert view is not None and torch.equal(view.sentence, game.critic_text(inputs).sentence)
    assert view.sentence.requires_grad and not torch.equal(view.sentence, game.text_encoder(inputs).sentence)


def test_critics_may_share_the_generators_encoder_but_do_not_train_it(words: TextPipeline):
    game = assemble.model(smoke("text.critic=shared"), words)
    inputs = game.text_inputs(["a lion runs"])
    view = game.critic_views(inputs)["frames"]
    assert game.critic_text is None and view is not None
    assert torch.equal(view.sentence, game.text_encoder(inputs).sentence) and not view.sentence.requires_grad


# ---- the two sides of a round


def test_gradients_go_to_the_side_that_steps(game: T2VGAN, make_clips: MakeClips):
    clips = make_clips(range(2))
    look, text = look_of(game, clips)["frames"], game.critic_views(game.text_inputs(clips.captions))["frames"]
    d, g = (game.play(side, "frames", look, text, text) for side in "dg")
    some, own = next(game.generator.parameters()), next(game.discriminators["frames"].parameters())
    assert torch.autograd.grad(d.fake_logits.sum(), [some, own], allow_unused=True, retain_graph=True)[0] is None
    assert torch.autograd.grad(g.fake_logits.sum(), [some], retain_graph=True)[0].abs().sum() > 0
    assert d.real_logits.requires_grad and not g.real_logits.requires_grad
    assert torch.equal(d.real_logits, g.real_logits) and torch.equal(d.fake_logits, g.fake_logits)


# ---- use


def test_generate(game: T2VGAN):
    video = game.generate(["a lion runs", "two zebras at dawn", "dusk"])
    assert video.shape == (3, 3, 8, 16, 16) and video.abs().max() <= 1 and not video.requires_grad


def test_generate_from_chosen_noise_at_chosen_instants(game: T2VGAN):
    z, times = torch.randn(2, game.generator.z_dim), torch.tensor([[0.0, 0.1, 0.2], [1.0, 1.1, 1.2]])
    one, again = (game.generate(["a lion runs"] * 2, z=z, times=times) for _ in range(2))
    assert one.shape == (2, 3, 3, 16, 16) and torch.equal(one, again)
    assert not torch.equal(one, game.generate(["a lion runs"] * 2, times=times)), "other noise, another clip"
    by_default = game.generate(["a lion runs"] * 2, z=z)
    clip = game.config.clip
    spelled_out = (torch.arange(clip.frames) * clip.duration_s / clip.frames).repeat(2, 1)
    assert torch.equal(by_default, game.generate(["a lion runs"] * 2, z=z, times=spelled_out))


def test_averages_are_used_unless_asked_otherwise(words: TextPipeline, make_clips: MakeClips):
    game, z = assemble.model(smoke(), words), torch.ones(1, 16)
    averaged = game.generate(["a lion runs"], z=z)
    for p in (*game.generator.parameters(), *game.text_encoder.parameters()):
        p.data += 0.1
    assert torch.equal(game.generate(["a lion runs"], z=z), averaged)
    assert not torch.equal(game.generate(["a lion runs"], z=z, ema=False), averaged)
    assert not torch.equal(game.encode(["a lion"]).sentence, game.encode(["a lion"], ema=False).sentence)


def test_validation_clips_do_not_depend_on_the_batch(game: T2VGAN, make_clips: MakeClips):
    alone, together = game.validation_step(make_clips([5]), 0), game.validation_step(make_clips([4, 5, 6]), 3)
    assert alone.shape == (1, 3, 8, 16, 16) and torch.allclose(alone[0], together[1], atol=1e-5)


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
