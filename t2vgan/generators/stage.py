"""Puts who acts in front of what is there: the last step of a generator, by which a subject crosses a landscape."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from t2vgan.generators.blocks import Told
from t2vgan.generators.camera import Camera, Path
from t2vgan.shapes import TextFeatures

CHANNELS = 7  # of a canvas: the colours of the landscape, those of the subject, and where the subject is seen


class Stage(nn.Module):
    """Two layers, f m + b (1 - m) (Vondrick et al. 2016, eq. 1), the front one with a way of its own over the ground.

    Four numbers steer a clip, each within its reach: the camera's pan and zoom, how fast the subject goes the way it
    faces, and how high it leaps. To move one thing against another is one number here; a network that draws each frame
    from a code has to learn it anew for every subject and place.
    """

    numbers = 4
    reach = (0.2, 0.3, 0.4, 0.3)  # pan, frame widths/s; zoom, 1/s in its logarithm; speed, widths/s; height, widths

    def __init__(self, *, dim: int, text_dim: int) -> None:
        super().__init__()
        self.camera = Camera(dim=dim, text_dim=text_dim)
        # At a pace of 1/16 a pan took most of a run to find: 0.001 of its reach a round.
        self.steer = Told(dim=dim, text_dim=text_dim, numbers=self.numbers, pace=1 / 4)
        self.leap = Told(dim=dim, text_dim=text_dim, numbers=2, spread=1.0)  # leaps per second, and when

    def steering(self, content: Tensor, text: TextFeatures) -> Tensor:
        """Content `(b, dim)` and words to the numbers, as shares of their reach, `(b, 4)`."""
        return torch.tanh(self.steer(content, text))

    def paths(
        self, numbers: Tensor, content: Tensor, text: TextFeatures, times: Tensor, mirrored: Tensor
    ) -> tuple[Path, Path]:
        """Of the landscape and of the subject: how the camera sees each of them move at the instants `(b, t)`."""
        along = times - 1.0  # s from the middle of a usual clip
        pan, zoom, way, height = (self.reach[i] * numbers[:, i : i + 1] for i in range(self.numbers))
        rate, begin = self.leap(content, text).split(1, 1)
        facing = torch.where(mirrored, -1.0, 1.0)[:, None]
        up = height * (torch.sin(math.pi * (times * torch.exp(rate.clamp(-1, 1)) + begin)).abs() - 0.5)
        shares = self.camera.shares(content, text)
        landscape = Path(pan * along, zoom * along, shares, torch.zeros_like(up))
        return landscape, Path((pan - facing * way) * along, zoom * along, torch.ones_like(shares), up)

    def film(self, canvas: Tensor, paths: tuple[Path, Path], size: int) -> Tensor:
        """Canvases `(b, t, 7, h, w)` to frames `(b, t, 3, size, size)`."""
        behind = self.camera.film(canvas[:, :, :3], paths[0], size)
        front = self.camera.film(canvas[:, :, 3:], paths[1], size)
        return behind + torch.sigmoid(front[:, :, 3:] + self.middle(front)) * (front[:, :, :3] - behind)

    @staticmethod
    def middle(front: Tensor) -> Tensor:
        """Before anything is learned the subject is seen in the middle of the frame and nowhere else."""
        size = front.shape[-1]
        at = (torch.arange(size, device=front.device) + 0.5) / size - 0.5
        return 3 * torch.exp(-((at[None, :] ** 2 + (at[:, None] - 0.15) ** 2) / 0.1)) - 2
