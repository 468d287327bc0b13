"""From what was seen to the figures of metrics.json (docs/metrics_json.md)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from t2vgan.metrics.clip import clipsim
from t2vgan.metrics.controls import other_captions, replayed
from t2vgan.metrics.frechet import frechet_distance
from t2vgan.metrics.intervals import jackknife_interval
from t2vgan.metrics.kernel import kernel_distance
from t2vgan.metrics.motion import diversity
from t2vgan.metrics.near import FEW, distances
from t2vgan.metrics.panel import Figures, Observation, by_flow, movement, novelty, obedience
from t2vgan.metrics.prdc import NEIGHBOURS, precision_recall
from t2vgan.metrics.probe import Probe
from t2vgan.metrics.retrieval import hard_negatives, retrieval_precision
from t2vgan.metrics.swap import caption_swap, changed_captions
from t2vgan.reports.measure import CAPTIONS, CONTROLLED, Measured
from t2vgan.reports.sources import BATCH, SAMPLES, Source
from t2vgan.reports.spaces import Embedding

FORMAT = "t2vgan-metrics-1"
LEAST = 8  # clips that figures need
SWAPPED = 256  # clips that are made again for a changed caption


def split_figures(seen: Measured, source: Source) -> Figures:
    """All figures of one split. ValueError below LEAST clips."""
    judge, count = source.extractors[0], len(seen.fake)
    if min(count, len(seen.reference)) < LEAST:
        raise ValueError(f"{count} generated and {len(seen.reference)} reference clips: at least {LEAST} are needed")
    found: Figures = {"clips": count, "reference_clips": len(seen.reference), "left_out": seen.left_out}
    found |= near_figures(seen, source)
    found |= movement(seen.real, seen.fake, sees_order=sees_order(judge))
    found |= text_figures(seen, source)
    captions = distinct(seen.captions)
    again = source.again(captions[:CAPTIONS]) if len(captions) > 1 else None
    if again is not None:
        found["diversity"] = within_captions(again, source, seen)
    found["controls"] = controls(seen, source)
    if not (source.apart and source.learned_from):
        for figures in found["controls"].values():
            figures.pop("memorisation", None)
    warnings = []
    if count < FEW:
        warnings.append(f"{count} clips are few: expect wide intervals, and compare only with as many clips")
    if source.apart and len(seen.reference) < count:
        warnings.append(f"distances of {count} clips are from {len(seen.reference)} real ones only")
    return found | ({"warning": "; ".join(warnings)} if warnings else {})


def near_figures(seen: Measured, source: Source) -> Figures:
    """Distances in every feature space, and nearness to training clips."""
    found: Figures = {}
    spaces = [extractor for extractor in source.extractors if extractor.name != Embedding.name]
    for extractor in track(spaces, description="distances and their intervals", transient=True):
        name = extractor.name
        sides = (side.features[name] for side in (seen.reference, seen.real, seen.fake))
        # A published network brings its convention for covariances with it.
        unbiased = getattr(getattr(extractor, "convention", None), "unbiased", True)
        found |= distances(*sides, name=printed(name), unbiased=unbiased)
        if getattr(extractor, "is_kinetics_i3d", False):  # nothing else may bear the name
            found[f"fvd_{printed(name).removeprefix('i3d_')}"] = found[f"fd_{printed(name)}"]
    if source.apart:
        return found | (novelty(seen.reference, seen.real, seen.fake) if source.learned_from else {})
    for figure in found.values():  # real clips against themselves are no floor
        figure |= dict.fromkeys({"floor", "ceiling"} & figure.keys())
    return found


def text_figures(seen: Measured, source: Source) -> Figures:
    """Everything about captions, as far as ground truth and an encoder of captions are there."""
    judge, found = source.extractors[0], Figures()
    if getattr(judge, "attributes", None) and any(seen.attributes):
        found |= obedience(judge, seen.real, seen.fake, seen.attributes, named(seen))
        found["second_judge"] = second_opinion(seen, source)
        found["caption_swap"] = swapped(seen, source)
    if any(seen.fake.camera) and (flow := by_flow(seen.real, seen.fake, seen.attributes, named(seen))):
        found["by_flow"] = flow
    for extractor in source.extractors:
        if getattr(extractor, "reads_captions", False) and len(set(seen.captions)) > 1:
            found["clipsim"] = similarity(seen, extractor)
    if source.encoder is not None and len(set(seen.captions)) > 1:
        found["r_precision"] = retrieval(seen, source.encoder)
    return found


def printed(name: str) -> str:
    """The features' name as a part of the figures' names."""
    return re.sub(r"[^0-9a-zA-Z]+", "_", name).strip("_")


def sees_order(judge: Any) -> bool:
    return isinstance(judge, Probe)


def named(seen: Measured) -> list[Sequence[str]] | None:
    return seen.named if any(seen.named) else None


def distinct(captions: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(captions))


def within_captions(again: Iterable[Any], source: Source, seen: Measured) -> Figures:
    """Diversity of generated clips of one caption, beside that of real clips whose named attributes are the same."""
    judge = source.extractors[0]
    with torch.no_grad():
        count = min(CAPTIONS, len(distinct(seen.captions)))
        videos = track(again, total=count, description="captions again, from other noise", transient=True)
        value = float(diversity(torch.stack([judge.features(video).cpu() for video in videos])))
    real = alike_and_any(seen) if any(seen.attributes) else None
    return {"value": value, "captions": count, "samples": SAMPLES, "real": real}


def second_opinion(seen: Measured, source: Source) -> Figures | None:
    """Accuracies by a judge of other architecture and seed."""
    others = [e for e in source.extractors[1:] if getattr(e, "attributes", None)]
    if not others:
        return None
    found = obedience(others[0], seen.real, seen.fake, seen.attributes, named(seen))
    found.pop("where_all_is_named", None)
    for figure in found["attributes"].values():
        figure.pop("confusion", None)
    return {"name": others[0].name, **found}


@torch.no_grad()
def swapped(seen: Measured, source: Source) -> Figures | None:
    """The same noise, one attribute of the caption changed: see `metrics.swap`."""
    judge, logits = source.extractors[0], []
    changes = changed_captions(seen)[:SWAPPED]
    for start in track(range(0, len(changes), BATCH), description="captions with a change", transient=True):
        part = changes[start : start + BATCH]
        video = source.retold([c.changed_caption for c in part], [seen.indices[c.row] for c in part])
        if video is None:
            return None
        logits.append({name: values.cpu() for name, values in judge.predict(video).items()})
    if not logits:
        return None
    after = {name: torch.cat([part[name] for part in logits]) for name in logits[0]}
    rows = [change.row for change in changes]
    before = {name: values.cpu() for name, values in judge.classify(seen.fake.features[judge.name][rows]).items()}
    found = caption_swap(before, after, changes, attributes=judge.attributes)
    return {name: {key: share(value) for key, value in swap._asdict().items()} for name, swap in found.items()}


def share(counts: Any) -> Figures:
    low, high = counts.interval
    return {"value": counts.rate, "low": low, "high": high, "clips": counts.total}


def retrieval(seen: Measured, encoder: Any) -> Figures:
    """R-precision among the captions of other clips, and, where the data set knows what it changes, against the own
    caption with one thing made untrue.
    """
    sides = seen.fake.features[Embedding.name], seen.real.features[Embedding.name]
    found = retrieval_precision(encoder, sides[0], seen.captions, hard_negatives(seen), real=sides[1])
    return {
        name: {**share(one.found), "ceiling": one.ceiling.rate if one.ceiling else None, "floor": one.chance}
        for name, one in found.items()
        if name != "hard" or all(seen.changed)
    }


def similarity(seen: Measured, clip: Any) -> Figures:
    """CLIPSIM of the generated clips, of the real ones with their captions, and with those of other clips."""
    captions = clip.embed_captions(seen.captions).cpu()
    own, real = (clipsim(side.features[clip.name], captions) for side in (seen.fake, seen.real))
    found = jackknife_interval(torch.mean, own)
    order = other_places(seen.captions)
    floor = None if order is None else float(clipsim(seen.real.features[clip.name], captions[order]).mean())
    return {"value": found.value, "low": found.low, "high": found.high, "ceiling": float(real.mean()), "floor": floor}


def other_places(captions: Sequence[str]) -> list[int] | None:
    """For each clip one with another caption; None where most clips share one."""
    try:
        return other_captions(captions)
    except ValueError:
        return None


def alike_and_any(seen: Measured) -> float | None:
    """For real clips: mean distance between those whose captions name the same, over that between any two."""
    real = next(iter(seen.real.features.values())).double()
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for i, truth in enumerate(seen.attributes):
        told = seen.named[i] if named(seen) else truth
        groups.setdefault(tuple(sorted((name, truth[name]) for name in told if name in truth)), []).append(i)
    pairs = [(i, j) for rows in groups.values() for k, i in enumerate(rows) for j in rows[k + 1 :]]
    if len(pairs) < 8:
        return None
    left, right = (real[[pair[side] for pair in pairs]] for side in (0, 1))
    return float((left - right).norm(dim=1).mean() / torch.pdist(real).mean())


def controls(seen: Measured, source: Source) -> dict[str, Figures]:
    """Real clips, and real clips with one thing wrong, measured as if they had been generated."""
    judge = source.extractors[0]
    rows = [i for i, index in enumerate(seen.indices) if index < CONTROLLED]
    real, count = seen.real[rows], len(rows)
    truth = [seen.attributes[i] for i in rows]
    told = [seen.named[i] for i in rows] if named(seen) else None
    shown = {"real": real, **seen.controls}
    shown["replayed"] = seen.reference[replayed(len(seen.reference), count)]
    shown["generated"] = seen.fake[rows]
    bar = track(shown.items(), description="controls", transient=True)
    made_from_real = {"real", *seen.controls}
    found = {name: control_figures(seen, real, fake, judge, paired=name in made_from_real) for name, fake in bar}
    captions = [seen.captions[i] for i in rows]
    order = other_places(captions)
    if order:
        found["captions_shuffled"] = {}
    if getattr(judge, "attributes", None) and any(truth):
        for name, fake in shown.items():
            if name != "replayed":
                found[name] |= all_correct(obedience(judge, real, fake, truth, told))
        if order:
            others, names = [truth[i] for i in order], [told[i] for i in order] if told else None
            found["captions_shuffled"] = all_correct(obedience(judge, real, real, others, names))
    if source.encoder is not None and order:
        for name, side, said in (
            ("real", real, captions),
            ("generated", shown["generated"], captions),
            ("captions_shuffled", real, [captions[i] for i in order]),
        ):
            fits = retrieval_precision(source.encoder, side.features[Embedding.name], said, said)
            found[name]["r_precision"] = fits["random"].found.rate
    return {name: figures for name, figures in found.items() if figures}


def all_correct(figures: Figures) -> Figures:
    return {"all_correct": figures.get("all_correct", {}).get("accuracy", math.nan)}


def control_figures(seen: Measured, real: Observation, fake: Observation, judge: Any, *, paired: bool) -> Figures:
    reference = seen.reference[range(min(len(fake), len(seen.reference)))]
    sides = reference.features[judge.name], fake.features[judge.name]
    moved = movement(real, fake, sees_order=sees_order(judge), paired=paired)
    found: Figures = {
        f"fd_{judge.name}": float(frechet_distance(*sides)),
        f"kid_{judge.name}": float(kernel_distance(*sides)),
        "motion_energy": moved["motion_energy"]["ratio"],
        "static_share": moved["static_share"]["value"],
        "flicker": moved["flicker"]["value"],
        "motion_spectrum_gap_db": moved["motion_spectrum_gap_db"]["value"],
        "temporal_consistency": moved.get("temporal_consistency", {}).get("value", math.nan),
        "arrow_of_time": moved.get("arrow_of_time", {}).get("value", math.nan),
        "memorisation": novelty(seen.reference, real, fake)["memorisation"]["value"],
    }
    if min(map(len, sides)) > NEIGHBOURS:
        found[f"recall_{judge.name}"] = precision_recall(*sides).recall
    return found


def gap(test: Mapping[str, Any], heldout: Mapping[str, Any]) -> Figures:
    """Normalised accuracy on held-out combinations minus that on combinations like those of training."""
    shared = [name for name in test.get("attributes", {}) if name in heldout.get("attributes", {})]
    found = {n: heldout["attributes"][n]["normalised"] - test["attributes"][n]["normalised"] for n in shared}
    if "all_correct" in test and "all_correct" in heldout:
        found["all_correct"] = heldout["all_correct"]["normalised"] - test["all_correct"]["normalised"]
    return found


def scores(seen: Measured, judge: Any) -> Tensor:
    """How good each generated clip is, to show the best, middle and worst: the larger the better.

    The judge's mean log-probability of what the caption names; without ground truth nearness to a real clip.
    """
    features = seen.fake.features[judge.name]
    if not getattr(judge, "attributes", None) or not any(seen.attributes):
        from t2vgan.metrics.nearest import nearest_clips

        return -nearest_clips(features, seen.real.features[judge.name]).distances
    logits = {name: values.log_softmax(1).cpu() for name, values in judge.classify(features).items()}
    found = torch.zeros(len(features))
    for i, truth in enumerate(seen.attributes):
        told = seen.named[i] if named(seen) else truth
        judged = [name for name in told if name in logits and truth.get(name) in judge.attributes[name]]
        right = [float(logits[name][i, judge.attributes[name].index(truth[name])]) for name in judged]
        found[i] = sum(right) / max(1, len(right))
    return found


def plain(value: Any) -> Any:
    """The same with null for what is not a finite number, since JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
