"""The command line as a person types it: what it leaves, what it says, and its exit status."""

from __future__ import annotations

import functools
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from t2vgan import data
from t2vgan.command import run_command
from t2vgan.datasets import quarantine
from t2vgan.datasets.checking import clips, dataset
from t2vgan.datasets.checking.workers import in_parallel
from t2vgan.datasets.shards import Shards
from t2vgan.reports import data_page
from t2vgan.video.encode import write_mp4


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """`run("check my_clips")` -> (exit status, stdout, stderr), in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    here = functools.partial(in_parallel, failed=clips.failed, late=clips.late, lasts_s=clips.lasts_s)
    monkeypatch.setattr(  # processes are tested with the workers
        dataset, "in_parallel", lambda work, jobs, **_: here(work, jobs, processes=0)
    )

    def run(command: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["data", *command.split()])
        status = 0
        try:
            run_command(data.main)
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return status, said.out, said.err

    return run


def write_folder(folder: Path, *, bad: int = 0) -> None:
    """Four good clips and some that are cut off."""

    for i in range(4 + bad):
        rng = np.random.default_rng(i)
        picture = np.kron(rng.integers(0, 255, (4, 8, 3)).astype(np.uint8), np.ones((8, 8, 1), np.uint8))
        write_mp4(folder / f"{i}.mp4", np.stack([np.roll(picture, k, axis=1) for k in range(16)]), fps=8)
        (folder / f"{i}.txt").write_text(f"clip number {i} moves to the right\n")
        if i >= 4:
            (folder / f"{i}.mp4").write_bytes((folder / f"{i}.mp4").read_bytes()[:-300])


def test_import_check_shard(run, tmp_path: Path) -> None:
    write_folder(tmp_path / "videos", bad=1)
    status, out, _ = run("import videos -o data/mine")
    assert status == 0 and "sidecar: 5 clips of 5 videos, 5 captions (5 by hash)" in out
    status, out, err = run("check data/mine --size 16 --frames 8 --processes 1 --no_captions")
    assert status == 1 and "1 of 5 clips cannot be used, more than --threshold 0.1" in err
    assert "truncated" in out and "quarantine.jsonl: 1 clips" in out
    page = (tmp_path / "data" / "mine" / "check" / "report.html").read_text()
    assert "<script" not in page and page.count("class='clip") == 5 and "unusable" in page
    told = json.loads((tmp_path / "data" / "mine" / "check" / "report.json").read_text())
    assert told["summary"]["usable"] == 4 and told["summary"]["findings"]["corrupt"] == 1
    status, out, _ = run("check data/mine --size 16 --frames 8 --processes 1 --no_captions --threshold 0.5")
    assert status == 0
    with pytest.warns(UserWarning, match="quarantine.jsonl: 1 clips are left out"):
        status, out, _ = run("shard data/mine -o shards --shard_mb 0.002")
    assert status == 0 and "shards: 4 clips in" in out, "what is in quarantine is not packed"
    assert len(Shards(root=tmp_path / "shards", split="all", size=16, frames=4, duration_s=1.0)) == 4


MISTAKES = {
    "import gone -o data/x": r"t2vgan: error: gone: no such file or folder",
    "import empty -o data/x": r"empty: a folder without videos, pictures or tars; name the layout with --layout",
    "import list.csv -o data/x --video file": r"list.csv: there is no column 'file' \(--video\); columns: movie, words",
    "import list.csv -o data/x": r"which column holds the video cannot be told from movie, words; name it with --video",
    "import empty -o data/x --videos nowhere": r"--videos nowhere: no such folder",
    "import empty -o data/x --rate 0": r"--rate 0: it has to be above 0",
    "import empty -o data/x --shortest_s 0": r"--shortest_s 0: it has to be above 0",
    "import empty -o data/x --scenes --longest_s nan": r"--longest_s nan: it has to be above 0",
    "import empty -o data/x --template {class}": r"--template '\{class\}': nothing but \{label\} can stand in braces",
    "check empty --patience_s 0": r"--patience_s 0: it has to be above 0",
    "check gone": r"t2vgan: error: gone: no such file or folder",
    "check empty": r"empty: no clips \(\.mp4",
    "check empty --threshold 3": r"--threshold 3: it is a share from 0 to 1",
    "check empty --size 0": r"a clip needs a size, a number of frames and a duration above 0",
    "check empty --processes 0": r"--processes 0: at least one is needed",
    "check s3://bucket/x": r"error: s3://bucket/x: check reads local folders: copy it here first",
    "check empty -o s3://bucket/x": r"-o s3://bucket/x: a report is written to a local folder: copy it there after",
    "import https://host/x -o data/x": r"error: https://host/x: import reads local folders: copy it here first",
    "import empty -o data/x --videos gs://b": r"error: gs://b: import reads local folders: copy it here first",
    "import empty -o s3://bucket/x": r"-o s3://bucket/x: a data set is written to a local folder: copy it there",
    "shard s3://bucket/x -o shards": r"error: s3://bucket/x: shard reads local folders: copy it here first",
    "shard empty -o s3://bucket/x": r"-o s3://bucket/x: shards are written to a local folder: copy them there after",
    "shard gone -o shards": r"t2vgan: error: gone: no such data set",
    "shard empty -o shards --shard_mb -1": r"--shard_mb -1: it has to be above 0",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_mistakes_are_one_line(run, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("movie,words\na.mp4,x\n")
    status, _, err = run(command)
    assert status == 2 and len(err.strip().splitlines()) == 1
    assert re.search(MISTAKES[command], err), err
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "list.csv"}, "nothing is written"


def test_names_that_no_screen_can_show_end_no_command(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "videos", bad=1)
    for suffix in ("mp4", "txt"):
        (tmp_path / "videos" / f"4.{suffix}").rename(tmp_path / "videos" / f"l\udcf6we.{suffix}")
    status, out, _ = run("check videos --size 16 --frames 8 --no_captions --threshold 1")
    assert status == 0 and "l\\udcf6we.mp4" in out and "quarantine.jsonl: 1 clips" in out
    (tmp_path / "videos" / "l\udcf6we.txt").write_text("")
    status, out, _ = run("import videos -o data/mine")
    assert status == 0 and "1 left out, such as videos/l\\udcf6we.mp4" in out


def test_what_was_found_is_kept_whatever_fails_after_it(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no page")

    write_folder(tmp_path / "videos", bad=1)
    monkeypatch.setattr(data_page, "data_page", fails)
    status, _, err = run("check videos --size 16 --frames 8 --no_captions")
    assert status == 2 and "no page" in err
    assert [entry["key"] for entry in quarantine.entries(tmp_path / "videos")] == ["4.mp4"]


@pytest.mark.parametrize("command", ["--help", "import --help", "check --help", "shard --help"])
def test_help(run, command: str) -> None:
    status, out, _ = run(command)
    assert status == 0 and "usage: python -m t2vgan.data" in out
    wanted = {
        "--help": "check",
        "import --help": "panda70m",
        "check --help": "near-duplicate",
        "shard --help": "--shard_mb",
    }
    assert wanted[command] in out


def test_arguments_are_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["data", "shard", "x", "-o", "y"])
    told = SimpleNamespace(**vars(data.arguments()))
    assert (told.command, told.path, told.output, told.shard_mb) == ("shard", Path("x"), Path("y"), 512.0)
