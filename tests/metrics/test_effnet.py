"""ImageNet features tell clips apart and say whether they move."""

import torch

from t2vgan.metrics.effnet import CHANNELS, EffNetFeatures


def test_features_of_any_clip() -> None:
    extractor = EffNetFeatures()
    generator = torch.Generator().manual_seed(0)
    moving = torch.rand(2, 3, 12, 32, 32, generator=generator) * 2 - 1
    still = moving[:, :, :1].expand(-1, -1, 12, -1, -1)
    features = extractor.features(torch.cat([moving, still]))
    assert features.shape == (4, extractor.dim) and features.dtype == torch.float32
    assert features[2:, CHANNELS:].abs().max() == 0
    assert features[:2, CHANNELS:].abs().mean() > 0.05
    assert torch.allclose(extractor.train().features(moving), features[:2], atol=1e-4)
    assert not any(p.requires_grad for p in extractor.parameters())
