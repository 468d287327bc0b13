"""Gradient steps of a game: Adam's settings, the schedule, gradients over ranks, and players that stand still."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from t2vgan.config import Optim, load
from t2vgan.optim import adam, frozen, mean_gradients, parameters, schedule, set_options


def with_gradients(*gradients: list[float] | None) -> list[nn.Parameter]:
    owned = [nn.Parameter(torch.zeros(len(g or [0.0, 0.0]))) for g in gradients]
    for p, g in zip(owned, gradients, strict=True):
        p.grad = None if g is None else torch.tensor(g)
    return owned


def test_adam_takes_the_settings_of_an_experiment():
    settings = load("smoke", ["g_optim.lr=0.01", "g_optim.betas=[0,0.9]", "g_optim.eps=1e-12"]).g_optim
    owned = with_gradients([2.0, -0.5])
    optim = adam(owned, settings)
    optim.step()
    assert optim.defaults["betas"] == (0.0, 0.9) and optim.defaults["fused"]
    assert torch.allclose(owned[0], torch.tensor([-0.01, 0.01]))  # the first step of Adam: lr against the sign


def test_what_is_restored_gives_way_to_what_is_asked_for():
    then, now = Optim(lr=1e-3, betas=[0.0, 0.99]), Optim(lr=2e-3, betas=[0.5, 0.9], eps=1e-3)
    before, after = adam(with_gradients([1.0]), then), adam(with_gradients([1.0]), now)
    after.load_state_dict(before.state_dict())
    set_options(after, now, seen=0, total=100)
    (group,) = after.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (2e-3, (0.5, 0.9), 1e-3)


def test_words_may_have_a_rate_of_their_own():
    optim = adam(with_gradients([1.0]), Optim(lr=1e-3), with_gradients([1.0]))
    set_options(optim, Optim(lr=1e-3, final=0.1), seen=100, total=100, apart=5e-4)
    assert [group["lr"] for group in optim.param_groups] == pytest.approx([1e-4, 5e-5])
    set_options(optim, Optim(lr=1e-3), seen=0, total=100)
    assert [group["lr"] for group in optim.param_groups] == [1e-3, 1e-3]


def test_betas_of_whole_numbers():
    settings = Optim()
    settings.betas = [0, 0.99]  # as a plain dict of a checkpoint may hold them
    optim = adam(with_gradients([1.0]), settings)
    optim.step()
    assert all(isinstance(beta, float) for beta in optim.defaults["betas"])


def test_the_rate_stays_without_warmup_and_decay():
    assert {schedule(clips, 1000, Optim()) for clips in range(0, 2000, 16)} == {1.0}


def test_warmup_is_linear():
    settings = Optim(warmup_clips=100)
    assert [schedule(clips, 1000, settings) for clips in (0, 49, 99, 100, 1000)] == [0.01, 0.5, 1.0, 1.0, 1.0]


def test_the_end_of_the_rate_is_half_a_cosine():
    settings = Optim(warmup_clips=100, final=0.2)
    for share, expected in (
        (0.0, 1.0),
        (0.25, 0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2),
        (0.5, 0.6),
        (1.0, 0.2),
        (1.5, 0.2),
    ):
        assert schedule(100 + round(share * 900), 1000, settings) == pytest.approx(expected)


def test_a_run_that_is_all_warmup_ends_at_the_full_rate():
    assert schedule(1000, 1000, Optim(warmup_clips=1000)) == 1.0


def test_the_norm_is_that_of_all_gradients_and_without_clipping_they_stay():
    owned = with_gradients([3.0, 0.0], [0.0, 4.0])
    assert mean_gradients(owned, 1, 0.0) == pytest.approx(5.0)
    assert [p.grad.tolist() for p in owned if p.grad is not None] == [[3.0, 0.0], [0.0, 4.0]]


@pytest.mark.parametrize(("clip_norm", "expected"), [(1.0, 1.0), (50.0, 5.0)])
def test_clipping_shortens_but_never_lengthens(clip_norm: float, expected: float):
    owned = with_gradients([3.0, 0.0], [0.0, 4.0])
    assert mean_gradients(owned, 1, clip_norm) == pytest.approx(5.0), "the norm before it was clipped"
    clipped = torch.cat([p.grad for p in owned if p.grad is not None])
    assert clipped.norm() == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(clipped / clipped.norm(), torch.tensor([0.6, 0.0, 0.0, 0.8]))


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(broken: float):
    assert not torch.isfinite(mean_gradients(with_gradients([1.0], [broken]), 1, 1.0))


def test_a_parameter_without_a_gradient_counts_as_zero():
    owned = with_gradients([3.0, 4.0], None)
    assert mean_gradients(owned, 1, 0.0) == pytest.approx(5.0)
    assert owned[1].grad is not None and owned[1].grad.tolist() == [0.0, 0.0]


def test_gradients_are_means_over_the_ranks_and_cross_at_once(monkeypatch: pytest.MonkeyPatch):
    calls = []

    def all_reduce(flat: Tensor) -> None:
        """The other rank's gradients are 6, 8 and 10; it has none for the last parameter either."""
        calls.append(flat.clone())
        flat += torch.tensor([6.0, 8.0, 10.0, 0.0, 0.0])

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    owned = with_gradients([2.0, 4.0], [6.0], None)
    norm = mean_gradients(owned, 2, 0.0)
    assert len(calls) == 1
    assert [p.grad.tolist() for p in owned if p.grad is not None] == [[4.0, 6.0], [8.0], [0.0, 0.0]]
    assert norm == pytest.approx(math.sqrt(16 + 36 + 64))


def test_a_rank_with_a_broken_gradient_stops_all_of_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: flat.add_(math.nan))
    assert not torch.isfinite(mean_gradients(with_gradients([1.0]), 2, 0.0))


def test_parameters_of_players_some_of_which_are_missing():
    net = nn.Linear(2, 1)
    assert parameters([None, net, None]) == [net.weight, net.bias] and parameters([None]) == []


def test_what_is_frozen_lets_gradients_through_and_thaws():
    inner, outer = nn.Linear(3, 3), nn.Linear(3, 1)
    with frozen([outer, None]):
        outer(inner(torch.ones(2, 3))).sum().backward()
    assert outer.weight.grad is None and inner.weight.grad is not None and inner.weight.grad.abs().sum() > 0
    assert all(p.requires_grad for p in parameters([inner, outer]))


def test_an_error_thaws_too():
    net = nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="midway"), frozen([net]):
        assert not net.weight.requires_grad
        raise RuntimeError("midway")
    assert net.weight.requires_grad and net.bias.requires_grad


def test_what_was_never_trained_stays_so():
    net = nn.Linear(2, 1)
    net.bias.requires_grad_(False)
    with frozen([net]):
        pass
    assert net.weight.requires_grad and not net.bias.requires_grad
