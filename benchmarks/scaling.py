"""What a round costs in one process and in two, and what of it is not the game: exchange, waiting for data, Lightning.

    python benchmarks/scaling.py --experiment lion_savanna             # one thread per process, on a quiet machine
    python benchmarks/scaling.py --experiment lion_savanna --rounds 40
    python benchmarks/scaling.py --gpu                                 # clips/s and share of the peak, 64 to 256 pixels
    python benchmarks/scaling.py --gpu --sizes 128 --profile           # and what the GPU was busy with

The experiment's own sizes and batch; medians over rounds, after warming up. Processes are fed by the experiment's own
loader, from its data, which is made where it is not there yet; all else by random clips with real captions. The bar for
Lightning is 5 % of a bare loop over the same module, in CPU time, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import torch
import wandb
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from t2vgan import assemble, config, devices, training
from t2vgan.callbacks.best import Best
from t2vgan.callbacks.checkpointing import Checkpointing
from t2vgan.callbacks.curves import Curves
from t2vgan.callbacks.evaluation import Evaluation
from t2vgan.callbacks.progress import ProgressBar
from t2vgan.callbacks.publish import Publish
from t2vgan.callbacks.samples import Samples
from t2vgan.config import Experiment
from t2vgan.datamodule import ClipLoader
from t2vgan.graphs import Graphs
from t2vgan.shapes import Clips

Took = tuple[float, float]  # seconds by the clock, and of CPU time of this process
WARM_UP = 3
KINDS = ("eager", "compile", "graphs")
H100_BF16_FLOPS = 989e12  # dense; --peak for other cards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="lion_savanna")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--gpu", action="store_true", help="on a GPU: sizes, eager, compiled, and as CUDA graphs")
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256], help="with --gpu")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS, help="with --gpu: how rounds are launched")
    parser.add_argument(
        "--profile", action="store_true", help="with --gpu: the kernels of a round, and the GPU's idle time"
    )
    parser.add_argument("--peak", type=float, default=H100_BF16_FLOPS, help="of the GPU in bfloat16, FLOP per second")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ranks", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--gradients", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()
    training.quiet_lightning()
    warnings.filterwarnings("ignore", ".*but have no `val_dataloader`.*")
    devices.spare_page_faults()
    experiment = config.load(args.experiment, args.overrides)
    if args.rank is not None:
        found = rank_main(experiment, args.rounds, args.rank, args.ranks, args.gradients)
        print(json.dumps(found), flush=True)
    elif args.gpu:
        for size in args.sizes:
            for kind in args.kinds:
                switches = [f"trainer.{name}={str(name == kind).lower()}" for name in KINDS[1:]]
                chosen = config.load(args.experiment, [*args.overrides, f"clip.size={size}", *switches])
                on_gpu(chosen, args.rounds, args.peak, profiled=args.profile)
    else:
        overheads(experiment, args.rounds)
        assemble.datamodule(experiment).prepare_data()
        with tempfile.TemporaryDirectory() as folder:
            files = [processes(ranks, Path(folder) / f"{ranks}.pt") for ranks in args.processes]
            compare_gradients(args.processes, files)


# ---- processes


def processes(ranks: int, gradients: Path) -> Path:
    """Starts the ranks anew, each with one thread, and prints what rank 0 has measured; its gradients are in a file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks)}
    shared |= {"NODE_RANK": "0", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, *sys.argv, "--rank", str(rank), "--ranks", str(ranks), "--gradients", str(gradients)],
            env={**shared, "LOCAL_RANK": str(rank)}, stdout=subprocess.PIPE, text=True,
        )
        for rank in range(ranks)
    ]  # fmt: skip
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process has failed; see above")
    found = json.loads(said[0].strip().splitlines()[-1])
    pace = f"{1000 * found['round']:.0f} ms a round ({1000 * found['cpu']:.0f} ms of CPU time in each), "
    pace += f"{found['clips'] / found['round']:.1f} clips/s"
    shares = f"exchange of gradients {100 * found['exchange']:.1f} %, waiting for data {100 * found['data']:.1f} %"
    print(f"{ranks} process{'es' * (ranks > 1)}: {pace}; {shares}")
    return gradients


def compare_gradients(ranks: list[int], files: list[Path]) -> None:
    """However many processes share the batch, its gradient is one."""
    first, *others = [torch.load(file) for file in files]
    largest = max(float(g.abs().max()) for g in first.values())
    for count, other in zip(ranks[1:], others, strict=True):
        apart = max(float((first[name] - other[name]).abs().max()) for name in first) / largest
        print(f"gradients of {count} and {ranks[0]}: apart by {apart:.1e} of the largest, over {len(first)} tensors")


