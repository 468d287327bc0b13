"""Distances without one block of clips after another, from sums over clips that are made once.

The jackknife of `intervals` asks for a distance some forty times, each time without a twentieth of one side. Computed
anew each time, that is what a report waits for. Here what the blocks have in common is done once: moments are summed
per block, kernels and neighbours are taken of all pairs, projections are sorted. Each class answers
`without(side, rows)` with the distance of its two sides but for those rows of side 0 or 1.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from t2vgan.metrics.extrapolated import line, part_sizes
from t2vgan.metrics.frechet import root_of_covariance
from t2vgan.metrics.mind import DIRECTIONS, unit_directions
from t2vgan.metrics.prdc import NEIGHBOURS, PRDC, ROWS, counted, euclidean
from t2vgan.metrics.precise import to_double

SPARE = 40  # neighbours that are kept beyond the k-th, for when a block takes some away
AT_ONCE = 100  # directions whose projections are compared at a time


@runtime_checkable
class LeavesOut(Protocol):
    """Two sides of clips, and what is found of them without some rows of one side."""

    lengths: tuple[int, int]

    def without(self, side: int, rows: Int[Tensor, " k"]) -> Float[Tensor, " v"]: ...


class FrechetWithout:
    """The Fréchet distance, by way of eigenvalues: good to about 1e-7, which is enough for an error.

    Without some rows of a side only its own covariance changes, so the other side's root is made once.
    """

    def __init__(self, real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], *, unbiased: bool = True) -> None:
        sides = [to_double(side) for side in (real, fake)]
        self.centre, self.unbiased = sides[0].mean(0), unbiased
        self.sides = [side - self.centre for side in sides]  # moments about a common centre keep their digits
        self.lengths = len(real), len(fake)
        self.sums = [side.sum(0) for side in self.sides]
        self.outers = [side.T @ side for side in self.sides]
        self.whole = [self._moments(n, s, o) for n, s, o in zip(self.lengths, self.sums, self.outers, strict=True)]
        self.roots = [root_of_covariance(covariance) for _, covariance in self.whole]

    def _moments(self, n: int, total: Tensor, outer: Tensor) -> tuple[Tensor, Tensor]:
        mean = total / n
        return mean, (outer - n * torch.outer(mean, mean)) / (n - int(self.unbiased))

    def without(self, side: int, rows: Int[Tensor, " k"]) -> Float[Tensor, " 1"]:
        left = self.sides[side][rows]
        n = self.lengths[side] - len(rows)
        mean, covariance = self._moments(n, self.sums[side] - left.sum(0), self.outers[side] - left.T @ left)
        other_mean, other_covariance = self.whole[1 - side]
        root = self.roots[1 - side]
        shared = torch.linalg.eigvalsh(root.T @ covariance @ root).clamp_min(0).sqrt().sum()
        shift = (mean - other_mean).square().sum()
        return (shift + covariance.trace() + other_covariance.trace() - 2 * shared).reshape(1)


class KernelWithout:
    """The squared maximum mean discrepancy of a polynomial kernel: see `kernel.kernel_distance`."""

    def __init__(
        self,
        real: Float[Tensor, "n d"],
        fake: Float[Tensor, "m d"],
        *,
        degree: int = 3,
        coef0: float = 1.0,
        unbiased: bool = True,
        factor: float = 1.0,
    ) -> None:
        self.sides = [to_double(side) for side in (real, fake)]
        self.lengths, self.unbiased, self.factor = (len(real), len(fake)), unbiased, factor
        self.power = degree, coef0
        self.across = [self._sums(side, self.sides[1 - i]) for i, side in enumerate(self.sides)]
        self.within = [self._sums(side, side) - self._own(side) for side in self.sides]

    def _kernel(self, x: Tensor, y: Tensor) -> Tensor:
        degree, coef0 = self.power
        return (x @ y.T / x.shape[1] + coef0).pow(degree)

    def _sums(self, x: Tensor, y: Tensor) -> Float[Tensor, " n"]:
        return torch.cat([self._kernel(rows, y).sum(1) for rows in x.split(ROWS)])

    def _own(self, x: Tensor) -> Tensor:
        """What an unbiased estimate leaves out: the kernel of a clip and itself."""
        degree, coef0 = self.power
        own = (x.square().sum(1) / x.shape[1] + coef0).pow(degree)
        return own if self.unbiased else torch.zeros_like(own)

    def _mean_within(self, total: Tensor, n: int) -> Tensor:
        return total / (n * (n - 1) if self.unbiased else n * n)

    def without(self, side: int, rows: Int[Tensor, " k"]) -> Float[Tensor, " 1"]:
        n, m = self.lengths[side] - len(rows), self.lengths[1 - side]
        left = self.sides[side][rows]
        # what the rows share with all, but for what they share among themselves, which that counts twice
        among = self._kernel(left, left).sum() - self._own(left).sum()
        mine = self._mean_within(self.within[side].sum() - 2 * self.within[side][rows].sum() + among, n)
        others = self._mean_within(self.within[1 - side].sum(), m)
        both = (self.across[side].sum() - self.across[side][rows].sum()) / (n * m)
        return (self.factor * (mine + others - 2 * both)).reshape(1)


class MongeWithout:
    """The Monge distance, along the same directions throughout.

    Sides of unequal length are compared quantile by quantile, which for equal lengths is what `mind.mind_distance`
    does: a random part of the longer side would put its own chance into the interval.
    """

    def __init__(
        self, real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], *, directions: int = DIRECTIONS, seed: int = 0
    ) -> None:
        sides = [to_double(side) for side in (real, fake)]
        self.lengths, self.dim = (len(real), len(fake)), real.shape[1]
        units = unit_directions(directions, self.dim, torch.Generator().manual_seed(seed)).to(sides[0])
        sorts = [(units @ side.T).sort(dim=1) for side in sides]
        self.values, self.order = [s.values for s in sorts], [s.indices for s in sorts]

    def without(self, side: int, rows: Int[Tensor, " k"]) -> Float[Tensor, " 1"]:
        kept = torch.ones(self.lengths[side], dtype=torch.bool)
        kept[rows] = False
        n, m = self.lengths[side] - len(rows), self.lengths[1 - side]
        mine, other, weight = _quantiles(n, m)
        total, parts = self.values[0].new_zeros(()), (self.values[side], self.order[side], self.values[1 - side])
        for values, order, theirs in zip(*(part.split(AT_ONCE) for part in parts), strict=True):
            left = values[kept[order]].reshape(len(values), n)
            total = total + ((left[:, mine] - theirs[:, other]).square() @ weight).sum()
        return (3 * self.dim * total / len(self.values[0])).reshape(1)


def _quantiles(n: int, m: int) -> tuple[Int[Tensor, " q"], Int[Tensor, " q"], Float[Tensor, " q"]]:
    """Which of n and of m sorted values stand for each stretch between the steps of both, and how long that is."""
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()  # in units of 1 / (n m)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    return starts // m, starts // n, (ends - starts).double() / (n * m)


class NeighboursWithout:
    """Precision, recall, density and coverage, in this order: see `prdc.precision_recall`."""

    def __init__(self, real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], *, k: int = NEIGHBOURS) -> None:
        sides = [to_double(side) for side in (real, fake)]
        self.lengths, self.k = (len(real), len(fake)), k
        self.across = euclidean(sides[0], sides[1])  # real rows, generated columns
        self.near = [_nearest(side, k) for side in sides]
        self.radii = [values[:, k - 1] for values, _ in self.near]

    def whole(self) -> PRDC:
        """Of all rows."""
        return counted(self.across, *self.radii, k=self.k)

    def without(self, side: int, rows: Int[Tensor, " k"]) -> Float[Tensor, " 4"]:
        kept = torch.ones(self.lengths[side], dtype=torch.bool)
        kept[rows] = False
        radii = list(self.radii)
        radii[side] = self._radii(side, kept)[kept]
        across = self.across[kept] if side == 0 else self.across[:, kept]
        return torch.tensor(counted(across, *radii, k=self.k), dtype=torch.float64)

    def _radii(self, side: int, kept: Bool[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The distance to the k-th neighbour that is kept."""
        values, places = self.near[side]
        rank = kept[places].cumsum(1)
        found = torch.where(rank >= self.k, values, torch.inf).amin(1)
        return found  # infinite where more than SPARE of the nearest are gone: a block of so many near ones is none


