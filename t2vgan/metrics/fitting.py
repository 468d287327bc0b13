"""Training judges on real clips that are shifted, blurred and made noisy; probes by cross-entropy over the attributes.

No flips: left and right are attributes. No change of brightness or colour: so is the time of day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from t2vgan.metrics.attributes import ALL, UNJUDGED, AttributeAccuracy, encode_truth
from t2vgan.metrics.bodies import SIZE, Fitted, fit_clip, resize
from t2vgan.metrics.probe import Probe
from t2vgan.shapes import Clips, Scalar

LR = 3e-3
WEIGHT_DECAY = 0.02
WARMUP = 0.15  # of the training
SHIFT = 3  # pixels
NOISE = 0.04  # largest standard deviation
SIZES = (64, 48, 32, 32)  # what equal shares of each batch are degraded to: small frames are the hardest to judge
STANDARDISE_CLIPS = 1_000

Progress = Callable[[float, str], None]  # share done, what is being done


@runtime_checkable
class Batches(Protocol):
    """One epoch of clips: a list or a DataLoader."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Clips]: ...


def collect_attributes(truths: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """The values that occur, sorted, of each attribute with at least two: what a probe can classify."""
    found: dict[str, set[str]] = {}
    for truth in truths:
        for name, value in truth.items():
            found.setdefault(name, set()).add(value)
    if ALL in found:
        raise ValueError(f"an attribute is called '{ALL}', as the row of all attributes together is: rename it")
    return {name: sorted(values) for name, values in sorted(found.items()) if len(values) > 1}


def fit_probe(
    batches: Callable[[int], Batches],
    *,
    attributes: Mapping[str, Sequence[str]],
    epochs: int,
    name: str = "probe",
    width: int = 32,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Probe:
    """Train a probe on `batches(epoch)` for each epoch; frozen, in evaluation mode, with standardised features.

    `progress(share, text)` is called after each batch. Takes a few milliseconds per clip and epoch on one CPU core.
    """
    probe = Probe(attributes=attributes, name=name, width=width, seed=seed).to(device)
    generator = torch.Generator().manual_seed(seed)

    def loss(clips: Clips) -> Scalar:
        wanted = encode_truth(probe.attributes, clips.attributes).to(device)
        return _loss(probe.classify(seen_in_training(probe.pooled, clips, generator, device)), wanted)

    train(probe, loss, batches, epochs=epochs, progress=progress)
    seen = []
    for clips in batches(0):
        seen.append(probe.features(clips.video.to(device)))
        if sum(map(len, seen)) >= STANDARDISE_CLIPS:
            break
    probe.standardise(torch.cat(seen))
    return probe.requires_grad_(False).eval()


def train(
    network: nn.Module,
    loss_of: Callable[[Clips], Scalar],
    batches: Callable[[int], Batches],
    *,
    epochs: int,
    progress: Progress | None = None,
) -> None:
    """One cycle of AdamW (Loshchilov & Hutter 2019) over `batches(epoch)` of each epoch."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
    for epoch in range(epochs):
        network.train()
        loader = batches(epoch)
        for i, clips in enumerate(loader):
            share = (epoch + i / len(loader)) / epochs
            for group in optimizer.param_groups:
                group["lr"] = LR * _one_cycle(share)
            loss = loss_of(clips)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if progress is not None:
                progress(share, f"epoch {epoch + 1}/{epochs}, loss {loss.item():.2f}")


def seen_in_training(
    look: Callable[[Fitted], Tensor], clips: Clips, generator: torch.Generator, device: torch.device | str
) -> Float[Tensor, "n d"]:
    """What `look` makes of the degraded clips, in bf16 where that is fast; the features are float32."""
    device = torch.device(device)
    video = degrade(fit_clip(clips.video.to(device).float()), generator)
    with _autocast(device):
        features = look(video)
    return features.float()


def probe_accuracy(probe: Probe, batches: Iterable[Clips], *, size: int | None = None) -> AttributeAccuracy:
    """Judge real clips, first degraded to `size` pixels if given; all attributes that a clip has, named or not."""
    device = probe.mean.device
    # A judge is made by one process of a run, while the others wait for it elsewhere.
    accuracy = AttributeAccuracy(attributes=probe.attributes, sync_on_compute=False)
    for clips in batches:
        video = clips.video.to(device)
        accuracy.update(probe.predict(video if size is None else resize(video, size)), clips.attributes)
    return accuracy


def _loss(logits: Mapping[str, Float[Tensor, "n v"]], wanted: Int[Tensor, "n a"]) -> Scalar:
    terms = []
    for (_, scores), values in zip(logits.items(), wanted.unbind(1), strict=True):
        total = F.cross_entropy(scores, values, ignore_index=UNJUDGED, reduction="sum")
        terms.append(total / (values != UNJUDGED).sum().clamp_min(1))
    return torch.stack(terms).mean()


def degrade(video: Fitted, generator: torch.Generator) -> Fitted:
    """Random resolution, shift and strength of noise per clip, the same over its frames.

    Every batch has all resolutions: batches of one resolution each spoil the batch norms' statistics.
    """
    order, parts = torch.randperm(len(video), generator=generator), len(SIZES)
    video = video.clone()
    for i, size in enumerate(SIZES):
        if size != SIZE:
            rows = order[i::parts]
            video[rows] = resize(resize(video[rows], size), SIZE)
    padded = F.pad(video.flatten(1, 2), [SHIFT] * 4, mode="replicate").unflatten(1, video.shape[1:3])
    corners = torch.randint(2 * SHIFT + 1, (len(video), 2), generator=generator).tolist()
    shifted = [clip[..., y : y + SIZE, x : x + SIZE] for clip, (y, x) in zip(padded, corners, strict=True)]
    video = torch.stack(shifted)
    strength = NOISE * torch.rand(len(video), 1, 1, 1, 1, generator=generator)
    noise = torch.randn(video.shape[1:], generator=generator)  # one for the batch: drawing noise is slow
    return video + (strength * noise).to(video.device)


def _one_cycle(share: float) -> float:
    """Linear warm-up, then a cosine to zero (Smith & Topin 2018, in its now common form)."""
    if share < WARMUP:
        return 0.05 + 0.95 * share / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (share - WARMUP) / (1 - WARMUP)))


def _autocast(device: torch.device) -> AbstractContextManager[object]:
    """bf16 where the hardware computes in it."""
    fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)
