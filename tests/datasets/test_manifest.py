"""Manifests: what is sampled, how splits are chosen, and what is said about mistakes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from t2vgan.datasets.manifest import Manifest
from t2vgan.datasets.savanna import Savanna
from t2vgan.video.decode import VideoError

ZEBRA = {"subject": "zebra", "place": "savanna"}


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, clips: SimpleNamespace) -> Path:
    """Four clips of two seconds at 24 frames per second; the last is used twice, in parts."""
    folder = tmp_path_factory.mktemp("manifest")
    clips.write(folder / "clips", 4)
    rows: list[dict[str, Any]] = [
        {"video": "clips/clip00.mp4", "captions": ["a lion walks", "a walking  lion "]},
        {"video": "clips/clip01.mp4", "caption": "a zebra grazes", "attributes": ZEBRA, "named": ["subject"]},
        {"video": "clips/clip02.mp4", "caption": "an elephant", "key": "elephant"},
        {"video": "clips/clip03.mp4", "caption": "a bird", "start": 0.5, "end": 1.0},
        {"video": "clips/clip03.mp4", "caption": "two birds", "start": 1.0},
    ]  # fmt: skip
    write_manifest(folder / "train.jsonl", rows)
    write_manifest(folder / "val.jsonl", rows[:3])
    return folder


def test_the_fixed_view_starts_at_the_start_and_never_changes(root: Path, clips: SimpleNamespace) -> None:
    data = Manifest(root=root, split="train", size=32, frames=8, duration_s=1.0)
    assert len(data) == 5
    sample = data[0]
    assert sample.video.shape == (8, 32, 32, 3) and sample.video.dtype == np.uint8
    assert sample.times.dtype == np.float32 and sample.times.tolist() == [i / 8 for i in range(8)]
    assert [clips.number_on(frame) for frame in sample.video] == [0, 3, 6, 9, 12, 15, 18, 21]
    assert {clips.clip_of(frame) for frame in sample.video} == {0}
    assert (sample.caption, sample.key, sample.index) == ("a lion walks", "clips/clip00.mp4", 0)
    again = Manifest(root=root, split="train", size=32, frames=8, duration_s=1.0)[0]
    assert again.wrong_caption == sample.wrong_caption and np.array_equal(again.video, sample.video)


def test_attributes_keys_and_named(root: Path) -> None:
    data = Manifest(root=root, split="train", duration_s=1.0)
    zebra = next(data[i] for i in range(len(data)) if data.key(i) == "clips/clip01.mp4")
    assert zebra.attributes == ZEBRA and zebra.named == ("subject",)
    assert {data.key(i) for i in range(5)} >= {"elephant", "clips/clip03.mp4@0.5", "clips/clip03.mp4@1"}


def test_draws_use_every_start_every_caption_and_no_caption_of_the_clip_itself(
    root: Path, clips: SimpleNamespace
) -> None:
    data = Manifest(root=root, split="train", frames=4, duration_s=0.5)
    samples = [data.draw(0, np.random.default_rng(seed)) for seed in range(80)]
    numbers = np.array([[clips.number_on(frame) for frame in sample.video] for sample in samples])
    assert (np.diff(numbers, axis=1) == 3).all(), "an eighth of a second apart at 24 frames per second"
    assert numbers[:, 0].min() <= 2 and numbers[:, 0].max() in (34, 35, 36), "up to the last start that fits"
    assert {sample.caption for sample in samples} == {"a lion walks", "a walking lion"}
    wrong = {sample.wrong_caption for sample in samples}
    assert wrong == {"a zebra grazes", "an elephant", "a bird", "two birds"}
    one, other = (data.draw(0, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.video, other.video) and one.wrong_caption == other.wrong_caption


def test_start_and_end_bound_what_is_seen(root: Path, clips: SimpleNamespace) -> None:
    data = Manifest(root=root, split="train", frames=4, duration_s=0.25)
    for seed in range(20):
        shown = [clips.number_on(frame) for frame in data.draw(3, np.random.default_rng(seed)).video]
        assert min(shown) >= 12 and max(shown) <= 23
    assert [clips.number_on(frame) for frame in data[3].video] == [12, 13, 15, 16]
    assert [clips.number_on(frame) for frame in data.frames(3)] == list(range(12, 24))
    edges = data.frame_edges(3)
    np.testing.assert_allclose(edges, np.arange(13) / 24, atol=1e-3)


def test_a_short_clip_holds_its_last_frame_and_says_so_once(root: Path, clips: SimpleNamespace) -> None:
    data = Manifest(root=root, split="train", frames=8, duration_s=4.0)
    with pytest.warns(
        UserWarning, match=r"clip00\.mp4: 2\.00 s long, shorter than a clip of 4 s: its last frame is held"
    ):
        shown = [clips.number_on(frame) for frame in data[0].video]
    assert shown == [0, 12, 24, 36, 47, 47, 47, 47]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [clips.number_on(frame) for frame in data[3].video] == [12] + 7 * [23], "and never leaves its part"
        _ = data[0]
    assert data.view.held == {"clips/clip00.mp4", "clips/clip03.mp4@0.5"}


def test_a_short_clip_can_be_left_out(root: Path) -> None:
    data = Manifest(root=root, split="train", frames=8, duration_s=4.0, short="skip")
    with pytest.raises(VideoError, match=r"clip00\.mp4: 2\.00 s long, shorter than a clip of 4 s$"):
        _ = data[0]
    assert Manifest(root=root, split="train", frames=8, duration_s=2.0, short="skip")[0].index == 0


def test_limit_takes_the_first_clips_and_changes_nothing_else(root: Path) -> None:
    whole, limited = (Manifest(root=root, split="train", duration_s=0.5, limit=limit) for limit in (None, 2))
    assert len(limited) == 2 and limited.fingerprint == whole.fingerprint
    assert limited[1].wrong_caption == whole[1].wrong_caption
    assert limited.captions() == whole.captions()
    assert set(whole.captions()) >= {whole[i].wrong_caption for i in range(5)} | {whole[i].caption for i in range(5)}


def test_the_fingerprint_changes_with_what_defines_the_samples(tmp_path: Path, clips: SimpleNamespace) -> None:
    clips.write(tmp_path, 2, frames=8)
    rows = [{"video": "clip00.mp4", "caption": "a lion"}, {"video": "clip01.mp4", "caption": "a bird"}]
    write_manifest(tmp_path / "train.jsonl", rows)
    views = (Manifest(root=tmp_path), Manifest(root=tmp_path, size=64), Manifest(root=tmp_path, decoder="pyav"))
    prints = [data.fingerprint for data in views]
    write_manifest(tmp_path / "train.jsonl", [rows[0], {**rows[1], "caption": "a crow"}])
    prints.append(Manifest(root=tmp_path).fingerprint)
    with (tmp_path / "clip01.mp4").open("ab") as file:
        file.write(b"more")
    prints.append(Manifest(root=tmp_path).fingerprint)
    assert len(set(prints)) == 5 and Manifest(root=tmp_path).fingerprint == prints[-1]


def test_one_manifest_with_splits_or_without(tmp_path: Path) -> None:
    rows = [{"video": f"{i}.mp4", "caption": f"caption {i}", "split": ["train", "heldout"][i % 2]} for i in range(6)]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    keys = [clip.key for clip in Manifest(root=tmp_path, split="heldout").clips]
    assert sorted(keys) == ["1.mp4", "3.mp4", "5.mp4"]
    with pytest.raises(ValueError, match=r"no clips in split 'val'; splits here: heldout, train"):
        Manifest(root=tmp_path, split="val")
    write_manifest(tmp_path / "own.jsonl", [{"video": f"{i}.mp4", "caption": f"caption {i}"} for i in range(400)])
    of_split = {
        split: {clip.key for clip in Manifest(root=tmp_path / "own.jsonl", split=split).clips}
        for split in ("train", "val", "test", "all")
    }
    assert of_split["train"] | of_split["val"] | of_split["test"] == of_split["all"] and len(of_split["all"]) == 400
    assert sum(len(of_split[split]) for split in ("train", "val", "test")) == 400, "no clip is in two splits"
    assert 8 <= len(of_split["val"]) <= 32 and 8 <= len(of_split["test"]) <= 32


def test_parts_of_one_video_stay_in_one_split(tmp_path: Path) -> None:
    rows = [
        {"video": f"{i % 20}.mp4", "caption": f"caption {i}", "start": i // 20, "end": i // 20 + 1} for i in range(200)
    ]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    videos = [{c.file for c in Manifest(root=tmp_path, split=s).clips} for s in ("train", "val", "test")]
    assert not videos[0] & videos[1] and not videos[0] & videos[2] and not videos[1] & videos[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'video': 1}", r"train\.jsonl:2: not JSON"),
        ('["a.mp4", "a lion"]', r"train\.jsonl:2: a line is a JSON object"),
        ('{"vidoe": "a.mp4", "caption": "x"}', r"train\.jsonl:2: there is no field 'vidoe'; is 'video' meant\?"),
        ('{"video": "a.mp4", "captoin": "x"}', r"train\.jsonl:2: there is no field 'captoin'; is 'caption' meant\?"),
        ('{"video": "a.mp4"}', r"train\.jsonl:2: no 'caption' and no 'captions'"),
        ('{"caption": "x", "at": 3}', r"train\.jsonl:2: no 'video'"),
        ('{"video": "a.mp4", "caption": "x", "strat": 3}', r"there is no field 'strat'; is 'start' meant\?"),
        ('{"video": "a.mp4", "caption": "x", "split": ["train"]}', r"train\.jsonl:2: 'split' is a name"),
        ('{"video": "a.mp4", "caption": " "}', r"train\.jsonl:2: captions are one or more non-empty strings"),
        ('{"video": "a.mp4", "captions": []}', r"train\.jsonl:2: captions are one or more non-empty strings"),
        (
            '{"video": "/etc/a.mp4", "caption": "x"}',
            r"train\.jsonl:2: 'video' has to be a path below .*not '/etc/a.mp4'",
        ),
        ('{"video": "b/../../a.mp4", "caption": "x"}', r"train\.jsonl:2: 'video' has to be a path below"),
        ('{"video": "a.mp4", "caption": "x", "start": "1"}', r"train\.jsonl:2: 'start' is a number of seconds from 0"),
        ('{"video": "a.mp4", "caption": "x", "start": 3, "end": 2}', r"train\.jsonl:2: 'end' \(2\) has to be after"),
        ('{"video": "a.mp4", "caption": "x", "attributes": {"n": 1}}', r"train\.jsonl:2: 'attributes' is an object of"),
        ('{"video": "a.mp4", "caption": "x", "named": ["n"]}', r"train\.jsonl:2: 'named' lists names of 'attributes'"),
        ('{"video": "first.mp4", "caption": "x"}', r"train\.jsonl:2: a second clip with the key 'first\.mp4'"),
    ],
)
def test_a_line_with_a_mistake_is_left_out_and_named_with_file_and_line(
    tmp_path: Path, line: str, message: str
) -> None:
    first, last = (json.dumps({"video": f"{name}.mp4", "caption": name}) + "\n" for name in ("first", "last"))
    (tmp_path / "train.jsonl").write_text(first + line + "\n" + last)
    with pytest.warns(UserWarning, match=f"1 lines have mistakes and are left out: .*{message}") as caught:
        data = Manifest(root=tmp_path)
    assert "\n" not in str(caught[0].message)
    assert [clip.key for clip in data.clips] == ["first.mp4", "last.mp4"] and len(data.broken) == 1
    (tmp_path / "train.jsonl").write_text("\n" + line + "\n")
    with pytest.raises(ValueError, match=message if "second clip" not in message else "all clips have the same"):
        Manifest(root=tmp_path)


def test_missing_and_empty_manifests(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: no such folder; it should hold train\.jsonl"):
        Manifest(root=tmp_path / "nowhere")
    (tmp_path / "train.jsonl").write_text("\n\n")
    with pytest.raises(ValueError, match="no clips: the manifest is empty"):
        Manifest(root=tmp_path)
    with pytest.raises(ValueError, match=r"no val\.jsonl and no manifest\.jsonl; manifests here: train\.jsonl"):
        Manifest(root=tmp_path, split="val")
    (tmp_path / "train.jsonl").write_bytes(b'{"video": "\xff"}')
    with pytest.raises(ValueError, match="has to be UTF-8 text"):
        Manifest(root=tmp_path)
    write_manifest(
        tmp_path / "manifest.jsonl",
        [{"video": "a.mp4", "caption": "a", "split": "x"}, {"video": "b.mp4", "caption": "b"}],
    )
    with pytest.raises(ValueError, match=r"some clips have a 'split' and others have none: b\.mp4 has none"):
        Manifest(root=tmp_path, split="x")


def test_a_part_beyond_the_end_and_wrong_options(tmp_path: Path, clips: SimpleNamespace) -> None:
    clips.write(tmp_path, 1, frames=24)
    rows = [{"video": "clip00.mp4", "caption": "a", "start": 5}, {"video": "clip00.mp4", "caption": "b"}]
    write_manifest(tmp_path / "train.jsonl", rows)
    with pytest.raises(VideoError, match=r"clip00\.mp4: starts at 5 s, but the video ends at 1\.00 s"):
        _ = Manifest(root=tmp_path)[0]
    with pytest.raises(ValueError, match="short: there is no 'stretch'; choose from hold, pingpong, loop, skip"):
        Manifest(root=tmp_path, short="stretch")
    with pytest.raises(ValueError, match="a clip needs a size"):
        Manifest(root=tmp_path, frames=0)


def test_named_may_differ_between_the_captions_of_a_clip(root: Path) -> None:
    line = {
        "video": "clips/clip00.mp4",
        "captions": ["a zebra", "it grazes at dawn"],
        "attributes": {"subject": "zebra"},
    }
    other = {"video": "clips/clip01.mp4", "caption": "a lion"}
    rows = [line | {"named": [["subject"], []]}, other]
    (root / "mixed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = Manifest(root=root, split="mixed", size=16, frames=4, duration_s=1.0)
    seen = {sample.caption: sample.named for sample in (data.draw(0, np.random.default_rng(i)) for i in range(20))}
    assert seen == {"a zebra": ("subject",), "it grazes at dawn": ()}


def test_the_files_of_the_savanna_are_such_a_manifest(tmp_path: Path) -> None:
    drawn = Savanna(root=tmp_path, split="val", size=16, frames=4, duration_s=1.0, limit=3)
    drawn.make()
    (folder,) = (path.parent for path in tmp_path.rglob("manifest.jsonl"))
    read = Manifest(root=folder, split="all", size=16, frames=4, duration_s=1.0)
    for i in range(3):
        one = next(each for each in map(read.__getitem__, range(3)) if each.caption == drawn[i].caption)
        assert one.named == drawn[i].named and one.attributes == drawn[i].attributes
        assert np.abs(one.video.astype(int) - drawn[i].video).mean() < 12  # H.264 is lossy, most of all when small
