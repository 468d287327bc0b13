"""What steers a clip is what a critic reads off the real clip of its caption."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from t2vgan.losses.play import Play
from t2vgan.losses.steer import STILL, Steer
from t2vgan.shapes import Trial

NUMBERS = 4  # the third is a speed


def trial(numbers: Tensor, drawn: Tensor, others: Tensor | None = None) -> Trial:
    odds, nothing = torch.zeros(len(numbers)), torch.zeros(len(numbers), 3, 1, 2, 2)
    others = numbers.detach() if others is None else others
    leave = torch.full((len(numbers), 2), 1e-3)
    return Trial(nothing, odds, odds > 0, nothing, numbers, drawn, others, numbers, leave)


def both(read: Tensor, again: Tensor) -> dict[str, Any]:
    """Two looks at the real clips."""
    return {"clear": (read,), "again": (again,), "again_times": torch.zeros(1)}


class Reader(nn.Module):
    """Reads what it sees as it is, all of it with the same variance."""

    def __init__(self, variance: float = 0.01) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.tensor(variance).log())

    def read(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, Tensor]:
        return seen[0], self.log_variance.expand_as(seen[0])


def test_the_reading_is_a_likelihood_of_the_numbers_that_were_drawn(make_play: Callable[..., Play]):
    drawn, read = (torch.randn(3, NUMBERS, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    read.requires_grad_()
    made = trial(torch.zeros(3, NUMBERS), drawn)
    play = make_play(torch.zeros(3, 1), torch.zeros(3, 1), critic=Reader(0.5), trial=made, moved=(read,))
    value = Steer().discriminator(play)
    normal = torch.distributions.Normal(read.detach(), 0.5**0.5)
    half_log_2_pi = 0.5 * torch.log(torch.tensor(2 * torch.pi))
    assert torch.allclose(value, (-normal.log_prob(drawn) - half_log_2_pi).mean())
    value.backward()
    assert read.grad is not None and read.grad.abs().min() > 0


def test_numbers_go_to_what_is_read_off_the_real_clip(make_play: Callable[..., Play]):
    """Where less can be seen both sides shrink alike. Speeds are ahead, whichever way, and noise is no speed: that of
    another look at the clip is another.
    """
    generator = torch.Generator().manual_seed(0)
    clips = 4096
    sides = torch.where(torch.rand(clips, generator=generator) > 0.5, 1.0, -1.0)
    for variance, speed in ((0.0, 0.4), (0.1, 0.4), (0.2, 0.0)):
        truth = torch.tensor([0.5, -0.6, speed, 0.3])
        seen = 1 - 3 * variance
        noise = (seen * variance) ** 0.5 * torch.randn(2, clips, NUMBERS, generator=generator)
        shrunk = torch.stack([torch.full((clips,), seen)] * 2 + [sides, torch.full((clips,), seen)], 1)
        read, again = truth * shrunk + noise
        number = nn.Parameter(torch.full((NUMBERS,), 0.3))
        optimizer = torch.optim.Adam([number], lr=0.02)
        critic = Reader(max(variance, 1e-6))
        for _ in range(400):
            made = trial(number.expand(clips, -1), torch.zeros(clips, NUMBERS))
            nothing = torch.zeros(clips, 1)
            play = make_play(nothing, nothing, critic=critic, trial=made, **both(read, again))
            optimizer.zero_grad()
            Steer(calm=0.0).generator(play).backward()
            optimizer.step()
        assert critic.log_variance.grad is None, "the generator's step does not teach the reader"
        torch.testing.assert_close(number.data[[0, 1, 3]], truth[[0, 1, 3]], atol=0.03, rtol=0)
        assert abs(number.data[2].abs() - speed) < (0.05 if speed else 0.15)


def test_a_camera_is_spread_as_in_real_clips(make_play: Callable[..., Play]):
    """Half of the clips of a caption pan to either side: so do those of a generator, though readings are uncertain."""
    generator, clips, variance = torch.Generator().manual_seed(0), 2048, 0.05
    seen = 1 - 3 * variance
    torch.manual_seed(0)
    free = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1), nn.Tanh())
    leave = nn.Parameter(torch.tensor([0.0, 0.0]))
    optimizer = torch.optim.Adam([*free.parameters(), leave], lr=0.01)

    def camera() -> Tensor:
        return 2 * leave.sigmoid().detach()[0] * free(torch.randn(clips, 1, generator=generator))

    for _ in range(400):
        pan = torch.where(torch.rand(clips, 1, generator=generator) > 0.5, 0.6, -0.6)
        read = torch.cat([pan, torch.zeros(clips, 3)], 1) * seen
        read = read + (seen * variance) ** 0.5 * torch.randn(clips, NUMBERS, generator=generator)
        numbers, others = (torch.cat([n, torch.zeros(clips, 3)], 1) for n in (camera(), camera().detach()))
        made = trial(numbers, torch.zeros(clips, NUMBERS), others=others)
        made.held, made.leave = torch.zeros(clips, NUMBERS), leave.sigmoid().expand(clips, -1)
        nothing = torch.zeros(clips, 1)
        optimizer.zero_grad()
        play = make_play(nothing, nothing, critic=Reader(variance), trial=made, **both(read, read))
        Steer().generator(play).backward()
        optimizer.step()
    far = leave.sigmoid().tolist()
    assert far[0] == pytest.approx(0.6, abs=0.03) and far[1] < 0.15, "and a zoom that never is has no leave"
    learned = camera().detach()
    assert learned.abs().median().item() == pytest.approx(0.6, abs=0.2)
    assert 0.4 < (learned > 0).float().mean() < 0.6 and (learned.abs() < 0.3).float().mean() < 0.25


def test_what_cannot_be_seen_comes_to_rest(make_play: Callable[..., Play]):
    numbers = torch.full((2, NUMBERS), 0.5, requires_grad=True)
    made, read = trial(numbers, torch.zeros(2, NUMBERS)), torch.zeros(2, NUMBERS)
    play = make_play(torch.zeros(2, 1), torch.zeros(2, 1), critic=Reader(1 / 3), trial=made, **both(read, read))
    value = Steer(calm=0.1).generator(play)
    assert torch.allclose(value, torch.tensor(0.1 * (3 * 0.25 + 1.5**2) + (0.25 + STILL**2) ** 2), atol=1e-5), (
        "no height is -1"
    )
    value.backward()
    assert numbers.grad is not None and numbers.grad.min() > 0


def test_a_small_speed_feels_what_it_lacks(make_play: Callable[..., Play]):
    """A difference of squares alone has a sixth of this slope."""
    numbers = torch.tensor([[0.0, 0.0, 0.1, -1.0]], requires_grad=True)
    read = torch.tensor([[0.0, 0.0, -math.hypot(0.14, STILL), -1.0]])
    made, nothing = trial(numbers, torch.zeros(1, 4)), torch.zeros(1, 1)
    play = make_play(nothing, nothing, critic=Reader(1e-16), trial=made, **both(read, read))
    Steer(calm=0.0).generator(play).backward()
    slope = -2 * (0.14**2 - 0.1**2) / 0.2 * 2 * 0.1 / 0.2
    assert numbers.grad is not None and numbers.grad[0, 2] == pytest.approx(slope, rel=1e-3)
    assert numbers.grad[0, [0, 1, 3]].abs().max() < 1e-5


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_it_says_what_is_missing(player: str, make_play: Callable[..., Play]):
    seen = (torch.zeros(2, NUMBERS),)
    play = make_play(torch.zeros(2, 1), torch.zeros(2, 1), critic=Reader(), real=seen, tried=seen)
    with pytest.raises(ValueError, match="steer"):
        getattr(Steer(), player)(play)
