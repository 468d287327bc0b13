"""Cores and files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from t2vgan.system import cores, written_whole


@pytest.mark.parametrize("durable", [True, False])
def test_written_whole_replaces_only_at_the_end(tmp_path: Path, durable: bool):
    path = tmp_path / "new" / "a.txt"
    path.parent.mkdir()
    path.write_text("old")
    with written_whole(path, durable=durable) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and os.listdir(path.parent) == ["a.txt"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="out of ideas"), written_whole(path) as part:
        part.write_text("half")
        raise RuntimeError("out of ideas")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 6), ("200000 100000", 2), ("50000 100000", 1), ("900000 100000", 6), ("nonsense", 6)],
)
def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch, quota: str, expected: int):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda self, *args, **kwargs: quota)
    assert cores() == expected
