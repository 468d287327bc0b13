from dataclasses import replace

import numpy as np

from t2vgan.datasets.savanna.recipe import Recipe
from t2vgan.datasets.savanna.scene import VALUES
from t2vgan.datasets.savanna.splits import is_held_out

RECIPE = Recipe(split="train", size=32, fps=8.0, duration_s=2.0)


def test_a_clip_is_a_function_of_recipe_and_index_alone():
    np.testing.assert_array_equal(RECIPE.frames(5), replace(RECIPE).frames(5))
    assert RECIPE.entry(5) == replace(RECIPE).entry(5)
    for other in (replace(RECIPE, seed=1), replace(RECIPE, split="probe")):
        assert np.abs(other.frames(5).astype(int) - RECIPE.frames(5)).mean() > 1
    assert RECIPE.entry(5) != RECIPE.entry(6)


def test_size_and_frame_rate_leave_scene_and_captions_alone():
    large = replace(RECIPE, size=64, fps=16.0)
    assert large.entry(3) == RECIPE.entry(3)
    shrunk = large.frames(3)[::2].reshape(16, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - RECIPE.frames(3)).mean() < 3
    np.testing.assert_array_equal(RECIPE.frames(3, times=large.times, size=64), large.frames(3))


def test_entries_hold_captions_with_what_they_name_and_wrong_ones():
    for index in range(60):
        entry = RECIPE.entry(index)
        assert len(entry.captions) == len(entry.named) == len(entry.wrong) == 4
        assert entry.named[-1] == tuple(VALUES)
        assert not set(entry.captions) & set(entry.wrong)
        assert not is_held_out(entry.attributes, RECIPE.pairs)


def test_the_digest_knows_every_option():
    changes = [{"seed": 1}, {"size": 64}, {"fps": 16.0}, {"split": "val"}, {"transition_share": 0.1},
               {"restrict": {"subject": ("lion",)}}]  # fmt: skip
    others = [replace(RECIPE, **change) for change in changes]
    digests = {recipe.digest() for recipe in [RECIPE, replace(RECIPE), *others]}
    assert len(digests) == 1 + len(others)
