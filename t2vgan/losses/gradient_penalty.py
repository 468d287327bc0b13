"""R1 and R2: the squared gradient of the critic at real and at fake clips (Mescheder et al. 2018, eqs. 9-10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from t2vgan.losses.play import WHOLE, Part, Play, Seen
from t2vgan.shapes import Scalar, TextFeatures

Score = Callable[[Seen], Tensor]  # what the critic's eyes saw -> one number per clip


def exact_penalty(score: Score, seen: Seen) -> Scalar:
    """E ||grad D||^2 / 2 with respect to what the critic's eyes saw; needs a second backward through the critic."""
    seen = tuple(s.detach().requires_grad_(True) for s in seen)
    slopes = torch.autograd.grad(score(seen).sum(), seen, create_graph=True)
    return torch.stack([s.square().flatten(1).sum(1) for s in slopes]).sum(0).mean() / 2


def finite_difference_penalty(score: Score, seen: Seen, *, sigma: float, part: Part = WHOLE) -> Scalar:
    """The same in expectation from two forward passes: E[((D(x + sigma e) - D(x)) / sigma)^2] / 2, e ~ N(0, I).

    Seaweed-APT (Lin et al. 2025, section 3.3). No double backward, so it works with compiled critics and fused
    attention.
    """
    still = tuple(s.detach() for s in seen)
    moved = tuple(s + sigma * noise_like(s, part) for s in still)
    return ((score(moved) - score(still)) / sigma).square().mean() / 2


def noise_like(seen: Tensor, part: Part) -> Tensor:
    """This part's share of noise that is drawn for all clips of the round."""
    if part.count == 1:
        return torch.randn_like(seen)
    return torch.randn_like(torch.cat([seen] * part.count)).chunk(part.count)[part.index]


class GradientPenalty:
    """`on` real clips (R1) or fake ones (R2); `method` is exact or finite (differences of size `sigma`)."""

    def __init__(self, *, on: str, method: str = "exact", sigma: float = 0.01) -> None:
        if method not in ("exact", "finite"):
            raise ValueError(f"r1/r2: method '{method}' is not one of exact, finite")
        if not sigma > 0:
            raise ValueError(f"r1/r2: sigma is {sigma}: the size of the differences has to be above 0")
        self.on, self.method, self.sigma = on, method, sigma

    def discriminator(self, play: Play) -> Scalar:
        seen = play.real if self.on == "real" else play.fake

        text = play.text and TextFeatures(play.text.sentence.float(), play.text.words.float(), play.text.mask)

        def score(what: Seen) -> Tensor:
            return play.critic.judge(play.critic.features(what, play.times), text).mean(1)

        # Differences of bfloat16 logits are mostly noise, so this one runs in float32 whatever the precision.
        with _power_iterations_rest(play.critic), torch.autocast(seen[0].device.type, enabled=False):
            seen = tuple(s.float() for s in seen)
            if self.method == "exact":
                return exact_penalty(score, seen)
            return finite_difference_penalty(score, seen, sigma=self.sigma, part=play.part)


@contextmanager
def _power_iterations_rest(critic: nn.Module) -> Iterator[None]:
    """Spectral norms keep still, so that both sides of a difference are the same function."""
    layers = [m for m in critic.modules() if isinstance(getattr(m, "frozen", None), bool)]
    for layer in layers:
        layer.frozen = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.frozen = False  # type: ignore[assignment]


class R1(GradientPenalty):
    """On real clips (Mescheder et al. 2018, eq. 9)."""

    def __init__(self, *, method: str = "exact", sigma: float = 0.01) -> None:
        super().__init__(on="real", method=method, sigma=sigma)


class R2(GradientPenalty):
    """On fake clips (Mescheder et al. 2018, eq. 10)."""

    def __init__(self, *, method: str = "exact", sigma: float = 0.01) -> None:
        super().__init__(on="fake", method=method, sigma=sigma)
