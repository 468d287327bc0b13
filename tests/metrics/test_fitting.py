"""The probe learns what it should from clips, some of which lack an attribute, and judges clips of other sizes."""

from collections.abc import Callable

import pytest
import torch

from t2vgan.metrics.fitting import collect_attributes, degrade, fit_probe, probe_accuracy
from t2vgan.metrics.probe import Probe
from t2vgan.shapes import Clips

Squares = Callable[..., Clips]


def test_it_learns(probe: Probe, squares: Squares) -> None:
    accuracy = probe_accuracy(probe, [squares(60, seed=100)]).compute().accuracy
    assert accuracy["colour"].total == 60 and accuracy["direction"].total == 48
    assert accuracy["colour"].rate > 0.95 and accuracy["direction"].rate > 0.95


def test_it_judges_other_sizes_and_lengths(probe: Probe, squares: Squares) -> None:
    small = squares(60, seed=100, size=32, frames=24)
    assert probe_accuracy(probe, [small]).compute().accuracy["all"].rate > 0.9
    assert probe_accuracy(probe, [squares(60, seed=100)], size=32).compute().accuracy["all"].rate > 0.9


def test_features_are_standardised(probe: Probe, squares: Squares) -> None:
    features = torch.cat([probe.features(squares(8, seed=seed).video) for seed in range(10)])
    assert features.mean(0).abs().max() < 1e-4
    assert features.var(0).mean().item() == pytest.approx(1, abs=1e-3)


def test_training_is_reproducible_and_seeded(squares: Squares) -> None:
    batches = [squares(4, seed=0)]
    attributes = {"colour": ["blue", "green", "red"]}
    told: list[float] = []

    def fit(seed: int) -> torch.Tensor:
        probe = fit_probe(
            lambda epoch: batches,
            attributes=attributes,
            epochs=2,
            width=4,
            seed=seed,
            progress=lambda share, text: told.append(share),
        )
        assert not probe.training and not any(p.requires_grad for p in probe.parameters())
        return probe.features(batches[0].video)

    assert torch.equal(fit(0), fit(0))
    assert not torch.equal(fit(0), fit(1))
    assert told[:2] == [0.0, 0.5]


def test_degrading_keeps_shape_brightness_and_direction(squares: Squares) -> None:
    video = squares(12, seed=0).video
    for seed in range(4):
        seen = degrade(video, torch.Generator().manual_seed(seed))
        assert seen.shape == video.shape
        assert torch.allclose(seen.mean(dim=(2, 3, 4)), video.mean(dim=(2, 3, 4)), atol=0.1)
        for i in range(2):  # a flipped clip would correlate less
            same = torch.corrcoef(torch.stack([seen[i].flatten(), video[i].flatten()]))[0, 1]
            flipped = torch.corrcoef(torch.stack([seen[i].flatten(), video[i].flip(-1).flatten()]))[0, 1]
            assert same > 0.5 and same > flipped


def test_attributes_are_what_occurs() -> None:
    truths = [{"subject": "zebra", "mood": "calm"}, {"subject": "lion", "place": "hill"}, {"place": "plain"}, {}]
    assert collect_attributes(truths) == {"place": ["hill", "plain"], "subject": ["lion", "zebra"]}
    with pytest.raises(ValueError, match="an attribute is called 'all'"):
        collect_attributes([{"all": "a"}, {"all": "b"}])
