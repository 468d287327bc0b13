"""A sweep file: Weights & Biases' own format, so that `wandb sweep` and `wandb agent` take the same file.

https://docs.wandb.ai/guides/sweeps/sweep-config-keys. Understood here: `method` grid, random, bayes; `metric`;
`parameters` with value, values, min/max and distributions; `early_terminate` hyperband, and median, which W&B itself
does not know; nested `parameters`, which become dotted keys; `run_cap`; `command`, which has to start `t2vgan.fit` with
`${args_no_hyphens}`. A parameter `seed` with `values` is a dimension of its own: every trial is trained with each of
them, and counts as their mean. What is not understood (`probabilities`, normal distributions) is refused by name.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from t2vgan.config import ConfigError, Experiment, load, nearest

KEYS = (
    "program",
    "name",
    "description",
    "project",
    "entity",
    "method",
    "metric",
    "parameters",
    "early_terminate",
    "command",
    "run_cap",
)
EARLY = ("type", "min_iter", "eta", "max_iter", "s", "strict")  # the last means something to W&B alone
METHODS = ("grid", "random", "bayes")
SPECS = ("value", "values", "min", "max", "q", "distribution")
DISTRIBUTIONS = ("constant", "categorical", "int_uniform", "uniform", "q_uniform", "log_uniform", "log_uniform_values")
UNKNOWN_HERE = ("probabilities", "mu", "sigma")
ARGUMENTS = "${args_no_hyphens}"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `step` 0: any."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float = 0


@dataclass(frozen=True)
class Plan:
    """What a sweep file asks for."""

    path: Path
    method: str
    metric: str
    minimize: bool
    command: list[str]
    choices: dict[str, list[Any]]
    ranges: dict[str, Range]
    seeds: list[int] = field(default_factory=list)
    trials: int | None = None  # None: until it is stopped; a grid ends by itself
    early: dict[str, Any] | None = None  # how trials are stopped early: type, min_iter (in validations), eta

    @property
    def name(self) -> str:
        return self.path.stem

    def arguments(self, parameters: dict[str, Any]) -> list[str]:
        """The program and its arguments with these parameters, to be run here."""
        overrides = [f"{key}={written(value)}" for key, value in parameters.items()]
        given = [word for word in self.command if word not in ("${env}", "/usr/bin/env", "--new")]
        words = [sys.executable if word in ("python", "python3", "${interpreter}") else word for word in given]
        return [w for word in words for w in (overrides if word == ARGUMENTS else [word])]

    def experiment(self, parameters: dict[str, Any]) -> Experiment:
        """ConfigError when the parameters are none of the experiment's, or of the wrong type."""
        words = self.arguments(parameters)
        name = words[words.index("--experiment") + 1]
        return load(name, [w for w in words if "=" in w and not w.startswith("-")])

    def grid(self) -> list[dict[str, Any]]:
        return [dict(zip(self.choices, values, strict=True)) for values in product(*self.choices.values())]


