"""The contract of all generators: a new one in GENERATORS is tested here without a further line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from t2vgan.generators import GENERATORS
from t2vgan.generators.motion import Motion
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]
TEXT_DIM, Z_DIM = 12, 8
SMALL = {"z_dim": Z_DIM, "dim": 32, "width": 16}
# Designs of the literature, each with Z_DIM numbers of noise in all.
ZOO: dict[str, dict[str, int]] = {
    "mocogan": {"content_dim": 2, "motion_dim": 1, "text_code": 4, "clip_frames": 5, "width": 4},
    "tgan": {"latent": 4, "text_code": 4, "clip_frames": 6, "width": 4},
    "tfgan": {"noise": 1, "code": 8, "clip_frames": 6, "width": 4},
    "dvdgan": {"text_code": 8, "width": 4},
    "stylegan_v": {"content": 2, "noise": 1, "anchors": 6, "waves": 4},
    "digan": {},
}
# What they leave out of the contract, by name:
BATCH_STATISTICS = ("mocogan", "tgan", "dvdgan")  # batch normalisation mixes the clips of a batch in training
STEPPED = ("mocogan", "tgan", "tfgan", "dvdgan")  # one frame rate: instants only say how many frames there are
TANH = STEPPED  # which bounds colours, instead of a cut
LENGTH_OF_NOISE = (*STEPPED, "stylegan_v")  # noise is not brought to unit length
CONTINUOUS = [name for name, part in GENERATORS.items() if part.continuous]
# Parameters that get no gradient, by the end of their names.
NO_GRADIENT = (
    "attention.key.bias",  # the softmax takes away what is the same for all words
    "attention.10.key.bias",
    "mirror.of_content.weight",  # a hard bit: the loss `mirror` trains it
    "mirror.of_content.bias",
    "mirror.of_word.weight",
    *(f"steering.free.{i}.{what}" for i in (0, 2, 4) for what in ("weight", "bias")),
    *(  # the loss `steer` trains them
        f"steering.{number}.{what}"
        for number in ("steer", "leave")
        for what in ("of_content.weight", "of_content.bias", "of_word.0.weight", "of_word.0.bias", "of_word.2.weight")
    ),
    "growing.1.second.bias",  # taken away by the batch normalisation that follows
    "growing.1.skip.bias",
    "still.1.second.bias",
    "still.1.skip.bias",
)


def build(name: str, *, size: int = 16, **options: Any) -> Any:
    """Small, and with every weight a little off its start, so that branches which begin at zero take part."""
    taken = inspect.signature(GENERATORS[name]).parameters
    given = {key: value for key, value in {**SMALL, **ZOO.get(name, {})}.items() if key in taken}
    torch.manual_seed(0)
    generator = GENERATORS[name](text_dim=TEXT_DIM, size=size, **{**given, **options})
    for p in generator.parameters():
        p.data += 0.02 * torch.randn_like(p)
    if hasattr(generator, "steering"):
        generator.steering.steer.of_content.bias.data += 8.0  # far from rest, where leaps have a height
    return generator


def instants(count: int, clips: int, *, apart_s: float = 0.125) -> Tensor:
    return (torch.arange(count) * apart_s).repeat(clips, 1)


def noise(clips: int, *, seed: int = 0, dim: int = Z_DIM) -> Tensor:
    return torch.randn(clips, dim, generator=torch.Generator().manual_seed(seed))


def watched(text: TextFeatures) -> TextFeatures:
    """The same text, with gradients."""
    return TextFeatures(text.sentence.requires_grad_(), text.words.requires_grad_(), text.mask)


@pytest.fixture(params=GENERATORS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(("size", "frames"), [(16, 1), (16, 5), (32, 3)])
def test_shapes(name: str, make_text: MakeText, size: int, frames: int):
    generator = build(name, size=size)
    video = generator(noise(2), make_text([4, 6]), instants(frames, 2))
    assert video.shape == (2, 3, frames, size, size) and video.dtype == torch.float32 and video.isfinite().all()
    assert generator.z_dim == Z_DIM and generator.continuous in (True, False)


def test_it_renders_in_bfloat16(name: str, make_text: MakeText):
    """As training and `sample` do where the processor can; colours stay near those of float32."""
    generator = build(name).eval()
    given = noise(2), make_text([4, 6]), instants(4, 2)
    with torch.no_grad():
        exact = generator(*given)
        with torch.autocast("cpu", torch.bfloat16):
            video = generator(*given)
    assert video.dtype == torch.float32 and (video - exact).abs().mean() < 0.05 * exact.std()


def test_every_parameter_learns(name: str, make_text: MakeText):
    generator = build(name)
    generator(noise(3), make_text([4, 6, 3]), instants(4, 3)).square().sum().backward()
    gradients = {k: 0.0 if p.grad is None else p.grad.abs().max().item() for k, p in generator.named_parameters()}
    still = [k for k, size in gradients.items() if size <= 1e-6 * max(gradients.values())]
    assert [k for k in still if not k.endswith(NO_GRADIENT)] == []


def test_gradients_reach_noise_and_text(name: str, make_text: MakeText):
    z, text = noise(2).requires_grad_(), watched(make_text([4, 6]))
    build(name)(z, text, instants(3, 2)).square().sum().backward()
    for inward in (z, text.sentence, *([] if name in ZOO else [text.words])):
        assert inward.grad is not None and all(row.abs().sum() > 0 for row in inward.grad)


def test_clips_of_a_batch_know_nothing_of_each_other(name: str, make_text: MakeText):
    z, text, times = noise(3).requires_grad_(), watched(make_text([4, 6, 5])), instants(3, 3).requires_grad_()
    generator = build(name)
    if name in BATCH_STATISTICS:
        generator.eval()
    generator(z, text, times)[0].square().sum().backward()
    said = [text.sentence] if name in ZOO else [text.sentence, text.words]
    for inward in (z, *([] if name in STEPPED else [times]), *said):
        assert inward.grad is not None
        assert inward.grad[0].abs().sum() > 0 and inward.grad[1:].abs().sum() == 0


def test_a_clip_is_the_same_in_any_batch(name: str, make_text: MakeText):
    generator, z, text = build(name), noise(3), make_text([4, 6, 5])
    if name in BATCH_STATISTICS:
        generator.eval()
    together = generator(z, text, instants(3, 3))
    alone = generator(z[1:2], text[1:2], instants(3, 1))
    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_the_same_again(name: str, make_text: MakeText):
    one, other = (build(name)(noise(2), make_text([4, 6]), instants(3, 2)) for _ in range(2))
    assert torch.equal(one, other)


def test_the_sentence_matters(name: str, make_text: MakeText):
    generator, text = build(name), make_text([4, 4])
    other = TextFeatures(make_text([4, 4], seed=1).sentence, text.words, text.mask)
    one, two = (generator(noise(2), t, instants(3, 2)) for t in (text, other))
    assert (one - two).abs().mean() > 1e-3


@pytest.mark.parametrize("name", BATCH_STATISTICS)
def test_the_exempt_are_those_that_mix_clips(name: str, make_text: MakeText):
    generator, z, text = build(name), noise(3), make_text([4, 6, 5])
    one = generator(z, text, instants(3, 3))[0]
    z[2] += 3.0
    assert (generator(z, text, instants(3, 3))[0] - one).abs().max() > 1e-4


@pytest.mark.parametrize("name", [name for name in GENERATORS if name not in ZOO])
def test_the_words_matter(name: str, make_text: MakeText):
    generator, text = build(name), make_text([4, 4])
    other = TextFeatures(text.sentence, make_text([4, 4], seed=1).words, text.mask)
    one, two = (generator(noise(2), t, instants(3, 2)) for t in (text, other))
    assert (one - two).abs().mean() > 1e-5


def test_the_noise_matters_and_its_length_does_not(name: str, make_text: MakeText):
    generator, text = build(name), make_text([4, 4])
    one, other, longer = (generator(z, text, instants(3, 2)) for z in (noise(2), noise(2, seed=1), 5 * noise(2)))
    assert (one - other).abs().mean() > 1e-3
    assert name in LENGTH_OF_NOISE or torch.allclose(one, longer, atol=1e-4)


def test_time_matters(name: str, make_text: MakeText):
    video = build(name)(noise(2), make_text([4, 6]), instants(6, 2))
    assert all((frame_by_frame := video.diff(dim=2).abs().mean((0, 1, 3, 4))) > 1e-5), frame_by_frame


def test_more_padding_changes_nothing(name: str, make_text: MakeText):
    generator, text = build(name), make_text([5, 3])
    padded = TextFeatures(
        sentence=text.sentence,
        words=torch.cat([text.words, torch.full((2, 4, TEXT_DIM), 9.0)], 1),  # not even zeros
        mask=nn.functional.pad(text.mask, (0, 4)),
    )
    padded.words[~padded.mask] = 9.0
    one, other = (generator(noise(2), t, instants(3, 2)) for t in (text, padded))
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", TANH)
def test_a_tanh_keeps_colours_within_bounds(name: str, make_text: MakeText):
    generator = build(name)
    for p in generator.parameters():
        p.data *= 3
    assert 0.5 < generator(noise(4), make_text([4, 6, 5, 3]), instants(3, 4)).abs().max() <= 1


@pytest.mark.parametrize("name", [name for name in GENERATORS if name not in TANH])
def test_colours_are_cut_off_at_their_bounds(name: str, make_text: MakeText):
    generator = build(name)
    for _ in range(12):  # until weights are garish
        in_training = generator(noise(4), make_text([4, 6, 5, 3]), instants(3, 4))
        if in_training.abs().max() == 1:
            break
        for p in generator.parameters():
            p.data *= 1.5
    assert in_training.isfinite().all() and in_training.abs().max() == 1
    in_use = generator.eval()(noise(4), make_text([4, 6, 5, 3]), instants(3, 4))
    assert torch.equal(in_use, in_training)


@pytest.mark.parametrize("name", [name for name, part in GENERATORS.items() if hasattr(part, "attend")])
@pytest.mark.parametrize("frames", [1, 4])
def test_attention_adds_up_to_one_over_the_words(name: str, make_text: MakeText, frames: int):
    generator, text = build(name), make_text([5, 3])
    video, maps = generator.attend(noise(2), text, instants(frames, 2))
    assert maps.shape[:3] == (2, frames, 5) and maps.shape[3] == maps.shape[4] > 1
    assert torch.allclose(maps.sum(2), torch.ones(2, frames, *maps.shape[3:]), atol=1e-5)
    assert maps.min() >= 0 and maps[1, :, 3:].abs().max() == 0, "nothing looks at padding"
    assert torch.equal(video, generator(noise(2), text, instants(frames, 2)))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_any_instants_can_be_rendered_on_their_own(name: str, make_text: MakeText):
    generator, times = build(name), instants(8, 2)
    full = generator(noise(2), make_text([4, 6]), times)
    for chosen in ([3], [0, 7], [6, 2, 2]):
        some = generator(noise(2), make_text([4, 6]), times[:, chosen])
        assert torch.allclose(some, full[:, :, chosen], atol=1e-5)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_each_clip_may_have_its_own_instants(name: str, make_text: MakeText):
    generator, text = build(name), make_text([4, 6])
    times = torch.tensor([[0.0, 0.5], [1.3, 1.4]])
    both = generator(noise(2), text, times)
    second = generator(noise(2)[1:], text[1:2], times[1:])
    assert torch.allclose(both[1:], second, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in GENERATORS if name not in CONTINUOUS])
def test_those_that_walk_through_time_can_stop_early(name: str, make_text: MakeText):
    generator = build(name)
    if name in BATCH_STATISTICS:
        generator.eval()
    long, short = (generator(noise(2), make_text([4, 6]), instants(n, 2)) for n in (6, 2))
    assert torch.allclose(long[:, :, :2], short, atol=1e-5)


def test_convlstm_without_attention_has_no_maps_but_clips(make_text: MakeText):
    generator = build("convlstm", attention=False)
    video, maps = generator.attend(noise(2), make_text([5, 3]), instants(3, 2))
    assert video.shape == (2, 3, 3, 16, 16) and maps.shape == (2, 3, 5, 1, 1) and maps.abs().max() == 0


def test_convlstm_without_a_mirror_has_nothing_to_try(make_text: MakeText):
    generator = build("convlstm", mirror=False).train()
    text = make_text([5, 3])
    video, _ = generator.attend(noise(2), text, instants(3, 2))
    assert generator.trial is None and not any("mirror" in name for name, _ in generator.named_parameters())
    with torch.no_grad():
        build("convlstm").train()(noise(2), text, instants(3, 2))
    video.mean().backward()
    assert all(p.grad is not None for p in generator.parameters()), "nothing is left that only the loss mirror trains"


def test_placements_stay_in_reach(make_text: MakeText):
    motion = Motion(dim=8, text_dim=TEXT_DIM, waves=4, groups=3)
    _, places = motion(100 * torch.randn(5, 8), make_text([3] * 5), instants(4, 5), torch.rand(5, 4))
    assert places.abs().max() <= motion.reach
