"""A damaged checkpoint is known as such, wherever the damage is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from t2vgan.sealed import damage, read, sealed

CONTENT = {"state_dict": {"w": torch.arange(1000.0)}, "names": ["a", None], "n": 3}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    path.write_bytes(sealed(CONTENT))
    return path


def test_it_opens_as_any_checkpoint_does(file: Path):
    for content in (read(file), torch.load(file), torch.load(file, weights_only=True, mmap=True)):
        assert torch.equal(content["state_dict"]["w"], CONTENT["state_dict"]["w"]) and content["names"] == ["a", None]
    assert damage(file) is None


@pytest.mark.parametrize("place", [0, 100, 2000, -100, -80, -74, -73, -70, -10, -1])
def test_one_wrong_bit_anywhere(file: Path, place: int):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert damage(file)


@pytest.mark.parametrize("left", [0, 10, 3000, -1])
def test_cut_off(file: Path, left: int):
    file.write_bytes(file.read_bytes()[:left])
    assert damage(file)


def test_one_without_a_seal_has_to_open(tmp_path: Path):
    torch.save(CONTENT, tmp_path / "old.ckpt")
    assert damage(tmp_path / "old.ckpt") is None
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    assert damage(tmp_path / "text.ckpt") == "it is cut off, or no checkpoint"


def test_a_disk_that_fails_is_damage_and_a_file_of_somebody_else_is_not(file: Path, monkeypatch: pytest.MonkeyPatch):
    failure: list[OSError] = [OSError(errno.EIO, "Input/output error")]

    def fails(path: Path) -> bytes:
        raise failure[0]

    monkeypatch.setattr(Path, "read_bytes", fails)
    assert damage(file) == "it cannot be read: Input/output error"
    failure[0] = PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(PermissionError):
        damage(file)
