"""A network for clips and one for captions that put what belongs together at the same place (Radford et al. 2021).

It needs captioned clips and nothing else, neither ground truth nor word vectors: words are sums of hashed pieces of
their spelling (Bojanowski et al. 2017). An unknown word is near those that are spelt alike, and one that is like none
is next to nothing. It shares no weights and no word vectors with any generator: what a generator was trained with must
not judge it (Park et al. 2021).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from t2vgan.metrics.bodies import Fitted, TwoStream, fit_clip
from t2vgan.metrics.cards import load_network, save_network
from t2vgan.metrics.checks import check_clips
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Video

FORMAT = "t2vgan-retriever-1"
BUCKETS = 8_192  # that pieces of words are hashed to
PIECES = (3, 4, 5)  # letters of the pieces
KERNEL = 5  # words: "pans to the left" is not "runs to the left"
SMALL = 0.02  # standard deviation of the vectors of pieces that never occurred
SHARPEST = 100.0  # the largest factor on the similarities (Radford et al. 2021, section 2.5)


class DualEncoder(nn.Module):
    """Clips and captions to rows of length 1 with `dim` numbers; their scalar product says how well they fit."""

    name = "retriever"

    def __init__(self, *, width: int = 32, dim: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.width, self.dim, self.seed = width, dim, seed
        self.fingerprint = ""  # of the weights
        self.accuracy: dict[str, float] = {}  # R-precision on real clips that it was not trained on
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = TwoStream(width=width)
            self.project = nn.Linear(self.body.dim, dim)
            self.words = CaptionTower(dim=dim)
            self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    @property
    def scale(self) -> Float[Tensor, ""]:
        """What similarities are multiplied by in the softmax: the inverse temperature, learned."""
        return self.log_scale.exp().clamp(max=SHARPEST)

    def pooled(self, video: Fitted) -> Float[Tensor, "b d"]:
        """Embeddings of clips of 16 frames of 64 pixels, with gradient: for training."""
        return F.normalize(self.project(self.body(video)).float(), dim=1)

    def read(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        """Embeddings of captions, with gradient: for training."""
        return F.normalize(self.words(captions), dim=1)

    @torch.no_grad()
    def embed_video(self, video: Video) -> Float[Tensor, "b d"]:
        """Clips of any size and length, in [-1, 1], to embeddings in float32 whatever autocast is on."""
        check_clips(video, reader=self.name, finite=False)
        self.eval()
        with torch.autocast(video.device.type, enabled=False):
            return self.pooled(fit_clip(video.float().clamp(-1, 1)))

    @torch.no_grad()
    def embed_captions(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        """Captions to embeddings."""
        self.eval()
        return torch.cat([self.read(captions[start : start + 256]) for start in range(0, len(captions), 256)])

    def save(self, path: Path) -> None:
        """Write one safetensors file with everything that `load` needs; atomic."""
        card = {
            "format": FORMAT,
            "settings": json.dumps({"width": self.width, "dim": self.dim, "seed": self.seed}),
            "fingerprint": self.fingerprint,
            "accuracy": json.dumps(self.accuracy),
        }
        save_network(path, self, card)

    @classmethod
    def load(cls, path: Path) -> DualEncoder:
        """A frozen dual encoder on the CPU; ValueError if the file is damaged or something else."""

        def build(card: dict[str, str]) -> DualEncoder:
            made = cls(**json.loads(card["settings"]))
            made.fingerprint, made.accuracy = card["fingerprint"], json.loads(card["accuracy"])
            return made

        return load_network(path, build, what="retriever", version=FORMAT)


class CaptionTower(nn.Module):
    """Pieces -> words -> residual convolutions along the caption -> mean and maximum over the words -> (n, dim)."""

    def __init__(self, *, dim: int, layers: int = 2) -> None:
        super().__init__()
        self.pieces = nn.EmbeddingBag(BUCKETS, dim, mode="sum")
        nn.init.normal_(self.pieces.weight, std=SMALL)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2) for _ in range(layers))
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        words, mask = self.look_up(captions)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            step = conv((norm(words) * mask[..., None]).transpose(1, 2)).transpose(1, 2)
            words = (words + F.silu(step)) * mask[..., None]
        mean = words.sum(1) / mask.sum(1, keepdim=True)
        highest = words.masked_fill(~mask[..., None], -torch.inf).amax(1)
        return self.out(torch.cat([mean, highest], dim=1))

    def look_up(self, captions: Sequence[str]) -> tuple[Float[Tensor, "n l d"], Bool[Tensor, "n l"]]:
        """Word vectors, zero at padding, and where there are words."""
        told = [words_of(caption) for caption in captions]
        spelt = {word: hashed_pieces(word) for words in told for word in words}
        place = {word: i for i, word in enumerate(spelt)}
        device = self.pieces.weight.device
        starts = torch.tensor([0, *(len(pieces) for pieces in spelt.values())]).cumsum(0)[:-1]
        table = self.pieces(torch.tensor(sum(spelt.values(), ())).to(device), starts.to(device))
        rows = pad_sequence([torch.tensor([place[word] for word in words]) for words in told], True, -1).to(device)
        mask = rows >= 0
        return table[rows.clamp_min(0)] * mask[..., None], mask


def words_of(caption: str) -> list[str]:
    """Lower-case words without punctuation; one empty word where there is none."""
    return re.findall(r"\w+", caption.lower()) or [""]


@lru_cache(maxsize=50_000)
def hashed_pieces(word: str) -> tuple[int, ...]:
    """Buckets of the word itself and of its pieces; the same on every machine."""
    spelt = f"<{word}>"
    pieces = {spelt[i : i + n] for n in PIECES for i in range(len(spelt) - n + 1)}
    return tuple(stable_seed(piece, "piece") % BUCKETS for piece in sorted(pieces | {spelt}))
