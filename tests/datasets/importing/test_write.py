"""What is trusted, what is refused, and that nothing is overwritten or lost without a word."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from t2vgan.datasets.importing import Options, Row, layout_of
from t2vgan.datasets.importing.rows import label_words, seconds, walk
from t2vgan.datasets.importing.scenes import in_parts, scenes_of
from t2vgan.datasets.importing.tables import read
from t2vgan.datasets.importing.write import collected, import_clips, share_splits
from t2vgan.datasets.manifest import Manifest


def table(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "list.jsonl"


def test_nothing_outside_of_the_trusted_folder_is_named(tmp_path: Path) -> None:
    inside = tmp_path / "videos"
    inside.mkdir()
    for path in (inside / "a.mp4", tmp_path / "secret.mp4"):
        path.touch()
    paths = ["a.mp4", str(inside / "a.mp4"), "../secret.mp4", str(tmp_path / "secret.mp4"), "b/../../secret.mp4"]
    paths += ["C:\\secret.mp4", "..\\secret.mp4", "file:///etc/passwd"]
    rows = [Row(str(i), video=path, captions=[f"caption {i}"]) for i, path in enumerate(paths)]
    found = collected(rows, inside)
    assert [line["video"] for line in found.lines] == ["a.mp4"] and found.lines[0]["captions"] == [
        "caption 0",
        "caption 1",
    ]
    assert len(found.left_out) == 6 and all("outside of" in entry["reason"] for entry in found.left_out)


def test_every_row_that_is_not_used_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    rows = [
        {"video": "a.mp4", "caption": "good"},
        {"video": "missing.mp4", "caption": "x"},
        {"video": "a.mp4", "caption": "  "},
        {"video": "", "caption": "x"},
        {"video": "a.mp4", "caption": "x", "start": 5, "end": 2},
        {"video": "a.mp4", "caption": "x", "start": -1},
        {"video": "a.mp4", "caption": "x", "start": float("nan")},
        {"video": "a.mp4", "caption": "x", "start": "soon"},
        {"video": "a.mp4", "caption": "x", "fps": -3},
    ]
    source = table(tmp_path, rows)
    with source.open("ab") as file:
        file.write(b'{not json}\n[1, 2]\n{"video": "\xff"}\n')
    found = collected(read(source, Options(tmp_path)), tmp_path)
    assert len(found.lines) == 1 and len(found.left_out) == len(rows) - 1 + 3
    reasons = [entry["reason"] for entry in found.left_out]
    parts = ("no such file", "no caption", "no video", "has to be after", "from 0", "from 0", "is no time", "no number")
    for reason, part in zip(reasons, (*parts, "not JSON", "not a JSON object", "not UTF-8"), strict=True):
        assert part in reason


def test_broken_lines_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    good = b'video,caption\na.mp4,"two\nlines"\n'
    (tmp_path / "list.csv").write_bytes(good + b"a.mp4\na.mp4,x,y\na.mp4,caf\xe9\n" + b"a.mp4,nul\0byte\n")
    found = collected(read(tmp_path / "list.csv", Options(tmp_path)), tmp_path)
    assert found.lines[0]["captions"] == ["two lines", "nulbyte"]
    assert [entry["reason"] for entry in found.left_out] == [
        "1 cells in the place of 2",
        "3 cells in the place of 2",
        "not UTF-8 text",
    ]


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    source = table(tmp_path, [{"movie": "a.mp4", "words": "x"}])
    with pytest.raises(ValueError, match="which column holds the video cannot be told from movie, words; name it"):
        list(read(source, Options(tmp_path)))
    with pytest.raises(
        ValueError, match=r"no column 'moovie' \(--video\), did you mean 'movie'\? columns: movie, words"
    ):
        list(read(source, Options(tmp_path, {"video": "moovie"})))


def test_an_import_never_overwrites_and_says_when_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    options = Options(tmp_path)
    good = table(tmp_path, [{"video": "a.mp4", "caption": "x"}])
    import_clips(good, tmp_path / "out", layout="table", options=options)
    before = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"out: holds a manifest\.jsonl already; take another folder"):
        import_clips(good, tmp_path / "out", layout="table", options=options)
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == before
    none = table(tmp_path, [{"video": "b.mp4", "caption": "x"}])
    with pytest.raises(ValueError, match=r"none of 1 can be used; .*list\.jsonl:1: no such file in "):
        import_clips(none, tmp_path / "other", layout="table", options=options)
    assert not (tmp_path / "other").exists()


def test_copies_only_when_asked_and_stays_movable(tmp_path: Path, clips: SimpleNamespace) -> None:
    clips.write(tmp_path / "videos" / "deep", 2, frames=8)
    rows = [{"video": f"deep/clip0{i}.mp4", "caption": f"clip {i}"} for i in range(2)]
    source, options = table(tmp_path, rows), Options(tmp_path / "videos")
    import_clips(source, tmp_path / "linked", layout="table", options=options)
    assert [path.name for path in sorted((tmp_path / "linked").iterdir())] == ["import.json", "manifest.jsonl"]
    import_clips(source, tmp_path / "copied", layout="table", options=options, copy=True)
    (tmp_path / "copied").rename(tmp_path / "moved")
    for place in ("linked", "moved"):
        data = Manifest(root=tmp_path / place, split="all", size=16, frames=2, duration_s=0.2)
        assert [clips.clip_of(data[i].video[0]) for i in range(2)] == [0, 1]


def test_videos_that_were_moved_are_found_where_one_says(tmp_path: Path, clips: SimpleNamespace) -> None:
    clips.write(tmp_path / "old", 2, frames=8)
    rows = [{"video": f"clip0{i}.mp4", "caption": f"clip {i}"} for i in range(2)]
    import_clips(table(tmp_path, rows), tmp_path / "out", layout="table", options=Options(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    data = Manifest(root=tmp_path / "out", split="all", size=16, frames=2, duration_s=0.2, videos=tmp_path / "new")
    assert sorted(clips.clip_of(data[i].video[0]) for i in range(2)) == [0, 1]


def test_a_val_is_made_where_a_source_has_none(tmp_path: Path) -> None:
    rows = [Row(str(i), video=f"{i % 40}.mp4", start_s=float(i), captions=[str(i)], split="train") for i in range(80)]
    for i in range(40):
        (tmp_path / f"{i}.mp4").touch()
    found = collected(rows, tmp_path)
    share_splits(found)
    videos = {split: {line["video"] for line in found.lines if line["split"] == split} for split in ("train", "val")}
    assert len(videos["val"]) == 2 and not videos["val"] & videos["train"], "parts of one video stay together"
    assert found.told == ["the source has no val: 2 of 40 videos of train became val"]


def test_folders_that_go_round_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.mp4").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    found = [path for path in walk(tmp_path) if path.suffix == ".mp4"]
    assert len(found) == 1 and os.path.samefile(found[0], tmp_path / "a" / "x.mp4")


def test_times_and_labels() -> None:
    for value, expected in (
        (2, 2.0),
        ("2.5", 2.5),
        ("0:01:02.5", 62.5),
        ("1:02", 62.0),
        ("PT00H01M02S", 62.0),
        ("", None),
    ):
        assert seconds(value) == expected
    for wrong in ("x", -1, float("inf"), True, "1:x"):
        with pytest.raises(ValueError, match="no time"):
            seconds(wrong)
    assert [label_words(label) for label in ("ApplyEyeMakeup", "playing_TVGames", "YoYo")] == [
        "apply eye makeup",
        "playing tv games",
        "yo yo",
    ]


def test_layouts_that_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    for source, message in (
        (tmp_path / "gone", "gone: no such file or folder"),
        (tmp_path, "a folder without videos, pictures or tars; name the layout with --layout, one of: sidecar"),
        (tmp_path / "notes.md", "not a table, a json or a tar; name the layout"),
    ):
        with pytest.raises(ValueError, match=message):
            layout_of(source, Options(tmp_path))


def test_parts_of_a_scene() -> None:
    assert in_parts((1.0, 4.0), None) == [(1.0, 4.0)] == in_parts((1.0, 4.0), 3.0)
    assert in_parts((0.0, 10.0), 4.0) == [(0.0, 3.333), (3.333, 6.667), (6.667, 10.0)]


def test_long_videos_are_cut_at_their_scenes(tmp_path: Path) -> None:
    pytest.importorskip("scenedetect", reason="pip install 't2vgan[scenes]'")
    from t2vgan.video.encode import write_mp4

    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (96, 128, 3)).astype(np.uint8) // 2 + 60 * i for i in range(3)]
    shots = [
        np.stack([np.roll(np.kron(p[::8, ::8], np.ones((8, 8, 1), np.uint8)), f, axis=1) for f in range(48)])
        for p in pictures
    ]
    write_mp4(tmp_path / "long.mp4", np.concatenate(shots), fps=24)
    spans = scenes_of(tmp_path / "long.mp4")
    assert spans == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]
    (tmp_path / "long.txt").write_text("three places")
    from t2vgan.datasets.importing.write import Scenes

    found = import_clips(
        tmp_path, tmp_path / "out", layout="sidecar", options=Options(tmp_path), scenes=Scenes(longest_s=1.0)
    )
    assert [(line["start"], line["end"]) for line in found.lines] == [(i, i + 1) for i in range(6)]