def rank_main(experiment: Experiment, rounds: int, rank: int, ranks: int, gradients: Path) -> dict[str, float]:
    """Times rounds on this rank's shares of batches; weights stay as they are, so that gradients can be compared."""
    torch.set_num_threads(1)
    watch = Watch()
    torch.distributed.all_reduce = watch.timed(torch.distributed.all_reduce, "exchange")
    still = {name: dataclasses.replace(getattr(experiment, name), lr=0.0) for name in ("g_optim", "d_optim")}
    game = game_of(dataclasses.replace(experiment, **still))
    data = assemble.datamodule(experiment)
    game.text_pipeline.learn(data.captions(), data.shown_captions())
    data.trainer = SimpleNamespace(global_rank=rank, world_size=ranks)  # type: ignore[assignment]
    lightning_loop(game, watch, Waited(data.train_dataloader(), watch), rounds + WARM_UP, ranks=ranks)
    if rank == 0:
        torch.save({name: p.grad for name, p in game.named_parameters() if p.grad is not None}, gradients)
    took = [wall for wall, _ in watch.rounds[WARM_UP:]]
    whole = sum(took) or 1.0
    return {
        "clips": experiment.data.batch,
        "round": statistics.median(took),
        "cpu": statistics.median(cpu for _, cpu in watch.rounds[WARM_UP:]),
        "exchange": watch.spent.get("exchange", 0.0) / whole,
        "data": watch.spent.get("data", 0.0) / whole,
    }


# ---- Lightning, callbacks


def overheads(experiment: Experiment, rounds: int) -> None:
    """The same rounds in a bare loop, in Lightning, and in Lightning with the loggers and callbacks of a run.

    All of them but those that act in validations, of which there are none here; samples and checkpoints, made as often
    as the experiment says, fall outside of so few rounds.
    """
    torch.set_num_threads(1)
    kinds: dict[str, Callable[[], list[Took]]] = {
        "bare loop": lambda: bare_loop(game_of(experiment), batches(experiment, rounds + WARM_UP)),
        "Lightning": lambda: with_lightning(experiment, rounds),
        "with callbacks": lambda: as_a_run(experiment, rounds),
    }
    times: dict[str, list[Took]] = {name: [] for name in kinds}
    for _ in range(3):  # in turns, so that other work on the machine meets all of them
        for name, run in kinds.items():
            times[name] += run()[WARM_UP:]
    for name in times:
        wall, cpu = (statistics.median(column) for column in zip(*times[name], strict=True))
        bare_wall, bare_cpu = (statistics.median(column) for column in zip(*times["bare loop"], strict=True))
        print(
            f"{name}: {1000 * cpu:.1f} ms of CPU time a round, {100 * (cpu / bare_cpu - 1):+.1f} % of the bare loop; "
            f"{1000 * wall:.1f} ms by the clock, {100 * (wall / bare_wall - 1):+.1f} %"
        )


def as_a_run(experiment: Experiment, rounds: int) -> list[Took]:
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        (run_dir / "config.yaml").write_text(config.to_yaml(experiment))
        judged = (Evaluation, Best, Curves, Publish)
        judge: Any = SimpleNamespace(dim=1)  # never asked
        callbacks = training.callbacks(experiment, run_dir, judge)
        real = [c for c in callbacks if isinstance(c, Samples) and not c.captions]  # beside clips of validation
        acting = [c for c in callbacks if not isinstance(c, judged) and c not in real]
        kept = training.loggers(experiment, run_dir)
        times = with_lightning(
            experiment, rounds, *acting, logger=kept, log_every_n_steps=experiment.trainer.log_every_steps
        )
        if wandb.run is not None:  # or the next one is logged to it, too
            wandb.finish()
        return times


def with_lightning(experiment: Experiment, rounds: int, *callbacks: L.Callback, **options: Any) -> list[Took]:
    watch = Watch()
    items: Any = DataLoader(batches(experiment, rounds + WARM_UP), batch_size=None)  # type: ignore[arg-type]
    lightning_loop(game_of(experiment), watch, items, len(items), *callbacks, **options)
    return watch.rounds


def lightning_loop(
    game: Any, watch: Watch, items: Any, rounds: int, *callbacks: L.Callback, ranks: int = 1, **options: Any
) -> None:
    shown = any(isinstance(callback, ProgressBar) for callback in callbacks)
    saved = any(isinstance(callback, Checkpointing) for callback in callbacks)
    trainer = L.Trainer(
        accelerator="cpu", devices=ranks, max_steps=rounds, enable_checkpointing=saved,
        enable_progress_bar=shown, enable_model_summary=False, callbacks=[*callbacks, watch],
        strategy=DDPStrategy(broadcast_buffers=False) if ranks > 1 else "auto", use_distributed_sampler=False,
        **{"logger": False, **options},
    )  # fmt: skip
    trainer.fit(game, items)


def bare_loop(game: Any, items: list[Clips]) -> list[Took]:
    """The module's own round with nothing around it."""
    optims = game.__dict__.setdefault("bare_optims", game.configure_optimizers())  # a graph reads those of its capture
    trainer = SimpleNamespace(world_size=1, global_rank=0, global_step=0, strategy=None)
    game._trainer = trainer
    game.optimizers = lambda use_pl_optimizer=True: optims
    game.manual_backward = lambda loss: loss.backward()
    game.log = game.log_dict = lambda *args, **kwargs: None
    game.train()
    times = []
    for k, clips in enumerate(items):
        begun = now()
        game.training_step(clips, k)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        trainer.global_step += 1
        times.append(since(begun))
    return times


