"""What is done to clips before critics see them: the same on every frame, decided by the draws, open to gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from t2vgan.augment import Augment


def clips(count: int = 2, *, frames: int = 3, size: int = 10) -> Tensor:
    return torch.rand(count, 3, frames, size, size, generator=torch.Generator().manual_seed(0)) + 0.5  # nowhere zero


def dot(size: int = 10) -> Tensor:
    """One bright pixel in row 4, column 6."""
    video = torch.zeros(1, 3, 2, size, size)
    video[..., 4, 6] = 1.0
    return video


ALL = [Augment(translate=0.3), Augment(cutout=0.4), Augment(translate=0.2, cutout=0.3)]


def test_nothing_asked_for_nothing_done():
    assert torch.equal(Augment()(clips(), torch.rand(2, 4)), clips())


@pytest.mark.parametrize("augment", ALL)
def test_the_same_change_on_every_frame(augment: Augment):
    still = clips(frames=1).expand(-1, -1, 5, -1, -1)
    changed = augment(still, torch.rand(2, 4, generator=torch.Generator().manual_seed(1)))
    assert changed.shape == still.shape and not torch.equal(changed, still)
    assert torch.equal(changed, changed[:, :, :1].expand_as(changed))


@pytest.mark.parametrize("augment", ALL)
def test_draws_decide_everything(augment: Augment):
    draws = torch.tensor([[0.1, 0.9, 0.3, 0.4], [0.8, 0.2, 0.6, 0.7]])
    changed = augment(clips(), draws)
    assert torch.equal(changed, augment(clips(), draws))
    assert not torch.equal(changed, augment(clips(), draws.flip(0)))
    for i in range(2):
        assert torch.equal(changed[i : i + 1], augment(clips()[i : i + 1], draws[i : i + 1])), "each clip by itself"


@pytest.mark.parametrize("augment", ALL)
def test_gradients_flow_to_what_is_still_seen(augment: Augment):
    video = clips().requires_grad_()
    changed = augment(video, torch.full((2, 4), 0.9))
    changed.sum().backward()
    assert video.grad is not None
    # Every pixel of the result is a copy of one that came in, or the grey of the hole.
    assert video.grad.sum() == changed.ne(0).sum() > 0


@pytest.mark.parametrize(
    ("draws", "row", "column"),
    [((0.5, 0.5), 4, 6), ((0.0, 0.5), 6, 6), ((0.999, 0.5), 2, 6), ((0.5, 0.0), 4, 8), ((0.0, 0.999), 6, 4)],
)
def test_translation_moves_a_pixel(draws: tuple[float, float], row: int, column: int):
    moved = Augment(translate=0.2)(dot(), torch.tensor([[*draws, 0.5, 0.5]]))  # by up to 2 of 10 pixels
    assert moved.nonzero()[:, 3:].unique(dim=0).tolist() == [[row, column]]
    assert moved.sum() == 3 * 2


def test_edges_are_repeated():
    rows = torch.arange(4.0)[None, None, None, :, None].expand(1, 3, 1, 4, 4)
    moved = Augment(translate=0.5)(rows, torch.tensor([[0.999, 0.5, 0.5, 0.5]]))
    assert moved[0, 0, 0, :, 0].tolist() == [2.0, 3.0, 3.0, 3.0]


def test_every_shift_is_as_likely_as_any_other():
    draws = torch.cat([torch.rand(5000, 1, generator=torch.Generator().manual_seed(2)), torch.full((5000, 3), 0.5)], 1)
    moved = Augment(translate=0.2)(dot()[:, :1, :1].expand(5000, -1, -1, -1, -1), draws)
    counts = moved[:, 0, 0, :, 6].argmax(1).bincount(minlength=10)
    assert counts[2:7].min() > 900 and counts.sum() == counts[2:7].sum() == 5000


def test_the_hole_has_its_size_and_place():
    video = clips(1)
    cut = Augment(cutout=0.4)(video, torch.tensor([[0.5, 0.5, 0.5, 0.3]]))
    hole = (cut == 0).all((0, 1, 2))
    assert hole.nonzero().min(0).values.tolist() == [3, 1] and hole.nonzero().max(0).values.tolist() == [6, 4]
    assert hole.sum() == 16 and torch.equal(cut[..., ~hole], video[..., ~hole])


def test_noise_grows_and_stays():
    augment = Augment(noise=0.3, rise=0.4)
    assert [augment.noise_at(done) for done in (0.0, 0.2, 0.4, 1.0)] == pytest.approx([0.0, 0.15, 0.3, 0.3])
    assert Augment(noise=0.2).noise_at(0.0) == 0.2 and Augment().noise_at(0.5) == 0.0


@pytest.mark.parametrize("options", [{"noise": -0.1}, {"noise": float("nan")}, {"rise": 1.5}, {"rise": -1.0}])
def test_noise_that_cannot_be(options: dict[str, float]):
    with pytest.raises(ValueError, match=rf"augment.{next(iter(options))} is "):
        Augment(**options)


@pytest.mark.parametrize("options", [{"translate": -0.1}, {"translate": 1.0}, {"cutout": 1.5}])
def test_shares_that_cannot_be(options: dict[str, float]):
    with pytest.raises(ValueError, match=rf"augment.{next(iter(options))} is .*: it is a share of the size"):
        Augment(**options)
