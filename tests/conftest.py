"""Captions, clips and encoded text made of noise, for the tests of the game and of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from t2vgan.seeds import stable_seed
from t2vgan.shapes import Clips, TextFeatures, TextInputs
from t2vgan.text import TextPipeline

CAPTIONS = ["a lion runs at dusk", "an old elephant sleeps", "two zebras at dawn", "a majestic lion stalks its prey"]


class Sentences:
    """A language model whose vectors are noise, seeded by the caption."""

    dim, version = 5, "1-noise"

    def __call__(self, captions: list[str]) -> Tensor:
        seeds = [torch.Generator().manual_seed(stable_seed(caption)) for caption in captions]
        return torch.stack([torch.randn(self.dim, generator=seed) for seed in seeds])

    def warm(self, captions: list[str]) -> None: ...


class Words(TextPipeline):
    """The text pipeline without spaCy and GloVe: a word's vector is noise, seeded by its letters."""

    def __init__(self, *, dim: int = 6, sentences: Sentences | None = None) -> None:
        self.dim = dim
        self.sentences = sentences  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def vector_dim(self) -> int:
        return self.dim

    @property
    def version(self) -> str:
        return "noise"

    @property
    def longest(self) -> int:
        return 8

    def __call__(self, captions: list[str]) -> TextInputs:
        rows = [torch.stack([self.vector(word) for word in caption.split()]) for caption in captions]
        mask = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], batch_first=True)
        return TextInputs(
            vectors=pad_sequence(rows, batch_first=True),
            tags=mask.long(),
            entities=mask.long() * 0,
            mask=mask,
            content=mask,
            sentences=self.sentences(captions) if self.sentences else None,
        )

    def vector(self, word: str) -> Tensor:
        return torch.randn(self.dim, generator=torch.Generator().manual_seed(stable_seed(word)))


@pytest.fixture(scope="session")
def words() -> Words:
    return Words()


@pytest.fixture(scope="session")
def sentences() -> Sentences:
    return Sentences()


@pytest.fixture(scope="session")
def words_and_sentences(sentences: Sentences) -> Words:
    return Words(sentences=sentences)


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny one with random weights, 64 numbers a caption, in the form that MiniLM has: a BERT, the mean
    of its tokens, length 1.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast  # pyright: ignore[reportAttributeAccessIssue]

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "an", "lion", "elephant", "old", "runs", "rests", "to", "left"]
    plain, whole = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("models") / "tiny"
    (plain / "vocab.txt").write_text("\n".join(words))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        size = BertConfig(
            vocab_size=len(words), hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=32, initializer_range=0.5,
        )  # fmt: skip
        BertModel(size).save_pretrained(plain)
    BertTokenizerFast(vocab=str(plain / "vocab.txt")).save_pretrained(plain)
    SentenceTransformer(modules=[Transformer(str(plain)), Pooling(64), Normalize()], device="cpu").save(str(whole))
    return whole


@pytest.fixture(scope="session")
def make_clips() -> Callable[..., Clips]:
    """`make_clips(indices, size=16, frames=8, duration_s=2.0, epoch=0)`: a clip depends on its index alone."""

    def make(
        indices: Sequence[int], *, size: int = 16, frames: int = 8, duration_s: float = 2.0, epoch: int = 0
    ) -> Clips:
        noise = [torch.rand(3, frames, size, size, generator=torch.Generator().manual_seed(i)) for i in indices]
        return Clips(
            video=torch.stack(noise) * 2 - 1,
            times=(torch.arange(frames) * duration_s / frames).repeat(len(indices), 1),
            captions=[CAPTIONS[i % 4] for i in indices],
            wrong_captions=[CAPTIONS[(i + 1) % 4] for i in indices],
            keys=[f"clip{i}" for i in indices],
            indices=list(indices),
            epoch=epoch,
            contrasts=[((CAPTIONS[i % 4], CAPTIONS[(i + 1) % 4]),) for i in indices],
        )

    return make


@pytest.fixture(scope="session")
def make_text() -> Callable[..., TextFeatures]:
    """`make_text(lengths, dim=12, seed=0)`: noise in the place of encoded captions with so many words."""

    def make(lengths: Sequence[int], *, dim: int = 12, seed: int = 0) -> TextFeatures:
        generator = torch.Generator().manual_seed(seed)
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        words = torch.randn(len(lengths), max(lengths), dim, generator=generator) * mask[..., None]
        return TextFeatures(sentence=torch.randn(len(lengths), dim, generator=generator), words=words, mask=mask)

    return make
