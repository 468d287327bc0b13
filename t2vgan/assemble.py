"""Experiment -> live objects. The only file that opens the registries."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from t2vgan.augment import Augment
from t2vgan.checkpoint import load_generator
from t2vgan.config import ConfigError, Experiment, from_dict, nearest
from t2vgan.datamodule import ClipsDataModule
from t2vgan.datasets import DATASETS
from t2vgan.datasets.cache import cached
from t2vgan.discriminators import DISCRIMINATORS
from t2vgan.generators import GENERATORS
from t2vgan.judges import probe_file, trained_probe, trained_retriever
from t2vgan.losses import LOSSES
from t2vgan.metrics.bodies import FRAMES as PROBE_FRAMES
from t2vgan.metrics.bodies import SIZE as PROBE_SIZE
from t2vgan.metrics.dual_encoder import DualEncoder
from t2vgan.metrics.effnet import EffNetFeatures
from t2vgan.metrics.probe import Probe
from t2vgan.metrics.suite import Extractor
from t2vgan.module import T2VGAN, Term
from t2vgan.parts import build, checked, is_number
from t2vgan.text import TEXT_ENCODERS, TextPipeline, fit_words

Terms = dict[str, dict[str, dict[str, Term]]]  # by player, critic and loss
PLAYERS = {"d": "discriminator", "g": "generator"}


def check_reads_sentences(experiment: Experiment) -> None:
    """ConfigError for a text encoder that is not there, or that would not read what `text.sentences` brings."""
    name, _ = checked("text.encoder", TEXT_ENCODERS, experiment.text.encoder, {})
    if experiment.text.sentences and "sentence_dim" not in inspect.signature(TEXT_ENCODERS[name]).parameters:
        raise ConfigError(f"text.sentences: the text encoder '{name}' reads no sentence vectors")


def check_parts(experiment: Experiment) -> None:
    """ConfigError for a part, a loss or an option that is not there; no part of the game is built."""
    critics = experiment.discriminators
    checked("data.dataset", DATASETS, experiment.data.dataset, {})
    check_reads_sentences(experiment)
    checked("generator", GENERATORS, experiment.generator, {})
    for name, node in critics.items():
        checked(f"discriminators.{name}", DISCRIMINATORS, node, {})
    terms(experiment, critics)


def cache_folder(experiment: Experiment) -> Path:
    """Where what is made from the data set is kept: frames, analysed captions, the judge."""
    return Path(experiment.data.root) / str(experiment.data.dataset.get("name")) / "cache"


def datasets(experiment: Experiment, **changed: Any) -> Callable[[str, int | None], Any]:
    """`make(split, limit)` for the experiment's data set, behind its frame cache if it has one; `changed` wins."""
    data, clip = experiment.data, experiment.clip
    given = {
        "root": Path(data.root), "decoder": data.decoder,
        "size": clip.size, "frames": clip.frames, "duration_s": clip.duration_s,
        "source": "render" if data.cache else "files",
    }  # fmt: skip
    node = dict(data.dataset)
    if "root" in node:  # a data set may lie anywhere
        root = str(node.pop("root"))
        given["root"] = root if "://" in root else Path(root)  # or far away

    def make(split: str, limit: int | None = None) -> Any:
        made = build("data.dataset", DATASETS, node, split=split, limit=limit, **{**given, **changed})
        if data.files and hasattr(made, "make"):
            made.make(files=True)
        return cached(made, cache_folder(experiment), limit_gb=data.cache_limit_gb) if data.cache else made

    return make


def judge(experiment: Experiment) -> Extractor:
    """A probe trained on the data set's ground truth, or ImageNet features where there is none.

    Ground truth of one's own, the `attributes` of a manifest, is used where `evaluation.probe.split` names a split.
    """
    settings = _judge_settings(experiment)
    split = settings.pop("split")
    if split is None:
        return EffNetFeatures()
    return trained_probe(_judged_clips(experiment, settings.pop("clips")), cache_folder(experiment), **settings)


def judge_file(experiment: Experiment) -> Path | None:
    """Where the probe of `judge` is, or will be once it is trained; None where ImageNet features judge."""
    settings = _judge_settings(experiment)
    if settings.pop("split") is None:
        return None
    return probe_file(_judged_clips(experiment, settings.pop("clips")), cache_folder(experiment), **settings)


def has_truth(experiment: Experiment) -> bool:
    """Whether a probe can be trained on what is known of its clips."""
    return _judge_settings(experiment)["split"] is not None


