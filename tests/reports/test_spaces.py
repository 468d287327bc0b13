"""Feature spaces by name, and who looks at single frames."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from t2vgan.metrics.effnet import EffNetFeatures
from t2vgan.metrics.weights import sha256_of
from t2vgan.reports.spaces import extractor_of, frame_reader_of


@pytest.mark.parametrize("told", ["resnet", "i3d=no/such/file.pt", "videomae:other=x", "videomae", "clip=no/such"])
def test_feature_spaces_that_cannot_be_had_are_named(told: str) -> None:
    with pytest.raises(ValueError, match=r"i3d|videomae|clip"):
        extractor_of(told)


def test_effnet_needs_no_file() -> None:
    assert torch.is_tensor(extractor_of("effnet").features(torch.zeros(1, 3, 8, 32, 32)))


def test_i3d_that_was_not_downloaded_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2VGAN_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"--download i3d fetches it, --features i3d=FILE names another place"):
        extractor_of("i3d")


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


def test_a_file_is_used_only_with_the_hash_that_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "videomae.pt"
    torch.jit.script(Mean()).save(str(path))
    found = extractor_of(f"videomae={path}#{sha256_of(path)}")
    assert (found.name, found.dim) == ("videomae", 3)
    assert extractor_of(f"videomae={path}").protocol["sha256"] == sha256_of(path)
    with pytest.raises(ValueError, match=r"videomae: .* has sha256 .*, not 00ff: damaged, or other weights"):
        extractor_of(f"videomae={path}#00ff")


def test_clip_reads_the_frames_where_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "clip.pt"
    torch.jit.script(Mean()).save(str(path))
    effnet, clip = EffNetFeatures(), extractor_of(f"clip={path}")
    assert frame_reader_of([effnet, clip]) is clip and frame_reader_of([effnet]) is effnet
    assert isinstance(frame_reader_of([]), EffNetFeatures)
