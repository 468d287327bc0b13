"""Each finding on a clip that deserves it and on none that does not; what is unusable is left out of training."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from t2vgan.config import Clip, Data
from t2vgan.datamodule import ClipsDataModule
from t2vgan.datasets import quarantine
from t2vgan.datasets.captioned_folder import CaptionedFolder, read_captions
from t2vgan.datasets.checking import clips as looks
from t2vgan.datasets.checking.clips import FINDINGS, Checked, Wanted
from t2vgan.datasets.checking.dataset import Found, checked, found_in, put_in_quarantine, summary, write_report
from t2vgan.datasets.manifest import Manifest, manifests_in
from t2vgan.datasets.sampling import CaptionedClip
from t2vgan.datasets.sharding import clips_with_splits
from t2vgan.video import sources
from t2vgan.video.encode import write_mp4

WANTED = Wanted(size=32, frames=8, duration_s=1.0, short="hold")


def texture(seed: int, *, frames: int = 24, size: int = 48) -> np.ndarray:
    """A random pattern that drifts: no two seeds alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 10 + frames * 8 // size, 3)).astype(np.uint8)
    wide = np.kron(coarse, np.ones((size // 8, size // 8, 1), np.uint8))
    return np.stack([wide[:, i : i + size] for i in range(frames)])


def write_odd(path: Path, frames: np.ndarray, *, sound_s: float = 0.0, pts_ms: list[int] | None = None) -> None:
    from fractions import Fraction

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        sound: Any = container.add_stream("aac", rate=16_000, layout="mono") if sound_s else None
        if pts_ms:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pts_ms:
                frame.pts, frame.time_base = pts_ms[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound_s:
            for _ in range(round(16_000 * sound_s / 1024)):
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                samples.sample_rate = 16_000
                container.mux(sound.encode(samples))
            container.mux(sound.encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    for i in range(3):
        write_mp4(root / f"good{i}.mp4", texture(i), fps=24)
    write_mp4(root / "short.mp4", texture(10, frames=12), fps=24)
    write_mp4(root / "slow.mp4", texture(11, frames=6), fps=4)
    write_mp4(root / "small.mp4", texture(12, size=16), fps=24)
    again = texture(1).astype(int) + np.random.default_rng(0).integers(-6, 7, (24, 48, 48, 3))
    write_mp4(
        root / "again.mp4",
        again.clip(0, 255).astype(np.uint8),
        fps=24,
    )
    write_odd(root / "uneven.mp4", texture(13), pts_ms=np.cumsum([20, 70, 35, 60] * 6).tolist())
    write_odd(root / "loud.mp4", texture(14), sound_s=4.0)
    write_odd(root / "sound.mp4", texture(15), sound_s=1.0)
    whole = (root / "good0.mp4").read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    (root / "text.mp4").write_text("no video")
    write_mp4(root / "mute.mp4", texture(16), fps=24)
    for path in root.glob("*.mp4"):
        if path.stem != "mute":
            path.with_suffix(".txt").write_text(f"a clip called {path.stem}\n")
    (root / "good2.txt").write_text("A clip called good1\n")
    return root


@pytest.fixture(scope="module")
def looked(folder: Path) -> dict[str, Checked]:
    return {each.key.removesuffix(".mp4"): each for each in checked(found_in(folder), WANTED, processes=0)}


EXPECTED = {
    "short": {"too short": "12 frames decoded (12 claimed), 0.50 s; a clip is 1 s: its last frame is held"},
    "slow": {"few frames a second": "4, and a clip has 8"},
    "small": {"small": "16 x 16 pixels for a clip of 32"},
    "again": {"near-duplicate": ""},
    "uneven": {"retimed": "the frame rate varies: its gaps are 20 to 70 ms"},
    "loud": {"wrong audio": "4.0 s of sound beside 1.0 s of pictures"},
    "cut": {"corrupt": "truncated: "},
    "text": {"corrupt": "not a video that can be read"},
    "mute": {"no caption": "mute.txt: no such file"},
    "good2": {"duplicate caption": "as good1.mp4: A clip called good1"},
    "good0": {},
    "good1": {"near-duplicate": "of again.mp4"},
    "sound": {},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_findings(looked: dict[str, Checked], name: str) -> None:
    found, expected = dict(looked[name].findings), dict(EXPECTED[name])
    if name in ("again", "good1"):  # whichever comes second by name
        expected = {"near-duplicate": "of again.mp4"} if name == "good1" else {}
    assert set(found) == set(expected), found
    assert all(part in found[finding] for finding, part in expected.items()), found
    assert looked[name].usable == (name not in ("cut", "text", "mute"))


def test_what_was_met_is_told(looked: dict[str, Checked]) -> None:
    good = looked["good0"]
    assert (good.frames, good.claimed_frames, good.width, good.height, good.codec) == (24, 24, 48, 48, "h264")
    assert good.fps == pytest.approx(24, abs=0.01) and good.duration_s == pytest.approx(1.0)
    assert good.thumbnail and len(good.print) == 4 and "thumbnail" not in good.told()


def test_the_summary_counts(looked: dict[str, Checked]) -> None:
    told = summary(list(looked.values()), WANTED)
    assert (told["clips"], told["usable"], told["unusable"]) == (13, 10, 3)
    assert told["findings"]["corrupt"] == 2 and told["unusable_share"] == pytest.approx(3 / 13, abs=1e-3)
    assert set(told["findings"]) <= set(FINDINGS)


def test_quarantine_is_honoured_until_a_file_is_mended(
    folder: Path, looked: dict[str, Checked], tmp_path: Path
) -> None:
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert put_in_quarantine(found_in(tmp_path), list(looked.values()), also=["near-duplicate"]) == 3
    listed = {entry["key"]: entry for entry in quarantine.entries(tmp_path)}
    assert set(listed) == {"cut.mp4", "text.mp4", "good1.mp4"} and listed["cut.mp4"]["by"] == "check"

    def make(split: str, limit: int | None) -> CaptionedFolder:
        return CaptionedFolder(root=tmp_path, split="all", size=16, frames=8, duration_s=1.0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clip = Clip(size=16, frames=8, duration_s=1.0)
        data = ClipsDataModule(make=make, data=Data(batch=3, workers=0), clip=clip, seed=0)
        seen = {key for clips in data.train_dataloader() for key in clips.keys}
    assert seen == {f"{name}.mp4" for name in looked} - {*listed, "mute.mp4"} and data.skipped == {}
    assert any("3 clips are left out, such as" in str(warning.message) for warning in caught)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "good0.mp4").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "cut.mp4" in {clip.key for clip in make("all", None).clips}, "another file by now: used again"


def test_lines_of_people_stay_in_quarantine(tmp_path: Path) -> None:
    (tmp_path / "quarantine.jsonl").write_text('{"key": "a.mp4", "reason": "a watermark"}\n')
    bad = [Checked("b.mp4", "b.mp4", ("x",), 5, {"corrupt": "cut"})]
    found = Found(tmp_path, [CaptionedClip(str(tmp_path), "b.mp4", ("x",), "b.mp4")])
    put_in_quarantine(found, bad)
    assert [entry["key"] for entry in quarantine.entries(tmp_path)] == ["a.mp4", "b.mp4"]
    put_in_quarantine(found, [Checked("b.mp4", "b.mp4", ("x",), 5, {})])
    assert quarantine.entries(tmp_path) == [{"key": "a.mp4", "reason": "a watermark"}]
    (tmp_path / "quarantine.jsonl").write_text("{oops\n")
    with pytest.raises(ValueError, match=r"quarantine\.jsonl:1: not a line such as"):
        quarantine.entries(tmp_path)


def test_everything_in_quarantine_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"video": "a.mp4", "caption": "x"}\n')
    (tmp_path / "quarantine.jsonl").write_text('{"key": "a.mp4"}\n')
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="every clip of the split is in quarantine"):
        Manifest(root=tmp_path)


def test_parts_of_one_video_are_looked_at_in_one_pass(tmp_path: Path) -> None:
    write_mp4(tmp_path / "long.mp4", texture(3, frames=96), fps=24)
    rows = [{"video": "long.mp4", "caption": f"part {i}", "start": i, "end": i + 1.0} for i in range(5)]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "oops\n")
    found = {each.key: each for each in checked(found_in(tmp_path), WANTED, processes=0)}
    assert [found[f"long.mp4@{i}"].usable for i in range(5)] == [True] * 4 + [False]
    assert [found[f"long.mp4@{i}"].frames for i in range(4)] == [24] * 4
    assert "starts at 4 s, but the video ends at 4.00 s" in found["long.mp4@4"].findings["corrupt"]
    [broken] = [each for each in found.values() if "manifest" in each.findings]
    assert not broken.usable and "not JSON" in broken.findings["manifest"]
    assert put_in_quarantine(found_in(tmp_path), list(found.values())) == 1, (
        "a line that is no clip has nothing to quarantine"
    )


def test_short_skip_makes_short_clips_unusable(folder: Path) -> None:
    found = found_in(folder)
    found.clips = [clip for clip in found.clips if clip.key in ("short.mp4", "good0.mp4")]
    found.others = {}
    short, good = sorted(checked(found, Wanted(32, 8, 1.0, "skip"), processes=0), key=lambda each: each.usable)
    assert not short.usable and good.usable


def test_a_short_part_is_not_compared_with_what_the_whole_file_claims(tmp_path: Path) -> None:
    write_mp4(tmp_path / "long.mp4", texture(3, frames=96), fps=24)
    rows = [{"video": "long.mp4", "caption": "part", "start": 1.0, "end": 1.5}, {"video": "long.mp4", "caption": "all"}]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    part, whole = checked(found_in(tmp_path), WANTED, processes=0)
    assert part.findings["too short"].startswith("12 frames decoded, 0.50 s;")
    assert (part.claimed_frames, whole.claimed_frames) == (0, 96)


def test_what_takes_too_long_is_told_and_stays_in_use(tmp_path: Path) -> None:
    write_mp4(tmp_path / "long.mp4", texture(3, frames=96), fps=24)
    clip = CaptionedClip(str(tmp_path), "long.mp4", ("x",), "long.mp4")
    job = looks.Job(clip.file, (clip,), (5,), WANTED)
    assert looks.lasts_s(job) == pytest.approx(4.0, abs=0.1)
    [found] = looks.late(job, 300.4)
    assert found.findings == {"not looked through": "not in 300 s; raise --patience_s"} and found.usable
    assert put_in_quarantine(Found(tmp_path, [clip]), [found]) == 0
    assert put_in_quarantine(Found(tmp_path, [clip]), [found], also=["not looked through"]) == 1
    gone = CaptionedClip(str(tmp_path), "gone.mp4", ("x",), "gone.mp4")
    assert looks.lasts_s(looks.Job(gone.file, (gone,), (-1,), WANTED)) == 0.0


def test_what_may_not_be_read_costs_its_own_clips_only(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, who may read everything."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "good.mp4").write_bytes((folder / "good0.mp4").read_bytes())
    (tmp_path / "0.tar").write_bytes(bytes(2000))
    rows = [{"video": "good.mp4", "caption": "x"}, {"video": "0.tar", "part": [0, 2000, "a.mp4"], "caption": "y"}]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(sources, "_Window", denied)
    good, bad = checked(found_in(tmp_path), WANTED, processes=0)
    assert good.usable and bad.findings == {"corrupt": "it cannot be opened (Permission denied)"}
    assert put_in_quarantine(found_in(tmp_path), [good, bad]) == 1
    monkeypatch.setattr(Path, "is_file", denied)
    assert read_captions(tmp_path / "a.txt") == ((), f"{tmp_path}/a.txt: cannot be read (Permission denied)")


def test_lists_of_other_makers_are_no_manifests(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("good*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rows = [{"file_name": f"good{i}.mp4", "text": f"good {i}"} for i in range(3)]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "log.jsonl").write_text("oops\n")
    assert [clip.key for clip in found_in(tmp_path).clips] == [f"good{i}.mp4" for i in range(3)]
    assert len(clips_with_splits(tmp_path)) == 3
    (tmp_path / "mine.jsonl").write_text('{"root": "."}\n{"video": "good0.mp4", "caption": "x"}\n')
    assert [file.name for file in manifests_in(tmp_path)] == ["mine.jsonl"]
    (tmp_path / "train.jsonl").write_text("oops\n")
    with pytest.raises(ValueError, match=r"train\.jsonl:1: not JSON"):
        found_in(tmp_path)


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gone: no such file or folder"):
        found_in(tmp_path / "gone")
    with pytest.raises(ValueError, match="no clips"):
        found_in(tmp_path)


def test_the_report_is_json(tmp_path: Path, looked: dict[str, Checked]) -> None:
    told = {"summary": summary(list(looked.values()), WANTED), "clips": [each.told() for each in looked.values()]}
    read = json.loads(write_report(tmp_path, told).read_text())
    assert len(read["clips"]) == 13 and read["clips"][0]["findings"] is not None


def test_a_check_of_some_clips_forgets_nothing_of_the_others(tmp_path: Path) -> None:
    """Two manifests of one folder share its list; a file of the same size but other bytes is another file."""
    found = Found(tmp_path, [CaptionedClip(str(tmp_path), f"{name}.mp4", ("x",), f"{name}.mp4") for name in "ab"])
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(b"broken")
        put_in_quarantine(found, [Checked(f"{name}.mp4", f"{name}.mp4", ("x",), 6, {"corrupt": "cut"})])
    assert [entry["key"] for entry in quarantine.entries(tmp_path)] == ["a.mp4", "b.mp4"]
    (tmp_path / "a.mp4").write_bytes(b"mended")
    assert set(quarantine.usable(found.clips, quarantine.entries(tmp_path))[1]) == {"b.mp4"}


def test_names_that_are_not_utf8_end_no_check(tmp_path: Path) -> None:
    name = "l\udcf6we.mp4"
    clip = Checked(name, name, ("x",), 6, {"corrupt": "cut"})
    put_in_quarantine(Found(tmp_path, [CaptionedClip(str(tmp_path), name, ("x",), name)]), [clip])
    assert quarantine.entries(tmp_path)[0]["key"] == name
    assert json.loads(write_report(tmp_path, {"clips": [name]}).read_text()) == {"clips": [name]}


def test_a_key_that_two_manifests_use_is_that_of_two_clips(tmp_path: Path) -> None:
    for seed in range(4):
        write_mp4(tmp_path / f"good{seed}.mp4", texture(seed), fps=24)
    (tmp_path / "bad.mp4").write_text("no video")
    for split, videos in (("train", ("bad", "good0", "good2")), ("val", ("good1", "good3"))):
        rows = [{"video": f"{v}.mp4", "caption": f"a {v} {split}", "key": str(i)} for i, v in enumerate(videos)]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    looked_at = found_in(tmp_path)
    assert put_in_quarantine(looked_at, checked(looked_at, WANTED, processes=1)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {split: Manifest(root=tmp_path, split=split).clips for split in ("train", "val")}
    assert {clip.video for clip in found["train"]} == {"good0.mp4", "good2.mp4"}
    assert {clip.video for clip in found["val"]} == {"good1.mp4", "good3.mp4"}
