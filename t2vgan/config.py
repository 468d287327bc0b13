"""The experiment: what is fixed is a dataclass, what is chosen is `{name: ..., options}`.

`load()` merges, later over earlier: the defaults here, what the YAML `extends`, the YAML, the command line's dotlist.
A mistake ends in one `ConfigError` line that names the key, the file and the nearest right name.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

EXPERIMENTS = Path("experiments")


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
    cache: bool = True  # read from a memory-mapped uint8 frame cache instead of decoding, when it fits
    cache_limit_gb: float = 8.0  # a larger data set is decoded instead
    decoder: str = "auto"  # auto | decord | pyav
    val_clips: int = 256  # clips of `val` that each validation looks at


@dataclass
class Text:
    vectors: str = "glove"  # "glove" (installed with the package), or the path of a GloVe/word2vec file
    encoder: dict[str, Any] = field(default_factory=lambda: {"name": "recurrent", "dim": 128})


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
class Term:
    """A weighted loss term. `every`: computed each n-th step with n times the weight (lazy regularisation)."""

    weight: float = 1.0
    every: int = 1


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
    probe: dict[str, Any] = field(default_factory=lambda: {"clips": 6_000, "epochs": 12})


@dataclass
class Trainer:
    accelerator: str = "auto"
    devices: Any = 1
    nodes: int = 1
    precision: str = "auto"  # auto | 32-true | bf16-mixed
    threads: int = 0  # torch threads on a CPU; 0: leave as they are
    checkpoint_every_clips: int = 10_000
    log_every_steps: int = 20


@dataclass
class Logger:
    wandb: str = "auto"  # auto (online when logged in, else offline) | online | offline | off
    project: str = "t2vgan"
    csv: bool = True
    tensorboard: bool = False


@dataclass
class Experiment:
    name: str = "experiment"
    extends: str | None = None
    seed: int = 0
    clips: int = 200_000  # clips seen in training; the length of a run
    run_dir: str | None = None  # the run's own folder; by default runs/<name>/<next number>
    clip: Clip = field(default_factory=Clip)
    data: Data = field(default_factory=Data)
    text: Text = field(default_factory=Text)
    generator: dict[str, Any] = field(default_factory=lambda: {"name": "continuous"})
    discriminators: dict[str, Any] = field(default_factory=lambda: {"frames": {"name": "projected"}})
    # losses.<critic>.<loss>: weight, or {weight, every, options}. "all" stands for every critic.
    d_losses: dict[str, Any] = field(default_factory=lambda: {"hinge": 1.0, "mismatch": 1.0})
    g_losses: dict[str, Any] = field(default_factory=lambda: {"hinge": 1.0})
    g_optim: Optim = field(default_factory=Optim)
    d_optim: Optim = field(default_factory=Optim)
    augment: dict[str, Any] = field(default_factory=dict)
    ema: Ema = field(default_factory=Ema)
    samples: Samples = field(default_factory=Samples)
    evaluation: Evaluation = field(default_factory=Evaluation)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Logger = field(default_factory=Logger)
