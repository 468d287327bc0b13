"""Frame accuracy against sequential decoding, and what is said about files that cannot be used."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from t2vgan.video import decode, exact
from t2vgan.video.decode import FALLBACKS, VideoError, probe_video, read_frames
from t2vgan.video.encode import write_gif, write_mp4

DECODERS = ("auto", "pyav")


@pytest.fixture(autouse=True)
def _no_fallbacks_yet() -> None:
    FALLBACKS.files.clear()


def test_every_kind_of_file_gives_the_right_frames(studio: SimpleNamespace, kind: str) -> None:
    path = studio.kind(kind)
    reference = studio.in_order(path).astype(int)
    assert [studio.number_on(frame) for frame in reference] == list(range(60))
    rng = np.random.default_rng(0)
    picks = [np.arange(30, 46), np.arange(60), *(rng.integers(0, 60, 5) for _ in range(4))]
    for decoder in DECODERS:
        for indices in picks:
            frames = read_frames(path, indices=indices, decoder=decoder)
            assert [studio.number_on(frame) for frame in frames] == indices.tolist(), decoder
            assert np.abs(frames - reference[indices]).mean() < 1.5, decoder


def test_decord_reads_what_it_reads_rightly_and_nothing_else(studio: SimpleNamespace) -> None:
    pytest.importorskip("decord")
    for kind in ("h264_b_frames", "h264_one_keyframe", "h264_no_b_frames", "variable_rate", "vp9"):
        assert [studio.number_on(f) for f in read_frames(studio.kind(kind), decoder="decord")] == list(range(60))
        read_frames(studio.kind(kind))
    assert len(FALLBACKS) == 0
    reasons = {"h264_open_groups": "open groups", "av1": "no decoder", "transport_stream": "mpegts", "hevc": "open"}
    for kind, reason in reasons.items():
        with pytest.raises(VideoError, match=f"{kind}.*{reason}.*use decoder auto or pyav"):
            read_frames(studio.kind(kind), decoder="decord")
        read_frames(studio.kind(kind), indices=[3])
        read_frames(studio.kind(kind), indices=[3])
        assert reason in FALLBACKS.files[str(studio.kind(kind))]
    assert len(FALLBACKS) == len(reasons), "counted once per file"


def test_edit_lists_begin_where_a_player_begins(studio: SimpleNamespace, tmp_path: Path) -> None:
    path = studio.write_trimmed(studio.kind("h264_b_frames"), tmp_path / "trimmed.mp4", start=19)
    assert probe_video(path).frames == 41
    for decoder in DECODERS:
        assert [studio.number_on(f) for f in read_frames(path, decoder=decoder)] == list(range(19, 60))
        assert studio.number_on(read_frames(path, indices=[7], decoder=decoder)[0]) == 26


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied(studio: SimpleNamespace, tmp_path: Path, rotation: int) -> None:
    upright = studio.numbered_frames(12, height=64, width=96)
    stored = np.rot90(upright, -rotation // 90, axes=(1, 2))
    path = studio.write_video(tmp_path / "turned.mp4", stored, rotation=rotation)
    info = probe_video(path)
    assert (info.width, info.height, info.rotation) == (96, 64, rotation)
    for decoder in DECODERS:
        frames = read_frames(path, indices=[0, 5, 11], decoder=decoder)
        assert frames.shape == (3, 64, 96, 3)
        assert [studio.number_on(frame) for frame in frames] == [0, 5, 11]
        small = read_frames(path, indices=[5], size=32, crop=(0.5, 0.0), decoder=decoder)
        expected = np.asarray(Image.fromarray(upright[5]).resize((48, 32), Image.Resampling.BILINEAR))[:, :32]
        assert np.abs(small[0].astype(int) - expected).mean() < 6


def test_times_pick_the_frame_that_is_shown_then(studio: SimpleNamespace) -> None:
    path = studio.kind("variable_rate")
    shown_from = (np.cumsum([20, 70, 35, 110] * 15) - 20) / 1000
    info = probe_video(path)
    np.testing.assert_allclose(info.times, shown_from, atol=1e-3)
    rng = np.random.default_rng(1)
    times = rng.uniform(0, shown_from[-1], 40)
    times = times[np.abs(times[:, None] - shown_from).min(axis=1) > 2e-3]
    expected = [int(np.flatnonzero(shown_from <= time)[-1]) for time in times]
    for decoder in DECODERS:
        assert [studio.number_on(f) for f in read_frames(path, times=times, decoder=decoder)] == expected


def test_times_at_the_edges(studio: SimpleNamespace) -> None:
    for name in ("h264_b_frames", "h264_no_b_frames", "vp9"):  # the last two store whole milliseconds
        numbers = [studio.number_on(f) for f in read_frames(studio.kind(name), times=np.arange(60) / 24)]
        assert numbers == list(range(60)), f"{name}: exactly when a frame begins, it is shown"
    late = read_frames(studio.kind("vp9"), times=[-1.0, 0.0, 2.49, 99.0])
    assert [studio.number_on(f) for f in late] == [0, 0, 59, 59]


def test_probe(studio: SimpleNamespace) -> None:
    info = probe_video(studio.kind("h264_b_frames"))
    assert (info.frames, info.width, info.height, info.codec) == (60, 64, 64, "h264")
    assert info.fps == pytest.approx(24) and info.duration_s == pytest.approx(2.5)
    np.testing.assert_allclose(info.times, np.arange(60) / 24, atol=1e-4)
    variable = probe_video(studio.kind("variable_rate"))
    assert variable.fps == pytest.approx(60 / variable.duration_s) and variable.duration_s > 3.5
    assert probe_video(studio.kind("raw_h264")).frames == 60


def test_size_and_crop(studio: SimpleNamespace, tmp_path: Path) -> None:
    frame = np.zeros((48, 96, 3), dtype=np.uint8)
    frame[:, :32], frame[:, 32:64], frame[:, 64:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    path = studio.write_video(tmp_path / "wide.mkv", np.repeat(frame[None], 4, axis=0), pix_fmt="yuv444p")
    for decoder in DECODERS:
        for crop, channel in (((0.5, 0.0), 0), ((0.5, 0.5), 1), ((0.5, 1.0), 2)):
            cut = read_frames(path, size=16, crop=crop, decoder=decoder)
            assert cut.shape == (4, 16, 16, 3)
            assert int(cut[:, 2:-2, 6:10].mean(axis=(0, 1, 2)).argmax()) == channel
            assert np.ptp(cut.astype(int), axis=0).max() < 12, "the same cut from every frame"
    assert read_frames(path).shape == (4, 48, 96, 3)


def test_oblong_pixels_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for _ in range(3):
            picture = np.zeros((64, 48, 3), dtype=np.uint8)
            picture[:, 16:32] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    for decoder in DECODERS:  # shown 96 wide and 64 high, the bar 32 wide: half of a centred square
        bar = read_frames(path, size=64, decoder=decoder)[0, 32, :, 0] > 128
        assert bar.sum() == pytest.approx(32, abs=3)


def test_gif(studio: SimpleNamespace, tmp_path: Path) -> None:
    clip = studio.numbered_frames(20)
    write_gif(tmp_path / "clip.gif", clip, fps=10)
    assert probe_video(tmp_path / "clip.gif").duration_s == pytest.approx(2.0)
    frames = read_frames(tmp_path / "clip.gif", times=[0.0, 0.55, 1.95])
    assert [studio.number_on(frame) for frame in frames] == [0, 5, 19]
    assert "gif" in FALLBACKS.files[str(tmp_path / "clip.gif")]


def test_indices_outside_and_unknown_decoders(studio: SimpleNamespace) -> None:
    with pytest.raises(VideoError, match=r"h264_b_frames\.mp4: has frames 0 to 59, asked for \[60\]"):
        read_frames(studio.kind("h264_b_frames"), indices=[60])
    with pytest.raises(ValueError, match="'opencv' is not known: choose one of auto, decord, pyav"):
        read_frames(studio.kind("h264_b_frames"), decoder="opencv")


def test_without_decord_everything_is_read_by_pyav(studio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_decord", lambda: None)
    path = studio.kind("h264_b_frames")
    assert studio.number_on(read_frames(path, indices=[9])[0]) == 9
    with pytest.raises(VideoError, match="decord is not installed"):
        read_frames(path, decoder="decord")


def broken_files(studio: SimpleNamespace, folder: Path) -> dict[str, str]:
    """Names of files that cannot be used and what must be said about them."""
    rng = np.random.default_rng(0)
    noisy = studio.numbered_frames(60).astype(int) + rng.integers(-30, 30, (60, 64, 64, 3))
    write_mp4(folder / "whole.mp4", noisy.clip(0, 255).astype(np.uint8), fps=24)
    whole = (folder / "whole.mp4").read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is not a video " * 200)
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 55 // 100])
    slow = studio.kind("h264_b_frames").read_bytes()  # its index is at the end
    (folder / "no_index.mp4").write_bytes(slow[: len(slow) * 55 // 100])
    hole = bytearray(whole)
    hole[len(whole) // 2 : len(whole) // 2 + 20_000] = bytes(20_000)
    (folder / "hole.mp4").write_bytes(hole)
    Image.fromarray(noisy[0].clip(0, 255).astype(np.uint8)).save(folder / "picture.png")
    (folder / "picture.png").rename(folder / "picture.mp4")
    with av.open(str(folder / "audio.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode()])
    (folder / "folder.mp4").mkdir()
    return {
        "missing.mp4": "no such file",
        "empty.mp4": r"the file is empty \(0 bytes\)",
        "text.mp4": "not a video that can be read",
        "cut.mp4": r"truncated: \d+ of 60 frames are there",
        "no_index.mp4": "truncated: an mp4 whose end",
        "hole.mp4": r"damaged: decoding stops after 1\.\d\d s",
        "picture.mp4": "a still picture, not a video",
        "audio.mp4": "no video stream",
        "folder.mp4": "a folder, not a video file",
    }


@pytest.mark.parametrize("decoder", ["auto", "pyav", "decord"])
def test_broken_files_are_named_with_their_reason(studio: SimpleNamespace, tmp_path: Path, decoder: str) -> None:
    for name, reason in broken_files(studio, tmp_path).items():
        if decoder == "decord" and name == "hole.mp4":
            reason = "damaged|decord cannot decode"
        with pytest.raises(VideoError, match=f"^{tmp_path}/{name}: ({reason})") as caught:
            read_frames(tmp_path / name, decoder=decoder)
        assert "\n" not in str(caught.value)
    assert len(read_frames(tmp_path / "whole.mp4", decoder="auto")) == 60, "and reading goes on"


def test_a_file_that_changes_is_read_anew(studio: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, studio.numbered_frames(10), fps=10)
    assert probe_video(path).frames == 10
    write_mp4(path, studio.numbered_frames(20), fps=10)
    assert probe_video(path).frames == 20


def test_an_index_holds_nothing_of_what_is_in_the_packets(
    studio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[exact.Packet] = []
    real = exact._is_closed
    monkeypatch.setattr(exact, "_is_closed", lambda packets: listed.extend(packets) or real(packets))
    exact._index(studio.kind("h264_b_frames"), 1 << 30)
    assert len(listed) == 60 and all(type(packet) is exact.Packet for packet in listed)
    assert sum(packet.is_keyframe for packet in listed) == 5


def test_so_many_bytes_of_indexes_are_remembered(studio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    one = exact.index(studio.kind("vp9"))
    remembered = exact.Remembered(2 * one.byte_count)
    monkeypatch.setattr(exact, "REMEMBERED", remembered)
    kinds = ("vp9", "h264_b_frames", "mpeg4")
    kept = [exact.index(studio.kind(kind)) for kind in kinds]
    assert len(remembered) == 2 and remembered.byte_count == 2 * one.byte_count
    assert exact.index(studio.kind("mpeg4")) is kept[2] and exact.index(studio.kind("h264_b_frames")) is kept[1]
    exact.index(studio.kind("vp9"))
    assert exact.index(studio.kind("h264_b_frames")) is kept[1], "asked for later than mpeg4"
    assert exact.index(studio.kind("mpeg4")) is not kept[2]
    assert one.byte_count > one.pts.nbytes + one.info.times.nbytes + one.info.edges.nbytes
    remembered.most_bytes = 1
    exact.index(studio.kind("vp9"))
    assert len(remembered) == 1, "one is kept, however long its video is"
