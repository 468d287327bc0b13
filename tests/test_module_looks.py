"""What the game draws for each clip, what critics see and are told of it, and how a trained generator is used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from t2vgan import assemble
from t2vgan.config import Experiment, load
from t2vgan.module import T2VGAN, Told
from t2vgan.shapes import Clips
from t2vgan.text import TextPipeline

MakeClips = Callable[..., Clips]
FRAMES = {"name": "frame_level", "frames": 2, "width": 8}


def smoke(*overrides: str, **changed: Any) -> Experiment:
    return dataclasses.replace(load("smoke", overrides), **changed)


def one_critic(**options: Any) -> Experiment:
    """A single critic that looks at two of the eight frames."""
    losses = options.pop("losses", {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0})
    return smoke(discriminators={"frames": {**FRAMES, **options}}, losses=losses, augment={})


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
    videos: list[Any] = []
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


def test_real_and_fake_are_seen_in_the_same_noise_which_is_the_clip_s_own(words: TextPipeline, make_clips: MakeClips):
    noise = {"noise": 0.3, "rise": 0.5}
    game = assemble.model(dataclasses.replace(one_critic(), clips=100, augment=noise), words)
    critic: Any = game.discriminators["frames"]
    see = critic.see
    critic.see = lambda video: (video,)

    def grain(*indices: int) -> Tensor:
        (seen,) = game.through_noise(make_clips(list(indices)), "frames", 2)(torch.zeros(2, 3, 2, 16, 16))
        return seen

    assert grain(4, 7).abs().max() == 0, "nothing yet"
    game.clips_seen.fill_(25)
    half = grain(4, 7)
    game.clips_seen.fill_(100)
    whole, swapped = grain(4, 7), grain(7, 4)
    assert torch.allclose(2 * half, whole) and torch.equal(whole, swapped.flip(0)) and not torch.equal(*whole)
    assert whole.std() == pytest.approx(0.3, rel=0.2)

    seen: list[Tensor] = []
    critic.see = lambda video: seen.append(video) or see(video)  # type: ignore[func-returns-value]
    clips = make_clips([1, 2])
    look_of(game, clips)
    with_noise = seen.copy()
    seen.clear()
    game.augment.noise = 0.0
    look_of(game, clips)
    grains = [noisy - plain for noisy, plain in zip(with_noise, seen, strict=True)]
    assert len(grains) >= 2 and all(torch.allclose(grain, grains[0], atol=1e-5) for grain in grains)
    assert grains[0].std() == pytest.approx(0.3, rel=0.2)


def with_eyes(words: TextPipeline, *losses: str, **given: Any) -> T2VGAN:
    critic = {"name": "projected", "frames": 2, "see_size": 32, "channels": 4, "width": 8, "match": True}
    weights = {f"{side}/frames/{name}": 1.0 for side in "dg" for name in losses}
    return assemble.model(smoke(discriminators={"frames": critic}, losses=weights, clips=100, **given), words)


def test_what_steers_is_read_without_noise(words: TextPipeline, make_clips: MakeClips):
    game = with_eyes(words, "hinge", "steer", augment={"noise": 0.3})
    look = look_of(game, make_clips(range(3)))["frames"]
    assert len(look.clear) == 1 and look.clear[0].shape == look.real[-1].shape
    game.augment.noise = 0.0
    plain = look_of(game, make_clips(range(3)))["frames"]
    assert torch.equal(plain.clear[0], plain.real[-1]) and torch.equal(look.clear[0], plain.clear[0])
    assert not torch.equal(look.clear[0], look.real[-1])
    stills, canvases = (moved for (moved,) in look.moved)
    for moved in (stills, canvases):
        assert moved.shape == look.clear[0].shape and not moved.requires_grad
        assert not torch.equal(moved, look.clear[0])
    assert not torch.equal(stills, canvases)


def test_nothing_is_tried_that_no_loss_asks_for(words: TextPipeline, make_clips: MakeClips):
    """Without trials all else is drawn as before."""
    game, plain = with_eyes(words, "hinge", "steer", augment={}), with_eyes(words, "hinge", augment={})
    look, without = (look_of(each, make_clips(range(2)))["frames"] for each in (game, plain))
    assert look.trial is not None and look.moved and game.generator.trial is not None
    assert without.trial is None and not without.moved and plain.generator.trial is None
    assert all(torch.equal(one, other) for one, other in zip(look.fake, without.fake, strict=True))


def test_a_twin_is_another_clip_of_the_same_captions(words: TextPipeline, make_clips: MakeClips):
    wanted = one_critic(losses={"d/frames/hinge": 1.0, "g/frames/hinge": 1.0, "g/frames/energy": 1.0})
    game, plain = assemble.model(wanted, words), assemble.model(one_critic(), words)
    clips = make_clips(range(2))
    look, without = look_of(game, clips)["frames"], look_of(plain, clips)["frames"]
    assert not without.twin, "nobody asked for it"
    for twin, fake, same in zip(look.twin, look.fake, without.fake, strict=True):
        assert twin.shape == fake.shape and not torch.allclose(twin, fake)
        assert fake.requires_grad and not twin.requires_grad
        assert torch.equal(fake, same), "it changes nothing of what else is drawn"
    with torch.no_grad():
        assert not look_of(game, clips)["frames"].twin, "the discriminator has no use for it"


# ---- captions


def told_of(game: T2VGAN, captions: list[str]) -> Told:
    inputs = game.text_inputs(captions)
    return Told(game.read(inputs), None, inputs.content, None)


def test_a_blind_critic_is_never_told_the_caption(words: TextPipeline, make_clips: MakeClips):
    critics = {"frames": {**FRAMES, "blind": True}, "clip": {"name": "clip_level", "width": 8}}
    losses = {"d/frames/hinge": 1.0, "g/frames/hinge": 1.0, "d/clip/hinge": 1.0}
    game = assemble.model(smoke(discriminators=critics, losses=losses), words)
    looks, told = look_of(game, make_clips(range(1))), told_of(game, ["a lion runs"])
    assert game.play("d", "frames", looks["frames"], told).text is None
    assert game.play("d", "clip", looks["clip"], told).text is told.right


def test_blind_critics_need_no_encoder_and_ignore_the_text(words: TextPipeline, make_clips: MakeClips):
    game = assemble.model(one_critic(blind=True), words)
    assert game.critic_text is None
    clips, logits = make_clips(range(3)), []
    look = look_of(game, clips)["frames"]
    for captions in (clips.captions, clips.wrong_captions):
        logits.append(game.play("d", "frames", look, told_of(game, captions)).real_logits)
    assert torch.equal(*logits)


def test_critics_read_with_their_own_encoder(game: T2VGAN):
    inputs = game.text_inputs(["a lion runs"])
    assert game.critic_text is not None
    view = game.read(inputs)
    assert torch.equal(view.sentence, game.critic_text(inputs).sentence)
    assert view.sentence.requires_grad and not torch.equal(view.sentence, game.text_encoder(inputs).sentence)


def test_critics_may_share_the_generators_encoder_but_do_not_train_it(words: TextPipeline):
    game = assemble.model(smoke("text.critic=shared"), words)
    inputs = game.text_inputs(["a lion runs"])
    view = game.read(inputs)
    assert game.critic_text is None
    assert torch.equal(view.sentence, game.text_encoder(inputs).sentence) and not view.sentence.requires_grad


# ---- the two sides of a round


def test_gradients_go_to_the_side_that_steps(game: T2VGAN, make_clips: MakeClips):
    clips = make_clips(range(2))
    look, told = look_of(game, clips)["frames"], told_of(game, clips.captions)
    d, g = (game.play(side, "frames", look, told) for side in "dg")
    some, own = next(game.generator.parameters()), next(game.discriminators["frames"].parameters())
    assert torch.autograd.grad(d.fake_logits.sum(), [some, own], allow_unused=True, retain_graph=True)[0] is None
    assert torch.autograd.grad(g.fake_logits.sum(), [some], retain_graph=True)[0].abs().sum() > 0
    assert d.real_logits.requires_grad and torch.equal(d.fake_logits, g.fake_logits)
    assert len(g.real_logits) == 0, "hinge asks for the fakes only"


def test_the_generators_step_sees_the_real_side_where_a_loss_asks_for_it(words: TextPipeline, make_clips: MakeClips):
    losses = {"d/frames/relativistic": 1.0, "g/frames/relativistic": 1.0}
    game, clips = assemble.model(one_critic(losses=losses), words), make_clips(range(2))
    look, told = look_of(game, clips)["frames"], told_of(game, clips.captions)
    d, g = (game.play(side, "frames", look, told) for side in "dg")
    assert not g.real_logits.requires_grad and torch.equal(d.real_logits, g.real_logits)


# ---- use


def test_generate(game: T2VGAN):
    video = game.generate(["a lion runs", "two zebras at dawn", "dusk"])
    assert video.shape == (3, 3, 8, 16, 16) and video.abs().max() <= 1 and not video.requires_grad


def test_generate_from_chosen_noise_at_chosen_instants(game: T2VGAN):
    z, times = torch.randn(2, 16), torch.tensor([[0.0, 0.1, 0.2], [1.0, 1.1, 1.2]])
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


def test_contrasts_pair_what_differs(words: TextPipeline, make_clips: MakeClips):
    """Each pair belongs to its clip, and only the words that the other caption lacks are marked."""
    game = assemble.model(
        smoke("losses={d/frames/hinge: 1, d/frames/words: 1, g/frames/hinge: 1, d/clip/hinge: 1}"), words
    )
    clips = make_clips(range(2))
    clips.contrasts = [
        (("a lion runs left", "a lion runs right"),),
        (("zebras at dawn", "zebras at dusk"), ("old zebras", "zebras")),
    ]
    pairs = game.pairs(clips)
    assert pairs is not None and pairs.owner.tolist() == [0, 1, 1]
    assert [row.nonzero().flatten().tolist() for row in pairs.only_right] == [[3], [2], [0]]
    assert [row.nonzero().flatten().tolist() for row in pairs.only_wrong] == [[3], [2], []]
    read = game.tell(game.hear(clips)).contrast
    assert read is not None and read.right.sentence.shape[0] == read.wrong.sentence.shape[0] == 3


def test_contrasts_are_encoded_only_where_a_loss_learns_from_them(words: TextPipeline, make_clips: MakeClips):
    clips = make_clips(range(2))
    clips.contrasts = [(("a lion", "a zebra"),), ()]
    game = assemble.model(one_critic(), words)
    assert game.pairs(clips) is None and game.tell(game.hear(clips)).contrast is None
