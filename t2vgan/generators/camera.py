"""Films what is painted: the last step of a generator, by which clips pan and zoom, and what acts goes its way.

A clip is shown in two layers (Wang & Adelson 1994): a canvas that only the camera moves, and before it, cut out, what
acts, which goes its way as a whole.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.blocks import Told, turned
from t2vgan.shapes import TextFeatures

KNOTS = 8
FEET = 6  # the knot at whose height subjects stand
ROWS, COLUMNS = (0.2, 0.9), (0.0, 0.7)  # of a canvas: the window in which what acts is painted, facing right


def window_of(canvas: int) -> tuple[slice, slice]:
    """Rows and columns of a canvas of this many pixels to a side."""
    (top, bottom), (left, right) = ([round(share * canvas) for share in shares] for shares in (ROWS, COLUMNS))
    return slice(top, bottom), slice(left, right)


def level_of(columns: int) -> int:
    """The canvas whose window has so many columns."""
    return round(columns / (COLUMNS[1] - COLUMNS[0]))


class Path(NamedTuple):
    """How a canvas moves before the camera at the instants `(b, t)`, and before it what acts."""

    pan: Tensor  # (b, t) frame widths that it goes to the left
    zoom: Tensor  # (b, t) logarithm of how much larger it gets
    shares: Tensor  # (b, k) of the pan, from the top of the frame to its bottom
    way: Tensor  # (b, t, 2) frame widths to the right and downwards by which what acts has left its window


class Layers(NamedTuple):
    """What is painted of clips; clips that are mirrored left for right are so in both layers."""

    ground: Tensor  # (b, t, c, h, w), or one for all instants
    actor: Tensor | None = None  # (b, t, c + 1, h', w') in its window: colours times the share it covers, and the share
    mirrored: Tensor | None = None  # bool (b,), which are

    def turned(self, which: Tensor) -> Layers:
        """Those clips, bool `(b,)`, from their other side."""
        assert self.actor is not None
        return Layers(
            turned(which, self.ground),
            turned(which, self.actor),
            which if self.mirrored is None else self.mirrored ^ which,
        )


class Camera(nn.Module):
    """Pans over and zooms into what is painted on canvases that are larger than the frame.

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

    def film(self, painted: Layers, path: Path, size: int) -> Tensor:
        """Frames `(b, t, c, size, size)` of what is painted; beyond the edges of a canvas it goes on as it ends."""
        rows = F.interpolate(path.shares[:, None], size=size, mode="linear", align_corners=True)  # (b, 1, s)
        scaled = self.scaled(path, size)
        x = scaled[:, :, None, :] + (path.pan[..., None] * rows)[..., None]
        grid = torch.stack([x, scaled[..., None].expand_as(x)], -1) * 2 / self.margin
        frames = looked_up(painted.ground.expand(-1, path.pan.shape[1], -1, -1, -1), grid, padding="border")
        if painted.actor is None or painted.mirrored is None:
            return frames
        (y, half_height), (x, half_width) = (middle_of(shares, self.margin) for shares in (ROWS, COLUMNS))
        middle = torch.where(painted.mirrored, -x, x)[:, None] + path.way[..., 0]
        across = (scaled + (path.pan * path.shares[:, FEET, None] - middle)[..., None]) / half_width
        down = (scaled - path.way[..., 1:] - y) / half_height
        grid = torch.stack(torch.broadcast_tensors(across[:, :, None], down[..., None]), -1)
        seen = looked_up(painted.actor, grid, padding="zeros")
        return frames * (1 - seen[:, :, -1:]) + seen[:, :, :-1]

    @staticmethod
    def scaled(path: Path, size: int) -> Tensor:
        """How far from its middle rows and columns of a frame see, in frame widths: `(b, t, size)`."""
        at = (torch.arange(size, device=path.zoom.device) + 0.5) / size - 0.5
        return at * torch.exp(-path.zoom)[..., None]


def middle_of(shares: tuple[float, float], margin: float) -> tuple[float, float]:
    """Where the middle of these shares of a canvas is, and how far they reach from it, in frame widths."""
    return (sum(shares) / 2 - 0.5) * margin, (shares[1] - shares[0]) / 2 * margin


def looked_up(canvas: Tensor, grid: Tensor, *, padding: str) -> Tensor:
    """`(b, t, c, h, w)` at places `(b, t, s, s, 2)`, -1..1 from edge to edge."""
    flat = canvas.float().flatten(0, 1)
    seen = F.grid_sample(flat, grid.flatten(0, 1), padding_mode=padding, align_corners=False)
    return seen.unflatten(0, canvas.shape[:2])
