"""The loss against its closed forms, and a dual encoder that learns coloured squares."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from t2vgan.metrics.contrastive import caption_rounds, contrastive_loss, fit_dual_encoder, same
from t2vgan.metrics.dual_encoder import DualEncoder
from t2vgan.metrics.retrieval import hard_negatives, retrieval_precision
from t2vgan.shapes import Clips

Squares = Callable[..., Clips]
NONE = torch.zeros(4, 4, dtype=torch.bool)


def test_alike_embeddings_cost_the_logarithm_of_the_number_of_choices() -> None:
    alike = F.normalize(torch.ones(4, 8), dim=1)
    loss = contrastive_loss(alike, alike, alike, NONE, torch.tensor(7.0))
    assert loss.item() == pytest.approx((math.log(5) + math.log(4)) / 2)


def test_perfect_embeddings_cost_nothing() -> None:
    own, others = torch.eye(8)[:4], torch.eye(8)[4:]
    assert contrastive_loss(own, own, others, NONE, torch.tensor(50.0)).item() == pytest.approx(0.0, abs=1e-6)
    fooled = contrastive_loss(own, own, own, NONE, torch.tensor(50.0)).item()
    assert fooled == pytest.approx(math.log(2) / 2, abs=1e-6), "the own wrong caption is one of the choices"


def test_captions_that_are_the_same_are_no_mistake() -> None:
    captions = ["a lion", "a zebra", "a lion", "a giraffe"]
    alike = same(captions)
    assert alike.nonzero().tolist() == [[0, 2], [2, 0]]
    own, others = torch.eye(8)[[0, 1, 0, 2]], torch.eye(8)[4:]
    assert contrastive_loss(own, own, others, alike, torch.tensor(50.0)).item() == pytest.approx(0.0, abs=1e-6)
    assert contrastive_loss(own, own, others, NONE, torch.tensor(50.0)).item() > 0.3


def test_rounds_take_every_contrast_that_all_clips_have(squares: Squares) -> None:
    clips = dataclasses.replace(squares(2, seed=0), captions=["a", "b"], wrong_captions=["x", "y"])
    assert caption_rounds(clips) == [(["a", "b"], ["x", "y"])]
    clips.contrasts = [(("a", "p"), ("aa", "pp")), (("b", "q"),)]
    assert caption_rounds(clips) == [(["a", "b"], ["p", "q"])]
    clips.contrasts = [(), (("b", "q"),)]
    assert caption_rounds(clips) == [(["a", "b"], ["x", "y"])]


OTHER = {"left": "right", "right": "left", "red": "green", "green": "blue", "blue": "red"}


def captioned(clips: Clips) -> Clips:
    """Squares whose captions name colour and direction, and beside each the same with one of the two changed."""
    told = [(a["colour"], a.get("direction")) for a in clips.attributes]
    right = [f"a {c} square goes to the {d}" if d else f"a {c} square" for c, d in told]
    wrong = [f"a {c} square goes to the {OTHER[d]}" if d else f"a {OTHER[c]} square" for c, d in told]
    contrasts = [((r, w),) for r, w in zip(right, wrong, strict=True)]
    return dataclasses.replace(clips, captions=right, wrong_captions=wrong, contrasts=contrasts)


def test_it_learns(squares: Squares) -> None:
    batches = [captioned(squares(8, seed=seed)) for seed in range(10)]
    told: list[float] = []
    encoder = fit_dual_encoder(
        lambda epoch: batches, epochs=9, width=8, progress=lambda share, text: told.append(share)
    )
    assert told[:2] == [0.0, pytest.approx(1 / 90)] and not any(p.requires_grad for p in encoder.parameters())
    test = captioned(squares(60, seed=100))
    embeddings = encoder.embed_video(test.video)
    found = retrieval_precision(encoder, embeddings, test.captions, hard_negatives(test))
    assert found["hard"].found.rate > 0.9
    full = [i for i, attributes in enumerate(test.attributes) if "direction" in attributes]
    captions = [test.captions[i] for i in full]  # for the others no caption is the only true one
    assert r_precision_of(encoder, embeddings[full], captions) > 0.9


def r_precision_of(encoder: DualEncoder, embeddings: Tensor, captions: list[str]) -> float:
    found = retrieval_precision(encoder, embeddings, captions, captions)["random"]
    assert found.chance == pytest.approx(1 / 6)
    return found.found.rate


def test_training_is_reproducible_and_seeded(squares: Squares) -> None:
    batches = [captioned(squares(4, seed=0))]
    once, again, other = (
        fit_dual_encoder(lambda epoch: batches, epochs=1, width=4, seed=seed).embed_captions(["a red square"])
        for seed in (0, 0, 1)
    )
    assert torch.equal(once, again) and not torch.equal(once, other)
