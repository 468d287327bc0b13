"""Sweep files: what is understood, and what is said of what is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from t2vgan import assemble
from t2vgan.config import ConfigError
from t2vgan.sweeps.plan import Range, check_values, read_plan

SHIPPED = sorted((Path(__file__).resolve().parent.parent.parent / "experiments" / "sweeps").glob("*.yaml"))
COMMAND = ["python", "-m", "t2vgan.fit", "--experiment", "smoke", "--new", "${args_no_hyphens}"]


def file(folder: Path, **changed: Any) -> Path:
    content: dict[str, Any] = {
        "method": "random",
        "metric": {"name": "val/kid_probe", "goal": "minimize"},
        "parameters": {"g_optim.lr": {"values": [1e-4, 1e-3]}, "seed": {"values": [0, 1]}},
        "command": COMMAND,
        **changed,
    }
    path = folder / "tried.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_sweep_that_ships(path: Path):
    plan = read_plan(path)
    assert plan.name == path.stem and len(plan.seeds) > 1 and (plan.method == "grid" or plan.trials)
    assert f"python -m t2vgan.sweep experiments/sweeps/{path.name}" in path.read_text()


def test_the_command_with_a_trials_parameters(tmp_path: Path):
    plan = read_plan(file(tmp_path, program="t2vgan/fit.py"))
    assert plan.seeds == [0, 1] and plan.choices == {"g_optim.lr": [1e-4, 1e-3]} and plan.minimize
    words = plan.arguments({"g_optim.lr": 1e-4, "seed": 1, "data.cache": False})
    assert words[0] == sys.executable and "--new" not in words, "a trial that was stopped is gone on with"
    assert words[1:] == ["-m", "t2vgan.fit", "--experiment", "smoke", "g_optim.lr=0.0001", "seed=1", "data.cache=false"]
    assert plan.experiment({"g_optim.lr": 1e-3}).g_optim.lr == 1e-3


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"min": 1, "max": 4}, Range(1, 4)),
        ({"min": 0.0, "max": 4}, Range(0.0, 4.0)),
        ({"min": 1e-4, "max": 1e-2, "distribution": "log_uniform_values"}, Range(1e-4, 1e-2, log=True)),
        ({"min": "1e-4", "max": "2e+1"}, Range(1e-4, 20.0)),
        ({"min": 0.0, "max": 1.0, "q": 0.25, "distribution": "q_uniform"}, Range(0.0, 1.0, step=0.25)),
        ({"min": 8, "max": 64, "q": 8, "distribution": "q_uniform"}, Range(8, 64, step=8)),
    ],
)
def test_ranges(tmp_path: Path, spec: dict[str, Any], expected: Range):
    name = "clips" if isinstance(expected.low, int) else "ema.rampup"
    assert read_plan(file(tmp_path, parameters={name: spec})).ranges == {name: expected}


def test_nested_parameters_are_dotted_keys(tmp_path: Path):
    optim = {"lr": {"values": [1e-4, 1e-3]}, "eps": {"value": 1e-6}}
    plan = read_plan(file(tmp_path, parameters={"g_optim": {"parameters": optim}, "clips": {"value": 8}}))
    assert plan.choices == {"g_optim.lr": [1e-4, 1e-3], "g_optim.eps": [1e-6], "clips": [8]}


@pytest.mark.parametrize(
    ("early", "first"),
    [
        ({"min_iter": 2}, 2),
        ({}, 1),
        ({"max_iter": 27, "s": 2}, 3),
        ({"max_iter": 16, "s": 3, "eta": 2}, 2),
        ({"max_iter": 2, "s": 2}, 1),
    ],
)
def test_the_first_rung_of_brackets(tmp_path: Path, early: dict[str, int], first: int):
    found = read_plan(file(tmp_path, early_terminate={"type": "hyperband", **early})).early
    assert found and found["min_iter"] == first and found["eta"] == early.get("eta", 3)


def test_one_seed_is_no_dimension(tmp_path: Path):
    plan = read_plan(file(tmp_path, parameters={"seed": {"value": 3}}))
    assert plan.seeds == [] and plan.choices == {"seed": [3]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parameters": {"g_optim.lrr": {"value": 1}}}, r"parameters.g_optim.lrr: unknown key .* did you mean 'lr'\?"),
        ({"parameters": {"clips": {"value": "many"}}}, r"parameters.clips: .*many"),
        (
            {"parameters": {"clips": {"valeus": [1]}}},
            r"parameters.clips: unknown key 'valeus', did you mean 'values'\?",
        ),
        ({"parameters": {"clips": {"min": 3, "max": 2}}}, "the first below the second"),
        ({"parameters": {"clips": 3}}, "expected `value`, `values` or `min` and `max`"),
        ({"parameters": {"ema.rampup": {"min": 0.1, "max": 1.0, "distribution": "normal"}}}, "distribution 'normal'"),
        ({"method": "grid", "parameters": {"clips": {"min": 1, "max": 2}}}, "a grid needs `values`, not a range"),
        ({"method": "best"}, "method 'best': choose one of: grid, random, bayes"),
        ({"metric": {"name": "loss"}}, "a figure of the validations, e.g. val/kid_probe"),
        ({"metric": {"name": "val/kid_probe", "goal": "less"}}, "metric.goal is minimize or maximize"),
        ({"metric": {"name": "val/kid_probe", "gaol": "maximize"}}, "unknown key 'gaol', did you mean 'goal'"),
        ({"metric": {"name": "val/kid_probe", "target": 0.1}}, "unknown key 'target'.*run_cap"),
        ({"run_cap": "ten"}, "run_cap is ten"),
        ({"command": {}}, "command has to be a list"),
        ({"parameters": {"seed": {"values": ["a", "b"]}}}, "parameters.seed: 'a' is no whole number"),
        ({"parameters": {"ema.rampup": {"min": 0.1, "max": 1.0, "q": "a"}}}, "`q` is a"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 27}}, "give min_iter and eta, or max_iter, s and eta"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 2.5, "s": 1}}, "early_terminate.max_iter is 2.5"),
        ({"parameters": {"seed": {"min": 0, "max": 9}}}, r"parameters.seed: give `values`.*the luckiest seed"),
        (
            {"parameters": {"clips": {"values": [8, 16], "probabilities": [0.1, 0.9]}}},
            "`probabilities` is known",
        ),
        ({"parameters": {"g_optim": {"parameters": {"lrr": {"value": 1}}}}}, "parameters.g_optim.lrr: unknown key"),
        ({"early_terminate": {"type": "envelope"}}, "early_terminate.type has to be hyperband"),
        ({"early_terminate": {"type": "median", "min_itre": 2}}, "unknown key 'min_itre', did you mean 'min_iter'"),
        ({"early_terminate": {"type": "hyperband", "eta": 1}}, "early_terminate.eta is 1: .* whole number from 2 on"),
        ({"command": ["python", "train.py"]}, "command has to be"),
        ({"command": None}, "`command` is missing"),
        ({"methods": 3}, "unknown key 'methods', did you mean 'method'"),
    ],
)
def test_mistakes(tmp_path: Path, changed: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        read_plan(file(tmp_path, **changed))


def test_no_such_file():
    with pytest.raises(ConfigError, match=r"no such sweep file: nowhere\.yaml"):
        read_plan(Path("nowhere.yaml"))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "generator.widht",
            [8, 16],
            r"parameters.generator.widht: generator: 'continuous' has no option 'widht', did you mean 'width'",
        ),
        ("generator.width", ["wide"], r"parameters.generator.width: .*width is 'wide': it is a whole number"),
        ("discriminators.clip.name", ["clip_levle"], r"no part is named 'clip_levle', did you mean 'clip_level'"),
        ("losses.g/clip/hinge.weihgt", [1.0], r"has no option 'weihgt'"),
    ],
)
def test_options_of_parts_are_looked_at_before_any_trial(tmp_path: Path, name: str, values: list[Any], message: str):
    plan = read_plan(file(tmp_path, parameters={name: {"values": values}}))
    with pytest.raises(ConfigError, match=message):
        check_values(plan, assemble.check_parts)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_parts_of_sweeps_that_ship(path: Path):
    check_values(read_plan(path), assemble.check_parts)
