"""The numbers that steer a clip: how the camera moves, and how the subject does before it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from t2vgan.generators.blocks import Told
from t2vgan.generators.camera import Camera, Path
from t2vgan.shapes import TextFeatures

# Frame widths to a cycle of the gait. Drawn animals have 0.12, with which legs were seen to step too seldom: with 0.10
# 84 % of actions became 88. Pixels do not tell: left to them strides came to 0.10 in some trainings, to 0.13 in others.
STRIDE = 0.1
SWING = 0.08  # frame widths by which legs swing to each side; by a third more pictures would fold (`Camera.follow`)
# At first and in the end, frame widths: the home of a subject that faces right, from the middle, with room left ahead
# of it; and how far what goes with it reaches, to each side and up and down. Before there are animals what goes and
# swings is a hindrance: with legs from the first round on half as much is learned.
HOMES, EXTENTS = ((-0.1, 0.08), (-0.14, 0.12)), ((0.26, 0.22), (0.31, 0.27))


class Steered(NamedTuple):
    """What steers clips."""

    numbers: Tensor  # (b, 4)
    held: Tensor  # (b, 4), without what noise does to the camera where captions leave that open
    leave: Tensor  # (b, 2), how far noise may move pan and zoom: a deviation


class Steering(nn.Module):
    """Four numbers of a clip, each a share of its reach: the camera's pan and zoom, how fast the subject goes ahead,
    and how high it leaps. The loss `steer` alone trains them, for the slope of the pixels misleads; without it noise
    moves the camera a little, and the middle of every clip goes ahead by 0.1 frame widths per second.

    With `words_alone` speed and height are told by words as they are by themselves, and by nothing else, so that they
    carry over to animals that were never seen to do such a thing: in their context, and with a content code, what told
    others to leap (a height of -0.1) told lions and ostriches not to (-0.3). Cameras are told by words in context:
    `left` is said of them and of subjects.
    """

    numbers = 4
    reach = (0.2, 0.3, 0.4, 0.3)  # pan, frame widths/s; zoom, 1/s in its logarithm; speed, widths/s; height, widths

    def __init__(
        self, *, z_dim: int, dim: int, text_dim: int, words_count: bool = False, words_alone: bool = False
    ) -> None:
        super().__init__()
        self.words_alone = words_alone
        hidden = 64 if words_count else 0
        self.camera = Camera(dim=dim, text_dim=text_dim)
        # At a pace of 1/16 a pan took most of a run to find: 0.001 of its reach a round. With these gains on top of 1/4
        # 63 % of cameras were obeyed after 10,000 clips, without them 45 %.
        self.steer = Told(dim=dim, text_dim=text_dim, numbers=self.numbers, pace=1 / 4, hidden=hidden)
        self.register_buffer("gain", torch.tensor([2.0, 2.0, 4.0, 4.0]), persistent=False)
        self.gain: Tensor
        self.register_buffer("grown", torch.tensor(1.0), persistent=False)  # by whoever trains it, see `grow`
        self.grown: Tensor
        for name, (first, last) in {"homes": HOMES, "extents": EXTENTS}.items():
            self.register_buffer(name, torch.tensor([first, last]), persistent=False)
        self.homes: Tensor
        self.extents: Tensor
        layers = [nn.Linear(z_dim, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2)]
        self.free = nn.Sequential(*layers)  # how a camera moves that no word speaks of
        pace = 1.0 if words_count else 2.0
        self.leave = Told(
            dim=dim, text_dim=text_dim, numbers=2, pace=pace, hidden=hidden
        )  # how far; words take it away
        self.leap = Told(dim=dim, text_dim=text_dim, numbers=2, spread=1.0)  # how often, and when
        self.step = Told(dim=dim, text_dim=text_dim, numbers=1, spread=1.0)  # where in a step it begins

    def forward(self, z: Tensor, content: Tensor, text: TextFeatures) -> Steered:
        """Noise `(b, z_dim)`, content `(b, dim)` and words to the numbers, `(b, 4)` in -1..1, a speed in 0..1: nobody
        walks backwards. A height of -1 is none: whether a leap begins upwards or downwards nobody can say who does not
        know when it began.
        """
        raw = self.steer(content, text)
        if self.words_alone:
            raw = torch.cat([raw[:, :2], self.steer(None, text.by_themselves())[:, 2:]], 1)
        raw = raw * self.gain
        camera, speed, height = raw[:, :2], torch.sigmoid(raw[:, 2:3] - 1), torch.tanh(raw[:, 3:] - 1.5)
        with torch.autocast(z.device.type, enabled=False):
            leave, free = torch.sigmoid(self.leave(content, text)), 2 * torch.tanh(self.free(z.float()))
        camera = torch.tanh(camera)
        moved = (camera.detach() + leave.detach() * free).clamp(-1, 1)
        numbers, held = (torch.cat([each, speed, height], 1) for each in (moved, camera))
        return Steered(numbers, held, leave)

    def gait(self, numbers: Tensor, content: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        """Where in its gait the subject is at the instants `(b, t)`, in cycles: feet do not slide, so it goes on as the
        way does. Whoever rests stands still in some step.
        """
        return self.step(content, text) + self.reach[2] * numbers[:, 2:3] * times / STRIDE

    def grow(self, done: float) -> None:
        """When this share of a training is done: legs swing, and more goes with what acts, from two fifths of it on, as
        far as they will from half.
        """
        self.grown.fill_(min(max(10 * done - 4, 0.0), 1.0))

    @property
    def home(self) -> Tensor:
        return torch.lerp(self.homes[0], self.homes[1], self.grown)

    @property
    def extent(self) -> Tensor:
        return torch.lerp(self.extents[0], self.extents[1], self.grown)

    def path(self, numbers: Tensor, content: Tensor, text: TextFeatures, times: Tensor, mirrored: Tensor) -> Path:
        """How things move before the camera at the instants `(b, t)`; the speed of the numbers is to the right here,
        whichever way the subject faces.
        """
        along = times - 1.0  # s from the middle of a usual clip
        pan, zoom, speed, height = (self.reach[i] * numbers[:, i : i + 1] for i in range(self.numbers))
        height = (self.reach[-1] + height) / 2
        often, begin = self.leap(content, text).split(1, 1)
        cycles = times * torch.exp(0.1 * torch.tanh(often)) + begin  # about one leap a second
        beat = torch.sin(math.pi * cycles).abs()
        way = torch.stack([speed * along, height * (0.5 - beat)], -1)
        ahead = torch.where(mirrored, -1.0, 1.0)
        home = self.home * torch.stack([ahead, torch.ones_like(ahead)], -1)
        phase = self.gait(to_the_right(numbers, mirrored), content, text, times)  # ahead again
        shares, swing = self.camera.shares(content, text), SWING * self.grown
        return Path(pan * along, zoom * along, shares, way, home, phase, swing, self.extent.expand_as(home))


def to_the_right(numbers: Tensor, mirrored: Tensor) -> Tensor:
    """`(b, 4)` with the subject's speed counted to the right instead of ahead."""
    pan, zoom, speed, height = numbers.split(1, 1)
    return torch.cat([pan, zoom, torch.where(mirrored[:, None], -speed, speed), height], 1)
