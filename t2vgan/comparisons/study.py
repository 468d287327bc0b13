"""A study: a folder of experiments, its arms, and in it `study.yaml`, which says what is asked of them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2vgan.config import ConfigError, Experiment, load, nearest, to_dict
from t2vgan.resume import CIRCUMSTANCES, flat

FILE = "study.yaml"
KEYS = ("title", "note", "seeds", "search", "questions", "baseline", "vectors")
# What does not change a result, besides how and where a run is computed.
BESIDE = (*CIRCUMSTANCES, "name", "data.root", "data.files", "samples", "trainer.log_every_steps")
# Of all arms.
SHARED = ("clips", "clip", "data.dataset", "data.batch", "data.val_clips", "ema", "evaluation", "text.lr")
BESIDE += ("trainer.checkpoint_every_clips", "trainer.graphs")
VECTORS = ("word2vec", "random")  # how a file of word vectors can be made from the captions of training


@dataclass(frozen=True)
class Search:
    """Every arm is first trained for `share` of its clips at each of `factors` times its learning rates.

    The best factor by `metric`, mean of the `last` validations, is the one that all its seeds are trained with. With a
    share of 1 the best of these trainings is that of the first seed, too. Where the best is the lowest or the highest,
    up to `beyond` further ones are tried on that side, as far from it as its neighbour is.
    """

    factors: tuple[float, ...] = (0.25, 1.0, 4.0)
    share: int | float = 0.25
    metric: str = "fd_probe"
    goal: str = "min"
    last: int = 3  # one alone is of few clips
    beyond: int = 0


@dataclass(frozen=True)
class Question:
    """`arms` that differ in what the question asks, and in nothing else."""

    name: str
    ask: str
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One training: an arm with a seed, or one of the arm's searches."""

    arm: str
    file: Path
    experiment: Experiment
    factor: int | float
    search: bool = False

    @property
    def name(self) -> str:
        """Of its json and of its run folder."""
        return f"{self.arm}.search-{self.factor:g}" if self.search else f"{self.arm}.seed{self.experiment.seed}"

    @functools.cached_property
    def digest(self) -> str:
        """Changes with whatever changes the result."""
        return digest_of(self.experiment)


@dataclass(frozen=True)
class Study:
    """The arms by their names, in the order of the alphabet. `overrides` hold for all of them."""

    folder: Path
    title: str
    note: str
    arms: dict[str, Path]
    seeds: tuple[int, ...]
    search: Search
    questions: tuple[Question, ...]
    baseline: str = ""
    vectors: dict[str, str] = field(default_factory=dict)  # file: how it is made
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def whole_searches(self) -> bool:
        """Whether a search is a training to its end, which counts as one of a seed."""
        return self.search.share == 1

    def changing(self) -> list[str]:
        """Those overrides that change a result."""
        return [word for word in self.overrides if not under(word.split("=", 1)[0], BESIDE)]

    def trainings_of_seeds(self, arm: str) -> int:
        """How many an arm needs once its search is over."""
        done = self.whole_searches and len(self.search.factors) > 1
        return len(set(self.seeds) - ({self.experiment(arm).seed} if done else set()))

    def experiment(self, arm: str, *more: str) -> Experiment:
        path = self.arms[arm]
        return loaded(path, path.stat().st_mtime_ns, (*self.overrides, *more))

    def searches(self, arm: str) -> list[Job]:
        return [self.search_at(arm, factor) for factor in self.search.factors]

    def search_at(self, arm: str, factor: int | float) -> Job:
        clips = round(self.experiment(arm).clips * self.search.share)
        return self._job(arm, factor, f"clips={clips}", search=True)

    def run(self, arm: str, seed: int, factor: int | float) -> Job:
        return self._job(arm, factor, f"seed={seed}")

    def _job(self, arm: str, factor: int | float, *more: str, search: bool = False) -> Job:
        base = self.experiment(arm)
        rates = [f"g_optim.lr={base.g_optim.lr * factor:.6g}", f"d_optim.lr={base.d_optim.lr * factor:.6g}"]
        path = self.arms[arm]
        return job_of(arm, path, path.stat().st_mtime_ns, (*self.overrides, *rates, *more), factor, search)


@functools.lru_cache(maxsize=1024)
def job_of(arm: str, path: Path, changed_ns: int, overrides: tuple[str, ...], factor: int | float, search: bool) -> Job:
    """One object for each job, so that its digest is worked out once."""
    return Job(arm, path, loaded(path, changed_ns, overrides), factor, search)


@functools.lru_cache(maxsize=1024)
def loaded(path: Path, changed_ns: int, overrides: tuple[str, ...]) -> Experiment:
    """Read once for as long as the file is what it was: a study asks for its experiments again and again."""
    del changed_ns
    return load(path, overrides)