def now() -> Took:
    return time.perf_counter(), time.process_time()


def since(begun: Took) -> Took:
    wall, cpu = now()
    return wall - begun[0], cpu - begun[1]


class Watch(L.Callback):
    """Seconds from the end of one round to that of the next, and what is spent on named things within."""

    def __init__(self) -> None:
        self.rounds: list[Took] = []
        self.spent: dict[str, float] = {}
        self._last = (0.0, 0.0)

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                if len(self.rounds) >= WARM_UP:
                    self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - begun

        return wrapped

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._last = now()

    def on_train_batch_end(self, *args: Any) -> None:
        self.rounds.append(since(self._last))
        self._last = now()


class Waited:
    """The batches of a loader; until one is there counts as waiting for data."""

    def __init__(self, loader: ClipLoader, watch: Watch) -> None:
        self.loader, self.watch = loader, watch

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Clips]:
        batches = iter(self.loader)
        wait = self.watch.timed(lambda: next(batches, None), "data")
        return iter(wait, None)


def game_of(experiment: Experiment) -> Any:
    cache = assemble.cache_folder(experiment) / "text"
    return assemble.model(experiment, assemble.text_pipeline(experiment, cache=cache if cache.is_dir() else None))


def batches(experiment: Experiment, count: int) -> list[Clips]:
    """One batch of the experiment, `count` times."""
    clip, batch = experiment.clip, experiment.data.batch
    others = ["a lion walks across the savanna heading left at noon", "a zebra rests in the snow facing right at night"]
    right, wrong = [*experiment.samples.prompts, *others][:2]  # prompts are analysed wherever the experiment runs
    noise = torch.rand(batch, 3, clip.frames, clip.size, clip.size, generator=torch.Generator().manual_seed(0))
    made = Clips(
        video=noise * 2 - 1,
        times=(torch.arange(clip.frames) * clip.duration_s / clip.frames).repeat(batch, 1),
        captions=[right] * batch,
        wrong_captions=[wrong] * batch,
        keys=[str(i) for i in range(batch)],
        indices=list(range(batch)),
        contrasts=[((right, wrong),)] * batch,
    )
    return [made] * count


# ---- GPUs


def on_gpu(experiment: Experiment, rounds: int, peak: float, *, profiled: bool) -> None:
    """Clips per second and model FLOP utilisation in bfloat16: FLOP of a round, counted by torch, over the peak."""
    from torch.utils.flop_counter import FlopCounterMode

    if not torch.cuda.is_available():
        raise SystemExit("--gpu: there is no CUDA device here")
    devices.set_up(experiment)
    game = game_of(experiment).cuda()
    clips = batches(experiment, 1)[0]
    clips.video, clips.times = clips.video.cuda(), clips.times.cuda()
    settings = experiment.trainer
    how = "compiled" if settings.compile else "as graphs" if settings.graphs else "eager"
    kind = f"{experiment.clip.size} pixels, batch {len(clips)}, {how}"
    with FlopCounterMode(display=False) as counter:  # before compiling, into which it does not see, and in float32:
        bare_loop(game, [clips])  # the backward pass of autocast fails beneath it
    if settings.compile:
        devices.compile_parts(game)
    if settings.graphs:
        game.graphs = Graphs(game)
    torch.cuda.reset_peak_memory_stats()
    warm_up = WARM_UP + 2  # the first graph is made after three rounds
    with torch.autocast("cuda", torch.bfloat16):
        times = bare_loop(game, [clips] * (warm_up + rounds))[warm_up:]
        took, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        flops, memory = counter.get_total_flops(), torch.cuda.max_memory_allocated() / 2**30
        print(
            f"{kind}: {len(clips) / took:.1f} clips/s, {1000 * took:.1f} ms ({1000 * cpu:.0f} ms of CPU time) and "
            f"{flops / 1e12:.2f} TFLOP a round, {100 * flops / took / peak:.2f} % of the peak, {memory:.1f} GiB",
            flush=True,
        )
        if profiled:
            profile(game, clips)


def profile(game: Any, clips: Clips, rounds: int = 8) -> None:
    """Where a round's time goes: the GPU's kernels by time, and how much of the clock it was busy at all."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    with profiler(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        begun = time.perf_counter()
        bare_loop(game, [clips] * rounds)
        torch.cuda.synchronize()
        took = time.perf_counter() - begun
    events = found.key_averages()
    busy = sum(e.self_device_time_total for e in events if str(e.device_type).endswith("CUDA")) / 1e6
    launches = sum(e.count for e in events if "Launch" in e.key)
    print(f"GPU busy {100 * busy / took:.0f} % of {1000 * took / rounds:.1f} ms; {launches // rounds} launches a round")
    print(events.table(sort_by="self_device_time_total", row_limit=16, max_name_column_width=60))


if __name__ == "__main__":
    main()
