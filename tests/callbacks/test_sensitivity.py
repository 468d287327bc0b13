import pytest
import torch
from torch import nn

from t2vgan.callbacks.sensitivity import evaluating, sensitivity


class Linear:
    """Video = caption's length + z: both changes can be computed by hand."""

    def __init__(self, text: float, noise: float) -> None:
        self.text, self.noise, self.device = text, noise, torch.device("cpu")
        self.generator, self.text_encoder = nn.Identity(), nn.Identity()
        self.generator.z_dim = 1  # type: ignore[assignment]
        self.asked: list[tuple[list[str], torch.Tensor]] = []

    def generate(self, captions: list[str], *, z: torch.Tensor, ema: bool) -> torch.Tensor:
        assert not ema and not self.generator.training
        self.asked.append((captions, z))
        lengths = torch.tensor([[float(len(caption))] for caption in captions])
        return (self.text * lengths + self.noise * z).reshape(-1, 1, 1, 1, 1).expand(-1, 3, 2, 4, 4)


def test_by_hand():
    model = Linear(0.5, 2.0)
    found = sensitivity(model, ["a", "abc", "a", "abcdefg"], seed=3)
    (own, z), (others, same_z), (again, other_z) = model.asked
    assert own == again == ["a", "abc", "a", "abcdefg"] and others == ["abc", "a", "abcdefg", "a"]
    assert torch.equal(z, same_z) and not torch.equal(z, other_z)
    noise = 2.0 * float((z - other_z).abs().mean())
    assert found["text_change"] == pytest.approx(0.5 * (2 + 2 + 6 + 6) / 4)
    assert found["noise_change"] == pytest.approx(noise, rel=1e-5)
    assert found["text_sensitivity"] == pytest.approx(0.5 * 4 / noise, rel=1e-5)


def test_a_generator_that_ignores_captions():
    assert sensitivity(Linear(0.0, 1.0), ["a", "abc"], seed=0)["text_sensitivity"] == 0.0


def test_nothing_to_compare():
    assert sensitivity(Linear(1.0, 1.0), ["a", "a"], seed=0) == {}
    assert sensitivity(Linear(1.0, 1.0), ["a"], seed=0) == {}


def test_evaluating_restores_each_part():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    net.train()
    net[0].eval()
    with pytest.raises(RuntimeError), evaluating(net):
        assert not net.training and not net[1].training
        raise RuntimeError
    assert [net.training, net[0].training, net[1].training] == [True, False, True]