def digest_of(experiment: Experiment) -> str:
    """Of all that a training depends on. What is not done to clips is no setting, so that one that is added later
    changes no digest.
    """
    settings = {k: v for k, v in flat(to_dict(experiment)).items() if not under(k, BESIDE)}
    settings = {
        k: v for k, v in settings.items() if v or not under(k, ["augment", "start", "text.lr", "text.sentences"])
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def under(key: str, prefixes: Sequence[str]) -> bool:
    return any(f"{key}.".startswith(f"{prefix}.") for prefix in prefixes)


def read_study(folder: Path, *, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> Study:
    """The study of a folder; `only`: these of its arms. ConfigError, one line, for what is wrong with it."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder; a study is a folder of experiments, as experiments/zoo")
    arms = {path.stem: path for path in sorted(folder.glob("*.yaml")) if path.name != FILE}
    if not arms:
        raise ConfigError(f"{folder}: there are no experiments (*.yaml) in it to compare")
    content = _content(folder / FILE)
    for arm in only:
        if arm not in arms:
            raise ConfigError(f"{folder}: no arm '{arm}'{nearest(arm, arms)}; there are: {', '.join(arms)}")
    study = Study(
        folder=folder,
        title=str(content.get("title", folder.name)),
        note=str(content.get("note", "")).strip(),
        arms={arm: path for arm, path in arms.items() if not only or arm in only},
        seeds=_seeds(content.get("seeds", [0]), folder / FILE),
        search=_search(content.get("search", {}), folder / FILE),
        questions=_questions(content.get("questions", []), arms, folder / FILE),
        baseline=str(content.get("baseline", "")),
        vectors=_vectors(content.get("vectors", {}), folder / FILE),
        overrides=tuple(overrides),
    )
    if study.baseline and study.baseline not in arms:
        raise ConfigError(f"{folder / FILE}: baseline '{study.baseline}' is no arm{nearest(study.baseline, arms)}")
    _alike({arm: study.experiment(arm) for arm in study.arms})  # mistakes come to light before hours are spent
    return study


def _alike(experiments: dict[str, Experiment]) -> None:
    """ConfigError where arms differ in what makes their numbers comparable."""
    (first, model), *others = experiments.items()
    for arm, each in others:
        for key in SHARED:
            here, there = _under(each, key), _under(model, key)
            if here != there:
                raise ConfigError(f"{arm}: {key} is {here}, and {there} in {first}: arms are compared on equal clips")


def _under(experiment: Experiment, key: str) -> Any:
    return functools.reduce(getattr, key.split("."), experiment)


def _content(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text()) if path.is_file() else {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines at the top level")
    for key in content:
        if key not in KEYS:
            raise ConfigError(f"{path}: unknown key '{key}'{nearest(str(key), KEYS)}; it has: {', '.join(KEYS)}")
    return content


def _seeds(value: Any, path: Path) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(type(seed) is int for seed in value):
        raise ConfigError(f"{path}: seeds is {value}: it is a list of whole numbers, as [0, 1, 2]")
    return tuple(dict.fromkeys(value))


def _search(value: Any, path: Path) -> Search:
    known = list(Search.__dataclass_fields__)
    if not isinstance(value, dict) or any(key not in known for key in value):
        raise ConfigError(f"{path}: search has the keys {', '.join(known)}, not {value}")
    told = "search needs factors above 0, a share of at most 1, goal min or max, last at least 1, beyond at least 0"
    wrong = ConfigError(f"{path}: {told}")
    try:
        found = Search(**{**value, "factors": tuple(float(f) for f in value.get("factors", Search.factors))})
        usable = (
            bool(found.factors)
            and min(found.factors) > 0
            and 0 < found.share <= 1
            and type(found.last) is type(found.beyond) is int
            and found.last >= 1
            and found.beyond >= 0
        )
    except (TypeError, ValueError):  # of another kind than numbers
        raise wrong from None
    if not usable or found.goal not in ("min", "max"):
        raise wrong
    return found


def _questions(value: Any, arms: dict[str, Path], path: Path) -> tuple[Question, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}: questions is a list, each with name, ask and arms, not {value}")
    return tuple(_question(each, arms, path) for each in value)


def _question(value: Any, arms: dict[str, Path], path: Path) -> Question:
    if not isinstance(value, dict) or set(value) != {"name", "ask", "arms"} or not isinstance(value["arms"], list):
        raise ConfigError(f"{path}: a question has name, ask and a list of arms, not {value}")
    for arm in value["arms"]:
        if str(arm) not in arms:
            raise ConfigError(f"{path}: question '{value['name']}': no arm '{arm}'{nearest(str(arm), arms)}")
    return Question(str(value["name"]), str(value["ask"]), tuple(map(str, value["arms"])))


def _vectors(value: Any, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or any(how not in VECTORS for how in value.values()):
        raise ConfigError(f"{path}: vectors names files and how they are made ({', '.join(VECTORS)}), not {value}")
    return {str(file): str(how) for file, how in value.items()}
