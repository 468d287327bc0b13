"""Films a canvas: the last step of a generator, by which clips pan and zoom, and what acts goes its way."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.blocks import Told
from t2vgan.shapes import TextFeatures

KNOTS = 8
TURN = 1.5  # cycles of a gait by which what is one frame width farther ahead is earlier in it
HIPS, LEGS = 0.0, 0.12  # frame widths below its home from which what acts swings, and over which this grows to all
FEET = 0.22  # frame widths below its home where what acts stands


class Path(NamedTuple):
    """How a canvas moves before the camera at the instants `(b, t)`, and on it what acts."""

    pan: Tensor  # (b, t) frame widths that it goes to the left
    zoom: Tensor  # (b, t) logarithm of how much larger it gets
    shares: Tensor  # (b, k) of the pan, from the top of the frame to its bottom
    way: Tensor  # (b, t, 2) frame widths to the right and downwards by which what acts has left its home
    home: Tensor  # (b, 2) frame widths from the middle of the canvas
    phase: Tensor  # (b, t) cycles of its gait, by which its legs swing
    swing: Tensor  # (), frame widths by which they do so to each side
    extent: Tensor  # (b, 2) of what goes with what acts, frame widths to each side and up and down

    def share(self, height: Tensor) -> Tensor:
        """Of the pan, at heights `(b or 1, n)` in frame widths below the middle of the frame: `(b, n)`."""
        place = (height + 0.5).clamp(0, 1) * (KNOTS - 1)
        near = (1 - (place[..., None] - torch.arange(KNOTS, device=height.device)).abs()).clamp(min=0)
        return (self.shares[:, None] * near).sum(-1)

    def slack(self, height: Tensor, foot: Tensor) -> Tensor:
        """By how much more than at its foot `(b, 1)` the ground behind what stands up goes to the left, `(b, t, n)`:
        all of it pans as the ground that it stands on does.
        """
        return self.pan[..., None] * (self.share(height) - self.share(foot))[:, None]


class Camera(nn.Module):
    """Pans over and zooms into canvases that are larger than the frame.

    To move everything at once is one number here; a generator that has to move each thing by itself does not learn it.
    What is far moves less (parallax): each height of the frame follows a pan by its own share, also read from the
    content. The warp is differentiable in path and picture (Jaderberg et al. 2015, section 3.3).
    """

    margin = 1.25  # canvas over frame

    def __init__(self, *, dim: int, text_dim: int) -> None:
        super().__init__()
        self.near = Told(dim=dim, text_dim=text_dim, numbers=KNOTS)
        with torch.no_grad():  # shares from 0.08 at the top to 0.92 at the bottom
            self.near.of_content.bias.copy_(torch.linspace(-2.5, 2.5, KNOTS) / self.near.pace)

    def shares(self, content: Tensor, text: TextFeatures) -> Tensor:
        return self.near(content, text).sigmoid()

    def film(self, canvas: Tensor, path: Path, size: int, *, acts: bool = True) -> Tensor:
        """Canvases `(b, t, c, h, w)` to frames `(b, t, c, size, size)`; beyond the edges they go on as they end.

        `acts`: whether something goes its way on them.
        """
        b, t = canvas.shape[:2]
        grid = looked_at(path, size)
        if acts:
            grid = self.follow(grid, path, slack_of(path, size))
        places = grid.flatten(0, 1) / self.margin
        flat = F.grid_sample(canvas.flatten(0, 1).float(), places, padding_mode="border", align_corners=False)
        return flat.unflatten(0, (b, t))

    def follow(self, grid: Tensor, path: Path, slack: Tensor) -> Tensor:
        """Where a canvas is to be looked up, `(b, t, s, s, 2)`, when what is around its home has gone its way.

        It moves as a whole, and what lies between it and the rest gives way: behind it stretches, before it is covered.
        By the `slack` of each row, `(b, t, s)`, it is to the right of where the ground behind it pans to.
        What is low in it swings to and fro as it steps, hind legs and forelegs in turn.
        """
        way, home = path.way[:, :, None, None], path.home[:, None, None, None]
        way = torch.stack([way[..., 0] + slack[..., None], way[..., 1].expand(-1, -1, slack.shape[-1], -1)], -1)
        offset = grid / 2 - home - way  # (b, t, s, s, 2)
        ahead = torch.where(home[..., 0] > 0, -1.0, 1.0)
        turn = 2 * math.pi * (path.phase[..., None, None] + TURN * ahead * offset[..., 0])
        low = ((offset[..., 1] - HIPS) / LEGS).clamp(0, 1)
        across = ahead * path.swing * low * torch.sin(turn)
        moved = torch.stack([way[..., 0] + across, way[..., 1].expand_as(across)], -1)
        return grid - 2 * moved * self.nearness(offset, path.extent[:, None, None, None])[..., None]

    @staticmethod
    def nearness(offset: Tensor, extent: Tensor) -> Tensor:
        """How much what lies so many frame widths from home, `(..., 2)`, belongs to what acts: 1 there, 0 far away."""
        return soft(offset[..., 0] / extent[..., 0], offset[..., 1] / extent[..., 1])


def looked_at(path: Path, size: int) -> Tensor:
    """Where on a canvas each pixel of a frame is looked up, `(b, t, size, size, 2)`, in half frame widths."""
    at = middles(size, path)
    scaled = at * torch.exp(-path.zoom)[..., None]  # (b, t, s)
    x = scaled[:, :, None, :] + 2 * (path.pan[..., None] * path.share(at[None] / 2)[:, None])[..., None]
    return torch.stack([x, scaled[..., None].expand_as(x)], -1)


def slack_of(path: Path, size: int) -> Tensor:
    """That of what acts, in each row of a frame, `(b, t, size)`."""
    return path.slack(middles(size, path)[None] / 2, path.home[:, 1:] + FEET)


def middles(size: int, path: Path) -> Tensor:
    """Of the pixels of a row, in half frame widths from its own."""
    return (torch.arange(size, device=path.pan.device) + 0.5) * 2 / size - 1


def soft(x: Tensor, y: Tensor) -> Tensor:
    """1 in the middle, 0 far away, e⁻¹ at a distance of 1."""
    return torch.exp(-(x.square().square() + y.square().square()))  # pow(4).sum(-1) takes twice as long on a CPU
