from pathlib import Path

import numpy as np
import pytest
import torch

from t2vgan.metrics.effnet import EffNetFeatures
from t2vgan.reports.figures import split_figures
from t2vgan.reports.folder import Folder
from t2vgan.reports.measure import measure
from t2vgan.reports.sources import BATCH, shared
from t2vgan.reports.spaces import extractor_of
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


def test_batches_are_shared_out_whole() -> None:
    whole = list(shared(3 * BATCH + 5, 0, 1))
    assert [len(rows) for _, rows in whole] == [BATCH, BATCH, BATCH, 5]
    assert sorted([*shared(3 * BATCH + 5, 0, 2), *shared(3 * BATCH + 5, 1, 2)]) == whole


def test_a_folder_of_clips_is_measured_against_real_ones(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", [f"clip{i:02d}" for i in range(24)])
    made = make_clips(tmp_path / "made", [f"clip{i:02d}" for i in range(12)], seed=1)
    source = Folder(made, real, EffNetFeatures(), **VIEW)
    assert source.counts() == (1, 1) and source.apart
    seen = measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)
    assert seen.captions == [f"caption of clip{i:02d}" for i in range(12)]
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
    source = Folder(made, real, EffNetFeatures(), **{**VIEW, "duration_s": 3.0})
    with pytest.raises(ValueError, match="no clips to measure"):
        measure(lambda device: source, source, devices=["cpu"], progress=lambda done, of: None)


def test_clips_belong_together_by_caption_and_only_then_by_name(tmp_path: Path) -> None:
    real = make_clips(tmp_path / "real", ["a", "b", "c"], captions=["a lion", "a zebra", "an ostrich"])
    made = make_clips(tmp_path / "made", ["b", "x", "y"], captions=["a lion", "an ostrich", "a whale"])
    assert Folder(made, real, EffNetFeatures(), **VIEW).partners == [(0, 0), (1, 2)]


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


@pytest.mark.parametrize("told", ["resnet", "i3d", "i3d=no/such/file.pt", "videomae:other=x"])
def test_feature_spaces_that_cannot_be_had_are_named(told: str) -> None:
    with pytest.raises(ValueError, match=r"i3d|videomae"):
        extractor_of(told)
    assert torch.is_tensor(extractor_of("effnet").features(torch.zeros(1, 3, 8, 32, 32)))
