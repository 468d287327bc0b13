"""What is finished: one json per training, under `experiments/results/<study>/`, and nothing in it is made again."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2vgan.comparisons.study import Job, Search, Study
from t2vgan.config import ConfigError, nearest
from t2vgan.reports.figures import plain
from t2vgan.system import written_whole

FORMAT = "t2vgan-arm-1"
RESULTS = Path("experiments") / "results"


class Results:
    """The jsons of one study in `root/<study>`. Those of studies beside it that trained the very same count as well."""

    def __init__(self, study: Study, root: Path = RESULTS) -> None:
        self.study, self.folder, self.root = study, root / study.name, root

    def path(self, job: Job) -> Path:
        return self.folder / f"{job.name}.json"

    def of(self, job: Job) -> dict[str, Any] | None:
        """The result of a job, or None. ConfigError for one that was made with other settings."""
        found = read(self.path(job))
        if found is not None:
            if found["digest"] != job.digest:
                why = f"made with other settings than {job.file} now has"
                if found["factor"] != job.factor:
                    why = f"made at {found['factor']:g} times the arm's rates, and the search now says {job.factor:g}"
                if said := self.study.changing():
                    raise ConfigError(
                        f"{self.path(job)}: not made with {' '.join(said)}: leave that away, or take another --results"
                    )
                raise ConfigError(
                    f"{self.path(job)}: {why}: delete it and its run in runs/compare to train this arm anew, or take "
                    "the change back"
                )
            return found
        for path in sorted(self.root.glob(f"*/{job.name.split('.', 1)[0]}.*.json")):
            other = read(path)
            short = job.search and not self.study.whole_searches  # of these the curve is enough
            if other is not None and other["digest"] == job.digest and (short or "figures" in other):
                return other
        return None

    def write(self, job: Job, result: dict[str, Any]) -> None:
        told = {
            "format": FORMAT,
            "study": self.study.name,
            "arm": job.arm,
            "seed": job.experiment.seed,
            "factor": job.factor,
            "clips": job.experiment.clips,
            "rates": {"generator": job.experiment.g_optim.lr, "critics": job.experiment.d_optim.lr},
            "digest": job.digest,
            **result,
        }
        with written_whole(self.path(job)) as part:
            part.write_text(json.dumps(plain(told), indent=1) + "\n")

    def factor(self, arm: str) -> float | None:
        """How many times its own rates suit an arm best; None while the search is not over."""
        jobs = self.searches(arm)
        if len(jobs) == 1:
            return jobs[0].factor
        if (scores := self.scores(jobs)) is None:
            return None
        if not scores:
            return 1.0 if 1.0 in [job.factor for job in jobs] else jobs[0].factor  # none came through: for the record
        return self.best(scores)

    def searches(self, arm: str) -> list[Job]:
        """Those of the study, and those beyond the lowest or the highest rate that are known to be needed."""
        jobs = self.study.searches(arm)
        for _ in range(self.study.search.beyond if len(jobs) > 1 else 0):
            if not (scores := self.scores(jobs)):
                break
            best, factors = self.best(scores), sorted(job.factor for job in jobs)
            if best not in (factors[0], factors[-1]):
                break
            neighbour = factors[1] if best == factors[0] else factors[-2]
            jobs.append(self.study.search_at(arm, best * best / neighbour))
        return jobs

    def scores(self, jobs: Sequence[Job]) -> dict[float, float] | None:
        """By factor, without those that failed; None while a result is missing."""
        results = {job.factor: result for job in jobs if (result := self.of(job)) is not None}
        check_one_judge(list(results.values()))
        scores = {factor: score(result, self.study.search) for factor, result in results.items()}
        if len(results) < len(jobs):
            return None
        return {factor: value for factor, value in scores.items() if value is not None}

    def best(self, scores: Mapping[float, float]) -> float:
        return (min if self.study.search.goal == "min" else max)(scores, key=lambda factor: scores[factor])

    def seeds(self, arm: str) -> list[dict[str, Any]]:
        """The finished runs of an arm, by seed."""
        factor = self.factor(arm)
        if factor is None:
            return []
        runs = (self.of(self.study.run(arm, seed, factor)) for seed in self.study.seeds)
        return [run for run in runs if run is not None]


def check_one_judge(results: Sequence[Mapping[str, Any]]) -> None:
    """ConfigError for results of several judges, which no ranking could hold; of old ones the judge is not known."""
    by_judge: dict[str, list[str]] = {}
    for each in results:
        if judge := each.get("judge"):
            by_judge.setdefault(judge, []).append(f"{each['arm']}, seed {each['seed']}, times {each['factor']:g}")
    if len(by_judge) > 1:
        told = "; ".join(f"{judge}: {', '.join(runs)}" for judge, runs in sorted(by_judge.items()))
        raise ConfigError(
            f"{results[0]['study']}: its results are of {len(by_judge)} judges, whose distances cannot be compared "
            f"({told}): delete those of one, and train them anew where the other judge is (--pack takes it along)"
        )


def score(result: dict[str, Any], search: Search) -> float | None:
    """The search's metric, mean of the last validations; None for a run that failed or where there is none.

    ConfigError for a metric that validations do not have.
    """
    if result.get("failed") or not result.get("curve"):
        return None
    last = result["curve"][-1]
    if search.metric not in last:
        said = f"study.yaml: search.metric '{search.metric}' is nothing that a validation says"
        raise ConfigError(f"{said}{nearest(search.metric, last)}; it says: {', '.join(last)}")
    values = [point.get(search.metric) for point in result["curve"][-search.last :]]
    return None if None in values else statistics.fmean(values)


def read(path: Path) -> dict[str, Any] | None:
    """ConfigError for a file that is no result."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
        if found["format"] != FORMAT:
            raise ValueError("another format")
        return {**found, "digest": str(found["digest"])}
    except (ValueError, LookupError, TypeError):
        raise ConfigError(f"{path}: not a result of a comparison; delete it and the arm is trained again") from None
