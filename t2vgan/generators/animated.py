"""Real pictures that are made to move in known ways: what a critic learns to read motion from.

Synthetic motion of real pictures teaches networks to see real motion (Flying Chairs; Dosovitskiy et al. 2015, section
3). A reader that had learned on generated clips alone took for the camera a third to a half of what moved by itself in
real ones, and to their left and right that became a pan; one that had learned on these alone overlooked what is slow,
so that it learns on canvases that drawn numbers move beside them (`Continuous.tried`).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from t2vgan.generators.camera import KNOTS, Camera, Path, looked_at, slack_of, soft

PARTS = 4  # of what goes before the still, each a soft ellipse that sways a little by itself
BESIDE = 2 * 3  # draws: whether something low at either side goes along, and where
SHAPE = 2  # draws: how large what goes is, and how much wider than high
AS_LARGE = 0.2 / 0.35  # the first of these by which it is as a plain animal with its surroundings
DRAWS = 4 + 2 + 3 + 6 * PARTS + SHAPE + BESIDE
# Of a still, frame widths: how far below its middle what acts in it is looked for, how far that reaches to each side
# and up and down, and how much is hidden.
MIDDLE, REACH, HIDDEN = 0.02, (0.24, 0.36), (0.42, 0.4)
SINKS = 0.3  # frame widths by which the middle of what is smaller is lower: feet stay on the ground


def animated(still: Tensor, path: Path, times: Tensor, draws: Tensor) -> tuple[Tensor, Path]:
    """Canvases `(b, t, 3, h, h)` of pictures `(b, 3, h, h)` before which something goes by the way of `path`, at the
    instants `(b, t)`, and the path by which a camera is to film them; `draws` `(b, DRAWS)` in -1..1 decide what goes,
    where, of which shape, and how much more the camera sees near things move than far ones.

    What acts in the picture is hidden by what is to its sides: what stays where it is, in the middle of the frame, was
    the surest sign of a camera at rest. What goes is cut out of the middle of the picture and has a few parts beside
    it, or is of parts alone, all over the frame: of real subjects with something that goes ahead of them half was taken
    for a pan. Parts show the picture upside down in a colour of their own: else ground before ground is not seen. All
    of it stands on the ground at its foot, and a camera that pans leaves it there: else a subject at rest was read as
    going against a pan, by two fifths of it.
    """
    size, frames = still.shape[-1], times.shape[1]
    at = ((torch.arange(size, device=still.device) + 0.5) / size - 0.5) * Camera.margin
    x, y = torch.meshgrid(at, at, indexing="xy")
    (cut, far, steep, foot), middle, colour = draws[:, :4].unbind(1), draws[:, None, 4:6], draws[:, 6:9]
    rest = draws[:, 9 : -SHAPE - BESIDE].unflatten(1, (6, 1, PARTS))
    near = torch.arange(KNOTS, device=still.device) / (KNOTS - 1)
    lowest = 0.15 * (1 + far[:, None])
    path = path._replace(shares=lowest + (1 - lowest) * near ** torch.exp(0.7 * steep[:, None]))

    way = path.way
    slack = path.slack(at[None], 0.35 + 0.1 * foot[:, None])[:, :, :, None]  # (b, t, h, 1)
    gone = torch.stack([(x - slack).expand(-1, frames, -1, -1), y.expand(len(still), frames, -1, -1)], -1)
    gone = gone - way[:, :, None, None]  # (b, t, h, h, 2), where what goes was

    across, down, broad, tall, often, begin = rest.unbind(1)  # (b, 1, parts)
    sway = 0.03 * torch.sin(2 * math.pi * (times[..., None] * (1.25 + 0.75 * often) + begin))  # (b, t, parts)
    left = 0.12 * middle[..., :1] + 0.42 * across + sway
    top = (MIDDLE + 0.13 * middle[..., 1:] + 0.3 * down).expand_as(left)
    dx = (gone[:, :, None, ..., 0] - left[..., None, None]) / (0.095 + 0.065 * broad)[..., None, None]
    dy = (gone[:, :, None, ..., 1] - top[..., None, None]) / (0.14 + 0.11 * tall)[..., None, None]
    cut = cut[:, None, None, None, None] > 0
    parts = soft(dx, dy)
    parts = torch.where(cut, parts[:, :, : PARTS // 2].amax(2, keepdim=True), parts.amax(2, keepdim=True))
    share, lower = sizes(draws)
    wide, high = (share[:, i, None, None, None] * REACH[i] for i in range(2))
    whole = soft(gone[..., 0] / wide, (gone[..., 1] - MIDDLE - lower[:, None, None]) / high)[:, :, None] * cut
    low = beside(gone / Camera.margin, draws)
    shape = torch.maximum(torch.maximum(whole, low), parts)  # (b, t, 1, h, h)

    painted = looked_up(0.5 * still.flip(-1, -2) + 0.7 * colour[..., None, None], gone)
    goes = torch.lerp(looked_up(still, gone), painted, torch.where(cut | (low > parts), parts, 1.0))
    sides = torch.sign(x) * (0.34 + 0.45 * x.abs())
    aside = looked_up(still, torch.stack([sides, y], -1).expand(len(still), 1, -1, -1, -1))[:, 0]
    ground = still + soft(x / HIDDEN[0], (y - MIDDLE) / HIDDEN[1]) * (aside - still)
    return ground[:, None] + shape * (goes - ground[:, None]), path


def sizes(draws: Tensor) -> tuple[Tensor, Tensor]:
    """How large what goes is, `(b, 2)`, wide and high, as a share of the largest; and how much lower its middle is,
    `(b, 1)` in frame widths.

    By readers that had seen only what is large go, small and slim animals went too slowly: the young at 0.43, 0.24 and
    0.21 where 0.60, 0.33 and 0.31 is true, the others at 0.60, 0.30 and 0.38.
    """
    large, wide = draws[:, -SHAPE - BESIDE : -BESIDE].split(1, 1)
    share = (0.8 + 0.35 * large) * torch.exp(0.25 * torch.cat([wide, -wide], 1))
    return share, SINKS * (1 - share[:, 1:])


def accompanied(frames: Tensor, still: Tensor, path: Path, draws: Tensor) -> Tensor:
    """Frames `(b, t, 3, s, s)` of a canvas that was filmed by `path`, in which what lies low at the sides of pictures
    `(b, 3, h, h)` goes along with what acts.
    """
    size = frames.shape[-1]
    grid, slack = looked_at(path, size) / 2, slack_of(path, size)
    gone = torch.stack([grid[..., 0] - slack[..., None], grid[..., 1]], -1) - path.way[:, :, None, None]
    return torch.lerp(frames, looked_up(still, gone * Camera.margin), beside(gone, draws))


def beside(gone: Tensor, draws: Tensor) -> Tensor:
    """How much of what was at `gone`, `(b, t, h, h, 2)` in frame widths, is to go along, `(b, t, 1, h, h)`. Of the last
    six `draws` one for each side says whether something does, at -1 nothing, and two where it is.

    By whatever is small, low and goes, readers that never saw that told a pan: beside each animal runs a hare, and by
    it alone walks were read as 0.15 to 0.26 with a pan of 0.2 against them; without it as 0.25 to 0.31, and with none.
    """
    there, across, down = draws[:, -BESIDE:, None, None, None].unflatten(1, (3, 2)).unbind(1)  # (b, 2, 1, 1, 1)
    x, y = gone[:, None].unbind(-1)  # (b, 1, t, h, h)
    sides = (2.0 * torch.arange(2, device=gone.device) - 1)[:, None, None, None]
    each = soft((x - sides * (0.3 + 0.12 * across)) / 0.12, (y - 0.32 - 0.05 * down) / 0.1) * (there > -0.4)
    return each.amax(1)[:, :, None]


def looked_up(still: Tensor, places: Tensor) -> Tensor:
    """Pictures `(b, c, h, h)` at `(b, t, h, h, 2)` in frame widths from the middle: `(b, t, c, h, h)`."""
    many = still[:, None].expand(-1, places.shape[1], -1, -1, -1).flatten(0, 1)
    seen = F.grid_sample(many, places.flatten(0, 1) * 2 / Camera.margin, padding_mode="reflection", align_corners=False)
    return seen.unflatten(0, places.shape[:2])
