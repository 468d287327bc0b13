"""Clips of any origin in a folder, beside real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from t2vgan.metrics.effnet import EffNetFeatures
from t2vgan.reports import folder
from t2vgan.reports.figures import controls, split_figures
from t2vgan.reports.folder import Folder, retriever_of
from t2vgan.reports.measure import measure
from t2vgan.video.encode import write_mp4

VIEW = {"size": 32, "frames": 8, "duration_s": 1.0}


def make_clips(folder: Path, names: list[str], *, seed: int = 0, captions: list[str] | None = None) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i, name in enumerate(names):
        start, pace = rng.integers(0, 255, (32, 32, 3)), rng.integers(1, 12)
        frames = np.stack([np.roll(start, pace * t, axis=1) for t in range(8)]).astype(np.uint8)
        write_mp4(folder / f"{name}.mp4", frames, fps=8.0)
        (folder / f"{name}.txt").write_text(captions[i] if captions else f"caption of {name}")
    return folder


def test_a_folder_of_clips_is_measured_against_real_ones(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(24)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    assert source.counts() == (1, 1) and source.apart
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)
    assert sorted(seen.captions) == [f"caption of clip{i:02d}" for i in range(12)]
    figures = split_figures(seen, source)
    assert figures["clips"] == 12 and figures["fd_effnet"]["value"] > 0
    assert "attributes" not in figures and "diversity" not in figures
    assert figures["controls"]["static"]["static_share"] == 1
    assert "arrow_of_time" not in figures, "these features do not know the order of frames"


def test_without_spare_real_clips_there_is_no_floor(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(12)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)
    figures = split_figures(seen, source)
    assert not source.apart and figures["fd_effnet"]["floor"] is None and "memorisation" not in figures


def test_clips_that_are_too_short_are_left_out(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(24)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    with pytest.raises(ValueError, match=r"none of 12 clips can be measured; .*1.00 s"):
        Folder(made, real, EffNetFeatures(), **{**VIEW, "duration_s": 3.0})


@pytest.mark.filterwarnings("ignore")
def test_sizes_and_rates_that_differ_are_told(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(12)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    assert Folder(made, real, EffNetFeatures(), **VIEW).protocol()["unlike"] == []
    for name, fps in (("clip03", 8.0), ("clip04", 4.0)):
        write_mp4(made / f"{name}.mp4", np.zeros((16, 64, 64, 3), np.uint8), fps=fps)
    with pytest.warns(UserWarning, match="different sizes"):
        source = Folder(made, real, EffNetFeatures(), **VIEW)
    sizes, rates = source.protocol()["unlike"]
    assert "(32 x 32, 64 x 64) are all brought to 32 x 32" in sizes and "(4, 8 per second)" in rates


def test_clips_belong_together_by_caption_and_only_then_by_name(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b", "c"], captions=["a lion", "a zebra", "an ostrich"])
    made = make_clips(tmp_path / "made", ["b", "x", "y"], captions=["a lion", "an ostrich", "a whale"])
    assert Folder(made, real, EffNetFeatures(), **VIEW).partners == [(0, 0, "a lion"), (1, 2, "an ostrich")]


def test_folders_that_have_nothing_to_do_with_each_other_are_refused(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b"])
    made = make_clips(tmp_path / "made", ["x", "y"])
    with pytest.raises(ValueError, match="has the caption"):
        Folder(made, real, EffNetFeatures(), **VIEW)


def test_broken_files_are_left_out_and_named(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(24)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    (made / "clip03.mp4").write_bytes(b"not a video")
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)
    assert len(seen.fake) == 11 and "caption of clip03" not in seen.captions
    assert len(seen.left_out) == 1 and "clip03" in seen.left_out[0]


def test_too_few_clips_are_refused(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b", "c", "d"])
    made = make_clips(tmp_path / "made", ["a", "b"], seed=1)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)
    with pytest.raises(ValueError, match="at least 8"):
        split_figures(seen, source)


def test_captions_of_no_real_clip_are_left_out_with_a_warning(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b", "c"], captions=["a lion", "a zebra", "an ostrich"])
    made = make_clips(tmp_path / "made", ["x", "y"], captions=["a lion", "a whale"])
    (made / "y.txt").unlink()
    make_clips(tmp_path / "more", ["z"], captions=["a whale"])
    for file in (tmp_path / "more").iterdir():
        file.rename(made / file.name)
    with pytest.warns(UserWarning) as told:
        source = Folder(made, real, EffNetFeatures(), **VIEW)
    assert any("1 of 2 clips have the caption of no clip in" in str(warning.message) for warning in told)
    assert any("have no caption and are left out: y.mp4" in str(warning.message) for warning in told)
    assert source.protocol()["unused"] == {
        "generated_without_caption": 1, "generated_without_real": 1, "generated_beside_the_same_real": 0,
        "real_without_caption": 0,
    }  # fmt: skip


def test_clips_of_any_size_and_rate_are_brought_to_one_view(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b"])
    made = make_clips(tmp_path / "made", ["a"])
    frames = np.random.default_rng(0).integers(0, 256, (50, 48, 80, 3)).astype(np.uint8)
    write_mp4(made / "b.mp4", frames, fps=25.0)
    (made / "b.txt").write_text("caption of b")
    ((_, pairs),) = Folder(made, real, EffNetFeatures(), **VIEW).batches(0, 1)
    assert pairs.fake.shape == pairs.real.shape == (2, 3, 8, 32, 32)


def test_r_precision_of_a_folder_is_judged_by_what_learned_from_other_real_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "RETRIEVER_CLIPS", 12)
    monkeypatch.setattr(folder, "RETRIEVER_LOOKS", 1)
    monkeypatch.setattr(folder, "FEWEST_EPOCHS", 1)
    captions = [f"{('a lion', 'a zebra', 'an ostrich')[i % 3]} number {i}" for i in range(28)]
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(28)], captions=captions)
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(10)], seed=1, captions=captions[:10])
    source = Folder(made, real, EffNetFeatures(), judges=tmp_path / "judges", **VIEW)
    assert source.protocol()["retriever"] == "learned in 1 epochs from 18 real clips without a pair"
    assert [file.name.split("-")[0] for file in (tmp_path / "judges").glob("*.safetensors")] == ["retriever"]
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)
    figures = split_figures(seen, source)
    random = figures["r_precision"]["random"]
    assert (random["clips"], random["floor"]) == (10, 0.1) and 0 <= random["value"] <= 1 and 0 <= random["ceiling"] <= 1
    assert "hard" not in figures["r_precision"], "what another caption changes nobody knows"
    assert "fd_retrieval" not in figures, "who judges captions is no feature space"
    assert {"real", "generated", "captions_shuffled"} == {
        name for name, control in figures["controls"].items() if "r_precision" in control
    }

    class Perfect:
        def embed_captions(self, told: list[str]) -> torch.Tensor:
            return torch.eye(28)[[seen.captions.index(caption) for caption in told]]

    source.encoder = Perfect()
    seen.real.features["retrieval"] = seen.fake.features["retrieval"] = torch.eye(28)[:10]
    found = controls(seen, source)
    precision = [found[name]["r_precision"] for name in ("real", "generated", "captions_shuffled")]
    assert precision == [1, 1, 0], "shuffled captions move what is made for captions, also without ground truth"


def test_without_spare_real_clips_the_report_says_what_the_judge_of_captions_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, Any] = {}

    def trained(clips: Any, where: Path, *, epochs: int) -> str:
        shown.update(clips=len(clips), captions=[clip.captions for clip in clips.clips], epochs=epochs)
        return "encoder"

    monkeypatch.setattr("t2vgan.judges.trained_retriever", trained)
    real = folder.real_clips(make_clips(tmp_path / "real", [f"{i}" for i in range(20)]), split="all", **VIEW)
    found, told = retriever_of(real, range(10), tmp_path)
    assert found == "encoder" and "20 real clips, all there are: its ceiling is partly memory" in told
    assert (shown["clips"], shown["epochs"]) == (20, folder.MOST_EPOCHS)
    assert len(real) == 20 and real.fingerprint, "the real clips themselves are as they were"
    few = folder.real_clips(make_clips(tmp_path / "few", ["a", "b"]), split="all", **VIEW)
    found, told = retriever_of(few, [], tmp_path)
    assert found is None and told == "none: 2 real clips with 2 captions are too few to learn from"


@pytest.mark.filterwarnings("ignore")
def test_clips_of_one_caption_have_real_clips_of_their_own_as_long_as_there_are_any(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b", "c", "d"], captions=["a lion", "a lion", "a zebra", "a whale"])
    made = make_clips(tmp_path / "made", ["u", "v", "w"], captions=["a lion", "a lion", "a zebra"])
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    keys = [source.real.clips[k].key for _, k, _ in source.partners]
    assert len(set(keys)) == 3 and set(keys) == {"a.mp4", "b.mp4", "c.mp4"}
    make_clips(tmp_path / "more", ["x"], captions=["a zebra"])
    for file in (tmp_path / "more").iterdir():
        file.rename(made / file.name)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    taken = [k for _, k, _ in source.partners]
    assert len(taken) == 4 and len(set(taken)) == 3 and not source.apart, "one real clip twice is no floor"
    assert source.protocol()["unused"]["generated_beside_the_same_real"] == 1


def test_a_checked_folder_is_still_a_folder(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b", "c"])
    (real / "quarantine.jsonl").write_text("")
    assert len(folder.real_clips(real, split="all", **VIEW, short="skip")) == 3


def test_clips_are_judged_by_the_caption_that_both_have(tmp_path: Path) -> None:
    """Of a manifest with several captions, whose videos are members of a tar or pictures as well as files."""
    real = make_clips(tmp_path / "real", ["a", "b", "c"])
    lines = [
        {"video": "a.mp4", "captions": ["a zebra at night", "a zebra"], "named": [["subject", "time"], ["subject"]],
         "attributes": {"subject": "zebra", "time": "night"}},
        {"video": "b.mp4", "caption": "a lion", "named": ["subject"], "attributes": {"subject": "lion"}},
        {"video": "c.mp4", "caption": "a whale", "named": ["subject"], "attributes": {"subject": "whale"}},
    ]  # fmt: skip
    frames = real / "d"
    frames.mkdir()
    for t in range(8):
        Image.fromarray(np.full((32, 32, 3), 20 * t, np.uint8)).save(frames / f"{t}.png")
    lines.append({"video": "d", "fps": 8, "caption": "a hare", "named": ["subject"], "attributes": {"subject": "hare"}})
    (real / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = make_clips(tmp_path / "made", ["x", "d"], captions=["a zebra", "a hare"])
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    (_, pairs), = source.batches(0, 1)  # fmt: skip
    assert pairs.captions == ["a hare", "a zebra"] and pairs.named == [("subject",), ("subject",)]
    assert pairs.contrasts[1][0][0] == "a zebra" and pairs.wrong_captions[1] not in ("a zebra", "a zebra at night")


def test_nobody_knows_what_clips_of_any_origin_copy(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(24)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    figures = split_figures(measure(lambda device: source, source, devices=["cpu"], progress=lambda *_: None), source)
    assert figures["fd_effnet"]["floor"] is not None and "memorisation" not in figures
    assert not any("memorisation" in control for control in figures["controls"].values())


def test_optical_flow_may_be_the_only_judge_and_only_of_some_clips(tmp_path: Path) -> None:
    from t2vgan.reports import report

    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(36)])
    lines = [{"video": f"clip{i:02d}.mp4", "caption": f"caption of clip{i:02d}"} for i in range(36)]
    for line in lines[16:]:
        line["attributes"] = {"camera": "pans left"}
    (real / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(18)], seed=1)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda *_: None)
    split = report.look_and_judge(seen, source)
    whole = report.report_of({"all": split}, report.told_of_figures(source, seen))
    report.write(tmp_path / "report", whole, {"all": split}, history=None)
    assert (
        "attributes" not in split.figures
        and "18 real clips that belong to no generated one" in (tmp_path / "report" / "report.html").read_text()
    )
