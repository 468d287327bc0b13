"""Text encoder without word order: each word for itself, the sentence is their mean. The baseline for the others."""

from __future__ import annotations

from torch import nn

from t2vgan.shapes import TextFeatures, TextInputs
from t2vgan.text.word_features import WordFeatures, masked_mean


class BagOfWords(nn.Module):
    """V, P, E -> per-word MLP -> words (b, l, dim), zero at padding; sentence: linear of their mean, (b, dim).

    "A lion chases a zebra" and "A zebra chases a lion" are the same sentence to it.
    """

    def __init__(self, *, vector_dim: int, dim: int = 128, tags: bool = True, entities: bool = True):
        super().__init__()
        self.dim = dim
        self.word = WordFeatures(vector_dim=vector_dim, dim=dim, tags=tags, entities=entities)
        self.sentence = nn.Linear(dim, dim)

    def forward(self, inputs: TextInputs) -> TextFeatures:
        words = self.word(inputs)
        sentence = self.sentence(masked_mean(words, inputs.mask))
        return TextFeatures(sentence=sentence, words=words, mask=inputs.mask, alone=words)
