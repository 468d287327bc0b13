"""The frame cache gives the data set's own samples, is made once, and never passes for whole when it is not."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from t2vgan.datasets import cache as cache_file
from t2vgan.datasets.cache import FrameCache, cached, estimated_bytes
from t2vgan.datasets.manifest import Manifest
from t2vgan.datasets.savanna import Savanna
from t2vgan.shapes import Sample
from t2vgan.video.decode import VideoError


class Drawn:
    """A data set of drawn clips: clip i is one grey. Notes in `log` which clips were drawn; may stop at one of them."""

    def __init__(self, count: int, *, log: Path | None = None, stop_at: int = -1, fingerprint: str = "drawn") -> None:
        self.count, self.log, self.stop_at, self.fingerprint = count, log, stop_at, fingerprint

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self.draw(index, np.random.default_rng(0))

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        video = self.frames(index)[rng.integers(0, 6, 4)]
        return Sample(video, np.arange(4, dtype=np.float32), f"clip {index}", "nothing", f"key {index}", index)

    def frames(self, index: int) -> np.ndarray:
        if index == self.stop_at:
            raise KeyboardInterrupt
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{index}\n")
        return np.full((6, 8, 8, 3), index, dtype=np.uint8) + np.arange(6, dtype=np.uint8)[:, None, None, None]


def drawn_clips(log: Path) -> list[int]:
    return sorted(int(line) for line in log.read_text().split())


def same(one: Sample, other: Sample) -> bool:
    plain = [(s.caption, s.wrong_caption, s.key, s.index, s.attributes, s.named) for s in (one, other)]
    return plain[0] == plain[1] and np.array_equal(one.video, other.video) and np.array_equal(one.times, other.times)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, clips: SimpleNamespace) -> Path:
    """Three clips of different lengths, parts of them, and one file that is no video."""
    folder = tmp_path_factory.mktemp("cached_manifest")
    for i, frames in enumerate((48, 30, 60)):
        clips.write(folder / str(i), 1, frames=frames)
    (folder / "broken.mp4").write_text("this is not a video")
    videos: list[dict[str, Any]] = [
        {"video": "0/clip00.mp4"},
        {"video": "1/clip00.mp4"},
        {"video": "broken.mp4"},
        {"video": "2/clip00.mp4", "start": 0.4, "end": 1.9},
    ]
    lines = [json.dumps({**row, "captions": [f"caption {i}", f"words {i}"]}) for i, row in enumerate(videos)]
    (folder / "train.jsonl").write_text("\n".join(lines))
    return folder


def place(data: Any, key: str) -> int:
    return [data.key(i) for i in range(len(data))].index(key)


def test_clips_of_different_lengths_are_sampled_as_without_the_cache(root: Path, tmp_path: Path) -> None:
    data = Manifest(root=root, size=16, frames=8, duration_s=0.9)
    cached_data = FrameCache(data, tmp_path)
    assert len(cached_data) == 4 and cached_data.fingerprint == data.fingerprint
    assert cached_data.captions() == data.captions() and cached_data.key(1) == data.key(1)
    for index in (i for i in range(4) if data.key(i) != "broken.mp4"):
        assert same(cached_data[index], data[index])
        for seed in range(8):
            drawn = [d.draw(index, np.random.default_rng(seed)) for d in (cached_data, data)]
            assert same(*drawn)
        assert np.array_equal(cached_data.frames(index), data.frames(index))
    first = place(data, "0/clip00.mp4")
    assert len({cached_data.draw(first, np.random.default_rng(s)).video.tobytes() for s in range(20)}) > 8, (
        "random starts"
    )


def test_a_broken_video_keeps_its_reason(root: Path, tmp_path: Path) -> None:
    for _ in range(2):  # made, then opened
        cached_data = FrameCache(Manifest(root=root), tmp_path)
        with pytest.raises(VideoError, match=r"broken\.mp4: not a video that can be read"):
            cached_data.frames(place(cached_data, "broken.mp4"))
        with pytest.raises(VideoError, match=r"broken\.mp4: not a video that can be read"):
            cached_data.draw(place(cached_data, "broken.mp4"), np.random.default_rng(0))


def test_nothing_is_decoded_once_it_is_made(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a video that could not be used: it is tried again."""
    made = FrameCache(Manifest(root=root, duration_s=1.0), tmp_path)
    last = place(made, "2/clip00.mp4@0.4")
    first = made[last]
    tried: list[str] = []

    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        tried.append(path.name)
        raise VideoError(f"{path}: not a video that can be read")

    monkeypatch.setattr("t2vgan.datasets.sampling.read_frames", refuse)
    monkeypatch.setattr("t2vgan.datasets.sampling.probe_video", refuse)
    assert same(FrameCache(Manifest(root=root, duration_s=1.0), tmp_path)[last], first)
    assert set(tried) == {"broken.mp4"}


