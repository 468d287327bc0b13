"""Folders of videos with text files: which clips are found, in which split they are, what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from t2vgan.datasets.captioned_folder import CaptionedFolder, captioned
from t2vgan.video.decode import VIDEO_SUFFIXES


def touch(folder: Path, count: int) -> None:
    """Files that look like captioned clips: splits do not open them."""
    for i in range(count):
        (folder / f"{i}.mp4").touch()
        (folder / f"{i}.txt").write_text(f"caption {i}\n")


def names(folder: Path, split: str) -> set[str]:
    return {clip.key for clip in CaptionedFolder(root=folder, split=split).clips}


def test_samples(tmp_path: Path, clips: SimpleNamespace) -> None:
    for i, path in enumerate(clips.write(tmp_path, 3)):
        path.with_suffix(".txt").write_text(f"an animal number {i}\n\n  number   {i} walks \n", encoding="utf-8")
    data = CaptionedFolder(root=tmp_path, split="all", size=16, frames=4, duration_s=1.0)
    place = [clip.key for clip in data.clips].index("clip01.mp4")
    sample = data[place]
    assert sample.video.shape == (4, 16, 16, 3) and clips.clip_of(sample.video[0]) == 1
    assert (sample.caption, sample.key, sample.index) == ("an animal number 1", "clip01.mp4", place)
    drawn = [data.draw(place, np.random.default_rng(seed)) for seed in range(40)]
    assert {s.caption for s in drawn} == {"an animal number 1", "number 1 walks"}
    assert {s.wrong_caption for s in drawn} == {f"an animal number {i}" for i in (0, 2)} | {
        f"number {i} walks" for i in (0, 2)
    }
    assert len({s.video.tobytes() for s in drawn}) > 10, "random starts"
    assert data.captions() == sorted(f"{a}" for i in range(3) for a in (f"an animal number {i}", f"number {i} walks"))


def test_no_split_is_empty_from_three_clips_on(tmp_path: Path) -> None:
    for count in range(3, 12):
        folder = tmp_path / str(count)
        folder.mkdir()
        touch(folder, count)
        splits = [names(folder, split) for split in ("train", "val", "test")]
        assert all(splits) and sum(map(len, splits)) == len(set.union(*splits)) == count
        assert len(splits[0]) == max(map(len, splits))


def test_splits_are_stable_when_clips_are_added(tmp_path: Path) -> None:
    touch(tmp_path, 300)
    before = {split: names(tmp_path, split) for split in ("train", "val", "test")}
    assert {split: names(tmp_path, split) for split in before} == before
    assert 5 <= len(before["val"]) <= 30 and 5 <= len(before["test"]) <= 30
    for i in range(300, 400):
        (tmp_path / f"{i}.mov").touch()
        (tmp_path / f"{i}.txt").write_text(f"caption {i}")
    for split, old in before.items():
        assert old <= names(tmp_path, split)


def test_hidden_files_inner_folders_and_other_files_are_not_looked_at(tmp_path: Path) -> None:
    touch(tmp_path, 3)
    (tmp_path / ".hidden.mp4").touch()
    (tmp_path / "notes.md").touch()
    (tmp_path / "inner").mkdir()
    touch(tmp_path / "inner", 2)
    (tmp_path / "UPPER.MP4").touch()
    (tmp_path / "UPPER.txt").write_text("loud")
    assert names(tmp_path, "all") == {"0.mp4", "1.mp4", "2.mp4", "UPPER.MP4"}


def test_clips_without_captions_are_left_out_and_named(tmp_path: Path) -> None:
    touch(tmp_path, 4)
    (tmp_path / "2.txt").unlink()
    (tmp_path / "3.txt").write_text(" \n")
    with pytest.warns(UserWarning, match=r"2 of 4 clips have no caption and are left out: 2\.mp4, 3\.mp4"):
        data = CaptionedFolder(root=tmp_path, split="all")
    assert len(data) == 2 and [*data.uncaptioned] == ["2.mp4", "3.mp4"]


def test_the_first_so_many_are_of_all_parts_of_the_list(tmp_path: Path) -> None:
    """Which is often sorted by class."""
    touch(tmp_path, 90)
    whole, again, limited = (CaptionedFolder(root=tmp_path, split="all", limit=limit) for limit in (None, None, 30))
    keys = [clip.key for clip in limited.clips]
    assert keys == [clip.key for clip in whole.clips][:30] == [clip.key for clip in again.clips][:30]
    numbers = [int(key.split(".")[0]) for key in keys]
    assert numbers != sorted(numbers) and all(sum(n // 30 == third for n in numbers) > 4 for third in range(3))
    assert limited.fingerprint == whole.fingerprint


def test_mistakes_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: no such folder$"):
        CaptionedFolder(root=tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no clips \(\.mp4, .*\)$"):
        CaptionedFolder(root=tmp_path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.mp4").touch()
    with pytest.raises(ValueError, match=r"folders inside are not looked at, is .*inner meant\?"):
        CaptionedFolder(root=tmp_path)
    (tmp_path / "lion.mp4").touch()
    with pytest.raises(ValueError, match=r"no captions: none of 1 clips has a text file beside it, such as lion\.txt"):
        CaptionedFolder(root=tmp_path)
    (tmp_path / "lion.txt").write_text("a lion")
    with pytest.raises(ValueError, match="all clips have the same caption"):
        CaptionedFolder(root=tmp_path, split="all")
    (tmp_path / "lion.txt").write_text("a lion\na cat")
    with pytest.raises(ValueError, match="no clips for split 'test': 1 captioned clips are too few"):
        CaptionedFolder(root=tmp_path, split="test")
    with pytest.raises(ValueError, match="split 'training' is not known: choose one of train, val, test, all"):
        CaptionedFolder(root=tmp_path, split="training")
    (tmp_path / "lion.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"lion\.txt: captions have to be UTF-8 text"):
        CaptionedFolder(root=tmp_path)


def test_what_notepad_writes_before_a_caption_is_not_part_of_it(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
        (tmp_path / f"{name}.txt").write_text(f"A lion {name}\n", encoding="utf-8-sig")
    assert CaptionedFolder(root=tmp_path, split="all").captions() == ["A lion a", "A lion b", "A lion c"]


def test_every_ending_of_a_video_is_seen(tmp_path: Path) -> None:
    for suffix in VIDEO_SUFFIXES:
        (tmp_path / f"{suffix[1:]}{suffix.upper()}").touch()
        (tmp_path / f"{suffix[1:]}.txt").write_text(f"a clip that ends in {suffix}")
    clips, without = captioned(tmp_path)
    assert len(clips) == len(VIDEO_SUFFIXES) >= 20 and not without
    assert {".ogv", ".3gp", ".m2ts"} <= set(VIDEO_SUFFIXES)
