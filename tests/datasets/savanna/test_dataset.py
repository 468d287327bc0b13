import numpy as np
import pytest

from t2vgan.datasets.savanna import Savanna
from t2vgan.datasets.savanna.captions import contradicts
from t2vgan.datasets.savanna.splits import SPLITS


def make(**options):
    return Savanna(**{"root": "unused", "split": "train", "limit": 40, **options})


def test_a_sample_is_complete_and_always_the_same():
    a, b = make()[7], make(limit=8)[7]
    assert a.video.shape == (16, 32, 32, 3)
    assert a.video.dtype == np.uint8
    assert a.times.dtype == np.float32
    np.testing.assert_allclose(a.times, np.arange(16) / 8)
    np.testing.assert_array_equal(a.video, b.video)
    assert (a.caption, a.wrong_caption, a.key, a.named) == (b.caption, b.wrong_caption, "train/000007", b.named)
    assert a.attributes["subject"] in a.caption.lower() or "subject" not in a.named or "antelope" in a.caption


def test_draw_varies_the_captions_by_the_generator_alone():
    data = make()
    told = [data.draw(3, np.random.default_rng(seed)) for seed in range(40)]
    again = data.draw(3, np.random.default_rng(5))
    assert (again.caption, again.wrong_caption) == (told[5].caption, told[5].wrong_caption)
    assert {sample.caption for sample in told} == set(data.entry(3).captions)
    assert len({sample.wrong_caption for sample in told}) > 10


def test_wrong_captions_are_wrong_and_all_captions_are_announced():
    data = make(limit=30)
    announced = data.captions()
    assert announced == sorted(set(announced))
    known = {}
    for entry in map(data.entry, range(30)):
        known.update({text: (entry.attributes, named) for text, named in zip(entry.captions, entry.named, strict=True)})
    rng = np.random.default_rng(0)
    for index in range(30):
        for sample in (data[index], data.draw(index, rng)):
            assert {sample.caption, sample.wrong_caption} <= set(announced)
            assert sample.wrong_caption != sample.caption
            if sample.wrong_caption in known:
                told, named = known[sample.wrong_caption]
                assert contradicts(told, named, sample.attributes)


def test_a_higher_stored_frame_rate_is_sampled_at_the_right_instants():
    slow, fast = make()[2], make(fps=24.0)
    assert fast.frames(2).shape[0] == 48
    np.testing.assert_array_equal(fast.frames(2, np.array([5, 2])), fast.frames(2)[[5, 2]])
    np.testing.assert_allclose(fast.frame_edges(2), np.arange(49) / 24)
    np.testing.assert_array_equal(fast[2].video, slow.video)
    np.testing.assert_allclose(fast[2].times, slow.times, atol=1e-6)


def test_the_fingerprint_ignores_how_many_clips_are_wanted():
    assert make().fingerprint == make(limit=3, counts={"train": 9}).fingerprint
    assert len({make(split=split).fingerprint for split in SPLITS}) == len(SPLITS)
    assert make().fingerprint != make(size=64).fingerprint


def test_lengths():
    assert len(Savanna(split="val")) == 512
    assert len(Savanna(split="val", counts={"val": 20})) == 20
    assert len(Savanna(split="val", limit=3)) == 3
    with pytest.raises(IndexError):
        make(limit=3)[3]


def test_render_all_gives_the_same_frames_in_parallel():
    data = make(limit=70)
    drawn = dict(data.render_all(processes=2))
    assert list(drawn) == list(range(70))
    np.testing.assert_array_equal(drawn[69], data.frames(69))


def test_files_are_made_on_first_use_and_decoded(tmp_path):
    data = make(root=tmp_path, limit=2, source="files")
    drawn = make(limit=2)
    assert len(list(tmp_path.rglob("*.mp4"))) == 2
    assert data.frames(1).shape == drawn.frames(1).shape
    assert 0 < np.abs(data.frames(1).astype(int) - drawn.frames(1)).mean() < 8
    np.testing.assert_array_equal(data.frames(1, np.array([3, 3])), data.frames(1)[[3, 3]])
    assert data.fingerprint != drawn.fingerprint
    assert len(dict(data.render_all())) == 2


def test_restrict_and_transitions():
    data = make(restrict={"subject": ["lion"], "camera": ["static"]}, transition_share=1.0)
    assert {data.entry(i).attributes["subject"] for i in range(20)} == {"lion"}
    assert {data[i].attributes["transition"] for i in range(20)} == {"cut", "fade"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "training"}, "training.*choose from train"),
        ({"source": "disk"}, "disk.*choose from render"),
        ({"counts": {"trian": 5}}, "trian"),
        ({"transition_share": 2.0}, "transition_share"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
