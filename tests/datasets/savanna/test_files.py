import json

import numpy as np
import pytest

from t2vgan.datasets.savanna.files import Folder, in_parallel, is_whole
from t2vgan.datasets.savanna.recipe import Recipe

RECIPE = Recipe(split="val", size=32, fps=8.0, duration_s=2.0)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path, RECIPE)


def test_the_files_hold_the_clips_and_the_manifest_their_truth(folder):
    folder.make(3)
    assert folder.complete() == 3
    lines = [json.loads(line) for line in (folder.path / "manifest.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == ["val/000000", "val/000001", "val/000002"]
    for index, line in enumerate(lines):
        entry = RECIPE.entry(index)
        assert line["attributes"] == entry.attributes
        assert tuple(line["captions"]) == entry.captions
        assert (folder.path / line["video"]).is_file()
        difference = folder.read_clip(index).astype(int) - RECIPE.frames(index)
        assert np.abs(difference).mean() < 8, "H.264 at half colour resolution is near the drawing"
    rule = json.loads((folder.path / "split.json").read_text())
    assert {"subject": "lion", "place": "snow"} in rule["held_out_pairs"]


def test_making_goes_on_where_it_stopped_and_replaces_what_is_broken(folder):
    folder.make(4)
    (folder.path / "complete").unlink()
    kept, broken, lost = folder.clip(0), folder.clip(1), folder.clip(2)
    time = kept.stat().st_mtime_ns
    broken.write_bytes(broken.read_bytes()[:-40])
    lost.unlink()
    folder.make(4)
    assert folder.complete() == 4
    assert kept.stat().st_mtime_ns == time
    assert is_whole(broken)
    assert is_whole(lost)


def test_more_clips_later_keep_the_first_ones(folder):
    folder.make(2)
    first = folder.clip(0).read_bytes()
    folder.make(3)
    assert folder.complete() == 3
    assert folder.clip(0).read_bytes() == first
    folder.make(1)
    assert folder.complete() == 3


def test_the_manifest_can_be_had_without_clips(folder):
    folder.make(2, clips=False)
    assert (folder.path / "manifest.jsonl").is_file()
    assert folder.complete() == 0
    assert not folder.clip(0).exists()


def test_a_deleted_file_is_made_again_when_it_is_read(folder):
    folder.make(1)
    folder.clip(0).unlink()
    assert folder.read_clip(0).shape == (16, 32, 32, 3)


def test_is_whole_refuses_what_is_no_whole_mp4(tmp_path):
    path = tmp_path / "a.mp4"
    assert not is_whole(path)
    path.write_bytes(b"")
    assert not is_whole(path)
    path.write_bytes(b"not a video at all")
    assert not is_whole(path)


def test_in_parallel_keeps_the_order():
    assert list(in_parallel(abs, list(range(-100, 0)), processes=2)) == list(range(100, 0, -1))
