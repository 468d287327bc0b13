"""CLIPSIM with a tiny CLIP of untrained weights: the networks and files are those of the large one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from t2vgan.metrics import load_features
from t2vgan.metrics.clip import LONGEST, clipsim, padded, tokenizer_of
from t2vgan.metrics.weights import sha256_of

tokenizers = pytest.importorskip("tokenizers", reason="pip install 't2vgan[clip]'")
WORDS = ["<|startoftext|>", "a", "lion", "zebra", "runs", "<|endoftext|>"]  # the end has the largest number, as in CLIP


def write_tokenizer(file: Path) -> None:
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i + 1 for i, w in enumerate(WORDS)}, unk_token="a"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    ends = [(WORDS[0], 1), (WORDS[-1], 6)]
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=ends
    )
    made.save(str(file))


class Towers(nn.Module):
    """The call signature of OpenAI's TorchScript files."""

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        return self.encode_image(image) @ self.encode_text(text).T

    @torch.jit.export
    def encode_image(self, image: Tensor) -> Tensor:
        return image.mean(dim=(2, 3))

    @torch.jit.export
    def encode_text(self, text: Tensor) -> Tensor:
        return torch.stack([(text == 2).float().sum(1), (text == 3).float().sum(1), (text == 6).float().sum(1)], dim=1)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    torch.jit.script(Towers()).save(str(tmp_path / "ViT-B-32.pt"))
    write_tokenizer(tmp_path / "tokenizer.json")
    return tmp_path / "ViT-B-32.pt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `CLIPModel.save_pretrained` leaves, and the tokenizer."""
    transformers = pytest.importorskip("transformers", reason="pip install 't2vgan[clip]'")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**small, "vocab_size": 8, "bos_token_id": 1, "eos_token_id": 6, "max_position_embeddings": LONGEST}
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**small, "image_size": 224, "patch_size": 112}, projection_dim=12
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(tmp_path / "clip")
    write_tokenizer(tmp_path / "clip" / "tokenizer.json")
    return tmp_path / "clip"


def test_clipsim_is_the_mean_cosine_of_frames_and_caption() -> None:
    frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    assert clipsim(frames.mean(1), torch.tensor([[3.0, 0.0], [0.0, 2.0]])).tolist() == pytest.approx([0.5, 0.0])


def test_captions_are_cut_to_what_clip_reads(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json")
    rows = padded(tokenizer_of(tmp_path / "tokenizer.json"), ["a lion", "lion " * 200], device=torch.device("cpu"))
    assert rows.shape == (2, LONGEST) and rows[0, :6].tolist() == [1, 2, 3, 6, 0, 0]
    assert rows[1, 0] == 1 and rows[1, -1] == 6, "the end is kept"


def test_openais_own_file(script: Path) -> None:
    clip = load_features("clip", script, sha256=sha256_of(script))
    assert clip.reads_captions and clip.embed_captions(["a lion runs"]).tolist() == [[1.0, 1.0, 1.0]]
    assert clip.features(torch.zeros(2, 3, 4, 32, 32)).shape == (2, 3)


def test_a_folder_of_transformers(folder: Path) -> None:
    clip = load_features("clip", folder, sha256=sha256_of(folder / "model.safetensors"))
    assert clip.dim == 12 and clip.protocol["file"] == "model.safetensors" and clip.reads_captions
    one, other = clip.embed_captions(["a lion runs", "a zebra runs"])
    assert not torch.allclose(one, other)
    both = clip.embed_captions(["a zebra", "a lion runs"])
    assert torch.allclose(both[1], one, atol=1e-5), "what stands beside a caption changes nothing"
    video = torch.rand(2, 3, 3, 40, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    frames = clip.frame_features(video)
    assert frames.shape == (2, 3, 12)
    expected = nn.functional.cosine_similarity(frames, one.expand(2, 3, 12), dim=2).mean(1)
    assert clipsim(clip.features(video), one.expand(2, 12)).float() == pytest.approx(expected, abs=1e-5)


def test_what_is_not_clip_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    weights = sha256_of(folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"clip: .* has sha256 .*, not 00: damaged, or other weights"):
        load_features("clip", folder, sha256="00")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer.json is not a tokenizer"):
        load_features("clip", folder, sha256=weights)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"has no tokenizer.json$"):
        load_features("clip", folder, sha256=weights)
    write_tokenizer(folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "text_config": {"hidden_size": 4}}))
    with pytest.raises(ValueError, match=r"clip: .* cannot be read as CLIP: .*hidden size"):
        load_features("clip", folder, sha256=weights)
    with pytest.raises(ValueError, match=r"there is no file .*model.safetensors"):
        load_features("clip", tmp_path / "empty" / "model.safetensors", sha256="00")
