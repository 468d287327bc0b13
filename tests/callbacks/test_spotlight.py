from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from t2vgan.callbacks.spotlight import Spotlight, lit, most_moved, without
from t2vgan.shapes import TextFeatures, TextInputs

WORDS = ["a", "lion", "runs", "home"]
CONTENT = [False, True, True, True]


def inputs(length: int = 4) -> TextInputs:
    mask = torch.ones(1, length, dtype=torch.bool)
    return TextInputs(torch.eye(length)[None], torch.arange(length)[None], torch.zeros(1, length).long(), mask, mask)


class Sum(nn.Module):
    """Word i weighs `10 ** i`; the sentence is the sum of its words."""

    def forward(self, given: TextInputs) -> TextFeatures:
        weights = given.vectors @ torch.tensor([[1.0], [10.0], [100.0], [1000.0]])
        return TextFeatures(weights.sum(1), weights, given.mask)


class Attends:
    """The video is the sentence everywhere (in thousandths); `favourite` gets 71 % of the attention, at the left."""

    def __init__(self, favourite: int, size: int = 2) -> None:
        self.favourite, self.size, self.calls = favourite, size, 0

    def attend(self, z: torch.Tensor, text: TextFeatures, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls += 1
        (b, t), length = times.shape, text.words.shape[1]
        assert text.sentence.shape == (b, 1) and text.words.shape == (b, length, 1) and text.mask.shape == (b, length)
        maps = torch.full((b, t, length, self.size, self.size), 0.29 / max(1, length - 1))
        if length == 4:
            maps[:, :, self.favourite] = 0.71
            maps[..., self.size // 2 :] = 0.25
        return (text.sentence / 1000).reshape(b, 1, 1, 1, 1).expand(b, 3, t, 8, 8), maps


def spotlight(favourite: int = 2, **options: Any) -> Spotlight:
    return Spotlight(**{
        "generator": Attends(favourite), "encoder": Sum(), "inputs": inputs(), "words": WORDS, "content": CONTENT,
        "z": torch.zeros(3, 5), "times": [0.0, 0.5], **options,
    })  # fmt: skip


def test_without():
    shorter = without(inputs(), 2)
    assert shorter.tags.tolist() == [[0, 1, 3]] and shorter.mask.shape == (1, 3)
    assert torch.equal(shorter.vectors[0], torch.eye(4)[[0, 1, 3]])


@pytest.mark.parametrize(("favourite", "most", "others"), [(1, 10, (100 + 1000) / 2), (3, 1000, (10 + 100) / 2)])
def test_changes_by_hand(favourite, most, others):
    """Leaving word i out takes `10 ** i` thousandths away; "a" is attended to but is no content word."""
    changes = spotlight(favourite).changes()
    assert changes["attention/most_attended_change"] == pytest.approx(most / 1000)
    assert changes["attention/random_change"] == pytest.approx(others / 1000)


def test_function_words_do_not_count():
    changes = spotlight(0, content=[False, True, False, True]).changes()
    assert changes["attention/most_attended_change"] == pytest.approx(0.01)
    assert changes["attention/random_change"] == pytest.approx(1.0)


def test_too_few_words_to_compare():
    assert spotlight(content=[False, True, False, False]).changes() == {}


def test_shares_sum_to_one():
    shares = spotlight(1).shares
    assert shares == pytest.approx([0.52 / 3, 0.48, 0.52 / 3, 0.52 / 3]) and sum(shares) == pytest.approx(1.0)


def test_no_maps():
    assert not spotlight(generator=Attends(1, size=1)).has_maps and spotlight().has_maps


def test_lit():
    frames = np.full((1, 2, 2, 3), 200, dtype=np.uint8)
    picture = lit(frames, np.array([[[0.0, 1.0], [0.5, 0.0]]]))
    assert picture[0, 0, 0].tolist() == [60, 60, 60]
    assert picture[0, 0, 1].tolist() == [225, 160, 110]  # 0.55 * 200 + 0.45 * WARM
    assert (picture[0, 1, 0] < picture[0, 0, 1]).all() and (picture[0, 1, 0] > picture[0, 0, 0]).all()


def test_the_sheet_has_a_row_for_the_clip_and_one_for_each_word(monkeypatch):
    asked = {}

    def record(rows, captions, *, columns):
        asked.update(rows=rows, captions=captions, columns=columns)
        return np.zeros((4, 4, 3), dtype=np.uint8)

    monkeypatch.setattr("t2vgan.callbacks.spotlight.contact_sheet", record)
    spotlight(1).sheet(columns=5)
    assert asked["captions"] == ["a lion runs home", "a  17%", "lion  48%", "runs  17%", "home  17%"]
    assert asked["columns"] == 5 and [row.shape for row in asked["rows"]] == [(2, 8, 8, 3)] * 5
    lion = asked["rows"][2].astype(int)
    assert lion[0, :, 0].mean() > lion[0, :, -1].mean()  # looked at on the left


def test_a_real_sheet():
    sheet = spotlight().sheet()
    assert sheet.dtype == np.uint8 and sheet.ndim == 3 and sheet.std() > 10


def test_attributes_that_a_judge_sees_change():
    """The word that the judge's belief hangs on moves it from certainty to chance: total variation 1/2."""

    def judge(video):
        bright = (video.mean(dim=(1, 2, 3, 4)) > before).float()
        return {
            "subject": torch.stack([40 * (1 - bright), torch.zeros_like(bright)], 1),
            "time": torch.zeros(len(video), 4),
        }

    still = spotlight(1)
    before = still.video.mean(dim=(1, 2, 3, 4)).max() + 1e-6
    believed = judge(still.video)
    changes = still.changes(judge)
    moved = [
        (judge(still._render(without(still.inputs, i))[0])["subject"].softmax(-1) - believed["subject"].softmax(-1))
        for i in range(4)
    ]
    variation = [float(m.abs().sum(-1).mean() / 2) for m in moved]
    assert changes["attention/most_attended_attribute_change"] == pytest.approx(variation[1])
    assert changes["attention/random_attribute_change"] == pytest.approx(sum(variation[i] for i in (0, 2, 3)) / 3)


def test_most_moved_is_the_total_variation_of_the_attribute_that_moves_most():
    before = {"subject": torch.tensor([[50.0, 0.0]]), "time": torch.tensor([[0.0, 0.0]])}
    after = {"subject": torch.tensor([[0.0, 0.0]]), "time": torch.tensor([[0.0, 0.0]])}
    assert most_moved(before, after) == pytest.approx(0.5)
    assert most_moved(before, before) == 0