def test_a_video_that_can_be_used_by_now_is(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer decoder, or a file that may be read by now; the name and the size of the file are the same."""
    with monkeypatch.context() as missing:

        def refuse(path: Path, *args: object, **kwargs: object) -> None:
            raise VideoError(f"{path}: no decoder")

        missing.setattr("t2vgan.datasets.sampling.read_frames", refuse)
        missing.setattr("t2vgan.datasets.sampling.probe_video", refuse)
        with pytest.raises(VideoError, match="no decoder"):
            FrameCache(Manifest(root=root), tmp_path).frames(0)
    data = Manifest(root=root)
    assert np.array_equal(FrameCache(data, tmp_path).frames(0), data.frames(0))


def test_a_video_that_is_damaged_in_the_middle_is_not_tried_from_its_start_only(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first frame can be read: the rest of the cache would be made anew at every start."""
    from t2vgan.datasets import sampling

    read = sampling.read_frames

    def damaged(path: Path, *args: Any, **kwargs: Any) -> Any:
        if "/1/" in str(path) and len(kwargs["indices"]) > 1:
            raise VideoError(f"{path}: damaged")
        return read(path, *args, **kwargs)

    monkeypatch.setattr("t2vgan.datasets.sampling.read_frames", damaged)
    data = Manifest(root=root)
    with pytest.raises(VideoError, match="damaged"):
        FrameCache(data, tmp_path).frames(place(data, "1/clip00.mp4"))
    [made] = tmp_path.glob("*.frames")
    before = made.stat().st_ino, made.stat().st_mtime_ns
    FrameCache(data, tmp_path)
    assert (made.stat().st_ino, made.stat().st_mtime_ns) == before, "nothing was made again"
    monkeypatch.undo()
    mapped = np.memmap(made, np.uint8, "r")
    FrameCache(data, tmp_path)
    assert made.stat().st_ino != before[0] and mapped[-1] >= 0, "who has the old file open keeps it"


def test_savanna_fills_the_cache_itself(tmp_path: Path) -> None:
    data = Savanna(split="train", size=16, frames=8, duration_s=1.0, limit=5)
    cached_data = FrameCache(data, tmp_path, processes=1)
    for index in range(5):
        assert same(cached_data[index], data[index])
        assert same(*(d.draw(index, np.random.default_rng(3)) for d in (cached_data, data)))
    assert cached_data.captions() == data.captions()


def test_a_stopped_making_goes_on_where_it_was_and_never_passes_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "SAVE_EVERY", 4)
    log = tmp_path / "log"
    with pytest.raises(KeyboardInterrupt):
        FrameCache(Drawn(20, log=log, stop_at=10), tmp_path / "cache", processes=1)
    pixels, lines = tmp_path / "cache" / "drawn.frames", tmp_path / "cache" / "drawn.jsonl"
    assert len(lines.read_text().splitlines()) == 8, "what was drawn beyond the last save does not count"
    with pixels.open("ab") as file:
        file.write(b"half a frame")
    with lines.open("a") as file:
        file.write('{"shape": [6,')
    whole = FrameCache(Drawn(20, log=log), tmp_path / "cache", processes=1)
    times_drawn = [drawn_clips(log).count(index) for index in range(20)]
    assert times_drawn[:10] == [1] * 8 + [2] * 2, "only what was not saved is drawn again"
    assert times_drawn[12:] == [1] * 8
    for index in range(20):
        assert np.array_equal(whole.frames(index), Drawn(20).frames(index))
    assert pixels.stat().st_size == 20 * 6 * 8 * 8 * 3


