"""What steers a clip is what a critic reads off the real clip of its caption."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from t2vgan.losses.play import Play
from t2vgan.losses.steer import FIRST, OPEN, SIDES, SPEED, Steer
from t2vgan.shapes import Trial

NUMBERS = 4  # the third is a speed


def trial(numbers: Tensor, drawn: Tensor, others: Tensor | None = None, sure: Tensor | None = None) -> Trial:
    """Clips go to the right where no caption says otherwise; `sure`: 1 is to the left, 0 open."""
    sure = torch.zeros(len(numbers)) if sure is None else sure
    odds, nothing = sure, torch.zeros(len(numbers), 3, 1, 2, 2)
    others = numbers.detach() if others is None else others
    leave = torch.full((len(numbers), 2), 1e-3)
    return Trial(nothing, odds, odds > 0, (nothing,), numbers, drawn, others, numbers, leave, sure)


def on_screen(numbers: Tensor, sides: Tensor) -> Tensor:
    """With speeds to the right."""
    speed = (numbers[:, SPEED] * sides)[:, None]
    return torch.cat([numbers[:, :SPEED], speed, numbers[:, SPEED + 1 :]], 1)


class Reader(nn.Module):
    """Reads what it sees as it is, all of it with the same variance."""

    def __init__(self, variance: float = 0.01) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.tensor(variance).log())

    def read(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, Tensor]:
        return seen[0], self.log_variance.expand_as(seen[0])


def test_the_reading_is_a_likelihood_of_the_numbers_that_were_drawn(make_play: Callable[..., Play]):
    """Of stills and of canvases alike."""
    drawn, *read = (torch.randn(3, NUMBERS, generator=torch.Generator().manual_seed(i)) for i in range(3))
    made = trial(torch.zeros(3, NUMBERS), drawn)
    moved = tuple((each.requires_grad_(),) for each in read)
    play = make_play(torch.zeros(3, 1), torch.zeros(3, 1), critic=Reader(0.5), trial=made, moved=moved)
    value = Steer().discriminator(play)
    normal = torch.distributions.Normal(torch.stack(read).detach(), 0.5**0.5)
    half_log_2_pi = 0.5 * torch.log(torch.tensor(2 * torch.pi))
    assert torch.allclose(value, (-normal.log_prob(drawn) - half_log_2_pi).mean())
    value.backward()
    assert all(each.grad is not None and each.grad.abs().min() > 0 for each in read)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("variance", [0.01, 0.1])
def test_numbers_go_to_what_is_read_off_the_real_clip(named: bool, variance: float, make_play: Callable[..., Play]):
    """Speeds are ahead, whichever way and whether captions say so. The less is seen the nearer to 0 it is read."""
    generator = torch.Generator().manual_seed(0)
    clips, truth, seen = 4096, torch.tensor([0.3, -0.6, 0.4, 0.3]), 1 - 3 * variance
    number = nn.Parameter(torch.full((NUMBERS,), 0.1))
    optimizer = torch.optim.Adam([number], lr=0.02)
    critic = Reader(variance)
    for _ in range(400):
        side = torch.where(torch.rand(clips, generator=generator) > 0.5, 1.0, -1.0)
        made = trial(number.expand(clips, -1), torch.zeros(clips, NUMBERS), sure=-side if named else None)
        made.numbers = made.numbers.detach()  # no noise moves the camera
        read = seen * on_screen(truth.expand(clips, -1), side)
        read = read + (seen * variance) ** 0.5 * torch.randn(clips, NUMBERS, generator=generator)
        optimizer.zero_grad()
        play = make_play(torch.zeros(clips, 1), torch.zeros(clips, 1), critic=critic, trial=made, clear=(read,))
        Steer(calm=0.0).generator(play).backward()
        optimizer.step()
    assert critic.log_variance.grad is None, "the generator's step does not teach the reader"
    torch.testing.assert_close(number.data, truth, atol=0.03, rtol=0)


def test_clips_are_mirrored_where_real_ones_are_seen_to_go_to_the_left(make_play: Callable[..., Play]):
    """Whichever side they are shown from. What rests says nothing; where nothing is seen yet the bit is held."""
    read = torch.zeros(3, NUMBERS)
    read[:, SPEED] = torch.tensor([-0.5, 0.5, 0.0])

    def slopes(shown: float, variance: float) -> list[float]:
        odds = torch.full((3,), shown, requires_grad=True)
        made = trial(torch.zeros(3, NUMBERS), torch.zeros(3, NUMBERS))
        made.odds, nothing = odds, torch.zeros(3, 1)
        play = make_play(nothing, nothing, critic=Reader(variance), trial=made, clear=(read,))
        Steer().generator(play).backward()
        assert odds.grad is not None
        return odds.grad.tolist()

    for shown in (-3.0, 3.0):
        left, right, rests = slopes(shown, 0.01)
        assert left < 0 < right and abs(rests) < 0.05
        assert all(slope * shown > 0.1 for slope in slopes(shown, 1 / 3)[2:])


@pytest.mark.parametrize("named", [True, False])
def test_what_rests_comes_to_rest(named: bool, make_play: Callable[..., Play]):
    """Though each reading is off by 0.2 to either side, which their squares take for a speed."""
    generator = torch.Generator().manual_seed(0)
    raw, clips, variance = nn.Parameter(torch.zeros(())), 1024, 0.05
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(400):
        numbers = torch.cat([torch.zeros(clips, 2), raw.sigmoid().expand(clips, 1), -torch.ones(clips, 1)], 1)
        sure = -torch.ones(clips) if named else None
        made = trial(numbers, torch.zeros(clips, NUMBERS), others=numbers.detach(), sure=sure)
        off = torch.zeros(clips, NUMBERS)
        off[:, SPEED] = ((1 - 3 * variance) * variance) ** 0.5 * torch.randn(clips, generator=generator)
        nothing = torch.zeros(clips, 1)
        optimizer.zero_grad()
        play = make_play(nothing, nothing, critic=Reader(variance), trial=made, clear=(off,))
        Steer(calm=0.0).generator(play).backward()
        optimizer.step()
    assert raw.sigmoid() < (0.04 if named else 0.1)


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
        play = make_play(nothing, nothing, critic=Reader(variance), trial=made, clear=(read,))
        Steer().generator(play).backward()
        optimizer.step()
    far = leave.sigmoid().tolist()
    assert far[0] == pytest.approx(0.6, abs=0.03) and far[1] < 0.15, "and a zoom that never is has no leave"
    learned = camera().detach()
    assert learned.abs().median().item() == pytest.approx(0.6, abs=0.2)
    assert 0.4 < (learned > 0).float().mean() < 0.6 and (learned.abs() < 0.3).float().mean() < 0.25


def test_what_cannot_be_seen_goes_on_as_at_first(make_play: Callable[..., Play]):
    numbers = torch.full((2, NUMBERS), 0.5, requires_grad=True)
    made, read = trial(numbers, torch.zeros(2, NUMBERS)), torch.zeros(2, NUMBERS)
    play = make_play(torch.zeros(2, 1), torch.zeros(2, 1), critic=Reader(1 / 3), trial=made, clear=(read,))
    value = Steer(calm=0.1).generator(play)
    numbers_cost, sides_cost = 0.1 * (2 * 0.25 + (0.5 - FIRST) ** 2 + 1.5**2), SIDES * math.log(2)
    assert value.item() == pytest.approx(numbers_cost + sides_cost, abs=1e-4)
    value.backward()
    assert numbers.grad is not None and numbers.grad.min() > 0


def test_a_small_speed_feels_what_it_lacks(make_play: Callable[..., Play]):
    """Where no caption says which way: a difference of squares alone has a sixth of this slope."""
    numbers = torch.tensor([[0.0, 0.0, 0.1, -1.0]], requires_grad=True)
    read = torch.tensor([[0.0, 0.0, -0.14, -1.0]])
    made, nothing = trial(numbers, torch.zeros(1, 4)), torch.zeros(1, 1)
    play = make_play(nothing, nothing, critic=Reader(1e-16), trial=made, clear=(read,))
    Steer(calm=0.0).generator(play).backward()
    slope = -OPEN * 2 * (0.14**2 - 0.1**2) / 0.2 * 2 * 0.1 / 0.2
    assert numbers.grad is not None and numbers.grad[0, SPEED] == pytest.approx(slope, rel=1e-3)
    assert numbers.grad[0, [0, 1, 3]].abs().max() < 1e-5


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_it_says_what_is_missing(player: str, make_play: Callable[..., Play]):
    seen = (torch.zeros(2, NUMBERS),)
    play = make_play(torch.zeros(2, 1), torch.zeros(2, 1), critic=Reader(), real=seen, tried=seen)
    with pytest.raises(ValueError, match="steer"):
        getattr(Steer(), player)(play)