def _nearest(features: Float[Tensor, "n d"], k: int) -> tuple[Float[Tensor, "n s"], Int[Tensor, "n s"]]:
    """Distances to the nearest rows but itself, ascending, and which these are."""
    found = []
    for first, rows in zip(range(0, len(features), ROWS), features.split(ROWS), strict=True):
        apart = euclidean(rows, features)
        apart[torch.arange(len(rows)), first + torch.arange(len(rows))] = torch.inf
        found.append(apart.topk(min(len(features) - 1, k + SPARE), largest=False))
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


class ExtrapolatedWithout:
    """The Fréchet distance of infinitely many clips: see `extrapolated.extrapolated_frechet_distance`.

    Parts are the beginnings of one random order, so that each clip is left out of all that it belongs to.
    """

    def __init__(
        self, real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], *, unbiased: bool = True, seed: int = 0
    ) -> None:
        # Of their own: by the seed of the blocks that are left out, each of these would be a run of the order.
        generator = torch.Generator().manual_seed(seed + 1_000_003)
        self.lengths = len(real), len(fake)
        orders = [torch.randperm(n, generator=generator) for n in self.lengths]
        self.places = [order.argsort() for order in orders]
        self.sizes = part_sizes(min(self.lengths))
        ordered = [to_double(side)[order] for side, order in zip((real, fake), orders, strict=True)]
        self.parts = [FrechetWithout(*(side[:size] for side in ordered), unbiased=unbiased) for size in self.sizes]

    def without(self, side: int, rows: Int[Tensor, " k"]) -> Float[Tensor, " 1"]:
        places, inverse, distances = self.places[side][rows], [], []
        for size, part in zip(self.sizes, self.parts, strict=True):
            gone = places[places < size]
            distances.append(float(part.without(side, gone)))
            inverse.append((1 / size + 1 / (size - len(gone))) / 2)
        return torch.tensor([line(inverse, distances)[0]], dtype=torch.float64)
