"""Text encoder of one-dimensional convolutions over the words, as TFGAN's (Balaji et al. 2019, section 3)."""

from __future__ import annotations

from torch import nn

from t2vgan.shapes import TextFeatures, TextInputs
from t2vgan.text.word_features import WordFeatures, sentence_part


class Convolutional(nn.Module):
    """V, P, E -> per-word MLP -> residual convolutions along the caption; sees `1 + layers * (kernel - 1)` words.

    words: (b, l, dim), zero at padding (also between the layers, so that the length of the batch changes nothing).
    sentence, (b, dim): attention and mean over the words, or what is
    made of a language model's `sentence_dim` numbers, where there are any.
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
        layers: int = 3,
        kernel: int = 3,
        heads: int = 4,
    ):
        super().__init__()
        if kernel % 2 == 0 or dim % heads:
            raise ValueError(
                f"text encoder 'conv': kernel {kernel} must be odd and dim {dim} a multiple of heads {heads}"
            )
        self.dim = dim
        self.word = WordFeatures(vector_dim=vector_dim, dim=dim, tags=tags, entities=entities, whiten=whiten)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, kernel, padding=kernel // 2) for _ in range(layers))
        self.sentence = sentence_part(dim=dim, heads=heads, sentence_dim=sentence_dim)

    def forward(self, inputs: TextInputs) -> TextFeatures:
        alone, real = self.word(inputs), inputs.mask[..., None]
        words = alone
        for norm, conv in zip(self.norms, self.convs, strict=True):
            step = conv((norm(words) * real).transpose(1, 2)).transpose(1, 2)
            words = (words + nn.functional.silu(step)) * real
        sentence = self.sentence(words, inputs)
        return TextFeatures(sentence=sentence, words=words, mask=inputs.mask, alone=alone)