def second_judge(experiment: Experiment) -> Probe | None:
    """A probe of another kind and another seed than `judge`, or None where there is no ground truth.

    No run is steered by it: it is there to tell progress from what only pleases the first judge.
    """
    settings = _judge_settings(experiment)
    if settings["split"] is None:
        return None
    clips = _judged_clips(experiment, settings["clips"])
    seed = settings["seed"] + 1
    return trained_probe(clips, cache_folder(experiment), name="probe2", epochs=settings["epochs"], seed=seed)


def retriever(experiment: Experiment) -> DualEncoder:
    """A judge of whole captions, for clips with and without ground truth; see `metrics.retrieval`.

    It sees the clips that the first judge learned from, or those of training where there is no ground truth.
    """
    settings = _judge_settings(experiment)
    clips = _judged_clips(experiment, settings["clips"])
    return trained_retriever(clips, cache_folder(experiment), epochs=settings["epochs"], seed=settings["seed"])


def _judge_settings(experiment: Experiment) -> dict[str, Any]:
    split = getattr(DATASETS.get(str(experiment.data.dataset.get("name"))), "PROBE_SPLIT", None)
    settings: dict[str, Any] = {"clips": 8_000, "epochs": 8, "width": 32, "seed": 0, "split": split}
    for key in experiment.evaluation.probe:
        if key not in settings:
            raise ConfigError(f"evaluation.probe has no '{key}'{nearest(key, settings)}; it has: {', '.join(settings)}")
    settings |= experiment.evaluation.probe
    for key in ("clips", "epochs", "width", "seed"):
        if type(settings[key]) is not int or settings[key] < (key != "seed"):
            raise ConfigError(f"evaluation.probe.{key} is {settings[key]!r}: it is a whole number")
    return settings


def _judged_clips(experiment: Experiment, limit: int) -> Any:
    """What judges learn from: a split that is there for them alone where the data set has one, else what is named."""
    bare = dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, cache=False, files=False))
    make = datasets(bare, size=PROBE_SIZE, frames=PROBE_FRAMES, source="render")
    return make(_judge_settings(experiment)["split"] or "train", limit)


@dataclass
class Run:
    """What a run trains, what it trains on and what judges it."""

    game: T2VGAN
    data: ClipsDataModule
    extractor: Extractor


def run(experiment: Experiment, *, limit: int | None = None) -> Run:
    """All live objects of a run; makes the data and trains the judge where they are not there yet.

    `limit` makes only so many training clips, for rehearsals.
    """
    pipeline = text_pipeline(experiment, cache=cache_folder(experiment) / "text")
    game = model(experiment, pipeline)  # first, for it is where most mistakes of an experiment come to light
    data = datamodule(experiment, limit=limit)
    data.prepare_data()
    pipeline.learn(data.captions(), data.shown_captions())
    fit_words(game, pipeline.shown)
    pipeline.warm(experiment.samples.prompts)
    return Run(game, data, judge(experiment))


def datamodule(experiment: Experiment, *, limit: int | None = None) -> ClipsDataModule:
    return ClipsDataModule(
        make=datasets(experiment), data=experiment.data, clip=experiment.clip, seed=experiment.seed, limit=limit
    )


def text_pipeline(experiment: Experiment, cache: Path | None = None) -> TextPipeline:
    return TextPipeline(vectors=experiment.text.vectors, sentences=experiment.text.sentences, cache=cache)


def other_vectors(experiment: Experiment, there: str | None, here: str | None) -> str:
    """What is wrong with a training whose text pipeline was of version `there`; "" where it can be used `here`."""
    if there is None:  # from before it was noted
        return ""
    (words, _, sentences), (words_now, _, sentences_now) = there.partition(" "), (here or "").partition(" ")
    if words != words_now:
        told = f"word vectors than text.vectors = {experiment.text.vectors}"
    elif sentences and sentences_now and sentences != sentences_now:
        told = f"sentence vectors than text.sentences = {experiment.text.sentences}"
    else:
        return ""
    return f"trained with other {told} now has: its captions would mean something else"


