"""CLIP on this disk, both towers: frames and captions to one space, and CLIPSIM, how well they fit there.

Two forms of a file are read: a folder as Hugging Face Transformers keeps it (config.json, model.safetensors,
tokenizer.json), and OpenAI's TorchScript file with the same tokenizer.json beside it. CLIPSIM is published for
ViT-B/32: other networks give other numbers.

    CLIPSIM = mean over frames of cos(picture tower(frame), text tower(caption))          (Wu et al. 2021, GODIVA)

It is given here as a cosine; papers often print 100 times that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LONGEST = 77  # tokens that CLIP reads of a caption, its first and last one among them
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"


def clipsim(clips: Float[Tensor, "n d"], captions: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """CLIPSIM of each clip, from the mean of its frames' embeddings of length 1 and its caption's embedding."""
    return (clips.double() * F.normalize(captions.double(), dim=1)).sum(1)


class FolderTowers(nn.Module):
    """Both towers of a folder that Hugging Face Transformers wrote; forward is that of the pictures."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        missing = [name for name in ("config.json", WEIGHTS, TOKENIZER) if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"clip: {folder} has no {', no '.join(missing)}")
        try:
            from transformers import CLIPModel
        except ImportError:
            raise ValueError("clip: a folder of CLIP is read by transformers: pip install 't2vgan[clip]'") from None
        try:
            self.network = CLIPModel.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # the library has exceptions of its own for a wrong config.json
            told = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"clip: {folder} cannot be read as CLIP: {told}") from error
        self.tokenizer = tokenizer_of(folder / TOKENIZER)

    def forward(self, frames: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        network: Any = self.network
        return network.visual_projection(network.vision_model(pixel_values=frames).pooler_output)

    def embed_captions(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        network: Any = self.network
        ids = padded(self.tokenizer, captions, device=network.logit_scale.device)
        # Behind the end of a caption nothing is looked at: each token sees only those before it.
        return network.text_projection(network.text_model(input_ids=ids).pooler_output)


class ScriptTowers(nn.Module):
    """Both towers of a TorchScript file with `encode_image` and `encode_text`, as OpenAI published them."""

    def __init__(self, towers: nn.Module, tokenizer: Path) -> None:
        super().__init__()
        self.towers = towers
        self.tokenizer = tokenizer_of(tokenizer) if tokenizer.is_file() else None

    def forward(self, frames: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.towers.encode_image(frames)  # pyright: ignore[reportCallIssue]

    def embed_captions(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        device = next(iter(self.towers.state_dict().values()), torch.empty(0)).device
        return self.towers.encode_text(padded(self.tokenizer, captions, device=device))  # pyright: ignore[reportCallIssue]


def reads_captions(network: nn.Module) -> bool:
    """Whether it has a text tower and the words that go with it."""
    return hasattr(network, "embed_captions") and getattr(network, "tokenizer", None) is not None


def tokenizer_of(file: Path) -> Any:
    """CLIP's pieces of words, from `tokenizer.json`. ValueError for anything else."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ValueError("clip: captions are cut into tokens by tokenizers: pip install 't2vgan[clip]'") from None
    try:
        found = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"clip: {file} is not a tokenizer: {error}") from error
    found.enable_truncation(LONGEST)
    found.no_padding()
    return found


def padded(tokenizer: Any, captions: Sequence[str], *, device: torch.device) -> Tensor:
    """Numbers of the tokens, zeros behind each caption's end: int64 `(n, LONGEST)`."""
    ids = torch.zeros(len(captions), LONGEST, dtype=torch.long)
    for row, found in zip(ids, tokenizer.encode_batch(list(captions)), strict=True):
        row[: len(found.ids)] = torch.tensor(found.ids)
    return ids.to(device)
