"""The critics of the literature: what sets each of them apart, worked out in another way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from t2vgan.discriminators.blocks import SpectralConv2d
from t2vgan.discriminators.digan import DiganMotion
from t2vgan.discriminators.dvdgan import DvdganSpatial, DvdganTemporal, SpectralConv3d
from t2vgan.discriminators.mocogan import MocoganImage, MocoganVideo
from t2vgan.discriminators.stylegan_v import StyleganV, with_deviation
from t2vgan.discriminators.tfgan import TextFilters
from t2vgan.discriminators.tgan import EVERY, TganVideo
from t2vgan.discriminators.volumes import halving
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]


def video(clips: int = 2, *, size: int = 16, frames: int = 4, seed: int = 0) -> torch.Tensor:
    return 2 * torch.rand(clips, 3, frames, size, size, generator=torch.Generator().manual_seed(seed)) - 1


def instants(clips: int = 2, *, frames: int = 4) -> torch.Tensor:
    return (torch.arange(frames) * 0.125).repeat(clips, 1)


def test_a_halving_convolution_halves():
    for length in (1, 2, 3, 5, 16):
        (kernel, stride, padding), then = halving(length)
        conv = torch.nn.Conv1d(1, 1, kernel, stride, padding)
        assert conv(torch.zeros(1, 1, length)).shape[2] == then


def test_mocogan_judges_in_patches(make_text: MakeText):
    text = make_text([3, 5])
    image, clip = MocoganImage(text_dim=12, size=32, width=4), MocoganVideo(text_dim=12, size=32, width=4)
    still = image.judge(image.features((video(size=32, frames=1),), instants(frames=1)), text)
    moving = clip.judge(clip.features((video(size=32, frames=16),), instants(frames=16)), text)
    assert still.shape == (2, 4 * 4) and moving.shape == (2, 7 * 4 * 4)  # 16 frames less three for each of three layers


def test_tgan_clips_singular_values_every_fifth_round():
    torch.manual_seed(0)
    critic, clips = TganVideo(text_dim=12, size=16, clip_frames=4, width=4), video()

    def largest() -> float:
        return max(float(torch.linalg.matrix_norm(p.flatten(1), 2)) for p in critic.parameters() if p.dim() > 1)

    def stretched() -> None:
        with torch.no_grad():
            for p in critic.parameters():
                p.mul_(3.0)

    stretched()
    critic.see(clips)
    assert largest() == pytest.approx(1.0, abs=1e-4)
    stretched()
    for _ in range(2 * EVERY - 1):  # the rest of five rounds of two looks each
        critic.see(clips)
        assert largest() > 2.0
    critic.see(clips)
    assert largest() == pytest.approx(1.0, abs=1e-4)


def test_tgan_leaves_small_singular_values_alone():
    critic = TganVideo(text_dim=12, size=16, clip_frames=4, width=4)
    with torch.no_grad():
        for p in critic.parameters():
            p.mul_(0.01)
    before = [p.clone() for p in critic.parameters() if p.dim() > 1]
    critic.clip()
    assert all(
        torch.allclose(a, b, atol=1e-6)
        for a, b in zip(before, (p for p in critic.parameters() if p.dim() > 1), strict=True)
    )


def test_tgan_gains_are_at_most_the_deviations():
    critic = TganVideo(text_dim=12, size=16, clip_frames=4, width=4)
    norm = critic.norms[1]
    assert isinstance(norm, torch.nn.BatchNorm3d) and norm.running_var is not None
    norm.running_var.fill_(0.25)
    with torch.no_grad():
        norm.weight.fill_(3.0)
    critic.clip()
    assert torch.allclose(norm.weight, torch.full_like(norm.weight, 0.5), atol=1e-4)


def test_tfgan_filters_are_those_of_each_clips_own_text():
    torch.manual_seed(0)
    layer = TextFilters(inward=3, width=4, code=6, kernel=(3, 5, 5), dim=8)
    maps, code = torch.randn(2, 3, 4, 8, 8), torch.randn(2, 6)
    found = layer(maps, code)
    assert layer.sentence_filters.weight.std().item() == pytest.approx(6**-0.5, rel=0.1)
    for i in range(2):
        filters = layer.sentence_filters(code[i] / code[i].square().mean().sqrt()).view(4, 4, 3, 5, 5) / (4 * 75) ** 0.5
        x = F.conv3d(layer.enter(maps[i : i + 1]), filters, padding=(1, 2, 2))
        x = F.relu(layer.after(F.avg_pool3d(x, (1, 2, 2)))).mean(2, keepdim=True)
        x = F.adaptive_avg_pool2d(x[:, :, 0], 2)
        assert torch.allclose(found[i, 0], layer.leave(x.flatten(1))[0], atol=1e-4)


def test_dvdgan_scores_of_frames_add_up(make_text: MakeText):
    """Clark et al. 2019, section 3.2: D_S of several frames is the sum over the frames alone."""
    critic, text = DvdganSpatial(text_dim=12, size=16, frames=3, width=4).eval(), make_text([3, 5])
    clips = video(frames=3)
    together = critic.judge(critic.features(critic.see(clips), instants(frames=3)), text)
    alone = [critic.judge(critic.features(critic.see(clips[:, :, [i]]), instants(frames=1)), text) for i in range(3)]
    assert torch.allclose(together, sum(alone), atol=1e-4) and together.shape == (2, 1)


@pytest.mark.parametrize("critic", [DvdganSpatial, DvdganTemporal])
def test_dvdgan_is_bounded_from_the_first_round(critic: type[DvdganSpatial | DvdganTemporal], make_text: MakeText):
    """Singular values are known when a critic is made, and a longer sentence stretches no logit."""
    torch.manual_seed(0)
    made, text, clips = critic(text_dim=12, size=16, width=4), make_text([3, 5]), video(frames=16)
    layers = [m for m in made.modules() if isinstance(m, SpectralConv2d | SpectralConv3d)]
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.normalised_weight().flatten(1), 2).item()
        assert largest == pytest.approx(1.0, abs=0.15)
    features = made.eval().features(made.see(clips), instants(frames=16))
    longer = dataclasses.replace(text, sentence=9 * text.sentence)
    assert torch.allclose(made.judge(features, text), made.judge(features, longer), rtol=1e-4)


def test_dvdgan_looks_at_time_at_half_the_size():
    (seen,) = DvdganTemporal(text_dim=12, size=16, clip_frames=4, width=4).see(video())
    assert seen.shape == (2, 3, 4, 8, 8) and torch.allclose(seen[0, 0, 0, 0, 0], video()[0, 0, 0, :2, :2].mean())


def test_volumes_are_spectrally_normalised():
    torch.manual_seed(0)
    conv = SpectralConv3d(3, 5, 3, padding=1)
    for _ in range(60):
        weight = conv.normalised_weight()
    assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1.0, abs=1e-3)


def test_the_deviation_within_a_group():
    x = torch.randn(4, 3, 2, 2)
    found = with_deviation(x)
    expected = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    assert found.shape == (4, 4, 2, 2) and torch.allclose(found[:, 3], expected.expand(4, 2, 2), atol=1e-5)
    assert with_deviation(torch.randn(3, 3, 2, 2)).shape == (3, 4, 2, 2), "three clips are no group of four"


def test_stylegan_v_has_no_logit_but_the_product(make_text: MakeText):
    critic, text = StyleganV(text_dim=12, size=16, frames=3, width=4), make_text([3, 5])
    features, apart = critic.features(critic.see(video(frames=3)), instants(frames=3))
    assert apart.shape == (2, 2) and torch.allclose(apart, torch.full((2, 2), 0.125))
    assert critic.judge((torch.zeros_like(features), apart), text).abs().max() == 0


def test_digan_is_told_the_time_between_two_frames(make_text: MakeText):
    critic, clips = DiganMotion(text_dim=12, size=16, width=4), video(frames=2)
    near, far = (critic.features(critic.see(clips), torch.tensor([[0.0, s]] * 2))[0] for s in (0.1, 1.0))
    assert (near - far).abs().max() > 1e-4
    again = critic.features(critic.see(clips), torch.tensor([[5.0, 5.1]] * 2))[0]
    assert torch.allclose(near, again, atol=1e-5), "only the distance counts"
