"""The experiment: what is fixed is a dataclass, what is chosen is `{name: ..., options}`.

`load()` merges, later over earlier: the defaults here, what the YAML `extends`, the YAML, the command line's dotlist.
A mistake ends in one `ConfigError` line that names the key, the file and the nearest right name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


class ConfigError(ValueError):
    """A mistake of the person who wrote the configuration: shown as one line, without a traceback."""


@dataclass
class Clip:
    """What one clip is, for the generator, the critics and the data alike."""

    size: int = 32  # pixels, height and width
    frames: int = 16
    duration_s: float = 2.0  # seconds; frame i is shown at i * duration_s / frames


@dataclass
class Data:
    dataset: dict[str, Any] = field(default_factory=lambda: {"name": "savanna"})
    root: str = "data"  # folder that holds the data sets
    batch: int = 16  # clips per step over all devices together
    workers: int = 0  # decoding processes per device
    prefetch: int = 2  # batches that each of them has ready
    pin_memory: bool = False  # for NVIDIA GPUs: training clips are copied there as bytes, without waiting
    cache: bool = True  # read from a memory-mapped uint8 frame cache instead of decoding, when it fits
    cache_limit_gb: float = 8.0  # a larger data set is decoded instead
    files: bool = True  # a drawn data set also leaves its clips as .mp4 files with a manifest, to look at and to share
    decoder: str = "auto"  # auto | decord | pyav
    val_clips: int = 256  # clips of `val` that each validation looks at


@dataclass
class Text:
    vectors: str = "glove"  # "glove" (installed with the package), or the path of a GloVe/word2vec file
    sentences: str | None = None  # the folder of a language model: sentences are its vectors of whole captions
    encoder: dict[str, Any] = field(default_factory=lambda: {"name": "recurrent", "dim": 128})
    critic: str = "own"  # own: critics train a second encoder; shared: they read the generator's, without gradient
    lr: float | None = None  # of the text encoders; by the player's schedule; null: the player's own


@dataclass
class Optim:
    """Adam (Kingma & Ba 2015)."""

    lr: float = 2e-4
    betas: list[float] = field(default_factory=lambda: [0.0, 0.99])
    eps: float = 1e-8
    warmup_clips: int = 0  # linear from 0 over so many clips
    final: float = 1.0  # share of lr that is left at the end, by a cosine from the end of the warm-up
    clip_norm: float = 0.0  # 0: gradients are not clipped


@dataclass
class Ema:
    halflife_clips: int = 2_000
    rampup: float = 0.1  # half-life is at most this share of the clips seen so far (Karras et al. 2020)


@dataclass
class Samples:
    """Fixed prompts with fixed noise, rendered again and again so that learning can be watched."""

    prompts: list[str] = field(default_factory=list)  # empty: the first captions of `val`
    every_clips: int = 10_000
    count: int = 8


@dataclass
class Evaluation:
    every_clips: int = 20_000
    monitor: str = "val/kid_probe"  # the best checkpoint is chosen by this metric
    mode: str = "min"
    # Of the judge: clips and epochs to learn from, width, seed; split: of a manifest, whose `attributes` it learns.
    probe: dict[str, Any] = field(default_factory=lambda: {"clips": 8_000, "epochs": 8})


@dataclass
class Trainer:
    accelerator: str = "auto"
    devices: Any = 1
    nodes: int = 1
    precision: str = "auto"  # auto | 32-true | bf16-mixed
    accumulate: int = 1  # micro-batches that a device's share of a batch is computed in, for less memory
    compile: bool = False  # torch.compile for the generator and the critics; penalties have to be `finite`
    graphs: bool = False  # rounds as CUDA graphs, where one GPU trains without micro-batches; elsewhere as they are
    tf32: bool = False  # float32 products in TF32, on GPUs that have it
    threads: int = 0  # torch threads on a CPU; 0: leave as they are
    checkpoint_every_clips: int = 10_000
    checkpoints_kept: int = 2  # the newest; the best generator is kept beside them
    log_every_steps: int = 20
    max_skipped: int = 20  # rounds in a row whose gradient is NaN or infinite; then the run goes back to a good state


@dataclass
class Logger:
    wandb: str = "auto"  # auto (online when logged in, else offline) | online | offline | off
    project: str = "t2vgan"
    group: str = ""  # of the runs page; the experiment's name where it is empty
    job_type: str = "train"
    csv: bool = True
    tensorboard: bool = False


@dataclass
class Cluster:
    """The SLURM job of `--launch slurm`: `trainer.nodes` nodes with `trainer.devices` tasks each."""

    partition: str = ""
    gpus_per_node: int = 0
    cpus_per_task: int = 4
    mem_gb: int = 0  # 0: what the cluster gives
    minutes: int = 1440  # of one try; a run that needs more is queued again and goes on
    warning_s: int = 120  # before the time is up, to save and be queued again
    setup: list[str] = field(default_factory=list)  # shell lines before the program, e.g. module load cuda
    options: dict[str, Any] = field(default_factory=dict)  # further options of sbatch, e.g. {account: x}


@dataclass
class Experiment:
    name: str = "experiment"
    extends: str | None = None
    seed: int = 0
    clips: int = 200_000  # clips seen in training; the length of a run
    run_dir: str | None = None  # the run's own folder; by default runs/<name>/<next number>
    start: str | None = None  # to begin with: a run folder, checkpoint, generator file or model that ships
    clip: Clip = field(default_factory=Clip)
    data: Data = field(default_factory=Data)
    text: Text = field(default_factory=Text)
    generator: dict[str, Any] = field(default_factory=lambda: {"name": "continuous"})
    discriminators: dict[str, Any] = field(default_factory=lambda: {"frames": {"name": "projected"}})
    # "d/<critic>/<loss>" or "g/<critic>/<loss>": a weight, or {weight, every, until, stays, options}; 0 takes the term
    # away. The key is also the name of the curve.
    losses: dict[str, Any] = field(
        default_factory=lambda: {"d/frames/hinge": 1.0, "d/frames/mismatch": 1.0, "g/frames/hinge": 1.0}
    )
    g_optim: Optim = field(default_factory=Optim)
    d_optim: Optim = field(default_factory=Optim)
    augment: dict[str, Any] = field(default_factory=dict)
    ema: Ema = field(default_factory=Ema)
    samples: Samples = field(default_factory=Samples)
    evaluation: Evaluation = field(default_factory=Evaluation)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Logger = field(default_factory=Logger)
    cluster: Cluster = field(default_factory=Cluster)


# A part that is chosen by name replaces the inherited one whole: options of another part mean nothing to it.
CHOSEN = ("data.dataset", "text.encoder", "generator", "discriminators", "losses")


def load(experiment: str | Path, overrides: Iterable[str] = ()) -> Experiment:
    """The experiment `experiments/<name>.yaml` (or the path of a YAML file) with `key=value` overrides.

    Raises ConfigError, one line, for an unknown experiment, key or part, and for a value of the wrong type.
    """
    merged = OmegaConf.structured(Experiment)
    for where, node in [*_chain(find(experiment), ()), ("command line", _dotlist(overrides))]:
        _check_keys(node, Experiment, where, "")
        merged = _merge(merged, node, where, options_only=where == "command line")
    loaded = _to_experiment(merged, str(experiment))
    if loaded.logger.wandb == "False":  # what YAML makes of an `off` without quotation marks
        loaded.logger.wandb = "off"
    _check_values(loaded)
    return loaded


def from_dict(saved: dict[str, Any]) -> Experiment:
    """The experiment that `to_dict` wrote, e.g. from the metadata of a checkpoint."""
    node = OmegaConf.create(saved)
    _check_keys(node, Experiment, "saved experiment", "")
    merged = _merge(OmegaConf.structured(Experiment), node, "saved experiment", options_only=False)
    return _to_experiment(merged, "saved experiment")


def to_dict(experiment: Experiment) -> dict[str, Any]:
    plain = OmegaConf.to_container(OmegaConf.structured(experiment))
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


def to_yaml(experiment: Experiment) -> str:
    return OmegaConf.to_yaml(OmegaConf.structured(experiment))


def find(experiment: str | Path) -> Path:
    """The YAML file of an experiment's name, looked for in experiments/ here and beside the package."""
    if str(experiment).endswith((".yaml", ".yml")):
        if not Path(experiment).is_file():
            raise ConfigError(f"no such experiment file: {experiment}")
        return Path(experiment)
    folders = [Path("experiments"), Path(__file__).resolve().parent.parent / "experiments"]
    for folder in folders:
        if (path := folder / f"{experiment}.yaml").is_file():
            return path
    known = sorted({p.stem for folder in folders for p in folder.glob("*.yaml")})
    raise ConfigError(f"no experiment '{experiment}'{nearest(str(experiment), known)}; there are: {', '.join(known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Where a known name is near: `, did you mean 'x'?`, else nothing."""
    match = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean '{match[0]}'?" if match else ""


def _chain(path: Path, seen: tuple[Path, ...]) -> list[tuple[str, DictConfig]]:
    if path in seen:
        raise ConfigError(f"{path}: 'extends' goes round in a circle: {' -> '.join(p.stem for p in (*seen, path))}")
    try:
        node = OmegaConf.load(path)
    except Exception as error:  # YAML errors name line and column themselves
        raise ConfigError(f"{path}: not readable as YAML: {_one_line(error)}") from None
    if not isinstance(node, DictConfig):
        raise ConfigError(f"{path}: expected 'key: value' lines at the top level")
    node.setdefault("name", path.stem)
    parent = node.get("extends")
    inherited = _chain(find(parent), (*seen, path)) if parent else []
    return [*inherited, (str(path), node)]


def _merge(merged: Any, node: DictConfig, where: str, *, options_only: bool) -> Any:
    """`node` over what was merged so far; the parts that it chooses by name replace those before with their options."""
    for key in CHOSEN:
        chosen = OmegaConf.select(node, key)
        named = key in ("discriminators", "losses") or not isinstance(chosen, DictConfig) or "name" in chosen
        if not options_only and chosen is not None and named:
            OmegaConf.update(merged, key, {}, merge=False)
    _check_kinds(merged, node, where, ())
    try:
        return OmegaConf.merge(merged, node)
    except (OmegaConfBaseException, TypeError) as error:
        raise ConfigError(f"{where}: {_one_line(error)}") from None


def _check_kinds(merged: Any, node: DictConfig, where: str, above: tuple[str, ...]) -> None:
    """ConfigError for a list where `key: value` lines belong, or the other way round."""
    for key in node:
        old, new = (each._get_node(key, validate_access=False) for each in (merged, node))  # `${...}` stays as it is
        path = (*above, str(key))
        if isinstance(old, DictConfig) and isinstance(new, ListConfig):
            raise ConfigError(f"{where}: {'.'.join(path)} is a list: 'key: value' lines belong there")
        if isinstance(old, ListConfig) and isinstance(new, DictConfig):
            raise ConfigError(f"{where}: {'.'.join(path)} has 'key: value' lines: a list belongs there")
        if isinstance(old, DictConfig) and isinstance(new, DictConfig):
            _check_kinds(old, new, where, path)


def _to_experiment(merged: Any, where: str) -> Experiment:
    try:
        loaded = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:  # a '${...}' that leads nowhere
        raise ConfigError(f"{where}: {_one_line(error)}") from None
    assert isinstance(loaded, Experiment)
    return loaded


def _dotlist(overrides: Iterable[str]) -> DictConfig:
    overrides = list(overrides)
    for item in overrides:
        if not re.match(r"[A-Za-z_][\w./]*=", item):
            raise ConfigError(f"command line: '{item}' is not an override of the form key=value, e.g. clips=50000")
    try:
        return OmegaConf.from_dotlist(overrides)
    except Exception as error:
        raise ConfigError(f"command line: {_one_line(error)}") from None


def _check_keys(node: Any, cls: type, where: str, prefix: str) -> None:
    """Every key of the node is a field of the dataclass; below a chosen part, keys are that part's own matter."""
    hints, known = get_type_hints(cls), [f.name for f in fields(cls)]
    for key in node:
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{prefix}{key}'{nearest(str(key), known)}")
        value = node._get_node(key)
        if is_dataclass(hints[key]):
            if not isinstance(value, DictConfig):
                names = ", ".join(f.name for f in fields(hints[key]))
                raise ConfigError(f"{where}: '{prefix}{key}' is a section with the keys {names}, not a value")
            _check_keys(value, hints[key], where, f"{prefix}{key}.")  # type: ignore[arg-type]


def _check_values(e: Experiment) -> None:
    positive = {
        "text.lr": 1.0 if e.text.lr is None else e.text.lr,
        "clips": e.clips,
        "clip.size": e.clip.size,
        "clip.frames": e.clip.frames,
        "clip.duration_s": e.clip.duration_s,
        "data.batch": e.data.batch,
        "data.val_clips": e.data.val_clips,
        "samples.count": e.samples.count,
        "samples.every_clips": e.samples.every_clips,
        "evaluation.every_clips": e.evaluation.every_clips,
        "ema.halflife_clips": e.ema.halflife_clips,
        "trainer.log_every_steps": e.trainer.log_every_steps,
        "trainer.checkpoint_every_clips": e.trainer.checkpoint_every_clips,
        "trainer.accumulate": e.trainer.accumulate,
        "data.prefetch": e.data.prefetch,
        "cluster.minutes": e.cluster.minutes,
        "cluster.cpus_per_task": e.cluster.cpus_per_task,
        "trainer.checkpoints_kept": e.trainer.checkpoints_kept,
        "trainer.max_skipped": e.trainer.max_skipped,
    }
    for key, value in positive.items():
        if value <= 0:
            raise ConfigError(f"{key} is {value}: it must be greater than 0")
    if e.trainer.threads < 0:
        raise ConfigError(f"trainer.threads is {e.trainer.threads}: a number of threads, or 0 to leave it as it is")
    if e.ema.rampup < 0:
        raise ConfigError(f"ema.rampup is {e.ema.rampup}: a share of the clips seen, at least 0")
    if e.clip.size not in (16, 32, 64, 128, 256):
        raise ConfigError(f"clip.size is {e.clip.size}: generators double their pixels, so take 16, 32, 64, 128 or 256")
    for key, optim in (("g_optim", e.g_optim), ("d_optim", e.d_optim)):
        if len(optim.betas) != 2 or not all(0 <= beta < 1 for beta in optim.betas):
            raise ConfigError(f"{key}.betas is {optim.betas}: Adam takes two numbers, each at least 0 and below 1")
    allowed = {
        "trainer.precision": (e.trainer.precision, ("auto", "32-true", "bf16-mixed")),
        "logger.wandb": (e.logger.wandb, ("auto", "online", "offline", "off")),
        "data.decoder": (e.data.decoder, ("auto", "decord", "pyav")),
        "text.critic": (e.text.critic, ("own", "shared")),
        "evaluation.mode": (e.evaluation.mode, ("min", "max")),
    }
    for key, (value, choices) in allowed.items():
        if value not in choices:
            raise ConfigError(f"{key} is '{value}'{nearest(str(value), choices)}; choose one of: {', '.join(choices)}")


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(line for line in lines if not line.startswith("object_type")))
    key = re.search(r"full_key: (\S+)", text)
    text = re.sub(r"\s*full_key: \S+", "", text)
    return f"{key.group(1)}: {text}" if key else text