def model(experiment: Experiment, pipeline: TextPipeline, *, to_train: bool = True) -> T2VGAN:
    """The untrained game, with weights drawn from the experiment's seed; without its critics where none are needed."""
    check_reads_sentences(experiment)
    read = {"vector_dim": pipeline.vector_dim, "sentence_dim": pipeline.sentence_dim}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.seed)
        clip = experiment.clip
        encoder = build("text.encoder", TEXT_ENCODERS, experiment.text.encoder, **read)
        given = {"text_dim": encoder.dim, "size": clip.size, "clip_frames": clip.frames}
        generator = build("generator", GENERATORS, experiment.generator, **given)
        given["numbers"] = getattr(generator, "numbers", 0)
        critics = {
            name: build(f"discriminators.{name}", DISCRIMINATORS, node, **given)
            for name, node in experiment.discriminators.items()
            if to_train
        }
        own = experiment.text.critic == "own" and not all(c.blind for c in critics.values())
        critic_text = None
        if own:
            critic_text = build("text.encoder", TEXT_ENCODERS, experiment.text.encoder, **read)
    for part in (generator, *critics.values()):  # the layout that CPUs and tensor cores convolve fastest
        if all(p.dim() != 5 for p in part.parameters()):
            part.to(memory_format=torch.channels_last)
    for name, critic in critics.items():
        if critic.frames is not None and not 1 <= critic.frames <= clip.frames:
            raise ConfigError(f"discriminators.{name}.frames is {critic.frames}: take 1 to {clip.frames} (clip.frames)")
    return T2VGAN(
        config=experiment,
        text_pipeline=pipeline,
        text_encoder=encoder,
        critic_text=critic_text,
        generator=generator,
        discriminators=critics,
        terms=fitting(terms(experiment, critics), generator, critics) if to_train else {},
        augment=build("augment", {"augment": Augment}, {"name": "augment", **experiment.augment}),
    )


def modules_of(experiment: Experiment) -> list[str]:
    """Where generator and critics are defined; nothing is built for it."""
    parts = [GENERATORS[experiment.generator["name"]]]
    parts += [DISCRIMINATORS[critic["name"]] for critic in experiment.discriminators.values()]
    return list(dict.fromkeys(part.__module__ for part in parts))


def terms(experiment: Experiment, critics: Collection[str]) -> Terms:
    """`losses` of the experiment as Terms by player, critic and loss."""
    found: Terms = {side: {name: {} for name in critics} for side in PLAYERS}
    for key, value in experiment.losses.items():
        side, critic, loss = [*str(key).split("/"), "", ""][:3]
        if side not in found or critic not in critics or str(key).count("/") != 2:
            names = ", ".join(f"{s}/{c}/<loss>" for s in found for c in critics)
            raise ConfigError(f"losses: '{key}' is not of the form {names}")
        options = dict(value) if isinstance(value, Mapping) else {"weight": value}
        weight, every = options.pop("weight", 1.0), options.pop("every", 1)
        until, stays = options.pop("until", None), options.pop("stays", 0.0)
        if not isinstance(weight, int | float) or not isinstance(every, int) or every < 1:
            raise ConfigError(f"losses.{key}: weight has to be a number and every a whole number from 1, got {value}")
        if until is not None and not (is_number(until) and 0 < until <= 1):
            raise ConfigError(f"losses.{key}: until is {until!r}: it is a share of the training, above 0 and at most 1")
        if not (is_number(stays) and 0 <= stays < 1) or (stays and until is None):
            told = "it is the share of the weight that is left after `until`, from 0 to below 1"
            raise ConfigError(f"losses.{key}: stays is {stays!r}: {told}")
        part = build(f"losses.{key}", LOSSES, {"name": loss, **options})
        if not hasattr(part, PLAYERS[side]):
            raise ConfigError(f"losses.{key}: '{loss}' has no term for the {PLAYERS[side]}")
        if weight:
            found[side][critic][loss] = Term(part, float(weight), every, until, float(stays))
    for side, by_critic in found.items():
        each = (term for of_critic in by_critic.values() for term in of_critic.values())
        if not any(term.every == 1 and (term.until is None or term.stays) for term in each):
            raise ConfigError(f"losses: no term trains the {PLAYERS[side]} in every round ({side}/<critic>/<loss>)")
    return found


def fitting(found: Terms, generator: nn.Module, critics: Mapping[str, Any]) -> Terms:
    """The same terms; ConfigError for one that needs what generator or critic do not have."""
    for side, by_critic in found.items():
        for critic, losses in by_critic.items():
            for name, term in losses.items():
                taught = side == "d" or name in found["d"][critic]
                worded = side == "d" or "words" in found["d"][critic]
                for missing, told in needed(term.loss, generator, critics[critic], taught=taught, worded=worded):
                    if missing:
                        raise ConfigError(f"losses.{side}/{critic}/{name}: {told}")
    return found


