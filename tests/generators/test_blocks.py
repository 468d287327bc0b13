"""The layers that generators share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from t2vgan.generators.blocks import Mirror, ModulatedConv2d, Told, WordAttention, bounded, scaled, trial_of
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]
TEXT_DIM = 12


def test_modulation_is_that_of_the_paper():
    """Karras et al. 2020, eqs. 1-3: the weights are scaled per sample and brought back to unit length, then applied."""
    torch.manual_seed(0)
    layer, x, w = ModulatedConv2d(3, 5, style_dim=4), torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    for i in range(2):
        scaled = layer.weight * layer.style(w[i])[None, :, None, None]
        unit = scaled * torch.rsqrt(scaled.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        expected = nn.functional.conv2d(x[i], layer.gain * unit, padding=1) + layer.bias[:, None, None]
        assert torch.allclose(layer(x, w)[i], expected, atol=1e-5)


def test_a_kernel_of_one_pixel_is_a_convolution_of_what_is_scaled():
    torch.manual_seed(0)
    layer, x, w = (
        ModulatedConv2d(3, 5, style_dim=4, kernel=1, demodulate=False),
        torch.randn(2, 3, 6, 7),
        torch.randn(2, 4),
    )
    nn.init.normal_(layer.bias)
    expected = nn.functional.conv2d(x * layer.style(w)[:, :, None, None], layer.weight, layer.bias)
    torch.testing.assert_close(layer(x, w), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 3])
def test_scales_and_shifts_are_per_channel(dtype: torch.dtype, rows: int):
    torch.manual_seed(0)
    x, scale, shift = torch.randn(3, 4, 5, 6), torch.rand(3, 4, 1, 1), torch.randn(rows, 4, 1, 1)
    made = scaled(*(each.to(dtype) for each in (x, scale, shift)))
    assert made.dtype == dtype
    torch.testing.assert_close(
        made.float(), x * scale + shift, atol=0.03 if dtype == torch.bfloat16 else 1e-6, rtol=0.02
    )


def test_a_layer_that_enlarges_convolves_what_was_repeated():
    torch.manual_seed(0)
    layer, x, w = ModulatedConv2d(3, 5, style_dim=4, up=True), torch.randn(2, 3, 5, 6), torch.randn(2, 4)
    plain = ModulatedConv2d(3, 5, style_dim=4)
    plain.load_state_dict(layer.state_dict())
    expected = plain(x.repeat_interleave(2, 2).repeat_interleave(2, 3), w)
    torch.testing.assert_close(layer(x, w), expected, atol=1e-5, rtol=1e-5)
    gradients = [
        torch.autograd.grad(y.square().sum(), (x_.weight, x_.bias))
        for x_, y in ((layer, layer(x, w)), (plain, expected))
    ]
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)


def test_attention_is_that_of_torch(make_text: MakeText):
    torch.manual_seed(0)
    layer, x, text = WordAttention(channels=6, text_dim=TEXT_DIM, dim=4), torch.randn(4, 6, 3, 3), make_text([5, 3])
    seen, maps = layer(x, text.words, text.mask, 2)
    for frame in range(4):
        clip = frame // 2
        read = nn.functional.scaled_dot_product_attention(
            layer.query(x[frame : frame + 1]).flatten(2).transpose(1, 2),
            layer.key(text.words[clip : clip + 1]),
            layer.value(text.words[clip : clip + 1]),
            attn_mask=text.mask[clip],
        )
        expected = x[frame] + layer.gain * read[0].T.reshape(6, 3, 3)
        assert torch.allclose(seen[frame], expected, atol=1e-5)
    assert maps.shape == (4, 9, 5)


@pytest.mark.parametrize("training", [True, False])
def test_bounds(training: bool):
    assert bounded(torch.tensor([-3.0, 0.5]), training=training).tolist() == [-1.0, 0.5]


def test_slopes_lead_back_into_the_bounds_and_none_further_out():
    """A step goes against the gradient."""
    colours = torch.tensor([-3.0, -3.0, 0.5, 0.5, 2.0, 2.0], requires_grad=True)
    bounded(colours, training=True).backward(torch.tensor([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]))
    assert colours.grad is not None and colours.grad.tolist() == [-1.0, 0.0, -1.0, 1.0, 0.0, 1.0]


def test_a_mirror_shows_the_side_that_its_odds_say(make_text: MakeText):
    text, video, maps = make_text([3, 3]), torch.randn(2, 3, 4, 8, 8), torch.rand(2, 4, 3, 8, 8)
    mirror = Mirror(dim=2, text_dim=TEXT_DIM)
    with torch.no_grad():
        mirror.of_content.weight.copy_(torch.tensor([[1.0, 0.0]]))
    mirrored = mirror.decide(torch.zeros(2, 5), torch.tensor([[2.0, 5.0], [-2.0, 5.0]]), text)
    shown, seen = mirror(mirrored, video, maps)
    assert torch.equal(shown[0], video[0].flip(-1)) and torch.equal(shown[1], video[1])
    assert torch.equal(seen[0], maps[0].flip(-1)) and torch.equal(seen[1], maps[1])
    assert mirror.odds is not None and mirror.odds.tolist() == [2.0, -2.0]
    mirror.odds.sum().backward()
    assert mirror.of_word.weight.grad is not None and mirror.of_word.weight.grad.abs().sum() > 0


def test_noise_decides_where_a_caption_says_no_side(make_text: MakeText):
    mirror, z = Mirror(dim=2, text_dim=TEXT_DIM), torch.randn(200, 5)
    with torch.no_grad():
        mirror.of_content.weight.copy_(torch.tensor([[1.0, 0.0]]))
    for odds, least, most in ((0.0, 0.35, 0.65), (2.0, 1.0, 1.0), (-2.0, 0.0, 0.0)):
        content = torch.tensor([[odds, 0.0]]).expand(200, -1)
        share = mirror.decide(z, content, make_text([3] * 200)).float().mean().item()
        assert least <= share <= most


def test_what_a_word_steers_does_not_depend_on_the_others(make_text: MakeText):
    """The same word in captions of any length and padding adds the same, and padding adds nothing."""
    told = Told(dim=4, text_dim=TEXT_DIM, numbers=2, spread=1.0)
    torch.nn.init.normal_(told.of_word.weight)
    content, text = torch.randn(1, 4).expand(2, -1), make_text([2, 3])
    before = told(content, text)
    for row in (0, 1):
        text.words[row, 0] += 1.0
    text.words[0, 2] = 9.0  # padding
    change = told(content, text) - before
    torch.testing.assert_close(change[0], change[1])
    assert change.abs().min() > 0


def test_words_that_count_outweigh_all_others(make_text: MakeText):
    """A sum follows every word of a long sentence; here one word decides, wherever it stands and whatever is padded."""
    torch.manual_seed(0)
    told, text, content = (
        Told(dim=4, text_dim=TEXT_DIM, numbers=1, hidden=16, pace=1.0),
        make_text([9, 7]),
        torch.zeros(2, 4),
    )
    assert told(content, text).abs().max() == 0
    verbs = torch.randn(2, TEXT_DIM)
    optim = torch.optim.Adam(told.parameters(), lr=0.01)
    for step in range(300):
        said = make_text([9, 7], seed=step)
        said.words[0, step % 9], said.words[1, step % 7] = verbs[0], verbs[1]
        (told(content, said) - torch.tensor([[1.0], [-1.0]])).square().mean().backward()
        optim.step()
        optim.zero_grad()
    new = make_text([9, 9], seed=1000)
    new.words[0, 4], new.words[1, 7] = verbs[0], verbs[1]
    with torch.no_grad():
        one, other = told(content, new)[:, 0].tolist()
    assert one == pytest.approx(1.0, abs=0.3) and other == pytest.approx(-1.0, abs=0.3)


def test_padding_tells_nothing(make_text: MakeText):
    told, text = Told(dim=4, text_dim=TEXT_DIM, numbers=2, hidden=16), make_text([2, 5])
    nn.init.normal_(told.of_word[2].weight)
    text.words[0, 2:] = 7.0
    alone = TextFeatures(text.sentence[:1], text.words[:1, :2], text.mask[:1, :2])
    torch.testing.assert_close(told(torch.zeros(2, 4), text)[:1], told(torch.zeros(1, 4), alone))


def test_a_step_of_the_optimizer_moves_what_is_steered_by_little(make_text: MakeText):
    """By some thousandths, where a plain layer of as many weights moves by tenths."""
    content, text = torch.ones(1, 256), make_text([5])
    moved = {}
    for name, pace in (("told", 1 / 16), ("plain", 1.0)):
        told = Told(dim=256, text_dim=TEXT_DIM, numbers=1, pace=pace)
        optimizer = torch.optim.Adam(told.parameters(), lr=1e-3)
        told(content, text).sum().backward()
        optimizer.step()
        moved[name] = abs(told(content, text).item())
    assert moved["told"] < 0.02 < 0.2 < moved["plain"]


def test_a_mirror_does_not_read_padding(make_text: MakeText):
    text = make_text([3, 2])
    text.words[~text.mask] = 9.0
    mirror = Mirror(dim=2, text_dim=TEXT_DIM)
    with torch.no_grad():
        mirror.of_word.weight.fill_(1.0)
    mirror.decide(torch.zeros(2, 5), torch.zeros(2, 2), text)
    assert mirror.odds is not None
    assert torch.allclose(mirror.odds, torch.stack([text.words[0].sum(), text.words[1, :2].sum()]), atol=1e-5)


def test_whether_a_caption_says_a_side_is_told_by_its_odds():
    """Mirrored, not, and left open."""
    mirror = Mirror(dim=1, text_dim=TEXT_DIM)
    mirror.odds = torch.tensor([2.0, -2.0, 0.5], requires_grad=True)
    mirror.mirrored = mirror.odds > 0
    trial = trial_of(mirror, torch.zeros(3, 3, 1, 2, 2))
    assert trial.sure.tolist() == [1, -1, 0] and not trial.sure.requires_grad and trial.odds.requires_grad
