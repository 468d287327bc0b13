"""Training a dual encoder: of all captions of a batch each clip finds its own, and each caption its clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from t2vgan.metrics.dual_encoder import DualEncoder
from t2vgan.metrics.fitting import Batches, Progress, seen_in_training, train
from t2vgan.shapes import Clips, Scalar


def fit_dual_encoder(
    batches: Callable[[int], Batches],
    *,
    epochs: int,
    width: int = 32,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> DualEncoder:
    """Train on `batches(epoch)` for each epoch; frozen, in evaluation mode.

    Each clip is learned with all its `contrasts`: captions that describe it, each beside one that does not.
    """
    encoder = DualEncoder(width=width, seed=seed).to(device)
    generator = torch.Generator().manual_seed(seed)

    def loss(clips: Clips) -> Scalar:
        seen = seen_in_training(encoder.pooled, clips, generator, device)
        terms = [
            contrastive_loss(seen, encoder.read(captions), encoder.read(wrong), same(captions, device), encoder.scale)
            for captions, wrong in caption_rounds(clips)
        ]
        return torch.stack(terms).mean()

    train(encoder, loss, batches, epochs=epochs, progress=progress)
    return encoder.requires_grad_(False).eval()


def contrastive_loss(
    seen: Float[Tensor, "n d"],
    told: Float[Tensor, "n d"],
    wrong: Float[Tensor, "n d"],
    alike: Tensor,
    scale: Scalar,
) -> Scalar:
    """InfoNCE both ways (Radford et al. 2021, figure 3), with each clip's own wrong caption as one more to be told
    from (Yuksekgonul et al. 2023).

    seen, told, wrong: embeddings of clips, of their captions and of wrong ones; alike `(n, n)`: True for other clips
    with the very same caption, which are no mistake.
    """
    fits = (scale * seen @ told.T).masked_fill(alike, -torch.inf)
    own_wrong = scale * (seen * wrong).sum(1, keepdim=True)
    own = torch.arange(len(seen), device=seen.device)
    clip_to_caption = F.cross_entropy(torch.cat([fits, own_wrong], dim=1), own)
    return (clip_to_caption + F.cross_entropy(fits.T, own)) / 2


def caption_rounds(clips: Clips) -> list[tuple[list[str], list[str]]]:
    """(captions, wrong captions) of all clips, as often as every clip has a contrast; else their captions, once."""
    own = [((right, wrong),) for right, wrong in zip(clips.captions, clips.wrong_captions, strict=True)]
    pairs = clips.contrasts if clips.contrasts and all(clips.contrasts) else own
    return [([right for right, _ in row], [wrong for _, wrong in row]) for row in zip(*pairs, strict=False)]


def same(captions: Sequence[str], device: torch.device | str = "cpu") -> Tensor:
    """bool (n, n): which other captions are the same."""
    ids = torch.tensor([captions.index(caption) for caption in captions], device=device)
    return (ids[:, None] == ids) & ~torch.eye(len(ids), dtype=torch.bool, device=device)
