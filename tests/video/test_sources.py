"""Videos that are no files of their own: members of tars and folders of pictures."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from t2vgan.video.decode import FALLBACKS, probe_video, read_frames
from t2vgan.video.inspect import fingerprint_of, look_through
from t2vgan.video.sources import (
    Member,
    Pictures,
    VideoError,
    by_number,
    content_digest,
    opened,
    read_picture,
    stamp,
)


def within(path: Path, target: Path, *, before: int = 777) -> Member:
    data = path.read_bytes()
    target.write_bytes(os.urandom(before) + data + os.urandom(500))
    return Member(str(target), before, len(data), path.name)


@pytest.mark.parametrize("kind", ["h264_b_frames", "vp9", "av1", "mpeg4", "hevc"])
def test_a_member_is_read_as_the_file_is(studio: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    path = studio.kind(kind)
    member = within(path, tmp_path / "00000.tar")
    assert probe_video(member).frames == 60 and str(member) == f"{tmp_path}/00000.tar:{path.name}"
    for decoder in ("auto", "pyav"):
        for indices in ([3, 17, 59], list(range(10, 20))):
            frames = read_frames(member, indices=indices, size=32, decoder=decoder)
            assert np.array_equal(frames, read_frames(path, indices=indices, size=32, decoder=decoder))


def test_a_member_is_read_by_decord_where_a_file_is(studio: SimpleNamespace, tmp_path: Path) -> None:
    pytest.importorskip("decord")
    FALLBACKS.files.clear()
    member = within(studio.kind("h264_b_frames"), tmp_path / "00000.tar")
    assert [studio.number_on(f) for f in read_frames(member, decoder="decord")] == list(range(60))
    read_frames(member)
    assert len(FALLBACKS) == 0


def test_a_tar_that_ends_too_early(studio: SimpleNamespace, tmp_path: Path) -> None:
    member = within(studio.kind("h264_b_frames"), tmp_path / "00000.tar")
    (tmp_path / "00000.tar").write_bytes((tmp_path / "00000.tar").read_bytes()[:2000])
    with pytest.raises(VideoError, match=r"00000\.tar:h264_b_frames\.mp4: truncated: .* ends before it does"):
        read_frames(member)


def write_pictures(folder: Path, clip: np.ndarray, name: str = "frame{}.png") -> Pictures:
    folder.mkdir()
    for i, picture in enumerate(clip):
        Image.fromarray(picture).save(folder / name.format(i))
    (folder / ".hidden.png").touch()
    (folder / "notes.txt").touch()
    return Pictures(folder, 12.0)


def test_pictures_come_in_the_order_of_their_numbers(studio: SimpleNamespace, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "clip", studio.numbered_frames(12))
    info = probe_video(pictures)
    assert (info.frames, info.fps, info.duration_s, info.width) == (12, 12.0, 1.0, 64)
    assert [studio.number_on(f) for f in read_frames(pictures)] == list(range(12))
    assert [studio.number_on(f) for f in read_frames(pictures, times=[0.0, 0.5, 0.99])] == [0, 6, 11]
    assert read_frames(pictures, indices=[1], size=16).shape == (1, 16, 16, 3)
    names = [Path(name) for name in ("f10.png", "f9.png", "a2.png", "f9b.png")]
    assert [path.name for path in sorted(names, key=by_number)] == ["a2.png", "f9.png", "f9b.png", "f10.png"]


def test_pictures_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    Image.new("L", (8, 8), 100).save(tmp_path / "clip" / "0.png")
    Image.new("RGBA", (16, 16), (200, 100, 50, 128)).save(tmp_path / "clip" / "1.png")
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "clip" / "2.jpg")
    Image.new("I;16", (8, 8), 200 * 257).save(tmp_path / "clip" / "3.png")
    frames = read_frames(Pictures(tmp_path / "clip", 1.0))
    assert frames.shape == (4, 8, 8, 3), "all as large as the first"
    assert frames[0, 4, 4].tolist() == [100] * 3
    np.testing.assert_allclose(frames[1, 4, 4], [100, 50, 25], atol=2)
    assert frames[3, 4, 4].tolist() == [200] * 3
    Image.new("F", (8, 8), 0.5).save(tmp_path / "clip" / "4.tiff")
    with pytest.raises(VideoError, match=r"4\.tiff: its numbers have no largest one \(mode F\): save it with 8 bits"):
        read_picture(tmp_path / "clip" / "4.tiff")


def test_looking_through(studio: SimpleNamespace, tmp_path: Path) -> None:
    look = look_through(studio.kind("h264_b_frames"), [0.0, 1.0, 99.0])
    assert (look.frames, look.claimed_frames, look.codec, look.damage) == (60, 60, "h264", "")
    np.testing.assert_allclose(look.times, np.arange(60) / 24, atol=1e-3)
    assert set(look.pictures) == {0.0, 1.0, 99.0} and look.audio_s is None and not look.interlaced
    assert look_through(studio.kind("interlaced")).interlaced
    assert look_through(studio.kind("with_sound")).audio_s == pytest.approx(2.0, abs=0.1)
    assert "no decoder for" in look_through(studio.kind("av1")).fallback
    pictures = write_pictures(tmp_path / "clip", studio.numbered_frames(6))
    (tmp_path / "clip" / "frame4.png").write_bytes(b"spoilt")
    spoilt = look_through(pictures, [0.0])
    assert spoilt.frames == 4 and "frame4.png: damaged" in spoilt.damage and spoilt.damage_s == pytest.approx(4 / 12)


def test_prints_of_pictures() -> None:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), np.ones((10, 10, 1), np.uint8))
    noisy = (picture.astype(int) + rng.integers(-5, 6, picture.shape)).clip(0, 255).astype(np.uint8)
    other = np.roll(picture, 25, axis=1)
    bits = [fingerprint_of(each)[0] for each in (picture, noisy, other)]
    assert (bits[0] ^ bits[1]).bit_count() <= 3 and (bits[0] ^ bits[2]).bit_count() > 15


def test_digests_and_stamps(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(500_000))
    digests = set()
    for place in (0, 250_000, 499_999):
        data = bytearray(500_000)
        data[place] = 1
        path.write_bytes(data)
        with path.open("rb") as file:
            digests.add(content_digest(file, 500_000))
    assert len(digests) == 3
    assert stamp(Member("s3://bucket/0.tar", 5, 7, "a.mp4")) == (0, 7)
    with pytest.raises(VideoError, match="null"):
        stamp(Path("a\0b.mp4"))


def test_gifs_with_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (16, 16), (40 * i, 0, 0)) for i in range(4)]
    shown_ms = [50, 300, 100, 50]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=shown_ms, loop=0)
    info = probe_video(tmp_path / "a.gif")
    np.testing.assert_allclose(info.times, [0.0, 0.05, 0.35, 0.45], atol=0.011)
    reds = read_frames(tmp_path / "a.gif", times=[0.02, 0.2, 0.34, 0.4, 0.47])[:, 8, 8, 0]
    assert np.abs(reds.astype(int) - [0, 40, 40, 80, 120]).max() < 12


def denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_what_may_not_be_read_is_told_as_what_is_damaged(
    studio: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, who may read everything."""
    member = within(studio.kind("h264_b_frames"), tmp_path / "00000.tar")
    pictures = write_pictures(tmp_path / "clip", studio.numbered_frames(3))
    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(Path, "iterdir", denied)
    told = r"00000\.tar:h264_b_frames\.mp4: it cannot be opened \(Permission denied\)"
    for read in (opened, probe_video, read_frames, look_through):
        with pytest.raises(VideoError, match=told):
            read(member)
    with pytest.raises(VideoError, match=r"b\.mp4: it cannot be opened \(Permission denied\)"):
        opened(tmp_path / "b.mp4")
    for read in (probe_video, read_frames, look_through):
        with pytest.raises(VideoError, match=r"clip: the folder cannot be read \(Permission denied\)"):
            read(pictures)
