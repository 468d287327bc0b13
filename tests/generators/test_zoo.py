"""The designs of the literature: their formulas, on numbers worked out in another way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from t2vgan.equalised import EqualLinear
from t2vgan.generators.blocks import ModulatedConv2d, SynthesisBlock
from t2vgan.generators.digan import Coordinates, Digan, FactorisedLinear
from t2vgan.generators.dvdgan import ConditionalNorm, ConvGru
from t2vgan.generators.mocogan import DcganImage, Mocogan
from t2vgan.generators.stylegan_v import MotionCodes
from t2vgan.generators.tgan import Tgan
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]


def instants(count: int, *, apart_s: float = 0.125) -> torch.Tensor:
    return (torch.arange(count) * apart_s)[None]


def test_mocogan_content_stays_and_motion_walks(make_text: MakeText):
    """Tulyakov et al. 2018, section 3: with the noise of later steps changed, frames before them stay as they were."""
    generator = Mocogan(text_dim=12, size=16, clip_frames=6, content_dim=3, motion_dim=2, width=4).eval()
    z, text = torch.randn(1, generator.z_dim), make_text([4])
    other = z.clone()
    other[:, 3 + 2 + 2 * 3 :] += 1.0  # after content, the first state and the noise of three steps
    one, two = generator(z, text, instants(6)), generator(other, text, instants(6))
    assert torch.allclose(one[:, :, :3], two[:, :, :3], atol=1e-6) and (one - two)[:, :, 3:].abs().max() > 1e-5


def test_dcgan_widths_double_downwards():
    layers = [m for m in DcganImage(inward=7, size=64, width=8).layers if isinstance(m, nn.ConvTranspose2d)]
    assert [m.in_channels for m in layers] == [7, 64, 32, 16, 8] and layers[-1].out_channels == 3


def test_tgan_makes_all_frames_at_once_and_no_more(make_text: MakeText):
    generator = Tgan(text_dim=12, size=16, clip_frames=8, width=4).eval()
    assert generator(torch.randn(1, 100), make_text([4]), instants(8)).shape[2] == 8
    with pytest.raises(ValueError, match="8 at most, not 9"):
        generator(torch.randn(1, 100), make_text([4]), instants(9))


def test_the_gates_of_a_convgru():
    """u h + (1 - u) relu(candidate), from u = 1/2 everywhere and a candidate that copies what is shown."""
    layer, x = ConvGru(channels=1), torch.randn(1, 3, 1, 4, 4)
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()
        layer.candidate.weight[0, 1, 1, 1] = 1.0
        states = layer(x)
    shown = x.relu()
    assert torch.allclose(states[:, 0], shown[:, 0] / 2)
    assert torch.allclose(states[:, 2], shown[:, 0] / 8 + shown[:, 1] / 4 + shown[:, 2] / 2)


def test_a_condition_sets_gain_and_bias():
    layer, x = ConditionalNorm(channels=3, dim=2), torch.randn(8, 3, 5, 5)
    condition = torch.tensor([[1.0, 0.0]]).expand(8, -1)
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / x.var((0, 2, 3), keepdim=True, unbiased=False).add(1e-5).sqrt()
    with torch.no_grad():
        told = layer(x, condition)
    gain = 1 + layer.gain.weight[:, 0] + layer.gain.bias
    bias = layer.bias.weight[:, 0] + layer.bias.bias
    assert torch.allclose(told, plain * gain[:, None, None] + bias[:, None, None], atol=1e-5)


def codes(*, waves: int = 5) -> MotionCodes:
    torch.manual_seed(0)
    return MotionCodes(text_dim=4, noise=3, waves=waves, spacing_s=0.5)


def test_motion_codes_are_continuous_across_anchors():
    """Skorokhodov et al. 2022, section 3.1: at an anchor the code is A u, from whichever side it is approached."""
    motion, noise, sentence = codes(), torch.randn(1, 8, 3), torch.randn(1, 4)
    just_before, at, just_after = motion(noise, sentence, torch.tensor([[0.99999, 1.0, 1.00001]]))[0]
    assert torch.allclose(just_before, at, atol=2e-3) and torch.allclose(at, just_after, atol=2e-3)
    u = motion.trajectory(noise, sentence, 3)
    assert torch.allclose(at, motion.aligners(u[0, 2]), atol=1e-5)


def test_motion_codes_move_between_anchors_and_do_not_repeat():
    motion, noise, sentence = codes(), torch.randn(1, 12, 3), torch.randn(1, 4)
    found = motion(noise, sentence, torch.tensor([[0.1, 0.3, 1.1, 1.3]]))[0]
    assert torch.cdist(found, found).fill_diagonal_(9).min() > 1e-3


def test_noise_of_an_anchor_does_not_reach_far():
    motion, sentence = codes(), torch.randn(1, 4)
    noise = torch.randn(1, 12, 3)
    other = noise.clone()
    other[:, 9] += 1.0
    early = torch.tensor([[0.1, 0.7]])
    assert torch.equal(motion(noise, sentence, early), motion(other, sentence, early))


def test_an_equalised_layer_is_the_same_function_at_any_pace():
    torch.manual_seed(0)
    x, layer = torch.randn(64, 100), EqualLinear(100, 50, pace=0.01)
    assert layer(x).std().item() == pytest.approx(1.0, abs=0.1)
    assert layer.weight.std().item() == pytest.approx(100, rel=0.1)


def test_equalised_synthesis_is_the_same_function_of_other_numbers():
    torch.manual_seed(0)
    plain, equal = (SynthesisBlock(6, 4, style_dim=5, up=True, equal=e) for e in (False, True))
    shares = [m.share for m in equal.modules() if isinstance(m, ModulatedConv2d)]
    assert shares == pytest.approx([(6 * 9) ** -0.5, (4 * 9) ** -0.5, 4**-0.5])
    for a, b in zip((plain.first, plain.second, plain.to_rgb), (equal.first, equal.second, equal.to_rgb), strict=True):
        a.load_state_dict({**b.state_dict(), "weight": b.weight * b.share, "style.weight": b.style.weight * 5**-0.5})
    x, rgb, w = torch.randn(2, 6, 4, 4), torch.randn(2, 3, 4, 4), torch.randn(2, 5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(plain(x, rgb, w), equal(x, rgb, w), strict=True))


def test_a_factorised_layer_is_that_of_the_paper():
    """Skorokhodov et al. 2021, section 3.1: y = W * (1 + A B / sqrt(rank)) x, with rows of unit length."""
    torch.manual_seed(0)
    layer, x, w = FactorisedLinear(3, 5, dim=4, rank=2), torch.randn(2, 7, 3), torch.randn(2, 4)
    factors = layer.factors(w)
    for i in range(2):
        left, right = factors[i, : 5 * 2].view(5, 2), factors[i, 5 * 2 :].view(2, 3)
        weight = layer.weight * (1 + left @ right / 2**0.5)
        weight = weight / weight.norm(dim=1, keepdim=True)
        assert torch.allclose(layer(x, w)[i], x[i] @ weight.T + layer.bias, atol=1e-5)


def test_the_first_layer_is_a_sine_of_place_and_time():
    layer, pace, times = Coordinates(features=4, spread=2.0), torch.randn(1, 4), torch.tensor([[0.0, 0.7]])
    found = layer(pace, times, 2)
    x, y = torch.tensor(0.5), torch.tensor(-0.5)  # the second of four pixels: first row, second column
    expected = torch.sin(y * layer.across[0] + x * layer.across[1] + 0.7 * pace[0] + layer.bias)
    assert torch.allclose(found[0, 1, 1], expected, atol=1e-6)


def test_digan_motion_noise_changes_what_moves_only(make_text: MakeText):
    """Yu et al. 2022, section 3.2: at t = 0 the motion vector has no say."""
    torch.manual_seed(0)
    generator, text = Digan(text_dim=12, size=16, z_dim=8, dim=16, width=8), make_text([4])
    z = torch.randn(1, 8)
    other = z.clone()
    other[:, 4:] += 1.0
    one, two = generator(z, text, instants(3)), generator(other, text, instants(3))
    assert torch.allclose(one[:, :, 0], two[:, :, 0], atol=1e-5) and (one - two)[:, :, 2].abs().max() > 1e-5
