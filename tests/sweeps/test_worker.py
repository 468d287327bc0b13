"""Trials: none lost, none run twice, failures recorded as such, seeds as a dimension; their table and their page."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from t2vgan.config import ConfigError
from t2vgan.sweep import main
from t2vgan.sweeps import report, status, worker
from t2vgan.sweeps.plan import Plan, Range, read_plan
from tests.sweeps.test_plan import file

ROOT = Path(worker.__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Runs:
    """In the place of training: the metric is a function of the settings, and each run takes no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
        self.started: list[str] = []
        self.value = value
        monkeypatch.setattr(worker, "_train", self)

    def __call__(self, command: list[str], run: Path, metric: str, judge: Any) -> str:
        self.started.append(run.as_posix())
        settings = dict(word.split("=", 1) for word in command if "=" in word)
        value = self.value(settings)
        if isinstance(value, str):
            return value
        (run / "samples").mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(run / "samples" / "000000064.png")
        (run / "evaluation.jsonl").write_text(json.dumps({"clips_seen": 64, "kid_probe": value}) + "\n")
        return ""


def plan_of(**changed: Any) -> Plan:
    return read_plan(file(Path.cwd(), **changed))


def test_a_grid_is_walked_through_once_with_every_seed(monkeypatch: pytest.MonkeyPatch):
    runs = Runs(monkeypatch, lambda s: float(s["g_optim.lr"]) + float(s["seed"]))
    plan = plan_of(method="grid")
    worker.work(worker.open_sweep(plan))
    worker.work(worker.open_sweep(plan))  # nothing is left to do
    assert sorted(runs.started) == [f"runs/sweeps/tried/0000{i}/seed{s}" for i in (0, 1) for s in (0, 1)]
    rows = {row["parameters"]["g_optim.lr"]: row for row in status.rows(worker.open_sweep(plan))}
    assert rows.keys() == {1e-4, 1e-3} and {row["state"] for row in rows.values()} == {"done"}
    assert rows[1e-4]["mean"] == pytest.approx(0.5001) and rows[1e-4]["half"] == pytest.approx(12.71 * 0.5)


def test_failed_and_nan_trials_are_recorded_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    answers = {"1": "t2vgan: error: training diverged", "2": math.nan, "3": 0.25}
    Runs(monkeypatch, lambda s: answers[s["ema.halflife_clips"]])
    plan = plan_of(method="grid", parameters={"ema.halflife_clips": {"values": [1, 2, 3]}})
    sweep = worker.open_sweep(plan)
    worker.work(sweep)
    found = {row["parameters"]["ema.halflife_clips"]: (row["state"], row["why"]) for row in status.rows(sweep)}
    assert found == {
        1: ("failed", "training diverged"),
        2: ("failed", "no finite val/kid_probe at its end"),
        3: ("done", ""),
    }
    assert "has what it said" in capsys.readouterr().out


def test_a_sweep_of_which_nothing_can_come_ends(monkeypatch: pytest.MonkeyPatch):
    runs = Runs(monkeypatch, lambda s: "t2vgan: error: generator: 'continuous' has no option 'widht'")
    spec = {"generator.widht": {"min": 0.1, "max": 0.9}}
    plan = plan_of(method="random", parameters=spec)  # no run_cap
    for tries in (1, 2):  # given again, as when it was mended
        with pytest.raises(
            ConfigError, match=r"the first 3 trials have all failed with: generator: .*; mend that, delete .*, for"
        ):
            worker.work(worker.open_sweep(plan))
        assert len(runs.started) == 3 * tries
    runs.value = lambda s: f"t2vgan: error: {s['generator.widht']} is too much"  # each in words of its own
    worker.work(worker.open_sweep(plan_of(method="random", parameters=spec, run_cap=10)))
    assert len(runs.started) == 10


