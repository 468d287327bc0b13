"""Files are read back with an independent decoder call and compared with what was written."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from t2vgan.video.encode import write_gif, write_mp4, write_png


def moving_square(*, frames: int = 16, height: int = 32, width: int = 48) -> np.ndarray:
    clip = np.full((frames, height, width, 3), (30, 90, 160), dtype=np.uint8)
    for i in range(frames):
        clip[i, 8:20, i + 4 : i + 16] = (220, 180, 40)
    return clip


def read_back(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_mp4_keeps_pictures_rate_and_duration(tmp_path: Path) -> None:
    clip = moving_square()
    write_mp4(tmp_path / "new" / "clip.mp4", clip, fps=8)
    back = read_back(tmp_path / "new" / "clip.mp4")
    assert back.shape == clip.shape
    assert np.abs(back.astype(int) - clip).mean() < 3
    with av.open(str(tmp_path / "new" / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate or 0) == 8
        assert container.duration == pytest.approx(2_000_000, abs=1000)
    raw = (tmp_path / "new" / "clip.mp4").read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat"), "the index comes first, so that a browser can start at once"


def test_mp4_pads_odd_sizes_with_their_edge(tmp_path: Path) -> None:
    clip = moving_square(height=33, width=47)
    write_mp4(tmp_path / "odd.mp4", clip, fps=8)
    back = read_back(tmp_path / "odd.mp4").astype(int)
    assert back.shape == (16, 34, 48, 3)
    assert np.abs(back[:, :33, :47] - clip).mean() < 3
    assert np.abs(back[:, 33, :47] - clip[:, 32]).mean() < 4


def test_mp4_fractional_rate_and_single_frame(tmp_path: Path) -> None:
    write_mp4(tmp_path / "ntsc.mp4", moving_square(), fps=30000 / 1001)
    with av.open(str(tmp_path / "ntsc.mp4")) as container:
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(30000 / 1001)
    write_mp4(tmp_path / "one.mp4", moving_square(frames=1), fps=8)
    assert len(read_back(tmp_path / "one.mp4")) == 1


def test_mp4_with_sound(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    write_mp4(tmp_path / "sound.mp4", moving_square(), fps=8, audio=(tone, 16_000))
    with av.open(str(tmp_path / "sound.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    assert 31_000 <= len(heard) <= 35_000
    spectrum = np.abs(np.fft.rfft(heard[8_000:24_000]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=2)


def test_gif_is_exact_for_few_colours_and_keeps_the_duration(tmp_path: Path) -> None:
    clip = moving_square()
    write_gif(tmp_path / "clip.gif", clip, fps=24)
    with Image.open(tmp_path / "clip.gif") as image:
        assert getattr(image, "n_frames", 1) == 16
        frames, total_ms = [], 0
        for i in range(16):
            image.seek(i)
            frames.append(np.asarray(image.convert("RGB")))
            total_ms += image.info["duration"]
        assert image.info["loop"] == 0
    assert np.array_equal(np.stack(frames), clip)
    assert total_ms == 670, "16 frames at 24 per second are 0.667 s"


def test_png_is_exact(tmp_path: Path) -> None:
    picture = moving_square()[3]
    write_png(tmp_path / "deep" / "picture.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "deep" / "picture.png")), picture)


def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "clip.mp4"
    write_mp4(target, moving_square(), fps=8)
    before = target.read_bytes()
    monkeypatch.setattr(av.VideoFrame, "from_ndarray", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_mp4(target, moving_square(frames=4), fps=8)
    assert target.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_wrong_input_is_one_clear_error(tmp_path: Path) -> None:
    for bad in (np.zeros((4, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"bad\.mp4: frames are uint8 \(t, h, w, 3\)"):
            write_mp4(tmp_path / "bad.mp4", bad, fps=8)
    with pytest.raises(ValueError, match="above 0"):
        write_gif(tmp_path / "bad.gif", moving_square(), fps=0)
    with pytest.raises(ValueError, match="an image is"):
        write_png(tmp_path / "bad.png", moving_square())
    assert list(tmp_path.iterdir()) == []
