"""What all text encoders share: each word's vector, tag and entity type become one feature, and masked pooling."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from t2vgan.shapes import TextInputs
from t2vgan.text.analysis import ENTITIES, TAGS

FLOOR = 0.01  # of the largest variance: less than that is taken for so much, for it would drown words never seen


class WordFeatures(nn.Module):
    """V, and the embeddings of P and E where they are wanted -> MLP of two layers -> LayerNorm, for each word alone.

    Zero at padding. whiten: V is whitened by the words that training shows (`fit`), which are few and much alike: a
    lion and an elephant in captions of animals have a cosine of 0.74 among GloVe's vectors, 0.15 after that.
    """

    centre: Tensor
    whitening: Tensor

    def __init__(self, *, vector_dim: int, dim: int, tags: bool, entities: bool, whiten: bool = False, embed: int = 16):
        super().__init__()
        self.whiten = whiten
        if whiten:
            self.register_buffer("centre", torch.zeros(vector_dim))
            self.register_buffer("whitening", torch.eye(vector_dim))
        self.tag = nn.Embedding(len(TAGS), embed, padding_idx=0) if tags else None
        self.entity = nn.Embedding(len(ENTITIES), embed) if entities else None
        inputs = vector_dim + embed * (tags + entities)
        self.mlp = nn.Sequential(nn.Linear(inputs, dim), nn.SiLU(), nn.Linear(dim, dim), nn.LayerNorm(dim))

    def forward(self, inputs: TextInputs) -> Float[Tensor, "b l d"]:
        parts = [(inputs.vectors - self.centre) @ self.whitening if self.whiten else inputs.vectors]
        if self.tag is not None:
            parts.append(self.tag(inputs.tags))
        if self.entity is not None:
            parts.append(self.entity(inputs.entities))
        return self.mlp(torch.cat(parts, dim=-1)) * inputs.mask[..., None]

    def fit(self, vectors: Float[Tensor, "n v"]) -> None:
        """Takes mean and covariance of distinct words, for ZCA whitening: x <- (x - mean) C^(-1/2)."""
        if not self.whiten or len(vectors) < 2:
            return
        rows = vectors.double().cpu()
        values, basis = torch.linalg.eigh(torch.cov(rows.T).reshape(rows.shape[1], -1))
        scale = values.clamp(min=max(FLOOR * float(values.max()), 1e-12)).rsqrt()
        self.centre.copy_(rows.mean(0))
        self.whitening.copy_(basis * scale @ basis.T)


def fit_words(model: nn.Module, vectors: Float[Tensor, "n v"]) -> None:
    """All text encoders in `model` whiten by these words, those that do."""
    for part in model.modules():
        if isinstance(part, WordFeatures):
            part.fit(vectors)


def masked_mean(words: Float[Tensor, "b l d"], mask: Bool[Tensor, "b l"]) -> Float[Tensor, "b d"]:
    return (words * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


class SentencePooling(nn.Module):
    """Words -> sentence: attention over the words (each head has its own query) beside their mean, then linear."""

    def __init__(self, *, dim: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.score = nn.Linear(dim, heads)
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, words: Float[Tensor, "b l d"], inputs: TextInputs) -> Float[Tensor, "b d"]:
        mask = inputs.mask
        score = self.score(words)  # under autocast of another type than the words
        score = score.masked_fill(~mask[..., None], torch.finfo(score.dtype).min)
        weight = score.softmax(dim=1)  # (b, l, heads)
        values = words.unflatten(-1, (self.heads, -1))
        attended = (weight[..., None] * values).sum(dim=1).flatten(1)
        return self.out(torch.cat([attended, masked_mean(words, mask)], dim=-1))


class SentenceGiven(nn.Module):
    """What a language model made of the caption, `(b, s)`, -> sentence by two layers; the words have no say in it."""

    def __init__(self, *, sentence_dim: int, dim: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(sentence_dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, words: Float[Tensor, "b l d"], inputs: TextInputs) -> Float[Tensor, "b d"]:
        if inputs.sentences is None:
            raise ValueError("this text encoder reads sentence vectors (text.sentences), and captions came without any")
        return self.mlp(inputs.sentences)


def sentence_part(*, dim: int, heads: int, sentence_dim: int) -> nn.Module:
    """Words `(b, l, dim)` and the inputs that they were made of -> sentence `(b, dim)`.

    Of `sentence_dim` numbers by a language model, or of the words where there are none (0).
    """
    return SentenceGiven(sentence_dim=sentence_dim, dim=dim) if sentence_dim else SentencePooling(dim=dim, heads=heads)