def test_a_metric_that_no_validation_has_ends_the_sweep_at_its_first_trial(monkeypatch: pytest.MonkeyPatch):
    runs = Runs(monkeypatch, lambda s: 0.5)
    sweep = worker.open_sweep(plan_of(method="grid", metric={"name": "val/kid_prob"}))
    with pytest.raises(ConfigError, match=r"have no val/kid_prob, did you mean 'val/kid_probe'\?"):
        worker.work(sweep)
    assert len(runs.started) == 1
    assert [(row["state"], row["why"]) for row in status.rows(sweep)] == [
        ("failed", "its validations have no val/kid_prob")
    ]


def test_a_trial_that_was_stopped_is_gone_on_with_and_nothing_is_run_twice(monkeypatch: pytest.MonkeyPatch):
    def stop(settings: dict[str, str]) -> float:
        raise worker.Stopped

    runs = Runs(monkeypatch, stop)
    plan = plan_of(method="random", run_cap=3, parameters={"g_optim.lr": {"min": 1e-4, "max": 1e-3}})
    with pytest.raises(worker.Stopped):
        worker.work(worker.open_sweep(plan))
    runs.value = lambda s: float(s["g_optim.lr"])
    sweep = worker.open_sweep(plan)
    worker.work(sweep)
    assert runs.started == [f"runs/sweeps/tried/0000{i}/run" for i in (0, 0, 1, 2)]
    rows = status.rows(sweep)
    assert [row["state"] for row in rows] == ["done"] * 3
    assert all(row["mean"] == pytest.approx(row["parameters"]["g_optim.lr"]) for row in rows)


def test_a_warning_of_slurm_saves_the_trial_before_the_job_is_queued_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A child that needs a moment to save is waited for, and a second warning does not cut that short."""
    happened = tmp_path / "happened"
    child = (
        "import pathlib, signal, sys, time\n"
        f"happened = pathlib.Path({str(happened)!r})\n"
        "def save(*_):\n"
        "    happened.write_text('asked')\n"
        "    time.sleep(1.0)\n"
        "    happened.write_text('saved')\n"
        "    sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "happened.write_text('training')\n"
        "time.sleep(60)\n"
    )

    def warn() -> None:
        for before in ("training", "asked"):
            while not happened.is_file() or happened.read_text() != before:
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGUSR2)

    queued: list[str] = []
    for module in (worker, worker.cluster):
        monkeypatch.setattr(module, "WARNINGS_OF_SLURM", (signal.SIGUSR1, signal.SIGUSR2))
    monkeypatch.setattr(worker.cluster, "requeue", lambda: queued.append(happened.read_text()) or True)
    plan = plan_of(method="random", run_cap=1, parameters={"g_optim.lr": {"min": 1e-4, "max": 1e-3}})
    monkeypatch.setattr(Plan, "arguments", lambda *_: [sys.executable, "-c", child])
    handler = signal.getsignal(signal.SIGUSR2)
    thread = threading.Thread(target=warn, daemon=True)
    thread.start()
    with pytest.raises(worker.Stopped):
        worker.work(worker.open_sweep(plan))
    thread.join(timeout=10)
    assert queued == ["saved"] and "waiting in the queue again" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGUSR2) is handler


def test_a_trial_that_another_worker_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch):
    plan = plan_of(method="grid")
    code = (
        f"from pathlib import Path; from t2vgan.sweeps import worker; from t2vgan.sweeps.plan import read_plan\n"
        f"sweep = worker.open_sweep(read_plan(Path({str(plan.path)!r})))\n"
        "print(worker.next_trial(sweep).number, flush=True); input()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as other:
        assert other.stdout and other.stdout.readline() == "0\n"
        runs = Runs(monkeypatch, lambda s: 1.0)
        worker.work(worker.open_sweep(plan))
        assert {Path(run).parent.name for run in runs.started} == {"00001"}
        assert [row["state"] for row in status.rows(worker.open_sweep(plan))] == ["running", "done"]
        other.send_signal(signal.SIGKILL)
    assert [row["state"] for row in status.rows(worker.open_sweep(plan))] == ["stopped", "done"], "nobody holds it"
    worker.work(worker.open_sweep(plan))
    assert sorted({Path(run).parent.name for run in runs.started}) == ["00000", "00001"]


PROGRAM = """
import json, pathlib, sys, time
settings = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
run, value = pathlib.Path(settings["run_dir"]), float(settings["ema.halflife_clips"])
run.mkdir()
if value == 666:
    sys.exit("it went wrong")