def written(value: Any) -> str:
    """As YAML would read it back."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "null"
    return repr(value) if isinstance(value, float) else str(value)


def read_plan(path: Path) -> Plan:
    """Raises ConfigError, one line, for what the file has wrong."""
    content = _content(path)
    choices: dict[str, list[Any]] = {}
    ranges: dict[str, Range] = {}
    for name, spec in _flat(content["parameters"]).items():
        found = _parameter(path, name, spec)
        if isinstance(found, Range):
            ranges[name] = found
        else:
            choices[name] = found
    if content["method"] == "grid" and ranges:
        raise ConfigError(f"{path}: parameters.{next(iter(ranges))}: a grid needs `values`, not a range")
    if "seed" in ranges:
        raise ConfigError(
            f"{path}: parameters.seed: give `values`, e.g. [0, 1, 2], and every trial counts as the mean over them; "
            "a range would look for the luckiest seed"
        )
    for seed in choices.get("seed", []):
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ConfigError(f"{path}: parameters.seed: {seed!r} is no whole number")
    metric = content["metric"]
    early = content.get("early_terminate")
    plan = Plan(
        path=path,
        method=content["method"],
        metric=metric["name"],
        minimize=metric.get("goal", "minimize") == "minimize",
        command=_command(path, content),
        seeds=choices.pop("seed", []) if len(choices.get("seed", [])) > 1 else [],
        choices=choices,
        ranges=ranges,
        trials=content.get("run_cap"),
        early=_early(early) if early else None,
    )
    check_values(plan, lambda _: None)
    return plan


def _flat(parameters: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{g_optim: {parameters: {lr: ...}}}` as `{g_optim.lr: ...}`."""
    found: dict[str, Any] = {}
    for name, spec in parameters.items():
        nested = isinstance(spec, dict) and set(spec) == {"parameters"} and isinstance(spec["parameters"], dict)
        found |= _flat(spec["parameters"], f"{prefix}{name}.") if nested else {f"{prefix}{name}": spec}
    return found


