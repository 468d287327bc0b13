"""Real pictures that are made to move in known ways: what a critic learns to read motion from.

Synthetic motion of real pictures teaches networks to see real motion (Flying Chairs; Dosovitskiy et al. 2015, section
3). A reader that had learned on generated clips took for the camera a third to a half of what moved by itself in real
ones, and to their left and right that became a pan.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from t2vgan.generators.camera import Camera

PARTS = 4  # of what goes before the still, each a soft ellipse that sways a little by itself
DRAWS = 2 + 3 + 6 * PARTS


def animated(still: Tensor, way: Tensor, times: Tensor, draws: Tensor) -> Tensor:
    """Canvases `(b, t, 3, h, h)` of pictures `(b, 3, h, h)` before which something goes by `way` `(b, t, 2)`, in frame
    widths, at the instants `(b, t)`; `draws` `(b, DRAWS)` in -1..1 decide where it is and what shape it has.

    What goes shows the same picture upside down in a colour of its own: else ground before ground is not seen.
    """
    size, frames = still.shape[-1], times.shape[1]
    at = ((torch.arange(size, device=still.device) + 0.5) / size - 0.5) * Camera.margin
    x, y = torch.meshgrid(at, at, indexing="xy")
    middle, colour, rest = draws[:, None, :2], draws[:, 2:5], draws[:, 5:].unflatten(1, (6, 1, PARTS))
    across, down, wide, high, often, begin = rest.unbind(1)  # (b, 1, parts)
    sway = 0.03 * torch.sin(2 * math.pi * (times[..., None] * (1.25 + 0.75 * often) + begin))  # (b, t, parts)
    left = 0.25 * (middle[..., :1] + across) + sway + way[..., :1]
    top = 0.15 + 0.13 * middle[..., 1:] + 0.15 * down + way[..., 1:]
    dx = (x - left[..., None, None]) / (0.095 + 0.065 * wide)[..., None, None]
    dy = (y - top[..., None, None]) / (0.105 + 0.075 * high)[..., None, None]
    shape = torch.exp(-(dx.square().square() + dy.square().square())).amax(2)[:, :, None]  # (b, t, 1, h, h)
    grid = (torch.stack([x, y], -1) - way[:, :, None, None]) * 2 / Camera.margin
    other = 0.5 * still.flip(-1, -2) + 0.7 * colour[..., None, None]
    other = other[:, None].expand(-1, frames, -1, -1, -1)
    moved = F.grid_sample(other.flatten(0, 1), grid.flatten(0, 1), padding_mode="reflection", align_corners=False)
    return still[:, None] + shape * (moved.unflatten(0, (-1, frames)) - still[:, None])