for clips in (32, 64):
    with open(run / "evaluation.jsonl", "a") as file:
        file.write(json.dumps({"clips_seen": clips, "kid_probe": value}) + "\\n")
    time.sleep(0.15 if value < 100 else 60)
"""


@pytest.mark.parametrize("kind", ["median", "hyperband"])
def test_a_trial_that_is_worse_than_those_before_it_is_stopped_early(monkeypatch: pytest.MonkeyPatch, kind: str):
    """Real processes: five that end, one that is no good, one that fails."""
    monkeypatch.setattr(worker, "POLL_S", 0.02)
    Path("program.py").write_text(PROGRAM)
    plan = plan_of(
        method="grid",
        parameters={"ema.halflife_clips": {"values": [1, 2, 3, 4, 5, 100, 666]}},
        command=["python", "program.py", "--experiment", "smoke", "${args_no_hyphens}"],
        early_terminate={"type": kind, "min_iter": 1, "eta": 2},
    )
    sweep = worker.open_sweep(plan)
    worker.work(sweep)
    rows = status.rows(sweep)
    ended = {row["parameters"]["ema.halflife_clips"]: (row["state"], row["why"]) for row in rows}
    assert ended[1] == ("done", "") and ended[666] == ("failed", "it went wrong")
    assert ended[100] == ("pruned", "stopped early at 100")
    if kind == "median":
        assert [row["state"] for row in rows] == ["done"] * 5 + ["pruned", "failed"]


def test_another_question_under_the_same_name_is_refused():
    worker.open_sweep(plan_of())
    with pytest.raises(
        ConfigError, match=r"not the sweep that runs/sweeps/tried has trials of .*give the file another"
    ):
        worker.open_sweep(plan_of(method="bayes"))
    worker.open_sweep(plan_of(run_cap=7))  # how many is no other question


def test_a_database_in_the_place_of_the_journal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    runs = Runs(monkeypatch, lambda s: float(s["g_optim.lr"]))
    spec = {"g_optim.lr": {"values": [1e-4, 1e-3]}}
    words = [str(file(Path.cwd(), method="grid", parameters=spec)), "--storage", "sqlite:///sweep.db"]
    for more in ([], [], ["--status"]):  # nothing is run twice
        monkeypatch.setattr(sys, "argv", ["sweep", *words, *more])
        main()
        assert "tried: 2 trials" in (out := capsys.readouterr().out) and out.count("done") == 2
    assert sorted(runs.started) == [f"runs/sweeps/tried/0000{i}/run" for i in (0, 1)]
    assert Path("sweep.db").is_file() and not Path("runs/sweeps/tried/journal.log").exists()


def test_ranges_are_kept_to(monkeypatch: pytest.MonkeyPatch):
    Runs(monkeypatch, lambda s: float(s["ema.rampup"]))
    spec = {"ema.rampup": {"min": 0.1, "max": 1.0}, "ema.halflife_clips": {"min": 3, "max": 5}}
    plan = plan_of(method="bayes", run_cap=6, parameters=spec, early_terminate={"type": "hyperband", "min_iter": 1})
    assert plan.ranges["ema.halflife_clips"] == Range(3, 5)
    sweep = worker.open_sweep(plan)
    worker.work(sweep)
    tried = [row["parameters"] for row in status.rows(sweep)]
    assert len(tried) == 6 and all(0.1 <= t["ema.rampup"] <= 1 and t["ema.halflife_clips"] in (3, 4, 5) for t in tried)
    page = report.write(sweep).read_text()
    assert page.count("data:image/png") == 4, "parallel coordinates, and a sheet of each of the three best"
    assert "share of the difference" in page and "ema.rampup" in page and "Trial " in page


def test_a_page_of_few_trials_says_so(monkeypatch: pytest.MonkeyPatch):
    plan = plan_of(method="grid")
    with pytest.raises(ValueError, match="no trial is done yet"):
        report.write(worker.open_sweep(plan))
    Runs(monkeypatch, lambda s: float(s["seed"]))
    worker.work(worker.open_sweep(plan))
    page = report.write(worker.open_sweep(plan)).read_text()
    assert "too few to tell" in page and "0.5 ± 6.4" in page and "mean over seeds 0, 1" in page


@pytest.mark.parametrize(
    ("column", "places"),
    [([1, 2, 3], [0, 0.5, 1]), ([1e-4, 1e-3, 1e-2], [0, 0.5, 1]), (["b", "a"], [1, 0]), ([2, 2], [0.5, 0.5])],
)
def test_places_on_an_axis(column: list[Any], places: list[float]):
    assert report._places(column) == pytest.approx(places)


@pytest.mark.parametrize("more", [[], ["--launch", "slurm"]])
@pytest.mark.parametrize("what", ["--status", "--report"])
def test_nothing_to_show_where_nothing_was_begun(what: str, more: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["sweep", str(file(Path.cwd())), what, *more])
    with pytest.raises(ConfigError, match=r"runs/sweeps/tried: no trial has been begun here"):
        main()
    assert not Path("runs").exists(), "looking leaves nothing behind"


def test_a_script_is_shown_of_a_cluster_alone(monkeypatch: pytest.MonkeyPatch):
    for more in ([], ["--launch", "slurm", "--status"]):
        monkeypatch.setattr(sys, "argv", ["sweep", str(file(Path.cwd())), "--print", *more])
        with pytest.raises(ConfigError, match="--print shows the script of --launch slurm"):
            main()


def test_a_trial_that_was_killed_while_it_was_drawn_is_drawn_to_its_end():
    """Optuna stores one parameter after the other: the second is missing here."""
    ranges = {name: {"min": 1e-4, "max": 1e-3} for name in ("d_optim.lr", "g_optim.lr")}
    sweep = worker.open_sweep(plan_of(method="random", run_cap=3, parameters=ranges))
    begun = sweep.study.ask()
    first = begun._suggest("d_optim.lr", worker.distributions(sweep.plan)["d_optim.lr"])
    taken = worker.next_trial(sweep)
    assert taken.number == begun.number and taken.params.keys() == set(ranges) and taken.params["d_optim.lr"] == first


def test_a_sweep_that_asks_for_something_else_is_another_sweep():
    worker.open_sweep(plan_of(method="random"))
    for changed in (
        {"metric": {"name": "val/kid_probe", "goal": "maximize"}},
        {"parameters": {"g_optim.lr": {"values": [1e-4, 1e-3]}, "seed": {"values": [0, 1, 2]}}},
    ):
        with pytest.raises(ConfigError, match="not the sweep that"):
            worker.open_sweep(plan_of(method="random", **changed))


def test_lists_have_their_places_on_the_page():
    assert report._places([[0.0, 0.9], [0.5, 0.9], [0.0, 0.9]]) == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("storage", ["sweep.db", "sqlite:////no/such/folder/sweep.db"])
def test_a_record_that_cannot_be_opened_is_one_line(tmp_path: Path, storage: str):
    plan = read_plan(file(tmp_path, method="grid", parameters={"seed": {"values": [0, 1]}}))
    with pytest.raises(ConfigError, match=r"^--storage .*an address is such as sqlite:///sweep\.db$"):
        worker.open_sweep(plan, folder=tmp_path, storage=storage)
