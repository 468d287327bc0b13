"""What an arm costs: measured alone on one thread of a processor, wherever its quality is trained.

Seconds on a GPU that several trainings share say nothing of cost. `price.json` beside the results holds CPU-seconds
per clip of training, the latency of one clip and the highest memory of each arm; where all arms have a price, seconds
on the leaderboard are clips times price.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vgan.comparisons.results import Results
from t2vgan.comparisons.study import Study, digest_of
from t2vgan.config import ConfigError, Experiment
from t2vgan.system import written_whole

FILE = "price.json"
FORMAT = "t2vgan-price-1"
WARM_UP = 3  # rounds
SECONDS = 15.0  # of processor time that an arm's rounds are measured for, at least
CLIPS = 64  # of training; the others would cost the same


def at_price(run: Mapping[str, Any], price: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a run as if it had been trained where the price was measured."""
    per_clip = float(price["cpu_s_per_clip"])
    return {
        **run,
        "curve": [{**point, "cpu_s": point["clips_seen"] * per_clip} for point in run["curve"]],
        "cost": {**run["cost"], "clips_per_s": 1 / per_clip, "peak_mb": price["peak_mb"]},
        "latency_ms": price["latency_ms"],
        "machine": {**run["machine"], "gpu": False},
    }


def read(study: Study, results: Results) -> dict[str, Any]:
    """`price.json`'s content with the arms whose settings are still those; {} where there is none."""
    found = content(results)
    arms = found.get("arms", {})
    held = {arm: p for arm, p in arms.items() if arm in study.arms and p["digest"] == digest(study, arm)}
    return {**found, "arms": held} if found else {}


def content(results: Results) -> dict[str, Any]:
    """`price.json` as it is, with the prices of all arms that were ever measured; {} where there is none."""
    path = results.folder / FILE
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text())
        if found["format"] != FORMAT or not all("digest" in p for p in found["arms"].values()):
            raise ValueError("another format")
        return found
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ConfigError(f"{path}: not a list of prices; delete it and measure again by --price") from None


def digest(study: Study, arm: str) -> str:
    """Neither how long a training is nor its rates change what a clip costs."""
    return digest_of(study.experiment(arm, "clips=1", "g_optim.lr=1", "d_optim.lr=1"))


def price_all(study: Study, results: Results) -> Path:
    """Prices the arms that have none yet, each in a process of its own, one after the other.

    What `price.json` says of arms that are not asked for stays in it.
    """
    from t2vgan import runs
    from t2vgan.comparisons.measure import machine

    path, spawn = results.folder / FILE, multiprocessing.get_context("spawn")
    every = content(results).get("arms", {})
    known = read(study, results).get("arms", {})
    for arm in study.arms:
        if arm not in known:
            told, tell = spawn.Pipe(duplex=False)
            process = spawn.Process(target=_priced, args=(study.experiment(arm), tell))
            process.start()
            tell.close()
            try:
                found = told.recv()
            except EOFError:
                raise ConfigError(f"{arm}: its price could not be measured; what was said stands above") from None
            process.join()
            where = {"machine": machine(gpu=False), "commit": runs.commit()}
            known[arm] = {"digest": digest(study, arm), **found, **where}
            every[arm] = known[arm]
            with written_whole(path) as part:
                part.write_text(json.dumps({"format": FORMAT, "threads": 1, "arms": every}, indent=1) + "\n")
        p = known[arm]
        print(
            f"{arm}: {1000 * p['cpu_s_per_clip']:.1f} ms of CPU a clip, {p['latency_ms']:.0f} ms latency, "
            f"{p['peak_mb']:.0f} MB",
            flush=True,
        )
    where = sorted({known[arm]["machine"]["device"] for arm in study.arms})
    if len(where) > 1:
        print(f"these are prices of {' and '.join(where)}, which are not compared: delete {path}, measure all on one")
    return path


def _priced(experiment: Experiment, tell: Any) -> None:
    from t2vgan.comparisons.workers import end_with_parent

    end_with_parent()
    tell.send(price(experiment))
    tell.close()


def price(experiment: Experiment, *, seconds: int | float = SECONDS) -> dict[str, float]:
    """Of rounds of training by one thread of this process: whole cycles of the terms that are not in every round."""
    import lightning as L
    import torch

    from t2vgan import assemble
    from t2vgan.callbacks.cost import peak_mb
    from t2vgan.callbacks.ema import EMA
    from t2vgan.comparisons.measure import latency_of
    from t2vgan.devices import precision, spare_page_faults
    from t2vgan.training import quiet_lightning

    spare_page_faults()
    quiet_lightning()
    warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
    torch.set_num_threads(1)
    pipeline = assemble.text_pipeline(experiment, cache=assemble.cache_folder(experiment) / "text")
    game = assemble.model(experiment, pipeline)
    data = assemble.datamodule(experiment, limit=max(CLIPS, experiment.data.batch))
    pipeline.warm([*data.dataset("train", data.limit).captions(), *experiment.samples.prompts])
    clock = _clock(cycle=cycle(experiment), seconds=seconds)
    average = EMA(halflife_clips=experiment.ema.halflife_clips, rampup=experiment.ema.rampup)
    L.Trainer(
        accelerator="cpu", devices=1, precision=precision(experiment), max_epochs=-1, limit_val_batches=0,  # type: ignore[arg-type]
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, callbacks=[average, clock],
    ).fit(game, train_dataloaders=data.train_dataloader())  # fmt: skip
    memory = peak_mb(torch.device("cpu"))
    return {
        "cpu_s_per_clip": clock.cpu_s / (clock.rounds * experiment.data.batch),
        "rounds": clock.rounds,
        "latency_ms": latency_of(game.eval(), experiment),
        "peak_mb": round(memory, 1),
    }


def cycle(experiment: Experiment) -> int:
    """After so many rounds the same terms are computed again."""
    every = [v.get("every", 1) for v in experiment.losses.values() if isinstance(v, Mapping)]
    return math.lcm(*every) if every else 1


def _clock(*, cycle: int, seconds: int | float) -> Any:
    import lightning as L

    class Clock(L.Callback):
        """Processor time of the rounds after the first WARM_UP; ends training. Comes after the average."""

        def __init__(self) -> None:
            self.seen, self.rounds, self.cpu_s, self.begun = 0, 0, 0.0, 0.0

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            self.begun = time.process_time()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            spent = time.process_time() - self.begun
            self.seen += 1
            if self.seen > WARM_UP:
                self.rounds, self.cpu_s = self.rounds + 1, self.cpu_s + spent
                trainer.should_stop = self.cpu_s >= seconds and self.rounds % cycle == 0

    return Clock()
