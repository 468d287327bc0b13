"""R-precision of embeddings that are perfect, random and all alike; which captions are the wrong ones."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from t2vgan.metrics.attributes import Proportion
from t2vgan.metrics.retrieval import hard_negatives, r_precision, random_negatives, retrieval_precision
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Clips

CAPTIONS = [f"caption {i}" for i in range(300)]


class Noise:
    """A caption's embedding is noise that its letters decide."""

    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        rows = [torch.randn(16, generator=torch.Generator().manual_seed(stable_seed(text))) for text in captions]
        return F.normalize(torch.stack(rows), dim=1)


def test_by_hand() -> None:
    video = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    right = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8]])
    wrong = torch.tensor([[[0.8, 0.6], [0.0, 1.0]], [[0.8, 0.6], [0.0, 1.0]], [[1.0, 0.0], [0.8, 0.6]]])
    assert r_precision(video, right, wrong).tolist() == [True, False, True]
    assert r_precision(video, right, wrong.flip(1)).tolist() == [True, False, True]


def test_perfect_random_and_collapsed_embeddings() -> None:
    told, hard = Noise().embed_captions(CAPTIONS), [f"wrong {text}" for text in CAPTIONS]
    perfect = retrieval_precision(Noise(), told, CAPTIONS, hard)
    assert [each.found for each in perfect.values()] == [Proportion(300, 300)] * 2
    assert {name: each.chance for name, each in perfect.items()} == {"random": 0.01, "hard": 0.5}

    noise = Noise().embed_captions([f"noise {i}" for i in range(300)])
    by_chance = retrieval_precision(Noise(), noise, CAPTIONS, hard, real=told)
    for each in by_chance.values():
        low, high = each.found.interval
        assert low < each.chance < high
        assert each.ceiling == Proportion(300, 300)

    class Alike:
        def embed_captions(self, captions: Sequence[str]) -> Tensor:
            return F.normalize(torch.ones(len(captions), 16), dim=1)

    collapsed = retrieval_precision(Alike(), F.normalize(torch.ones(300, 16), dim=1), CAPTIONS, hard)
    assert all(each.found.correct == 0 for each in collapsed.values())


def test_the_order_of_clips_does_not_matter() -> None:
    told = Noise().embed_captions(CAPTIONS)
    seen = F.normalize(told + 1.2 * Noise().embed_captions([f"noise {i}" for i in range(300)]), dim=1)
    hard = [f"wrong {text}" for text in CAPTIONS]
    found = retrieval_precision(Noise(), seen, CAPTIONS, hard)
    assert 0 < found["random"].found.correct < 300
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0)).tolist()
    turned = retrieval_precision(Noise(), seen[order], [CAPTIONS[i] for i in order], [hard[i] for i in order])
    assert turned == found


def test_random_negatives_are_others_without_repeats_and_seeded() -> None:
    captions = [*CAPTIONS[:120], *CAPTIONS[:5]]
    places = random_negatives(captions)
    assert places.shape == (125, 99)
    for caption, row in zip(captions, places.tolist(), strict=True):
        texts = [captions[i] for i in row]
        assert caption not in texts and len(set(texts)) == 99
    assert torch.equal(places, random_negatives(captions))
    assert not torch.equal(places, random_negatives(captions, seed=1))


def test_with_few_captions_there_are_fewer_negatives() -> None:
    captions = ["a", "b", "a", "c"]
    assert sorted(random_negatives(captions)[2].tolist()) == [1, 3]
    found = retrieval_precision(Noise(), Noise().embed_captions(captions), captions, ["x"] * 4)
    assert found["random"].chance == pytest.approx(1 / 3) and found["random"].found == Proportion(4, 4)
    with pytest.raises(ValueError, match="captions that differ; these are all the same"):
        random_negatives(["a", "a"])


def test_hard_negatives_are_the_contrasts_of_the_clips_own_captions() -> None:
    clips = Clips(
        video=torch.zeros(3, 3, 4, 8, 8),
        times=torch.zeros(3, 4),
        captions=["a lion", "a zebra", "an ostrich"],
        wrong_captions=["w0", "w1", "w2"],
        keys=["0", "1", "2"],
        indices=[0, 1, 2],
        contrasts=[(("a lion walks", "a lion runs"), ("a lion", "a giraffe")), (("a zebra", "an okapi"),), ()],
    )
    assert hard_negatives(clips) == ["a giraffe", "an okapi", "w2"]
    clips.contrasts = []
    assert hard_negatives(clips) == ["w0", "w1", "w2"]
