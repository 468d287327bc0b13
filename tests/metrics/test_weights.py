"""Known hashes, and files whose bytes are not the expected ones."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from t2vgan.metrics import weights
from t2vgan.metrics.weights import (
    CLIP_FILES,
    cached_i3d,
    check_i3d,
    check_sha256,
    download_i3d,
    git_blob_id,
    known_clip,
    sha256_of,
)


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


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a folder with `i3d.pt`, on this machine alone."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "i3d.pt").write_bytes(b"weights" * 100_000)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_download_over_http(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2VGAN_CACHE", str(tmp_path / "cache"))
    target = tmp_path / "cache" / "i3d_torchscript.pt"
    with pytest.raises(ValueError, match=r"no .*i3d_torchscript.pt; python -m t2vgan.evaluate --download i3d"):
        cached_i3d()
    with pytest.raises(ValueError, match=r"/none.pt: HTTP Error 404.*/i3d.pt: i3d: .* has git blob id"):
        download_i3d(urls=[f"{server}/none.pt", f"{server}/i3d.pt"])
    assert list(target.parent.iterdir()) == [], "what is not the Kinetics I3D does not stay"
    monkeypatch.setattr(weights, "I3D_TORCHSCRIPT", git_blob_id(tmp_path / "served" / "i3d.pt"))
    assert download_i3d(urls=[f"{server}/none.pt", f"{server}/i3d.pt"]) == target == cached_i3d()
    assert target.read_bytes() == b"weights" * 100_000 and list(target.parent.iterdir()) == [target]


def test_a_file_that_ends_too_early_is_refused(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tmp_path / "served" / "i3d.pt"
    monkeypatch.setattr(weights, "I3D_TORCHSCRIPT", git_blob_id(whole))
    whole.write_bytes(whole.read_bytes()[:1_000])
    with pytest.raises(ValueError, match="damaged, or not the Kinetics I3D"):
        download_i3d(tmp_path / "i3d.pt", urls=[f"{server}/i3d.pt"])
    assert not (tmp_path / "i3d.pt").exists()


def test_published_clip_is_known_by_its_bytes(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_clip(hello).startswith("not one of OpenAI's own files")
    monkeypatch.setitem(CLIP_FILES, sha256_of(hello), "OpenAI ViT-B/32")
    assert known_clip(hello) == "OpenAI ViT-B/32"
