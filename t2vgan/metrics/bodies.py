"""What judges see clips with: networks from clips of FRAMES frames of SIZE pixels to features, of two kinds.

Clips of any size and length are brought to that form by `fit_clip`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from t2vgan.shapes import Video

SIZE = 64  # pixels that clips are resized to
FRAMES = 16  # frames that are looked at
GROUP = 4  # neighbouring frames that a 2-D convolution sees as channels
LOOKS = [2, 7, 12]  # the single frames that are looked at
LAGS = (1, 4)  # frames between which a change of brightness is seen

Fitted = Float[Tensor, "b c 16 64 64"]  # FRAMES frames of SIZE pixels


def fit_clip(video: Video) -> Fitted:
    """A clip of any size and length as FRAMES frames of SIZE pixels, each the last one shown at its instant."""
    length = video.shape[2]
    if length != FRAMES:
        video = video[:, :, [i * length // FRAMES for i in range(FRAMES)]]
    return resize(video, SIZE)


def resize(video: Video, size: int) -> Float[Tensor, "b c t {size} {size}"]:
    """Square frames: means over areas when they shrink, as a renderer makes them, bilinear when they grow."""
    if video.shape[-2:] == (size, size):
        return video
    frames = video.transpose(1, 2).flatten(0, 1)
    mode = "area" if size < max(video.shape[-2:]) else "bilinear"
    return F.interpolate(frames, size=(size, size), mode=mode).unflatten(0, (-1, video.shape[2])).transpose(1, 2)


class TwoStream(nn.Module):
    """Two streams (Simonyan & Zisserman 2014), one for how things look and one for how they move.

    The first looks at a few single frames and learns shapes and colours, wherever in the frame: it pools by the
    maximum, or small animals are lost among the background. The second looks at the brightness of GROUP
    frames and their differences as channels, then puts the groups in order by 3-D convolutions: it learns motion. The
    mean over the frame tells a moving camera, the maximum a small animal that steps.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.dim = 4 * width
        w, m = width, 3 * width // 4
        self.look = nn.Sequential(
            _conv2d(3, w, stride=2),
            _conv2d(w, 2 * w, stride=2),
            _conv2d(2 * w, 2 * w),
            _conv2d(2 * w, 3 * w, stride=2),
            _conv2d(3 * w, 3 * w),
            _conv2d(3 * w, 2 * w, stride=2),
        )
        self.move = nn.Sequential(
            _conv2d(2 * GROUP - 1, m, kernel=5, stride=2),
            _conv2d(m, 2 * m, stride=2),
            _conv2d(2 * m, 3 * m, stride=2),
        )
        self.order = nn.Sequential(
            _conv3d(3 * m, 4 * m, kernel=(3, 3, 3), stride=(1, 2, 2), padding=1),
            _conv3d(4 * m, 2 * w, kernel=(FRAMES // GROUP, 1, 1)),
        )
        self.look.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.move.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, video: Fitted) -> Float[Tensor, "b d"]:
        b = len(video)
        stills = video[:, :, LOOKS].transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        appearance = self.look(stills).float().amax(dim=(2, 3)).unflatten(0, (b, -1)).mean(1)
        groups = video.mean(1).unflatten(1, (-1, GROUP)).flatten(0, 1)
        changes = 2 * (groups[:, 1:] - groups[:, :-1])
        maps = self.move(torch.cat([groups, changes], dim=1).contiguous(memory_format=torch.channels_last))
        everywhere, anywhere = self.order(maps.unflatten(0, (b, -1)).transpose(1, 2)).float().flatten(2).chunk(2, dim=1)
        return torch.cat([appearance, everywhere.mean(2), anywhere.amax(2)], dim=1)


class SpaceTime(nn.Module):
    """A residual network of convolutions over space, then over time: "R(2+1)D" (Tran et al. 2018).

    One stream looks at all frames and at how brightness changed between frames that are LAGS apart. Half of the
    features are means over space and time, the others means over time of what is strongest anywhere in the frame.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.dim = 4 * width
        w = width
        self.stem = nn.Sequential(_Space(3 + len(LAGS), w // 2, kernel=5, stride=2), _Time(w // 2, w // 2, kernel=5))
        self.blocks = nn.Sequential(
            _Residual(w // 2, w, stride=2),
            _Residual(w, w),
            _Residual(w, 3 * w, stride=2, pace=2),
            _Residual(3 * w, 3 * w),
            _Residual(3 * w, 4 * w, stride=2, pace=2),
        )

    def forward(self, video: Fitted) -> Float[Tensor, "b d"]:
        grey = video.mean(1, keepdim=True)
        changes = [F.pad(grey[:, :, lag:] - grey[:, :, :-lag], (0, 0, 0, 0, lag, 0)) for lag in LAGS]
        seen = torch.cat([video, *(2 * change for change in changes)], dim=1)
        maps = self.blocks(self.stem(seen.permute(0, 2, 3, 4, 1).contiguous())).float()
        everywhere, anywhere = maps.chunk(2, dim=-1)
        return torch.cat([everywhere.mean(dim=(1, 2, 3)), anywhere.amax(dim=(2, 3)).mean(1)], dim=1)


class _Space(nn.Module):
    """Convolution of each frame, batch norm and ReLU; maps are `(b, t, h, w, c)`, which costs no reordering."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.layers = _conv2d(inputs, outputs, kernel=kernel, stride=stride).to(
            memory_format=torch.channels_last  # pyright: ignore[reportCallIssue]
        )

    def forward(self, maps: Tensor) -> Tensor:
        frames = self.layers(maps.flatten(0, 1).permute(0, 3, 1, 2))
        return frames.permute(0, 2, 3, 1).unflatten(0, maps.shape[:2])


class _Time(nn.Module):
    """Convolution of each place over time and batch norm, with a ReLU if it is `active`; maps are `(b, t, h, w, c)`."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, pace: int = 1, active: bool = True) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, (kernel, 1), (pace, 1), (kernel // 2, 0), bias=False)
        self.layers = nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU() if active else nn.Identity())
        self.layers.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, maps: Tensor) -> Tensor:
        rows = self.layers(maps.flatten(2, 3).permute(0, 3, 1, 2))  # time lies where a picture has its height
        return rows.permute(0, 2, 3, 1).unflatten(2, maps.shape[2:4])


class _Residual(nn.Module):
    """Space, then time, added to the input (He et al. 2016); `stride` in space and `pace` in time."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, pace: int = 1) -> None:
        super().__init__()
        self.stride, self.pace = stride, pace
        self.space = _Space(inputs, outputs, stride=stride)
        self.time = _Time(outputs, outputs, pace=pace, active=False)
        same = inputs == outputs and stride == pace == 1
        self.short = nn.Identity() if same else nn.Linear(inputs, outputs, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        passed = self.short(maps[:, :: self.pace, :: self.stride, :: self.stride])
        return F.relu(self.time(self.space(maps)) + passed)


def _conv2d(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _conv3d(
    inputs: int,
    outputs: int,
    *,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int] = (1, 1, 1),
    padding: int = 0,
) -> nn.Sequential:
    convolution = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), nn.ReLU())
