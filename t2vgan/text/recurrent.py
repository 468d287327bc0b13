"""Text encoder that reads the words in order: a bidirectional GRU over word features."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from t2vgan.shapes import TextFeatures, TextInputs
from t2vgan.text.word_features import WordFeatures, sentence_part


class Recurrent(nn.Module):
    """V, P, E -> per-word MLP -> one bidirectional GRU layer (Cho et al. 2014), added to the word features.

    words: (b, l, dim), zero at padding. sentence, (b, dim): attention and mean over the words, or what is
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
        heads: int = 4,
    ):
        super().__init__()
        if dim % 2 or dim % heads:
            raise ValueError(f"text encoder 'recurrent': dim {dim} must be even and a multiple of heads {heads}")
        self.dim = dim
        self.word = WordFeatures(vector_dim=vector_dim, dim=dim, tags=tags, entities=entities, whiten=whiten)
        self.forwards = nn.GRU(dim, dim // 2, batch_first=True)
        self.backwards = nn.GRU(dim, dim // 2, batch_first=True)
        self.sentence = sentence_part(dim=dim, heads=heads, sentence_dim=sentence_dim)

    def forward(self, inputs: TextInputs) -> TextFeatures:
        words, mask = self.word(inputs), inputs.mask
        alone = words
        order = reversal(mask.sum(dim=1), mask.shape[1])
        ahead, _ = self.forwards(words)
        back, _ = self.backwards(reorder(words, order))
        context = torch.cat([ahead, reorder(back, order)], dim=-1)
        words = (words + context) * mask[..., None]
        return TextFeatures(sentence=self.sentence(words, inputs), words=words, mask=mask, alone=alone)


def reversal(lengths: Int[Tensor, " b"], longest: int) -> Int[Tensor, "b l"]:
    """Positions that read each row's words backwards and leave the padding behind them; its own inverse.

    Unlike packed sequences this needs no lengths on the host, so that a GPU does not have to wait.
    """
    position = torch.arange(longest, device=lengths.device).expand(lengths.shape[0], longest)
    return torch.where(position < lengths[:, None], lengths[:, None] - 1 - position, position)


def reorder(words: Float[Tensor, "b l d"], order: Int[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
    return words.gather(1, order[..., None].expand_as(words))
