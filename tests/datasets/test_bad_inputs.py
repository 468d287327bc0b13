"""Broken inputs of every kind: no crash, no hang, a reason by name, and every good clip still used.

Each case stands beside three good clips, in a folder or in a manifest, and is read as training reads it and looked
through as the check does.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from t2vgan.datasets.captioned_folder import CaptionedFolder
from t2vgan.datasets.checking import clips as looks
from t2vgan.datasets.checking.dataset import checked, found_in
from t2vgan.datasets.manifest import Manifest
from t2vgan.video.decode import VideoError

GOOD = 3
WANTED = looks.Wanted(size=16, frames=4, duration_s=0.4, short="hold")
VIEW = {"size": 16, "frames": 4, "duration_s": 0.4}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, clips: SimpleNamespace) -> SimpleNamespace:
    """Good files as bytes: mp4 with its index at the front, at the end, and Matroska; and sound alone."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    video = (clips.numbered(1, frames=12).astype(int) + rng.integers(-25, 25, (12, 32, 32, 3))).clip(0, 255)
    for name in ("end.mp4", "stream.mkv"):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=12, options={"g": "6"})
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            for picture in video.astype(np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    with av.open(str(folder / "sound.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*sound.encode(frame), *sound.encode()])
    [front] = clips.write(folder, 1, frames=12, fps=12.0)
    return SimpleNamespace(
        front=front.read_bytes(),
        end=(folder / "end.mp4").read_bytes(),
        mkv=(folder / "stream.mkv").read_bytes(),
        sound=(folder / "sound.mp4").read_bytes(),
    )


def good_clips(folder: Path, whole: SimpleNamespace) -> None:
    for i in range(GOOD):
        (folder / f"good{i}.mp4").write_bytes(whole.front)
        (folder / f"good{i}.txt").write_text(f"good clip number {i}")


def used(data: Manifest | CaptionedFolder) -> dict[str, str]:
    """Name -> why not, or "" for every clip that can be drawn."""
    told = {}
    for index in range(len(data)):
        try:
            sample = data.draw(index, np.random.default_rng(0))
            assert sample.video.shape == (4, 16, 16, 3)
            told[data.key(index)] = ""
        except VideoError as error:
            assert "\n" not in str(error)
            told[data.key(index)] = str(error)
    return told


# ---- files -----------------------------------------------------------------------------------------------------------


def picture(kind: str) -> bytes:
    memory = io.BytesIO()
    Image.new("RGB", (8, 8)).save(memory, kind)
    return memory.getvalue()


def zipped() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("lion.mp4", "no")
    return memory.getvalue()


def with_hole(data: bytes) -> bytes:
    begin = len(data) // 2
    return data[:begin] + bytes(len(data) // 4) + data[begin + len(data) // 4 :]


def cut(kind: str, share: float) -> Callable[[SimpleNamespace], bytes]:
    """The first part of a good file."""
    return lambda whole: getattr(whole, kind)[: int(len(getattr(whole, kind)) * share)]


TENTHS = [n / 10 for n in range(1, 10)]
Maker = Callable[[SimpleNamespace], bytes]
BYTES: dict[str, tuple[str, Maker, str]] = {
    **{f"front {t:.1f}": ("mp4", cut("front", t), "truncated|not a video|no frames") for t in TENTHS},
    **{f"end {t:.1f}": ("mp4", cut("end", t), "truncated|damaged") for t in TENTHS},
    **{f"mkv {t:.1f}": ("mkv", cut("mkv", t), "|not a video|no frames|damaged") for t in TENTHS},
    "zero bytes": ("mp4", lambda w: b"", r"the file is empty \(0 bytes\)"),
    "one byte": ("mp4", lambda w: b"x", "not a video"),
    "text": ("mp4", lambda w: b"this is not a video " * 300, "not a video"),
    "a page of a web server": ("mp4", lambda w: b"<html><body>404 Not Found</body></html>", "not a video"),
    "random bytes": ("mp4", lambda w: np.random.default_rng(0).bytes(5000), "not a video"),
    "a png": ("mp4", lambda w: picture("png"), "a still picture|not a video"),
    "a jpeg": ("mp4", lambda w: picture("jpeg"), "a still picture|not a video"),
    "a zip": ("avi", lambda w: zipped(), "not a video"),
    "an empty gif": ("gif", lambda w: b"GIF89a", "not a video|no frames|damaged"),
    "sound alone": ("mp4", lambda w: w.sound, "no video stream"),
    "a hole": ("mp4", lambda w: with_hole(w.end), "damaged"),
    "a hole in an mkv": ("mkv", lambda w: with_hole(w.mkv), "|damaged"),
    "a hole in x264's comment, where no picture is": ("mp4", lambda w: with_hole(w.front), ""),
    "an mp4 called mkv": ("mkv", lambda w: w.front, ""),
    "zeros": ("mp4", lambda w: bytes(4000), "not a video"),
    "a head of an mp4": ("mp4", lambda w: w.front[:32], "truncated"),
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_files_of_wrong_bytes(tmp_path: Path, whole: SimpleNamespace, name: str) -> None:
    suffix, make, reason = BYTES[name]
    good_clips(tmp_path, whole)
    (tmp_path / f"bad.{suffix}").write_bytes(make(whole))
    (tmp_path / "bad.txt").write_text("a bad clip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = used(CaptionedFolder(root=tmp_path, split="all", **VIEW))
        looked = {each.key: each for each in checked(found_in(tmp_path), WANTED, processes=0)}
    told_of_bad = told.pop(f"bad.{suffix}")
    assert set(told.values()) == {""} and len(told) == GOOD
    assert all(looked[key].usable for key in told)
    reasons = reason.split("|")
    assert any(part and part in told_of_bad.replace("\\", "") for part in [r.replace("\\", "") for r in reasons]) or (
        told_of_bad == "" and "" in reasons
    ), told_of_bad
    if name.startswith("mkv") or "a hole" in name:  # what a decoder passes over without a word, the look does not
        named = {"corrupt", "fewer frames"} & set(looked[f"bad.{suffix}"].findings)
        assert bool(named) == ("comment" not in name)
    if told_of_bad:
        assert not looked[f"bad.{suffix}"].usable and looked[f"bad.{suffix}"].findings["corrupt"]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unreadable(path: Path) -> None:
    path.write_bytes(b"secret")
    path.chmod(0)


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "a folder, not a video file"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic link"),
    "a link to nowhere": (lambda path: path.symlink_to(path.with_name("gone")), "no such file"),
    "a pipe": (fifo, "a pipe, socket or device"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a pipe, socket or device"),
    "unreadable": (unreadable, "Permission denied|cannot be opened"),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_where_no_file_is(tmp_path: Path, whole: SimpleNamespace, name: str) -> None:
    if name == "unreadable" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    good_clips(tmp_path, whole)
    PLACES[name][0](tmp_path / "bad.mp4")
    rows = [{"video": f"good{i}.mp4", "caption": f"good {i}"} for i in range(GOOD)]
    rows.append({"video": "bad.mp4", "caption": "bad"})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = used(Manifest(root=tmp_path, **VIEW))
    assert any(part in told.pop("bad.mp4") for part in PLACES[name][1].split("|"))
    assert set(told.values()) == {""} and len(told) == GOOD
    looked = {each.key: each for each in checked(found_in(tmp_path), WANTED, processes=0)}
    assert not looked["bad.mp4"].usable and all(looked[key].usable for key in told)


# ---- lines of a manifest ---------------------------------------------------------------------------------------------

VIDEO = '{"video": "good0.mp4", "key": "bad", '
LINES: dict[str, tuple[bytes, str]] = {
    "half a line": (b'{"video": "good0.mp4", "capt', "not JSON"),
    "not JSON": (b"{'video': 'good0.mp4'}", "not JSON"),
    "text": (b"good0.mp4 a lion", "not JSON"),
    "a list": (b'["good0.mp4", "a lion"]', "a line is a JSON object"),
    "a number": (b"7", "a line is a JSON object"),
    "null": (b"null", "a line is a JSON object"),
    "two objects": (b"{} {}", "not JSON"),
    "not UTF-8": (b'{"video": "good0.mp4", "caption": "caf\xe9"}', "UTF-8"),
    "zero bytes": (b"\0\0\0\0", "not JSON"),
    "nested deeply": (b"[" * 100_000, "not JSON"),
    "no video": (b'{"caption": "x"}', "no 'video'"),
    "video null": (b'{"video": null, "caption": "x"}', "no 'video'"),
    "video a number": (b'{"video": 3, "caption": "x"}', "no 'video'"),
    "video empty": (b'{"video": " ", "caption": "x"}', "no 'video'"),
    "no caption": ((VIDEO + '"n": 1}').encode(), "no 'caption'"),
    "caption empty": ((VIDEO + '"caption": ""}').encode(), "non-empty"),
    "caption of spaces": ((VIDEO + '"caption": " \\n\\t "}').encode(), "non-empty"),
    "caption a number": ((VIDEO + '"caption": 5}').encode(), "non-empty"),
    "no captions": ((VIDEO + '"captions": []}').encode(), "non-empty"),
    "an empty caption among captions": ((VIDEO + '"captions": ["x", ""]}').encode(), "non-empty"),
    "start NaN": ((VIDEO + '"caption": "x", "start": NaN}').encode(), "'start' is a number of seconds"),
    "end infinite": ((VIDEO + '"caption": "x", "end": Infinity}').encode(), "'end' is a number of seconds"),
    "start negative": ((VIDEO + '"caption": "x", "start": -1}').encode(), "'start' is a number of seconds"),
    "start a word": ((VIDEO + '"caption": "x", "start": "soon"}').encode(), "'start' is a number of seconds"),
    "end before start": ((VIDEO + '"caption": "x", "start": 3, "end": 1}').encode(), "has to be after 'start'"),
    "end at start": ((VIDEO + '"caption": "x", "start": 3, "end": 3}').encode(), "has to be after 'start'"),
    "start of 400 digits": (
        (VIDEO + '"caption": "x", "start": 1' + "0" * 400 + "}").encode(),
        "'start' is a number of",
    ),
    "end of 5000 digits": ((VIDEO + '"caption": "x", "end": 1' + "0" * 5000 + "}").encode(), "'end' is a number of"),
    "fps of 400 digits": ((VIDEO + '"caption": "x", "fps": 1' + "0" * 400 + "}").encode(), "'fps' is a number"),
    "part of 25 digits": ((VIDEO + '"caption": "x", "part": [1' + "0" * 25 + ', 2, "x"]}').encode(), "'part' is"),
    "fps negative": ((VIDEO + '"caption": "x", "fps": -24}').encode(), "'fps' is a number"),
    "fps zero": ((VIDEO + '"caption": "x", "fps": 0}').encode(), "'fps' is a number"),
    "fps NaN": ((VIDEO + '"caption": "x", "fps": NaN}').encode(), "'fps' is a number"),
    "absolute path": (b'{"video": "/etc/passwd", "caption": "x"}', "a path below"),
    "above": (b'{"video": "../good0.mp4", "caption": "x"}', "a path below"),
    "above, hidden": (b'{"video": "a/b/../../../good0.mp4", "caption": "x"}', "a path below"),
    "above, as on Windows": (b'{"video": "..\\\\good0.mp4", "caption": "x"}', "a path below"),
    "a drive": (b'{"video": "C:\\\\good0.mp4", "caption": "x"}', "a path below"),
    "an address": (b'{"video": "https://host/good0.mp4", "caption": "x"}', "a path below"),
    "a zero byte in the path": (b'{"video": "good\\u00000.mp4", "caption": "x"}', "a path below"),
    "the key of another": (b'{"video": "good0.mp4", "caption": "x"}', "a second clip with the key"),
    "a misspelt field": ((VIDEO + '"captoin": "x"}').encode(), "is 'caption' meant"),
    "attributes a list": ((VIDEO + '"caption": "x", "attributes": [1]}').encode(), "'attributes' is an object"),
    "unknown names": ((VIDEO + '"caption": "x", "named": ["n"]}').encode(), "'named' lists names"),
    "split a list": ((VIDEO + '"caption": "x", "split": ["val"]}').encode(), "'split' is a name"),
    "part of a tar": ((VIDEO + '"caption": "x", "part": [1, 2]}').encode(), "'part' is"),
    "part before the file": ((VIDEO + '"caption": "x", "part": [-1, 2, "a.mp4"]}').encode(), "'part' is"),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_of_a_manifest(tmp_path: Path, name: str) -> None:
    line, reason = LINES[name]
    good = [json.dumps({"video": f"good{i}.mp4", "caption": f"good {i}"}).encode() for i in range(GOOD)]
    (tmp_path / "train.jsonl").write_bytes(b"\n".join([*good[:1], *good[1:], line]) + b"\n")
    with pytest.warns(UserWarning, match="1 lines have mistakes and are left out"):
        data = Manifest(root=tmp_path, **VIEW)
    assert sorted(clip.key for clip in data.clips) == [f"good{i}.mp4" for i in range(GOOD)]
    [(where, told)] = data.broken.items()
    assert where == f"{tmp_path}/train.jsonl:{GOOD + 1}" and told.startswith(where) and reason in told


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"video": "good0.mp4", "start": 99}, "starts at 99 s, but the video ends at 1.00 s"),
        ({"video": "good0.mp4", "part": [0, 10**9, "x.mp4"]}, "truncated"),
        ({"video": "good0.mp4", "part": [40, 0, "x.mp4"]}, "the file is empty"),
        ({"video": "gone.tar", "part": [0, 10, "x.mp4"]}, "no such file"),
        ({"video": "good0.mp4", "part": [100, 300, "x.mp4"]}, "not a video"),
        ({"video": "good0.mp4", "fps": 5}, "not a folder of pictures"),
        ({"video": "empty", "fps": 5}, "no pictures in this folder"),
        ({"video": "spoilt", "fps": 5}, "the picture cannot be read"),
    ],
)
def test_lines_that_do_not_fit_their_video(
    tmp_path: Path, whole: SimpleNamespace, row: dict[str, object], reason: str
) -> None:
    good_clips(tmp_path, whole)
    (tmp_path / "empty").mkdir()
    (tmp_path / "spoilt").mkdir()
    (tmp_path / "spoilt" / "1.png").write_bytes(picture("png")[:40])
    rows = [{"video": f"good{i}.mp4", "caption": f"good {i}"} for i in range(GOOD)]
    lines = [*rows, {**row, "caption": "bad", "key": "bad"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    told = used(Manifest(root=tmp_path, **VIEW))
    assert reason in told.pop("bad") and set(told.values()) == {""} and len(told) == GOOD
    looked = {each.key: each for each in checked(found_in(tmp_path), WANTED, processes=0)}
    assert not looked["bad"].usable and all(looked[key].usable for key in told)


# ---- captions --------------------------------------------------------------------------------------------------------

LONG = " ".join(["lion"] * 10_000)
CAPTIONS: dict[str, tuple[bytes, str]] = {
    "not UTF-8": (b"caf\xe9", "UTF-8"),
    "UTF-16": ("a lion".encode("utf-16"), "UTF-8"),
    "empty": (b"", "empty"),
    "spaces": (b" \n\t\n", "empty"),
    "10,000 words": (LONG.encode(), ""),
    "emoji": ("a 🦁 runs 🏃🏽‍♀️".encode(), ""),
    "Arabic": ("أسد يمشي في السافانا".encode(), ""),
    "points": (b"...", ""),
    "control signs": (b"a lion\x07 and\x1b[31m a cat", ""),
    "a million letters": (b"x" * 1_000_000, ""),
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions(tmp_path: Path, whole: SimpleNamespace, name: str) -> None:
    text, reason = CAPTIONS[name]
    good_clips(tmp_path, whole)
    (tmp_path / "odd.mp4").write_bytes(whole.front)
    (tmp_path / "odd.txt").write_bytes(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = CaptionedFolder(root=tmp_path, split="all", **VIEW)
    told = used(data)
    assert set(told.values()) == {""} and len(told) == GOOD + (reason == "")
    if reason:
        assert reason in data.uncaptioned["odd.mp4"]


@pytest.mark.parametrize(
    "name", ["with space.mp4", "zwei\nZeilen.mp4", "🦁.mp4", "أسد.mp4", "-rf.mp4", "a'b\"c.mp4", "%d.mp4"]
)
def test_odd_names_are_names(tmp_path: Path, whole: SimpleNamespace, name: str) -> None:
    good_clips(tmp_path, whole)
    (tmp_path / name).write_bytes(whole.front)
    (tmp_path / name).with_suffix(".txt").write_text("an odd name")
    assert set(used(CaptionedFolder(root=tmp_path, split="all", **VIEW)).values()) == {""}


def test_there_are_enough_of_them() -> None:
    assert len(BYTES) + len(PLACES) + len(LINES) + len(CAPTIONS) > 60


MANY = """
import json, resource, sys, time
from t2vgan.datasets.manifest import Manifest
count, path = int(sys.argv[1]), sys.argv[2]
with open(path, "w") as file:
    for i in range(count):
        file.write(json.dumps({"video": f"clips/{i:07}.mp4", "caption": f"a lion number {i} walks"}) + chr(10))
began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = Manifest(root=path, split="train")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(data), time.process_time() - began, (after - before) / 1024)
"""


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_manifest_of_many_lines_costs_little(tmp_path: Path, count: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MANY, str(count), str(tmp_path / "many.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    length, cpu_s, megabytes = map(float, ran.stdout.split())
    assert 0.88 * count < length < 0.92 * count
    assert cpu_s < 5 + 60e-6 * count and megabytes < 100 + 1.5e-3 * count
