"""What does a single frame of the savanna tell? Action and camera are meant to be motion alone: chance is 20 % each.

    python benchmarks/one_frame.py          # a few minutes on one core

A small network of convolutions learns every attribute from single frames of `probe` clips at random instants, and is
tested on a frame of each of other clips. A figure near chance says that this network found nothing.
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from t2vgan.datasets.savanna.recipe import Recipe
from t2vgan.datasets.savanna.scene import VALUES

SIZE, DURATION_S, BATCH, LR = 64, 2.0, 32, 2e-3


class Looker(nn.Module):
    """Six 3x3 convolutions, the maximum over places, and a head for each attribute."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 32, 48, 64, 64, 96, 96]
        layers = [
            nn.Sequential(nn.Conv2d(a, b, 3, 1 + i % 2, 1), nn.BatchNorm2d(b), nn.ReLU())
            for i, (a, b) in enumerate(pairwise(widths))
        ]
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(widths[-1], len(values)) for name, values in VALUES.items()})

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        seen = self.body(frames).amax((2, 3))
        return {name: head(seen) for name, head in self.heads.items()}


def frames_of(clips: range, *, each: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """`each` frames of every clip at random instants, float in [-1, 1], and what their clips show."""
    recipe, rng = Recipe(split="probe", size=SIZE, fps=8, duration_s=DURATION_S), np.random.default_rng(seed)
    pictures, told = [], []
    for clip in track(clips, "drawing"):
        pictures.append(recipe.frames(clip, times=np.sort(rng.uniform(0, DURATION_S, each))))
        told += [recipe.attributes(clip)] * each
    frames = torch.from_numpy(np.concatenate(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return frames, {name: torch.tensor([values.index(t[name]) for t in told]) for name, values in VALUES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2_500, help="to learn from, two frames each")
    parser.add_argument("--tested", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    frames, wanted = frames_of(range(args.clips), each=2, seed=args.seed)
    others, truth = frames_of(range(args.clips, args.clips + args.tested), each=1, seed=args.seed + 1)
    looker = Looker()
    optimizer = torch.optim.AdamW(looker.parameters(), lr=LR, weight_decay=0.02)
    rounds = args.epochs * math.ceil(len(frames) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=rounds)
    for epoch in range(args.epochs):
        for rows in track(torch.randperm(len(frames)).split(BATCH), f"epoch {epoch + 1}"):
            told = looker(frames[rows])
            loss = torch.stack([F.cross_entropy(told[name], wanted[name][rows]) for name in told]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    looker.eval()
    with torch.no_grad():
        parts = [looker(part) for part in others.split(BATCH)]
    for name, values in VALUES.items():
        right = (torch.cat([part[name] for part in parts]).argmax(1) == truth[name]).float().mean().item()
        print(f"{name:>10}  {100 * right:5.1f} %   (chance {100 / len(values):.0f} %)")


if __name__ == "__main__":
    main()
