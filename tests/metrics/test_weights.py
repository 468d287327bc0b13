"""Known hashes, and files whose bytes are not the expected ones."""

import hashlib
from pathlib import Path

import pytest

from t2vgan.metrics import weights
from t2vgan.metrics.weights import check_i3d, check_sha256, download_i3d, git_blob_id, sha256_of


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.pt"
    path.write_bytes(b"hello\n")
    return path


def test_hashes(hello: Path, tmp_path: Path) -> None:
    assert git_blob_id(hello) == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    assert sha256_of(hello) == hashlib.sha256(b"hello\n").hexdigest()
    (tmp_path / "empty").touch()
    assert git_blob_id(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_expected_sha256(hello: Path) -> None:
    check_sha256(hello, sha256_of(hello).upper(), what="clip")
    with pytest.raises(ValueError, match=r"clip: .*hello.pt has sha256 5891b5b.*, not 00ff: damaged, or other weights"):
        check_sha256(hello, "00FF", what="clip")


def test_expected_i3d(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"hello.pt has git blob id ce01362.*, not 93daef5.*not the Kinetics I3D"):
        check_i3d(hello)
    with pytest.raises(ValueError, match=r"i3d: there is no file .*missing.pt; give the path"):
        check_i3d(hello.with_name("missing.pt"))
    monkeypatch.setattr(weights, "I3D_STATE_DICT", git_blob_id(hello))
    with pytest.raises(ValueError, match=r"parameters only; i3d_torchscript.pt is needed"):
        check_i3d(hello)
    monkeypatch.setattr(weights, "I3D_TORCHSCRIPT", git_blob_id(hello))
    monkeypatch.setattr(weights, "I3D_STATE_DICT", "")
    check_i3d(hello)


def test_download(hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, urls = tmp_path / "cache" / "i3d.pt", ["file:///nowhere/i3d.pt", hello.as_uri()]
    with pytest.raises(ValueError, match=r"could not be downloaded \(file:///nowhere.*git blob id ce01362.*by hand to"):
        download_i3d(target, urls=urls)
    assert list(target.parent.iterdir()) == []
    monkeypatch.setattr(weights, "I3D_TORCHSCRIPT", git_blob_id(hello))
    assert download_i3d(target, urls=urls) == target and target.read_bytes() == b"hello\n"
    assert download_i3d(target, urls=[]) == target  # it is there
    target.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="not the Kinetics I3D"):
        download_i3d(target, urls=urls)
