"""What a report looks at clips with: feature spaces by name, the reader of single frames, the judge of captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2vgan.shapes import Video


def extractor_of(told: str) -> Any:
    """`effnet`, or `<network>[:<convention>]=<file>[#<sha256>]` for weights on this disk; else ValueError.

    `i3d` alone is the downloaded one.
    """
    from t2vgan.metrics.effnet import EffNetFeatures
    from t2vgan.metrics.features import CONVENTIONS, load_features
    from t2vgan.metrics.weights import cached_i3d

    if told == "effnet":
        return EffNetFeatures()
    way, _, file = told.partition("=")
    network, _, convention = way.partition(":")
    if network == "i3d" and not file:
        file = str(cached_i3d())
    if network not in CONVENTIONS or not file:
        raise ValueError(
            f"--features {told}: choose effnet, or one of {', '.join(CONVENTIONS)} with its weights, as in "
            "i3d=i3d_torchscript.pt or i3d:cdfvd=i3d_torchscript.pt"
        )
    file, _, expected = file.partition("#")
    return load_features(
        network, Path(file), convention=convention or None, sha256=expected or found_hash(network, file)
    )


def found_hash(network: str, file: str) -> str | None:
    """Of files without a known hash what they have, so that the report tells it; the Kinetics I3D has a known one."""
    from t2vgan.metrics.clip import WEIGHTS
    from t2vgan.metrics.weights import check_file, sha256_of

    if network == "i3d":
        return None
    path = Path(file) / WEIGHTS if network == "clip" and Path(file).is_dir() else Path(file)
    check_file(path, what=network)
    return sha256_of(path)


def frame_reader_of(extractors: Sequence[Any]) -> Any:
    """What sees single frames: CLIP where its weights are given, as papers have it, else ImageNet features."""
    from t2vgan.metrics.effnet import EffNetFeatures

    framewise = [e for e in extractors if getattr(getattr(e, "convention", None), "framewise", False)]
    return next(iter([*framewise, *(e for e in extractors if isinstance(e, EffNetFeatures))]), None) or EffNetFeatures()


class Embedding(torch.nn.Module):
    """The dual encoder's view of clips among the features that are taken in one look."""

    name = "retrieval"

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.dim, self.fingerprint, self.accuracy = encoder.dim, encoder.fingerprint, encoder.accuracy

    def features(self, video: Video) -> Tensor:
        return self.encoder.embed_video(video)
