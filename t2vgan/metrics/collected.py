"""A metric that needs all features at once: they are kept until `compute`."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from t2vgan.metrics.precise import PreciseMetric


class CollectedFeatures(PreciseMetric):
    """Keeps the features (float32) of both sides, gathered over ranks with uneven shares.

    `reset()` keeps the real features unless `reset_real`; they are not saved in the state dict.
    """

    full_state_update = True  # `forward` must not add the kept real features twice

    real_features: list[Tensor]
    fake_features: list[Tensor]

    def __init__(self, *, dim: int, reset_real: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.reset_real = dim, reset_real
        for side in ("real", "fake"):
            self.add_state(f"{side}_features", [], "cat")
        self._shape_empty()

    def _shape_empty(self) -> None:
        """An empty share must still be (0, d), or gathering it beside full ones does not work."""
        for features in (self.real_features, self.fake_features):
            if not len(features):
                features.append(torch.zeros(0, self.dim, device=self.device))

    def update(self, features: Float[Tensor, "n d"], *, real: bool) -> None:
        """Add the features of a batch of real or generated clips."""
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise ValueError(f"features must be (n, {self.dim}) but have shape {tuple(features.shape)}")
        (self.real_features if real else self.fake_features).append(features.detach().float())

    def gathered(self) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
        """Real and generated features, inside `compute` those of all ranks."""
        return dim_zero_cat(self.real_features), dim_zero_cat(self.fake_features)

    def reset(self) -> None:
        """Forget the generated clips, and the real ones too if `reset_real`."""
        kept = [] if self.reset_real else list(self.real_features)
        super().reset()
        self.real_features.extend(kept)
        self._shape_empty()