def _early(given: dict[str, Any]) -> dict[str, Any]:
    """With `min_iter` and `eta`; of W&B's brackets `max_iter / eta^1, ..., max_iter / eta^s` the last comes first."""
    early = {"eta": 3, **given}
    if "min_iter" not in early and {"max_iter", "s"} <= early.keys():
        early["min_iter"] = max(1, early["max_iter"] // early["eta"] ** early["s"])
    return {"min_iter": 1, **early}


def check_values(plan: Plan, check: Callable[[Experiment], None]) -> None:
    """ConfigError, one line, where `check` has one for an experiment with a value of a parameter, or there is none."""
    for name in [*plan.choices, *plan.ranges]:
        for value in plan.choices.get(name) or [plan.ranges[name].low, plan.ranges[name].high]:
            try:
                check(plan.experiment({name: value}))
            except ConfigError as error:
                told = str(error).removeprefix("command line: ")
                raise ConfigError(f"{plan.path}: parameters.{name}: {told}") from None


def _content(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        known = sorted(p.as_posix() for p in Path("experiments/sweeps").glob("*.yaml"))
        raise ConfigError(
            f"no such sweep file: {path}{nearest(str(path), known)}; there are: {', '.join(known) or '-'}"
        )
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a sweep's keys, such as method, metric, parameters")
    _check_keys(path, content)
    _check_values(path, content)
    return content


def _check_keys(path: Path, content: dict[str, Any]) -> None:
    for key in content:
        if key not in KEYS:
            raise ConfigError(f"{path}: unknown key '{key}'{nearest(str(key), KEYS)}")
    for key in ("method", "metric", "parameters", "command"):
        if key not in content:
            raise ConfigError(f"{path}: `{key}` is missing")


def _check_values(path: Path, content: dict[str, Any]) -> None:
    if content["method"] not in METHODS:
        raise ConfigError(f"{path}: method '{content['method']}': choose one of: {', '.join(METHODS)}")
    metric = content["metric"]
    for key in metric if isinstance(metric, dict) else ():
        if key not in ("name", "goal"):
            hint = "; a sweep ends with run_cap" if key == "target" else ""
            raise ConfigError(f"{path}: metric: unknown key '{key}'{nearest(str(key), ('name', 'goal'))}{hint}")
    if not isinstance(metric, dict) or not str(metric.get("name", "")).startswith("val/"):
        raise ConfigError(f"{path}: metric.name has to be a figure of the validations, e.g. val/kid_probe")
    if metric.get("goal", "minimize") not in ("minimize", "maximize"):
        raise ConfigError(f"{path}: metric.goal is minimize or maximize")
    if not isinstance(content["parameters"], dict) or not content["parameters"]:
        raise ConfigError(f"{path}: parameters has to be a section of experiment keys, e.g. g_optim.lr")
    cap = content.get("run_cap")
    if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
        raise ConfigError(f"{path}: run_cap is {cap}: it has to be a whole number from 1 on")
    if "early_terminate" in content:
        _check_early(path, content["early_terminate"])


def _check_early(path: Path, early: Any) -> None:
    if not isinstance(early, dict) or early.get("type") not in ("hyperband", "median"):
        raise ConfigError(f"{path}: early_terminate.type has to be hyperband, with min_iter and eta, or median")
    if len({"max_iter", "s"} & early.keys()) == 1 and "min_iter" not in early:
        raise ConfigError(f"{path}: early_terminate: give min_iter and eta, or max_iter, s and eta")
    for key, value in early.items():
        if key not in EARLY:
            raise ConfigError(f"{path}: early_terminate: unknown key '{key}'{nearest(str(key), EARLY)}")
        least = 2 if key == "eta" else 1
        whole = isinstance(value, int) and not isinstance(value, bool)
        if key in ("min_iter", "eta", "max_iter", "s") and (not whole or value < least):
            raise ConfigError(f"{path}: early_terminate.{key} is {value}: it has to be a whole number from {least} on")


def _command(path: Path, content: dict[str, Any]) -> list[str]:
    if not isinstance(content["command"], list):
        raise ConfigError(f"{path}: command has to be a list of words")
    words = [str(word) for word in content["command"]]
    words = [content.get("program", word) if word == "${program}" else word for word in words]
    if "--experiment" not in words[:-1] or ARGUMENTS not in words:
        raise ConfigError(
            f"{path}: command has to be [python, -m, t2vgan.fit, --experiment, NAME, --new, {ARGUMENTS}], in this form"
        )
    return words


def _parameter(path: Path, name: str, spec: Any) -> list[Any] | Range:
    where = f"{path}: parameters.{name}"
    if not isinstance(spec, dict):
        raise ConfigError(f"{where}: expected `value`, `values` or `min` and `max`")
    for key in spec:
        if key in UNKNOWN_HERE:
            raise ConfigError(f"{where}: `{key}` is known to W&B's own sweeps alone")
        if key not in SPECS:
            raise ConfigError(f"{where}: unknown key '{key}'{nearest(str(key), SPECS)}")
    if "value" in spec:
        return [spec["value"]]
    if "values" in spec:
        if not isinstance(spec["values"], list) or not spec["values"]:
            raise ConfigError(f"{where}: `values` has to be a list")
        return [as_number(value) for value in spec["values"]]
    return _range(where, spec)


def as_number(value: Any) -> Any:
    """YAML 1.1 takes 1e-5, which has no point, for a word; experiments take it for a number."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value) else value


def _range(where: str, spec: dict[str, Any]) -> Range:
    low, high = (as_number(spec.get(key, math.nan)) for key in ("min", "max"))
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in (low, high)) or not low < high:
        raise ConfigError(f"{where}: `min` and `max` have to be numbers, the first below the second")
    whole, q = isinstance(low, int) and isinstance(high, int), spec.get("q", 1)
    if isinstance(q, bool) or not isinstance(q, int | float) or not q > 0:
        raise ConfigError(f"{where}: `q` is {q}: it has to be a number above 0")
    kind = spec.get("distribution", "int_uniform" if whole else "uniform")
    if kind not in DISTRIBUTIONS[2:]:
        raise ConfigError(f"{where}: distribution '{kind}': choose one of: {', '.join(DISTRIBUTIONS)}")
    if kind == "log_uniform":  # W&B's bounds are exponents of e
        low, high = math.exp(low), math.exp(high)
    if kind.startswith("log") and low <= 0:
        raise ConfigError(f"{where}: a logarithmic range starts above 0")
    if kind == "int_uniform":
        return Range(int(low), int(high))
    if kind == "q_uniform" and whole and isinstance(q, int):
        return Range(low, high, step=q)
    return Range(float(low), float(high), log=kind.startswith("log"), step=float(q) if kind[0] == "q" else 0)
