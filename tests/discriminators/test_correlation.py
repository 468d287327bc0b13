"""The correlation of neighbouring frames says where each place went."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from t2vgan.discriminators.correlation import Correlation, Matcher, Reader
from t2vgan.discriminators.projected import Projected


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(maps: Tensor, layer: Correlation) -> Tensor:
    """Dosovitskiy et al. 2015, eq. 1, place by place and displacement by displacement."""
    t, h, w = maps.shape[1], *maps.shape[3:]
    z = maps - maps.mean((3, 4), keepdim=True)
    z = z * torch.rsqrt(z.square().mean((2, 3, 4), keepdim=True) + 1e-4)
    out = []
    for i in range(t - 1):
        after = F.pad(z[:, i + 1], (layer.across, layer.across, layer.up, layer.up))
        for y in range(2 * layer.up + 1):
            for x in range(2 * layer.across + 1):
                out.append(layer.gain * (z[:, i] * after[:, :, y : y + h, x : x + w]).mean(1))
    return torch.stack(out, 1)


def test_it_is_the_product_of_each_place_with_its_surroundings():
    layer = Correlation(across=2, up=1, gain=3.0)
    for channels in (1, 5):  # one channel takes another path
        maps = noise(2, 3, channels, 6, 8)
        torch.testing.assert_close(layer(maps), by_hand(maps, layer), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_product():
    layer = Correlation(across=2, up=1, gain=3.0)
    for channels in (1, 5):
        one, other = (noise(1, 2, channels, 5, 6).requires_grad_() for _ in range(2))
        weights = noise(*layer(one).shape, seed=1)
        (layer(one) * weights).sum().backward()
        (by_hand(other, layer) * weights).sum().backward()
        assert one.grad is not None and other.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4)


def test_what_moved_is_most_like_itself_at_its_displacement():
    picture = noise(1, 1, 8, 12, 20)
    moved = torch.roll(picture, (1, -3), (3, 4))  # one cell down, three to the left
    found = Correlation(across=4, up=2, gain=1.0)(torch.cat([picture, moved], 1))
    best = found[0, :, 3:-3, 5:-5].mean((1, 2)).argmax().item()
    assert divmod(best, 9) == (2 + 1, 4 - 3)


def test_light_changes_nothing():
    maps = noise(1, 2, 4, 8, 8)
    layer = Correlation(across=1, up=1, gain=1.0)
    torch.testing.assert_close(layer(maps), layer(maps * 3 + 7), rtol=1e-3, atol=1e-3)
    assert layer(torch.ones(1, 2, 4, 8, 8)).abs().max() == 0, "flat places are like nothing"


def test_frames_of_any_size_give_maps_of_one_size():
    for pixels in (16, 32, 64):
        matcher = Matcher(frames=3, size=16)
        found = matcher(noise(2, 3, 3, pixels, pixels), noise(2, 3, 6, 16, 16))
        assert found.shape == (2, matcher.channels, 16, 16) and found.isfinite().all()


def test_a_critic_that_matches_sees_one_level_more():
    for match in (False, True):
        critic = Projected(text_dim=4, frames=2, see_size=32, channels=4, width=8, match=match)
        seen = critic.see(noise(2, 3, 2, 16, 16).clamp(-1, 1))
        assert len(seen) == 3 + match and len(critic.features(seen, torch.tensor([[0.0, 1.0]] * 2))) == 3 + match


def steered(count: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise that goes to the left by a rate each clip has of its own, seen now after a short, now after a long time."""
    rates = 2 * torch.rand(count, generator=torch.Generator().manual_seed(seed)) - 1
    gaps = torch.randint(1, 4, (count,), generator=torch.Generator().manual_seed(seed + 1))
    still = F.avg_pool2d(noise(count, 3, 16, 48, seed=seed + 2), 3, 1, 1)
    moved = [still[i].roll(-round(float(rates[i] * gaps[i] * 2)), -1) for i in range(count)]
    video = torch.stack([still, torch.stack(moved)], 2)[..., 16:32]
    return video, torch.stack([torch.zeros(count), gaps * 0.5], 1), rates


def test_a_reader_learns_rates_whatever_the_time_between_frames():
    torch.manual_seed(0)
    matcher = Matcher(frames=2, size=8)
    reader = Reader(channels=matcher.channels, frames=2, numbers=1, width=16)

    def seen(video: Tensor) -> Tensor:
        return matcher(video, F.avg_pool2d(video.transpose(1, 2).flatten(0, 1), 2).unflatten(0, (len(video), 2)))

    optimizer = torch.optim.Adam(reader.parameters(), lr=3e-3)
    for step in range(120):
        video, times, rates = steered(32, seed=10 * step)
        mean, log_variance = reader(seen(video), times)
        if step == 0:
            assert mean.abs().max() == 0 and abs(log_variance.exp().mean() - 1 / 3) < 0.05, "it knows what is drawn"
        loss = ((rates[:, None] - mean).square() * torch.exp(-log_variance) + log_variance).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    video, times, rates = steered(100, seed=5)
    mean, log_variance = reader(seen(video), times)
    error = (mean[:, 0] - rates).square()
    assert error.mean() < 0.1, "1/3 is what guessing gives"
    assert 0.2 < (error / log_variance[:, 0].exp()).mean() < 5, "and it knows how well it reads"


def test_only_critics_that_match_read_numbers():
    for match in (False, True):
        critic = Projected(text_dim=4, frames=2, see_size=32, channels=4, width=8, match=match, numbers=4)
        assert (critic.reader is not None) == match
    mean, log_variance = critic.read(critic.see(noise(2, 3, 2, 16, 16).clamp(-1, 1)), torch.tensor([[0.0, 1.0]] * 2))
    assert mean.shape == log_variance.shape == (2, 4)
