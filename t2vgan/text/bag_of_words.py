"""Text encoder without word order: each word for itself, the sentence is their mean. The baseline for the others."""

from __future__ import annotations

from torch import nn

from t2vgan.shapes import TextFeatures, TextInputs
from t2vgan.text.word_features import SentenceGiven, WordFeatures, masked_mean


class BagOfWords(nn.Module):
    """V, P, E -> per-word MLP -> words (b, l, dim), zero at padding; sentence, (b, dim): linear of their mean, or made
    of a language model's `sentence_dim` numbers, where there are any.

    "A lion chases a zebra" and "A zebra chases a lion" are the same sentence to it.
    """

    def __init__(
        self,
        *,
        vector_dim: int,
        sentence_dim: int = 0,
        dim: int = 128,
        tags: bool = True,
        entities: bool = True,
        whiten: bool = False,
    ):
        super().__init__()
        self.dim = dim
        self.word = WordFeatures(vector_dim=vector_dim, dim=dim, tags=tags, entities=entities, whiten=whiten)
        self.sentence = nn.Linear(dim, dim) if not sentence_dim else SentenceGiven(sentence_dim=sentence_dim, dim=dim)

    def forward(self, inputs: TextInputs) -> TextFeatures:
        words = self.word(inputs)
        given = isinstance(self.sentence, SentenceGiven)
        sentence = self.sentence(words, inputs) if given else self.sentence(masked_mean(words, inputs.mask))
        return TextFeatures(sentence=sentence, words=words, mask=inputs.mask, alone=words)
