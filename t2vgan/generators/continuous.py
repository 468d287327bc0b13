"""Generator that renders any instant: a motion code over continuous time, and a frame from it.

The content code is fixed for the clip; what moves is a set of waves and drifts whose amplitudes, phases and speeds are
read from the content code, so frames can be rendered in any number, order and density. Continuous time follows
StyleGAN-V (Skorokhodov et al. 2022, section 3.1), which draws random motion anchors; here motion is smooth and linear
in the code, which is what a caption can steer. Each frame is synthesised as in StyleGAN2 (Karras et al. 2020), from
a learned constant and from coordinates that move: StyleGAN3's transformed Fourier features (Karras et al. 2021,
section 3.2), several groups of them so that foreground and background can go different ways.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.animated import DRAWS, animated
from t2vgan.generators.blocks import Mirror, SynthesisBlock, WordAttention, bounded, trial_of
from t2vgan.generators.camera import Camera, Layers, Path, level_of, window_of
from t2vgan.generators.motion import Motion
from t2vgan.generators.steering import Steered, Steering, to_the_right
from t2vgan.shapes import TextFeatures, Trial


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


def cut_of(size: int) -> Tensor:
    """`(2, h, w)` of a window: how far its edges let shares be, and where they are sought at first, as logits."""
    rows, columns = window_of(round(size * Camera.margin))
    y, x = (2 * (torch.arange(n) + 0.5) / n - 1 for n in (rows.stop - rows.start, columns.stop - columns.start))
    edges = (1 - y**8)[:, None] * (1 - x**8)
    around = torch.exp(-((y - 0.2) / 0.55).square())[:, None] * torch.exp(-(x / 0.65).square())
    return torch.stack([edges, 4 * around - 1.5])


class Continuous(nn.Module):
    """z `(b, z_dim)`, a caption and instants `(b, t)` in seconds to `(b, 3, t, size, size)` in [-1, 1].

    A canvas is painted once for a clip, and at each instant, in a window of it, what acts, with the share of each place
    that it covers: what is behind it moves with the camera alone. When all of it could change, it drifted by itself,
    and judges took that for the camera: of captions with a camera at rest a quarter was obeyed, of the same canvases
    held still all. When what acts was not cut out, but all within a soft ellipse went its way, what was larger
    stretched, and few saw it walk.

    There are `width` channels at 4 and 8 pixels, and at most `taper * width / s` at s pixels. Words are attended to at
    `attend_at` pixels.
    """

    continuous = True
    trial: Trial | None = None  # of the last call in training
    numbers = Steering.numbers
    chance: Tensor | None = None  # (b, chances), normal: what decides the next trial
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
    ) -> None:
        super().__init__()
        self.z_dim, self.size = z_dim, size
        self.chances = self.numbers + z_dim + DRAWS
        self.content = nn.Sequential(
            nn.Linear(z_dim + text_dim, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim), nn.LeakyReLU(0.2)
        )
        self.motion = Motion(dim=dim, text_dim=text_dim, waves=waves, groups=groups)
        self.mirror = Mirror(dim=dim, text_dim=text_dim)
        self.steering = Steering(z_dim=z_dim, dim=dim, text_dim=text_dim)
        first = round(4 * Camera.margin)
        self.register_buffer("cut", cut_of(size), persistent=False)
        self.cut: Tensor
        self.constant = nn.Parameter(torch.randn(1, width, first, first))
        sizes = [4 * 2**i for i in range((size // 4).bit_length())]  # of the frame's part of the canvas
        widths = [max(min(width, taper * width // s), 16) for s in sizes]
        self.blocks = nn.ModuleList(
            SynthesisBlock(widths[max(i - 1, 0)], widths[i], style_dim=dim, up=i > 0, colours=4)
            for i in range(len(sizes))
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

    def attend(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Tensor]:
        """The video, and where each word was looked at: `(b, t, l, h', w')`, which sums to one over the words."""
        video, looks, path = self.shoot(z, text, times)
        if not self.attention:
            return video, video.new_zeros(*times.shape, text.words.shape[1], 1, 1)
        seen = round(looks.ground.shape[-1] / Camera.margin)  # of the maps, by the frame
        return video, self.steering.camera.film(looks, path, seen)

    def shoot(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Layers, Path]:
        """The video, where each word was looked at in its layers, and how these moved before the camera."""
        content, steered, painted, looks = self.paint(z, text, times)
        mirrored = self.mirror.decide(z, content, text)
        painted, looks = (layers.turned(mirrored) for layers in (painted, looks))
        path = self.steering.path(to_the_right(steered.numbers.detach(), mirrored), content, text, times)
        if self.training:
            self.trial = self.tried(steered, content, text, painted, times, ~mirrored)
        video = self.steering.camera.film(painted, path, self.size).transpose(1, 2)
        return bounded(video, self.training), looks, path

    @torch.no_grad()
    def tried(
        self, steered: Steered, content: Tensor, text: TextFeatures, painted: Layers, times: Tensor, sides: Tensor
    ) -> Trial:
        """The clips from their other `sides`; and stills, their own if none are given, moved by whatever numbers."""
        chance, self.chance = self.chance, None
        still, self.still = self.still, None
        if chance is None:
            chance = torch.randn(len(content), self.chances, device=content.device)
        drawn, z, shape = chance.split([self.numbers, self.z_dim, DRAWS], 1)
        drawn, shape = (torch.erf(each / math.sqrt(2)) for each in (drawn, shape))  # uniform in -1..1
        path = self.steering.path(to_the_right(steered.numbers, sides), content, text, times)
        trial = trial_of(self.mirror, self.filmed(painted.turned(torch.ones_like(sides)), path))
        trial.numbers, trial.held, trial.leave = steered
        trial.drawn, trial.others = drawn, self.coded(z, text)[1].numbers
        path = self.steering.path(drawn, content, text, times)
        own = painted.ground[:, 0]
        still = own if still is None else F.interpolate(still, own.shape[-2:], mode="bilinear")
        trial.moving = self.filmed(Layers(animated(still.float(), path.way, times, shape)), path)
        return trial

    def filmed(self, painted: Layers, path: Path) -> Tensor:
        """As it is shown, without a way back."""
        return bounded(self.steering.camera.film(painted, path, self.size).transpose(1, 2), training=False)

    def coded(self, z: Tensor, text: TextFeatures) -> tuple[Tensor, Steered]:
        """Content code and what steers."""
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        content = self.content(torch.cat([z, text.sentence], 1))
        return content, self.steering(z, content, text)

    def paint(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Steered, Layers, Layers]:
        """Content code, what steers, the layers of the clips before the mirror, and where words were looked at."""
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
        ground = self.painted(rest, x[:, -1], rgb[:, -1], *(each[:, 0] for each in still))[1][:, None, :3]
        cut = (each[:, :-1, :, *window].flatten(0, 1) for each in (x, rgb))
        actor = self.painted(rest, *cut, *(each.flatten(0, 1) for each in moving), cut=True)[1]
        colours, share = actor.float().unflatten(0, (b, t)).split([3, 1], 2)
        share = self.cut[0] * torch.sigmoid(share + self.cut[1])
        painted = Layers(ground.float(), torch.cat([colours * share, share], 2))
        if maps is None:
            return content, steered, painted, painted
        maps = maps.unflatten(0, rows)
        around = maps[:, :-1, :, *window_of(maps.shape[-1])]
        share = F.interpolate(share[:, :, 0], around.shape[-2:], mode="area")[:, :, None]
        return content, steered, painted, Layers(maps[:, -1:], torch.cat([around * share, share], 2))

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