def needed(loss: Any, generator: Any, critic: Any, *, taught: bool, worded: bool) -> Iterator[tuple[bool, str]]:
    """What a loss may need, whether it is missing, and what to do then. `taught`, `worded`: whether the critic has this
    loss, and `words`.
    """

    def needs(what: str) -> bool:
        return getattr(loss, f"needs_{what}", False)

    away = "take the term away"
    yield needs("trial") and not hasattr(generator, "mirror"), f"this generator has no mirror; {away}"
    numbers = needs("numbers")
    yield numbers and not getattr(generator, "numbers", 0), f"this generator has nothing to steer by; {away}"
    reads = getattr(critic, "reader", None) is not None
    yield numbers and not reads, "this critic reads no motion: take `projected` with `match: true`"
    yield numbers and not taught, "the critic's term of the same name teaches it to read, and is not there"
    yield needs("captions") and critic.blind, f"this critic is blind to captions; {away}"
    scored = hasattr(critic, "word_scores")
    yield needs("words") and not scored, f"this critic scores whole captions and no words; {away}"
    yield needs("words") and not worded, "scores of words are trained by the critic's term `words`, which is not there"
    latents, z_dim = getattr(critic, "latents", 0), generator.z_dim
    yield needs("latents") and not latents, "this critic guesses no noise: give it `latents`"
    yield needs("latents") and latents > z_dim, f"the critic's latents are {latents}, but the generator's z_dim {z_dim}"
    yield needs("latents") and not taught, "the critic's term of the same name teaches it to guess, and is not there"


def reported_splits(path: Path) -> tuple[str, ...]:
    """The splits of its data set that a generator file is evaluated on unless others are named."""
    return splits_of(from_dict(load_generator(path)[1]))


def splits_of(experiment: Experiment) -> tuple[str, ...]:
    return getattr(DATASETS.get(str(experiment.data.dataset.get("name"))), "REPORTED_SPLITS", ("test",))


def load_model(
    path: Path, device: torch.device | str = "cpu", *, data_root: Path | None = None
) -> tuple[T2VGAN, Experiment]:
    """The generator of a safetensors file or of a run folder (its best one, else its last), ready to be used.

    data_root: where data sets are, if not where the run had them.
    """
    tensors, config, card = load_generator(generator_file(path))
    try:
        experiment = from_dict(config)
        if data_root is not None:
            experiment = moved(experiment, data_root)
        pipeline = text_pipeline(experiment, cache=cache_folder(experiment) / "text")
        game = model(experiment, pipeline, to_train=False)
    except ConfigError as error:
        raise ValueError(f"{path}: made by another version of t2vgan: {error}") from error
    if wrong := other_vectors(experiment, card.get("vectors"), pipeline.version):
        raise ValueError(f"{path}: {wrong}")
    pipeline.vocabulary = card.get("vocabulary", ())
    parts = {"generator": game.ema_generator, "text_encoder": game.ema_text_encoder}
    for name, part in parts.items():
        mine = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        odd = dict({(k, v.shape) for k, v in mine.items()} ^ {(k, v.shape) for k, v in part.state_dict().items()})
        if odd:
            raise ValueError(
                f"{path}: made by another version of t2vgan (commit {card.get('commit', 'unknown')}): {len(odd)} "
                f"tensors of its {name} are not those of this one, such as {min(odd)}; train anew, or use that version"
            )
        part.load_state_dict(mine)
    if "clips_seen" in card:
        game.grow(card["clips_seen"] / experiment.clips)
    return game.to(device).eval(), experiment


def moved(experiment: Experiment, data_root: Path) -> Experiment:
    """With its data sets below `data_root`, also one that lies elsewhere, where it is found there."""
    data, own = dataclasses.replace(experiment.data, root=str(data_root)), experiment.data.dataset.get("root")
    if own is not None and (there := data_root / str(own)).exists():
        data = dataclasses.replace(data, dataset={**data.dataset, "root": str(there)})
    return dataclasses.replace(experiment, data=data)


def generator_file(path: Path) -> Path:
    if path.is_dir():
        for name in ("best_generator.safetensors", "generator.safetensors"):
            for folder in (path / "checkpoints", path):
                if (folder / name).is_file():
                    return folder / name
        raise ValueError(f"{path}: no generator.safetensors in it or in its checkpoints/: has the run saved one yet?")
    return path
