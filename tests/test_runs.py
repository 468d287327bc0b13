"""Run folders: numbers, folders of one's own, and which run is the newest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from t2vgan import runs
from t2vgan.runs import chosen, commit, new_run_dir, newest_run, run_dirs


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(experiment: str, *, hour: int, generator: bool = True) -> Path:
    """A run whose files were last written in this hour."""
    run = new_run_dir(experiment)
    (run / "config.yaml").write_text("name: x")
    os.utime(run / "config.yaml", (3600 * hour, 3600 * hour))
    if generator:
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "generator.safetensors").write_bytes(b"")
        os.utime(run / "checkpoints" / "generator.safetensors", (3600 * hour, 3600 * hour))
    return run


def test_runs_are_numbered_from_zero_for_each_experiment():
    assert [new_run_dir("lions").as_posix() for _ in range(3)] == [f"runs/lions/0000{i}" for i in range(3)]
    assert new_run_dir("zebras") == Path("runs/zebras/00000")
    assert Path("runs/lions/00002").is_dir()


def test_numbers_go_on_after_the_highest():
    Path("runs/lions/00041").mkdir(parents=True)
    Path("runs/lions/00003").mkdir()
    Path("runs/lions/notes").mkdir()
    Path("runs/lions/99").mkdir()
    assert new_run_dir("lions") == Path("runs/lions/00042")


def test_a_number_that_another_run_takes_first(monkeypatch: pytest.MonkeyPatch):
    Path("runs/lions/00000").mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", lambda self: iter([]))  # as it was a moment ago
    assert new_run_dir("lions") == Path("runs/lions/00001")


def test_a_folder_of_ones_own():
    assert new_run_dir("lions", "elsewhere/run") == Path("elsewhere/run") and Path("elsewhere/run").is_dir()
    assert new_run_dir("lions", "elsewhere/run") == Path("elsewhere/run"), "still empty, so it may be taken"
    assert not Path("runs").exists()


def test_a_folder_that_cannot_be_made_is_known_before(monkeypatch: pytest.MonkeyPatch):
    Path("mine").mkdir()
    for path in (Path("mine"), Path("mine/a/b"), Path("yours")):
        runs.refuse_unwritable(path)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "mine")
    runs.refuse_unwritable(Path("yours"))
    with pytest.raises(ValueError, match=r"mine/a/b cannot be made: .*/mine cannot be written to; .* by run_dir="):
        runs.refuse_unwritable(Path("mine/a/b"))


def test_a_folder_with_something_in_it_is_refused():
    Path("mine").mkdir()
    Path("mine/config.yaml").write_text("name: x")
    with pytest.raises(ValueError, match=r"run_dir=mine is not empty: .* --resume mine"):
        new_run_dir("lions", "mine")
    assert Path("mine/config.yaml").read_text() == "name: x"


def test_what_a_start_leaves_that_was_cut_off_is_no_run():
    Path("mine/job").mkdir(parents=True)
    for name in ("lock", ".config.yaml.123.part"):
        Path("mine", name).write_text("")
    assert new_run_dir("lions", "mine") == Path("mine")
    Path("mine/.notes").write_text("mine")
    with pytest.raises(ValueError, match="run_dir=mine is not empty"):
        new_run_dir("lions", "mine")


def test_a_file_in_the_place_of_the_folder_is_refused():
    Path("mine").write_text("")
    with pytest.raises(ValueError, match="run_dir=mine"):
        new_run_dir("lions", "mine")


def test_runs_in_the_order_of_their_newest_checkpoint():
    first, second, third = made("lions", hour=3), made("lions", hour=1), made("zebras", hour=2)
    new_run_dir("lions")  # nothing in it yet
    Path("runs/notes.txt").write_text("")
    assert run_dirs() == [second, third, first] and run_dirs("lions") == [second, first]
    assert run_dirs("giraffes") == []


def test_no_runs_at_all():
    assert run_dirs() == [] and run_dirs("lions") == []


def test_the_newest_run_has_a_generator_and_was_no_rehearsal():
    older, lion, zebra = made("lions", hour=1), made("lions", hour=2), made("zebras", hour=3)
    made("lions", hour=4, generator=False)
    made("fast_dev_run", hour=5)
    assert newest_run() == zebra and newest_run("lions") == newest_run("zoo/lions") == lion != older
    assert newest_run("experiments/zoo/lions.yaml") == lion


def test_nothing_to_use_yet():
    made("lions", hour=1, generator=False)
    made("fast_dev_run", hour=2)
    with pytest.raises(ValueError, match=r"no finished checkpoint under runs/: .* --experiment lion_savanna"):
        newest_run()
    with pytest.raises(ValueError, match=r"of experiment 'lions' under runs/: .* --experiment lions"):
        newest_run("lions")


def test_what_is_used_when_nothing_or_something_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shipped, large = tmp_path / "lion_savanna.safetensors", tmp_path / "lion_savanna_hd.safetensors"
    monkeypatch.setattr(runs, "PRETRAINED", {"pretrained": shipped, "pretrained_hd": large})
    with pytest.raises(ValueError, match=r"pretrained: .*lion_savanna\.safetensors is missing from this installation"):
        chosen(None, None)
    shipped.write_text("weights")
    with pytest.raises(ValueError, match=r"pretrained_hd: .*lion_savanna_hd\.safetensors is missing"):
        chosen(Path("pretrained_hd"), None)
    large.write_text("weights")
    assert chosen(None, "lion_savanna_hd") == chosen(Path("pretrained_hd"), None) == large
    made("lion_savanna", hour=2, generator=False)
    assert chosen(None, None) == chosen(None, "lion_savanna") == chosen(Path("pretrained"), None) == shipped
    with pytest.raises(ValueError, match="of experiment 'zebras'"):
        chosen(None, "zebras")
    zebra = made("zebras", hour=1)
    assert chosen(None, None) == chosen(None, "zebras") == zebra
    assert chosen(Path("pretrained"), None) == chosen(None, "lion_savanna") == shipped
    assert chosen(Path("x"), None) == Path("x")
    with pytest.raises(ValueError, match=r"pretraned: there is no such run or file; did you mean 'pretrained'"):
        chosen(Path("pretraned"), None)


def test_the_commit_of_the_code():
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?|unknown|.*-g[0-9a-f]{40}(\+changes)?", commit())


def test_code_outside_of_git(monkeypatch: pytest.MonkeyPatch):
    def run(*args: object, **options: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", run)
    assert commit() == "unknown"
