"""The dual encoder reads any clips and any words, and survives its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from t2vgan.metrics.dual_encoder import SMALL, DualEncoder, hashed_pieces, words_of
from t2vgan.shapes import Clips

Squares = Callable[..., Clips]


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return DualEncoder(width=4, dim=8, seed=3)


def test_embeddings_have_length_1_and_depend_on_nothing_but_their_clip(encoder: DualEncoder, squares: Squares) -> None:
    video = squares(4, seed=0, size=48, frames=20).video
    embeddings = encoder.embed_video(video)
    assert embeddings.shape == (4, 8) and torch.allclose(embeddings.norm(dim=1), torch.ones(4))
    assert torch.allclose(encoder.embed_video(video[2:3]), embeddings[2:3], atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(encoder.embed_video(video), embeddings, atol=1e-4)


def test_captions_of_any_length_and_script(encoder: DualEncoder) -> None:
    captions = ["A lion.", "", "!?", "le lion rugit très fort, la nuit, dans la savane", "獅子が走る", "x" * 500]
    embeddings = encoder.embed_captions(captions)
    assert embeddings.shape == (6, 8) and bool(torch.isfinite(embeddings).all())
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(6))
    for row, caption in enumerate(captions):  # padding changes nothing
        assert torch.allclose(encoder.embed_captions([caption])[0], embeddings[row], atol=1e-5)
    assert torch.equal(encoder.embed_captions(["a LION"]), encoder.embed_captions(["A lion."]))
    assert encoder.embed_captions(["w"] * 600).shape == (600, 8)


def test_the_order_of_words_matters(encoder: DualEncoder) -> None:
    one, other = encoder.embed_captions(["a lion chases a zebra", "a zebra chases a lion"])
    assert not torch.allclose(one, other, atol=1e-3)


def test_words_and_their_pieces() -> None:
    assert words_of("In a shot, the lion's MANE!") == ["in", "a", "shot", "the", "lion", "s", "mane"]
    lion, lions, noon = (set(hashed_pieces(word)) for word in ("lion", "lions", "noon"))
    assert len(lion & lions) > 3 > len(lion & noon)
    assert hashed_pieces("a") == hashed_pieces("a") and len(hashed_pieces("a")) == 1


def test_words_that_never_occurred_are_next_to_nothing(encoder: DualEncoder) -> None:
    vectors, _ = encoder.words.look_up(["quagga"])
    assert vectors.norm() < 5 * SMALL * len(hashed_pieces("quagga")) ** 0.5 * 8**0.5


def test_file_round_trip(encoder: DualEncoder, squares: Squares, tmp_path: Path) -> None:
    encoder.fingerprint, encoder.accuracy = "abc", {"random": 0.9, "hard": 0.8}
    path = tmp_path / "made" / "retriever.safetensors"
    encoder.save(path)
    loaded = DualEncoder.load(path)
    video = squares(3, seed=1).video
    assert torch.allclose(loaded.embed_video(video), encoder.embed_video(video), atol=1e-5)
    assert torch.equal(loaded.embed_captions(["a lion"]), encoder.embed_captions(["a lion"]))
    assert (loaded.fingerprint, loaded.accuracy, loaded.seed) == ("abc", {"random": 0.9, "hard": 0.8}, 3)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())


def test_a_damaged_file_is_one_clear_error(encoder: DualEncoder, tmp_path: Path) -> None:
    path = tmp_path / "retriever.safetensors"
    encoder.save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"retriever\.safetensors cannot be read as a retriever .*: delete it"):
        DualEncoder.load(path)


def test_seed_decides_the_initial_weights_and_nothing_else() -> None:
    state = torch.get_rng_state()
    first, again, other = (DualEncoder(width=4, dim=8, seed=seed).words.pieces.weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again) and not torch.equal(first, other)
