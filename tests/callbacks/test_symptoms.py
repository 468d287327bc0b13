import pytest
import torch

from t2vgan.callbacks.symptoms import distances, effective_clips, small, symptoms, turning


def noise(b: int = 16, t: int = 8, size: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.rand(b, 3, t, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def steady(b: int = 16, t: int = 8) -> torch.Tensor:
    """Each clip changes at a constant pace from one picture to another."""
    share = torch.linspace(0, 1, t)[:, None, None]
    return noise(b, 1) * (1 - share) + noise(b, 1, seed=1) * share


def test_small_copies():
    video = torch.arange(32.0).repeat(2, 3, 4, 32, 1)
    copies = small(video.bfloat16())
    assert copies.shape == (2, 3, 4, 16, 16) and copies.dtype == torch.float32
    assert torch.equal(copies[0, 0, 0, 0], torch.arange(16) * 2 + 0.5)
    assert torch.equal(small(video[..., :8, :8]), video[..., :8, :8]), "not blown up"


def test_distances_by_hand():
    video = torch.zeros(3, 3, 2, 2, 2)
    video[1], video[2] = 0.5, 2.0
    assert distances(video).tolist() == pytest.approx([0.5, 2.0, 1.5])


@pytest.mark.parametrize("modes", [1, 2, 8])
def test_pictures_shown_again_and_again_count_once(modes):
    video = noise(modes).repeat(16 // modes, 1, 1, 1, 1)
    assert float(effective_clips(video, width=0.1)) == pytest.approx(modes, rel=1e-4)


def test_near_clips_count_less_than_far_ones():
    video = torch.zeros(2, 3, 2, 2, 2)
    video[1] = 0.2  # K = [[1, k], [k, 1]], k = exp(-0.2^2 / (2 * 0.1^2)): eigenvalues of K / 2 are (1 +- k) / 2
    k = torch.exp(torch.tensor(-2.0))
    p = torch.stack([(1 + k) / 2, (1 - k) / 2])
    assert float(effective_clips(video, width=0.1)) == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-5)


def test_steady_change_does_not_turn():
    """Of four frames, the shortest stretch of eight, the mirrored ones are 2 steps apart on the mean, any two 5 / 3."""
    assert turning(steady()).tolist() == pytest.approx([2 * 3 / 5] * 16, rel=1e-3)
    assert (turning(noise()) > 0.7).all()


def test_turning_anywhere_in_the_middle_half():
    clip = steady(t=12)
    for turn in (3, 4, 6):  # frames on the way there
        back = torch.cat([clip[:, :, :turn], clip[:, :, : turn - 1].flip(2), clip[:, :, 8:]], 2)[:, :, :8]
        assert (turning(back) < 0.01).all(), turn


def test_cycles_do_not_turn():
    """A point that goes round in a circle comes back to where it was without going back."""
    angle = torch.arange(8) / 8 * 2 * torch.pi
    video = torch.stack([angle.cos(), angle.sin(), torch.zeros(8)])[None, :, :, None, None].expand(2, 3, 8, 4, 4)
    a_line = torch.stack([angle.cos(), 0 * angle, 0 * angle])[None, :, :, None, None].expand(2, 3, 8, 4, 4)
    assert (turning(a_line) < 0.01).all() and (turning(video) > 0.5).all()


def test_symptoms():
    real = steady()
    back = torch.cat([real[:, :, ::2], real[:, :, ::2].flip(2)], 2)
    found = symptoms(real, back)
    assert found["turning/real"] == 0 and found["turning/fake"] == 1 and found["clips/fake"] > 10
    frozen = symptoms(real, real[:, :, :1].expand(-1, -1, 8, -1, -1))
    assert frozen["motion/energy_ratio"] == 0 and "turning/fake" not in frozen, "what stands still does not turn"
    assert symptoms(real, real)["motion/energy_ratio"] == pytest.approx(1.0)


def test_what_cannot_be_told_is_left_out():
    real = steady()
    assert symptoms(real[:7], real[:7]) == {}
    assert symptoms(real, real * float("nan")) == {}, "a diverged average is recovery's matter, and ends no run here"
    still = real[:, :, :1].expand(-1, -1, 8, -1, -1)
    assert symptoms(still, real).keys() == {"clips/real", "clips/fake"}
    assert symptoms(real[:, :, :3], real[:, :, :3]).keys() == {"clips/real", "clips/fake", "motion/energy_ratio"}
    assert symptoms(real[:, :, :1], real[:, :, :1]).keys() == {"clips/real", "clips/fake"}, "one frame does not move"
    same = real[:1].expand(16, -1, -1, -1, -1)
    assert "clips/real" not in symptoms(same, real), "real clips that are all alike are no measure"