def test_lost_frames_are_made_again(tmp_path: Path) -> None:
    FrameCache(Drawn(9), tmp_path)
    pixels = tmp_path / "drawn.frames"
    pixels.write_bytes(pixels.read_bytes()[: -6 * 8 * 8 * 3 * 4 - 1])
    again = FrameCache(Drawn(9, log=tmp_path / "log"), tmp_path, processes=1)
    assert drawn_clips(tmp_path / "log") == [4, 5, 6, 7, 8]
    assert all(np.array_equal(again.frames(i), Drawn(9).frames(i)) for i in range(9))


def test_more_clips_extend_a_cache_and_fewer_read_it(tmp_path: Path) -> None:
    for count, expected in ((3, [0, 1, 2]), (2, [0, 1, 2]), (5, [0, 1, 2, 3, 4])):
        cached_data = FrameCache(Drawn(count, log=tmp_path / "log"), tmp_path, processes=1)
        assert drawn_clips(tmp_path / "log") == expected and len(cached_data) == count
        assert np.array_equal(cached_data.frames(count - 1), Drawn(count).frames(count - 1))


def test_another_fingerprint_is_another_cache(tmp_path: Path) -> None:
    FrameCache(Drawn(2), tmp_path)
    FrameCache(Drawn(2, log=tmp_path / "log", fingerprint="other"), tmp_path)
    assert drawn_clips(tmp_path / "log") == [0, 1]
    assert {path.name for path in tmp_path.glob("*.frames")} == {"drawn.frames", "other.frames"}


def _open_cache(folder: Path, log: Path) -> None:
    FrameCache(Drawn(40, log=log), folder, processes=1)


def test_processes_that_open_a_cache_together_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    together = [context.Process(target=_open_cache, args=(tmp_path / "cache", log)) for _ in range(3)]
    for process in together:
        process.start()
    for process in together:
        process.join(30)
    assert [process.exitcode for process in together] == [0, 0, 0]
    assert drawn_clips(log) == list(range(40))


def test_it_travels_to_other_processes_without_its_frames(tmp_path: Path) -> None:
    cached_data = FrameCache(Drawn(30), tmp_path)
    packed = pickle.dumps(cached_data)
    assert len(packed) < 4_000 < 30 * 6 * 8 * 8 * 3
    assert same(pickle.loads(packed)[7], cached_data[7])


def test_frames_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        FrameCache(Drawn(2), tmp_path).frames(0)[:] = 0


def test_what_is_too_large_is_decoded_and_said(root: Path, tmp_path: Path) -> None:
    data = Manifest(root=root, size=16)
    assert estimated_bytes(data) == pytest.approx(4 * (48 + 30 + 37) / 3 * 16 * 16 * 3, rel=0.02)
    with pytest.warns(UserWarning, match=r"the frames of 4 clips need about 0\.0 GB, more than the 1e-05 GB of data"):
        assert cached(data, tmp_path, limit_gb=1e-5) is data
    assert not list(tmp_path.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(cached(data, tmp_path, limit_gb=1.0), FrameCache)


class Endless(Drawn):
    def render_all(self, indices: range, processes: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        for index in indices:
            yield index, np.zeros((6, 8 + index, 8, 3), dtype=np.uint8)


def test_clips_of_different_sizes_and_folders_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"clip 1: frames are uint8 \(6, 9, 8, 3\), not \[8, 8\]"):
        FrameCache(Endless(2), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"the frame cache cannot be written .*data\.cache=false"):
        FrameCache(Drawn(2), tmp_path / "file")
