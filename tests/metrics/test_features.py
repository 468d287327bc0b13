"""A stub in the place of each network tells what reaches it."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from t2vgan.metrics import frechet_distance, load_features, weights
from t2vgan.metrics.features import cropped, frechet_title, rounded, truncated
from t2vgan.metrics.suite import Extractor
from t2vgan.metrics.weights import git_blob_id, sha256_of
from t2vgan.shapes import to_float


class StubI3D(nn.Module):
    """The call signature of i3d_torchscript.pt; answers with dtype, size, range, mean and the switches it was given."""

    def forward(self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False) -> Tensor:
        pixels = x.float().flatten(1)
        sides = torch.tensor([float(x.dtype == torch.uint8), float(x.shape[2]), float(x.shape[3]), float(x.shape[4])])
        switches = torch.tensor([float(rescale), float(resize), float(return_features)])
        seen = torch.stack([pixels.amin(1), pixels.amax(1), pixels.mean(1)], dim=1)
        return torch.cat([torch.cat([sides, switches]).expand(len(x), 7), seen], dim=1)


class StubClips(nn.Module):
    """Reads clips or frames, and answers with their size, range and mean."""

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1)
        size = torch.tensor([float(side) for side in x.shape[1:]]).expand(len(x), x.ndim - 1)
        return torch.cat([size, pixels.amin(1, keepdim=True), pixels.amax(1, keepdim=True)], dim=1)


class StubClip(StubClips):
    """OpenAI's files: the forward wants text too, the pictures have a method of their own."""

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        return x + text

    @torch.jit.export
    def encode_image(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class StubPair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def saved(network: nn.Module, path: Path) -> Path:
    torch.jit.script(network).save(str(path))
    return path


@pytest.fixture
def i3d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = saved(StubI3D(), tmp_path / "i3d_torchscript.pt")
    monkeypatch.setattr(weights, "I3D_TORCHSCRIPT", git_blob_id(path))
    return path


def stripes(w: int = 24, h: int = 24, frames: int = 12) -> torch.Tensor:
    """Left third -1, middle third 1, right third 0.5 of two clips."""
    video = torch.full((2, 3, frames, h, w), -1.0)
    video[..., w // 3 : 2 * w // 3] = 1.0
    video[..., 2 * w // 3 :] = 0.5
    return video


def test_i3d_as_stylegan_v_has_it(i3d: Path) -> None:
    extractor = load_features("i3d", i3d)
    assert isinstance(extractor, Extractor) and (extractor.name, extractor.dim) == ("i3d_styleganv", 10)
    found = extractor.features(stripes())
    assert found.dtype == torch.float32
    assert found[0, :9].tolist() == [1, 12, 24, 24, 1, 1, 1, 0, 255]  # bytes at their own size, all switches on
    assert not extractor.convention.unbiased and extractor.protocol["covariance"] == "over n"


def test_i3d_as_cdfvd_has_it(i3d: Path) -> None:
    extractor = load_features("i3d", i3d, convention="cdfvd")
    found = extractor.features(stripes(w=36))[0]
    assert found[:7].tolist() == [0, 12, 224, 224, 0, 0, 1] and extractor.name == "i3d_cdfvd"
    assert found[7:9].tolist() == pytest.approx([-1, 1])
    assert found[9].item() == pytest.approx((-1 + 1 + 2 * 191 / 255 - 1) / 3, abs=0.01)  # squashed, nothing cut off
    assert not extractor.convention.unbiased


def test_i3d_as_videogpt_has_it(i3d: Path) -> None:
    extractor = load_features("i3d", i3d, convention="videogpt")
    found = extractor.features(stripes(w=96))[0]
    assert found[:7].tolist() == [0, 12, 224, 224, 0, 0, 1] and extractor.name == "i3d_videogpt"
    assert found[7:].tolist() == pytest.approx([1, 1, 1])  # the middle square is in the middle third
    assert extractor.convention.unbiased and extractor.protocol["covariance"] == "over n - 1"


def test_eight_bits_survive_every_way_to_eight_bits() -> None:
    grey = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 1, 16, 16)
    assert torch.equal(rounded(to_float(grey)), grey) and torch.equal(truncated(to_float(grey)), grey)
    between = to_float(torch.tensor([100.7]).reshape(1, 1, 1, 1, 1))
    assert (rounded(between).item(), truncated(between).item()) == (101, 100)


def test_the_shorter_side_decides_the_crop() -> None:
    for h, w in ((24, 31), (31, 24), (448, 300)):
        assert cropped(torch.zeros(1, 3, 2, h, w)).shape == (1, 3, 2, 224, 224)


def test_videomae(tmp_path: Path) -> None:
    path = saved(StubClips(), tmp_path / "videomae.pt")
    extractor = load_features("videomae", path, sha256=sha256_of(path))
    found = extractor.features(stripes(frames=16))
    assert found[0].tolist() == pytest.approx([3, 16, 224, 224, 0, 1])  # 0..1, no mean and deviation
    assert extractor.name == "videomae" and extractor.protocol["sha256"] == sha256_of(path)
    for frames in (15, 17):
        with pytest.raises(ValueError, match=f"videomae .*16 frames.* these clips have {frames}"):
            extractor.features(stripes(frames=frames))
    with pytest.raises(ValueError, match="videomae reads clips, not frames"):
        extractor.frame_features(stripes(frames=16))


@pytest.mark.parametrize("stub", [StubClips, StubClip])
def test_clip(stub: type[nn.Module], tmp_path: Path) -> None:
    path = saved(stub(), tmp_path / "clip.pt")
    extractor = load_features("clip", path, sha256=sha256_of(path))
    video = stripes(frames=3)
    frames = extractor.frame_features(video)
    assert frames.shape[:2] == (2, 3)
    assert torch.allclose(extractor.features(video), nn.functional.normalize(frames, dim=2).mean(1))
    assert extractor.protocol["known_as"].startswith("not one of OpenAI's own files") and not extractor.reads_captions
    with pytest.raises(ValueError, match=r"clip reads no captions: put CLIP's tokenizer.json beside clip.pt"):
        extractor.embed_captions(["a lion"])
    if stub is StubClips:
        low, high = -0.48145466 / 0.26862954, (1 - 0.40821073) / 0.27577711
        assert frames[0, 0].tolist() == pytest.approx([3, 224, 224, low, high], abs=1e-3)


def test_only_kinetics_i3d_is_called_fvd(i3d: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert frechet_title(load_features("i3d", i3d, convention="videogpt")) == "FVD (videogpt)"
    assert frechet_title(load_features("i3d", i3d, sha256=sha256_of(i3d))) == "FVD (styleganv)"
    monkeypatch.undo()
    assert frechet_title(load_features("i3d", i3d, sha256=sha256_of(i3d))) == "FD (i3d_styleganv)"
    path = saved(StubClips(), tmp_path / "videomae.pt")
    assert frechet_title(load_features("videomae", path, sha256=sha256_of(path))) == "FD (videomae)"


def test_wrong_files_are_a_clear_error(tmp_path: Path, i3d: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"videomae: there is no file .*nothing.pt"):
        load_features("videomae", tmp_path / "nothing.pt", sha256="00")
    with pytest.raises(ValueError, match=r"videomae: say by sha256=... which weights you expect"):
        load_features("videomae", i3d)
    with pytest.raises(ValueError, match=r"has sha256 .*, not 00: damaged, or other weights"):
        load_features("i3d", i3d, sha256="00")
    words = tmp_path / "words.pt"
    words.write_text("not a network")
    with pytest.raises(ValueError, match=r"clip: .*words.pt is not a TorchScript file"):
        load_features("clip", words, sha256=sha256_of(words))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"git blob id .*not the Kinetics I3D"):
        load_features("i3d", i3d)


def test_networks_that_answer_otherwise_are_a_clear_error(tmp_path: Path) -> None:
    plain, pair = saved(StubClips(), tmp_path / "plain.pt"), saved(StubPair(), tmp_path / "pair.pt")
    with pytest.raises(ValueError, match=r"plain.pt cannot be used as i3d"):
        load_features("i3d", plain, sha256=sha256_of(plain))
    with pytest.raises(ValueError, match=r"videomae answers with tuple, not with one row of features for each of 1"):
        load_features("videomae", pair, sha256=sha256_of(pair))


def test_unknown_names_are_a_clear_error(i3d: Path) -> None:
    with pytest.raises(ValueError, match="no feature network 'c3d'; choose from i3d, videomae, clip"):
        load_features("c3d", i3d)
    with pytest.raises(ValueError, match="i3d has no convention 'tats'; choose from styleganv, cdfvd, videogpt"):
        load_features("i3d", i3d, convention="tats")


def test_clips_are_checked_and_clamped(i3d: Path) -> None:
    extractor = load_features("i3d", i3d).train()
    assert not extractor.training
    assert torch.equal(extractor.features(stripes() * 1.3), extractor.features((stripes() * 1.3).clamp(-1, 1)))
    with pytest.raises(ValueError, match="i3d_styleganv needs 10 frames or more, these clips have 9"):
        extractor.features(stripes(frames=9))
    with pytest.raises(ValueError, match=r"0\.\.255 given as floats"):
        extractor.features(stripes() * 255)


@pytest.mark.skipif("T2VGAN_I3D" not in os.environ, reason="T2VGAN_I3D=FILE names i3d_torchscript.pt")
def test_black_against_white_clips_give_the_published_number() -> None:
    """8 clips of 30 frames, all zeros and all ones: 151.26 (JunyaoHu/common_metrics_on_video_quality, `videogpt`)."""
    extractor = load_features("i3d", Path(os.environ["T2VGAN_I3D"]), convention="videogpt")
    black, white = (extractor.features(torch.full((8, 3, 30, 64, 64), value)) for value in (-1.0, 1.0))
    assert frechet_distance(black, white).item() == pytest.approx(151.26, abs=1)
