"""A problem that a tiny probe learns in seconds: coloured squares that move left or right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jaxtyping
import pytest
import torch

from t2vgan.metrics.fitting import fit_probe
from t2vgan.metrics.probe import Probe
from t2vgan.shapes import Clips

COLOURS = {"red": (1.0, -1.0, -1.0), "green": (-1.0, 1.0, -1.0), "blue": (-1.0, -1.0, 1.0)}
ATTRIBUTES = {"colour": sorted(COLOURS), "direction": ["left", "right"]}


def make_squares(n: int, *, seed: int, noise: int = 0, size: int = 64, frames: int = 16) -> Clips:
    """Clips of one square on a noisy ground; each fifth has no direction in its truth, each third does not name it.

    `seed` decides what the clips show, `noise` together with it all that the truth does not say.
    """
    choices = torch.randint(6, (n, 2), generator=torch.Generator().manual_seed(seed)).tolist()
    generator = torch.Generator().manual_seed(1_000 * noise + seed)
    video = 0.1 * torch.randn(n, 3, frames, size, size, generator=generator)
    truth = []
    for i in range(n):
        x, y = (torch.rand(2, generator=generator) * size / 4).int().tolist()
        colour, direction = sorted(COLOURS)[choices[i][0] % 3], ("left", "right")[choices[i][1] % 2]
        for t in range(frames):
            at = x + round(t * size / 3 / frames * (1 if direction == "right" else -1)) + size // 3
            video[i, :, t, y : y + size // 3, at : at + size // 3] = torch.tensor(COLOURS[colour])[:, None, None]
        truth.append({"colour": colour, "direction": direction} if i % 5 else {"colour": colour})
    captions = [f"a {clip['colour']} square" for clip in truth]
    return Clips(
        video=video.clamp(-1, 1),
        times=(torch.arange(frames) / 8).expand(n, -1),
        captions=captions,
        wrong_captions=captions[::-1],
        keys=[str(i) for i in range(n)],
        indices=list(range(n)),
        attributes=truth,
        named=[("colour",) if i % 3 == 0 else ("colour", "direction") for i in range(n)],
    )


@pytest.fixture
def without_shape_checks() -> Iterator[None]:
    """As users run it: jaxtyping, which looks on in tests, must not be what finds their mistakes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def squares() -> Callable[..., Clips]:
    return make_squares


@pytest.fixture(scope="session")
def probe() -> Probe:
    batches = [make_squares(8, seed=seed) for seed in range(10)]
    return fit_probe(lambda epoch: batches, attributes=ATTRIBUTES, epochs=9, width=8, seed=0)
