import copy
import math

import pytest
import torch
from torch import nn

from t2vgan.callbacks.ema import EMA, average


def test_halflife_means_half():
    """A weight that jumps from 0 to 1 is at 1/2 after `halflife_clips`, whatever the batch size."""
    for clips in (1, 10, 50):
        ema, share = EMA(halflife_clips=100, rampup=math.inf), 0.0
        for step in range(100 // clips):
            beta = ema.beta(clips=clips, clips_seen=(step + 1) * clips)
            share = beta * share + (1 - beta)
        assert share == pytest.approx(0.5)


def test_rampup_forgets_the_start():
    ema = EMA(halflife_clips=1000, rampup=0.1)
    assert ema.beta(clips=16, clips_seen=16) == pytest.approx(0.5**10)  # half-life 1.6 clips
    assert ema.beta(clips=16, clips_seen=100_000) == pytest.approx(0.5 ** (16 / 1000))
    assert EMA(halflife_clips=0, rampup=0.1).beta(clips=16, clips_seen=16) == 0.0


def test_negative_is_refused():
    with pytest.raises(ValueError, match="cannot be negative"):
        EMA(halflife_clips=-1, rampup=0.1)


def test_average_against_the_equation():
    live = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ema = copy.deepcopy(live)
    for p in live.parameters():
        p.data += torch.randn_like(p)
    live(torch.randn(8, 3))
    before = [p.clone() for p in ema.parameters()]
    average(ema, live, 0.75)
    for kept, old, new in zip(ema.parameters(), before, live.parameters(), strict=True):
        torch.testing.assert_close(kept, 0.75 * old + 0.25 * new)
    for kept, new in zip(ema.buffers(), live.buffers(), strict=True):
        assert torch.equal(kept, new)


def test_a_network_without_parameters():
    still = nn.Identity()
    average(still, nn.Identity(), 0.5)
    assert not list(still.parameters())


def test_fit_averages_generator_and_encoder_and_nothing_else(fit):
    module = fit.Tiny()
    module.ema_generator.train().requires_grad_(True)  # as a careless caller may leave it
    expected = {name: value.clone() for name, value in module.generator.state_dict().items()}
    steps = []

    class Record(EMA):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            beta = self.beta(clips=4, clips_seen=int(pl_module.clips_seen))
            for name, value in pl_module.generator.state_dict().items():
                moves = value.is_floating_point() and "running" not in name
                expected[name] = beta * expected[name] + (1 - beta) * value if moves else value.clone()
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            steps.append(beta)

    fit(Record(halflife_clips=10, rampup=0.5), module=module)
    assert len(steps) == 5 and steps[0] == 0.5 ** (4 / 2) and steps[-1] == 0.5 ** (4 / 10)
    for name, value in module.ema_generator.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    assert not torch.equal(module.ema_text_encoder.embedding.weight, module.text_encoder.embedding.weight)
    assert not any(p.requires_grad for p in module.ema_generator.parameters()) and not module.ema_generator.training
