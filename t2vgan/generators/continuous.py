"""Generator that renders any instant: a motion code over continuous time, and a frame from it.

The content code is fixed for the clip; what moves is a set of waves and drifts whose amplitudes, phases and speeds are
read from the content code, so frames can be rendered in any number, order and density. Continuous time follows
StyleGAN-V (Skorokhodov et al. 2022, section 3.1), which draws random motion anchors; here motion is smooth in the code,
which is what a caption can steer. A canvas is painted once and, at each instant, a window before it, both as in
StyleGAN2 (Karras et al. 2020), from a learned constant and from coordinates that move: StyleGAN3's transformed Fourier
features (Karras et al. 2021, section 3.2), in several groups. A camera then films it, and what acts goes its way and
steps by a warp (`camera.py`, `steering.py`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.animated import AS_LARGE, BESIDE, DRAWS, SHAPE, accompanied, animated, sizes
from t2vgan.generators.blocks import Mirror, SynthesisBlock, WordAttention, bounded, trial_of
from t2vgan.generators.camera import Camera, Path
from t2vgan.generators.motion import Motion
from t2vgan.generators.steering import Steered, Steering, to_the_right
from t2vgan.shapes import TextFeatures, Trial

ROWS, COLUMNS = (0.3, 0.9), (0.0, 0.7)  # of a canvas: the window in which what acts is painted, and room around it


def window_of(canvas: int) -> tuple[slice, slice]:
    """Rows and columns of a canvas of this many pixels to a side."""
    (top, bottom), (left, right) = ([round(share * canvas) for share in shares] for shares in (ROWS, COLUMNS))
    return slice(top, bottom), slice(left, right)


def level_of(columns: int) -> int:
    """The canvas whose window has so many columns."""
    return round(columns / (COLUMNS[1] - COLUMNS[0]))


def before(ground: Tensor, actor: Tensor, home: Tensor, extent: Tensor) -> Tensor:
    """What acts at each instant, `(b, t, c, h', w')`, in its window before `(b, 1, c, h, w)`: `(b, t, c, h, w)`.

    It fades out around its home as the surroundings do that follow it (`Camera.follow`).
    """
    canvas = ground.shape[-1]
    rows, columns = window_of(canvas)
    at = ((torch.arange(canvas, device=ground.device) + 0.5) / canvas - 0.5) * Camera.margin  # frame widths
    offset = torch.stack(torch.meshgrid(at[columns] - home[0], at[rows] - home[1], indexing="xy"), -1)
    change = Camera.nearness(offset, extent) * (actor - ground[..., rows, columns])
    return ground + F.pad(change, (columns.start, canvas - columns.stop, rows.start, canvas - rows.stop))


class MovingCoordinates(nn.Module):
    """Fourier features and a soft spot in moved and scaled coordinates: `(n, groups, 3)` to `(n, c, s, s)`."""

    def __init__(self, *, groups: int, features: int, size: int, highest: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(groups * 1000 + features)
        angles = torch.rand(groups, features, generator=generator) * math.pi
        cycles = 0.5 * (highest / 0.5) ** torch.rand(groups, features, generator=generator)  # per unit of height
        self.register_buffer("waves", 2 * math.pi * torch.stack([angles.cos(), angles.sin()], -1) * cycles[..., None])
        self.waves: Tensor
        canvas = round(size * Camera.margin)
        grid = (torch.arange(canvas) + 0.5 - canvas / 2) / size
        self.register_buffer("grid", torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).reshape(-1, 2))
        self.grid: Tensor
        self.size, self.channels = canvas, groups * (2 * features + 1)

    def forward(self, places: Tensor, cut: bool = False) -> Tensor:
        """Of the whole canvas, or of its window."""
        grid = self.grid.unflatten(0, (self.size, self.size))
        # In bfloat16 a phase of 60 rad comes in steps of a quarter: things would move in jumps.
        with torch.autocast(places.device.type, enabled=False):
            return self.waves_at(places.float(), grid[window_of(self.size)] if cut else grid)

    def waves_at(self, places: Tensor, grid: Tensor) -> Tensor:
        flat = grid.reshape(-1, 2)
        moved = (flat[None, None] - places[:, :, None, :2]) * torch.exp(-places[:, :, None, 2:])  # (n, g, h*w, 2)
        phases = torch.einsum("ngpk,gfk->ngfp", moved, self.waves)
        spot = torch.exp(-18 * moved.square().sum(-1))[:, :, None]  # half as bright a fifth of the height away
        features = torch.cat([phases.sin(), phases.cos(), spot], 2)
        return features.reshape(places.shape[0], self.channels, *grid.shape[:2])


class Continuous(nn.Module):
    """z `(b, z_dim)`, a caption and instants `(b, t)` in seconds to `(b, 3, t, size, size)` in [-1, 1].

    A canvas is painted once for a clip, and at each instant what is around the home of the subject: what is behind it
    moves with the camera alone. When all of it could change, it drifted by itself, and judges took that for the camera:
    of captions with a camera at rest a quarter was obeyed, of the same canvases held still all.

    There are `width` channels at 4 and 8 pixels, and at most `taper * width / s` at s pixels. Words are attended to at
    `attend_at` pixels. With `words_count` a softmax over the words of a caption tells what steers its clip (`Told`),
    with `words_alone` words by themselves tell how its subject moves (`Steering`).
    With `company` what is small and low goes along in the clips that readers of `steer` learn from; with
    `small` what goes in these is large or small, slim or not. The sentence and the content code are kept below
    `content_limit`, root mean square (0: they are not): in runs that fell apart these had grown to 2.6 to 6.6 and 8 to
    51, from 1 and 2, and gradients with them from 25 to 900.
    """

    continuous = True
    trial: Trial | None = None  # of the last call in training to which a `chance` was given
    numbers = Steering.numbers
    chance: Tensor | None = None  # (b, chances), normal: what decides the trial of the next call
    still: Tensor | None = None  # (b, 3, h, w), real pictures, to be made to move in it

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        z_dim: int = 64,
        dim: int = 256,
        width: int = 128,
        taper: int = 8,
        waves: int = 16,
        groups: int = 4,
        attend_at: int = 8,
        words_count: bool = True,
        words_alone: bool = False,
        company: bool = True,
        small: bool = True,
        content_limit: float = 2.0,
    ) -> None:
        super().__init__()
        self.z_dim, self.size, self.content_limit = z_dim, size, content_limit
        self.company, self.small = company, small
        self.chances = self.numbers + z_dim + DRAWS
        self.content = nn.Sequential(
            nn.Linear(z_dim + text_dim, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim), nn.LeakyReLU(0.2)
        )
        self.motion = Motion(dim=dim, text_dim=text_dim, waves=waves, groups=groups)
        self.mirror = Mirror(dim=dim, text_dim=text_dim)
        self.steering = Steering(
            z_dim=z_dim, dim=dim, text_dim=text_dim, words_count=words_count, words_alone=words_alone
        )
        first = round(4 * Camera.margin)
        sizes = [4 * 2**i for i in range((size // 4).bit_length())]  # of the frame's part of the canvas
        if attend_at and attend_at not in sizes:
            raise ValueError(f"generator.attend_at is {attend_at}: take 0 for none, or {', '.join(map(str, sizes))}")
        widths = [max(min(width, taper * width // s), 16) for s in sizes]
        self.constant = nn.Parameter(torch.randn(1, widths[0], first, first))
        self.blocks = nn.ModuleList(
            SynthesisBlock(widths[max(i - 1, 0)], widths[i], style_dim=dim, up=i > 0) for i in range(len(sizes))
        )
        self.coarse = sum(s <= max(8, attend_at) for s in sizes)  # blocks that paint all of a canvas at each instant
        levels = list(zip(sizes, widths, strict=True))
        self.attention = nn.ModuleDict(
            {str(s * first // 4): WordAttention(channels=c, text_dim=text_dim) for s, c in levels if s == attend_at}
        )
        self.coordinates, self.enter = nn.ModuleDict(), nn.ModuleDict()
        for s, c in levels:
            if s in (8, 16) and s < size:  # what enters after the last block would never be seen
                level = str(s * first // 4)
                self.coordinates[level] = MovingCoordinates(groups=groups, features=6, size=s, highest=s / 4)
                self.enter[level] = nn.Conv2d(self.coordinates[level].channels, c, 1)  # type: ignore[arg-type]

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        return self.shoot(z, text, times)[0]

    def quiet(self, new: set[str]) -> None:
        """What is new adds nothing at first: clips begin as they were, enlarged (Karras et al. 2018, section 3)."""
        layers: dict[str, Any] = {f"blocks.{i}.to_rgb": block.to_rgb for i, block in enumerate(self.blocks)}
        layers |= {f"enter.{level}": layer for level, layer in self.enter.items()}
        for name, layer in layers.items():
            if f"{name}.weight" in new:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def attend(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Tensor]:
        """The video, and where each word was looked at: `(b, t, l, h', w')`, which sums to one over the words."""
        video, maps, path = self.shoot(z, text, times)
        seen = round(maps.shape[-1] / Camera.margin)  # of the maps, by the frame
        return video, self.steering.camera.film(maps, path, seen) if self.attention else maps

    def shoot(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Tensor, Path]:
        """The video, where each word was looked at on its canvases, and how these moved before the camera."""
        content, steered, canvas, maps = self.paint(z, text, times)
        mirrored = self.mirror.decide(unit(z), content, text)
        canvas, maps = self.mirror(mirrored, canvas, maps)
        path = self.steering.path(to_the_right(steered.numbers.detach(), mirrored), content, text, times, mirrored)
        if self.training and self.chance is not None:
            self.trial = self.tried(steered, content, text, canvas, times)
        video = self.steering.camera.film(canvas, path, self.size).transpose(1, 2)
        return bounded(video, self.training), maps, path

    @torch.no_grad()
    def tried(self, steered: Steered, content: Tensor, text: TextFeatures, canvas: Tensor, times: Tensor) -> Trial:
        """The clips from their other side; and canvases and stills, their own if no others are given, moved by whatever
        numbers.
        """
        chance, self.chance = self.chance, None
        still, self.still = self.still, None
        assert chance is not None
        drawn, z, shape = chance.split([self.numbers, self.z_dim, DRAWS], 1)
        drawn, shape = (torch.erf(each / math.sqrt(2)) for each in (drawn, shape))  # uniform in -1..1
        if not self.company:
            shape[:, -BESIDE:] = -1.0  # nothing goes along
        if not self.small:
            shape[:, -SHAPE - BESIDE : -BESIDE].fill_(0.0)
            shape[:, -SHAPE - BESIDE : 1 - SHAPE - BESIDE].fill_(AS_LARGE)
        trial = trial_of(self.mirror, canvas)
        sides, turned = ~trial.mirrored, canvas.flip(-1)
        path = self.steering.path(to_the_right(steered.numbers, sides), content, text, times, sides)
        trial.video = self.filmed(turned, path)
        trial.numbers, trial.held, trial.leave = steered
        trial.drawn, trial.others = drawn, self.coded(z, text)[1].numbers
        path = self.steering.path(drawn, content, text, times, sides)
        still = canvas[:, 0] if still is None else F.interpolate(still, canvas.shape[-2:], mode="bilinear")
        still = still.float()
        moving, seen = animated(still, path, times, shape)
        # By half as much: by less than half of their surroundings pictures fold where they go fast.
        share, lower = (each / 2 for each in sizes(shape))
        path = path._replace(extent=(0.5 + share) * path.extent, home=path.home + F.pad(lower, (1, 0)))
        frames = self.steering.camera.film(turned, path, self.size)
        if self.company:
            frames = accompanied(frames, still, path, shape)
        trial.moving = self.filmed(moving, seen, acts=False), bounded(frames.transpose(1, 2), training=False)
        return trial

    def filmed(self, canvas: Tensor, path: Path, *, acts: bool = True) -> Tensor:
        """As it is shown, without a way back."""
        return bounded(self.steering.camera.film(canvas, path, self.size, acts=acts).transpose(1, 2), training=False)

    def coded(self, z: Tensor, text: TextFeatures) -> tuple[Tensor, Steered]:
        """Content code and what steers."""
        content = self.content(torch.cat([unit(z), limited(text.sentence, self.content_limit)], 1))
        content = limited(content, self.content_limit)
        return content, self.steering(unit(z), content, text)

    def paint(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Steered, Tensor, Tensor]:
        """Content code, what steers, canvases `(b, t, 3, h, w)` before the mirror, and where words were looked at."""
        b, t = times.shape
        content, steered = self.coded(z, text)
        gait = self.steering.gait(steered.numbers.detach(), content, text, times)
        moving, still = self.motion(content, text, times, gait), self.motion.still(content, text)
        style, places = (torch.cat(both, 1).flatten(0, 1) for both in zip(moving, still, strict=True))  # it comes last
        x = self.constant.expand(b * (t + 1), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x, rgb, maps = self.painted(list(self.blocks[: self.coarse]), x, None, style, places, text=text, frames=t + 1)
        window, rows = window_of(x.shape[-1]), (b, t + 1)
        x, rgb = x.unflatten(0, rows), rgb.unflatten(0, rows)
        rest = list(self.blocks[self.coarse :])
        ground = self.painted(rest, x[:, -1], rgb[:, -1], *(each[:, 0] for each in still))[1][:, None]
        cut = (each[:, :-1, :, *window].flatten(0, 1) for each in (x, rgb))
        actor = self.painted(rest, *cut, *(each.flatten(0, 1) for each in moving), cut=True)[1]
        around = self.steering.home, self.steering.extent
        canvas = before(ground.float(), actor.float().unflatten(0, (b, t)), *around)
        if maps is None:
            return content, steered, canvas, canvas.new_zeros(b, t, text.words.shape[1], 1, 1)
        maps = maps.unflatten(0, rows)
        return content, steered, canvas, before(maps[:, -1:], maps[:, :-1, :, *window_of(maps.shape[-1])], *around)

    def painted(
        self,
        blocks: list[nn.Module],
        x: Tensor,
        rgb: Tensor | None,
        style: Tensor,
        places: Tensor,
        *,
        text: TextFeatures | None = None,
        frames: int = 0,
        cut: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features and colours after these blocks, of whole canvases or, `cut`, of their window; with `text`, of whose
        captions each has `frames` of them, where its words were looked at.
        """
        maps = None
        for block in blocks:
            x, rgb = block(x.contiguous(memory_format=torch.channels_last), rgb, style)
            name = str(level_of(x.shape[-1]) if cut else x.shape[-1])
            if name in self.coordinates:
                x = x + self.enter[name](self.coordinates[name](places, cut))
            if text is not None and name in self.attention:
                x, attention = self.attention[name](x, text.words, text.mask, frames)
                maps = attention.transpose(1, 2).unflatten(2, x.shape[-2:])
        assert rgb is not None
        return x, rgb, maps


def unit(z: Tensor) -> Tensor:
    """Rows `(b, d)` of a mean square of 1 (Karras et al. 2018, section 4.2)."""
    with torch.autocast(z.device.type, enabled=False):
        return z.float() * torch.rsqrt(z.float().square().mean(1, keepdim=True) + 1e-8)


def limited(x: Tensor, limit: float) -> Tensor:
    """Rows `(b, d)` whose root mean square is kept below `limit`; small ones hardly change. 0: as they are.

    Brought to a size of 1 instead, a content code was six times as loud at first, and a run learned half as fast.
    """
    if not limit:
        return x
    with torch.autocast(x.device.type, enabled=False):
        return x.float() * torch.rsqrt(1 + x.float().square().mean(1, keepdim=True) / limit**2)
