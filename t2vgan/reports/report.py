"""A report: metrics.json, one html page, and the clips' own results for paired comparisons."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2vgan.metrics.attributes import encode_truth, predicted_values
from t2vgan.metrics.panel import Figures
from t2vgan.reports import page
from t2vgan.reports.figures import FORMAT, gap, plain, printed, scores, split_figures
from t2vgan.reports.measure import Measured
from t2vgan.reports.sources import Source
from t2vgan.system import written_whole

SHOWN = 6  # clips in each contact sheet
ACCURACY = ("accuracy", "ceiling", "floor", "normalised", "low", "high", "clips")
TEXT_HEADER = ["figure", "value", "low", "high", "real clips", "chance"]
SHORT = {"motion_energy": "energy", "static_share": "static", "motion_spectrum_gap_db": "spectrum",
         "arrow_of_time": "arrow", "memorisation": "copies", "all_correct": "all"}  # fmt: skip
NOTES = {
    "text": "R-precision: clips that fit their caption better than captions of other clips (random), or than their own "
    "with something untrue in it (hard). Caption swap: made again from the same noise for a caption with one attribute "
    "changed; obeyed: it changed so; only: and nothing else did; kept: it stayed when another one was changed.",
    "attributes": "Judged by a classifier of real clips. Ceiling: real clips against their own captions. Floor: real "
    "clips against other clips' captions. Normalised: (accuracy - floor) / (ceiling - floor), with its 95 % interval.",
    "distances": "From the reference, real clips that were rendered for no pair. Floor or ceiling: the same for the "
    "real clips of the pairs, as many as the generated ones. Only compare figures of equal N and equal features.",
    "motion": "Generated clips beside the real clips of the same captions.",
    "controls": "Real clips with one thing wrong, measured as if a model had made them: each has to move the figure "
    "that is made for it.",
}


@dataclass
class Split:
    """A split's figures and what was seen of its clips."""

    figures: Figures
    seen: Measured
    judge: Any


def report_of(splits: Mapping[str, Split], protocol: Mapping[str, Any]) -> Figures:
    """What metrics.json holds."""
    found: Figures = {
        "format": FORMAT,
        "protocol": dict(protocol),
        "splits": {name: split.figures for name, split in splits.items()},
    }
    if {"test", "heldout"} <= set(splits):
        found["heldout_minus_test"] = gap(splits["test"].figures, splits["heldout"].figures)
    return plain(found)


def told_of_figures(source: Source, seen: Measured) -> dict[str, Any]:
    """How the figures were made."""
    features = {}
    for extractor in source.extractors:
        about = {"hash": getattr(extractor, "fingerprint", "") or None, "dim": getattr(extractor, "dim", None)}
        about |= {"accuracy_on_real_clips": getattr(extractor, "accuracy", None)}
        features[extractor.name] = {**about, **dict(getattr(extractor, "protocol", {}))}
    return {
        "clips": len(seen.fake),
        "features": features,
        "covariance": "over n - 1, unless the features' own convention says otherwise",
        "kernel": "polynomial, degree 3, unbiased",
        "intervals": "95 %: jackknife over clips for distances, Wilson for shares",
    }


def look_and_judge(seen: Measured, source: Source) -> Split:
    return Split(split_figures(seen, source), seen, source.extractors[0])


def write(folder: Path, report: Figures, splits: Mapping[str, Split], *, history: Path | None) -> list[Path]:
    """metrics.json, report.html and clips_<split>.npz in the folder; the written files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "metrics.json", folder / "report.html"]
    with written_whole(written[0]) as part:
        part.write_text(json.dumps(report, indent=2) + "\n")
    for file in folder.glob("clips_*.npz"):  # of an earlier look: --compare must not take them for this one's
        if file.stem.removeprefix("clips_") not in splits:
            file.unlink()
    for name, split in splits.items():
        written.append(folder / f"clips_{name}.npz")
        with written_whole(written[-1]) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **per_clip(split))
    with written_whole(written[1]) as part:
        part.write_text(html_page(report, splits, history))
    return written


def per_clip(split: Split) -> dict[str, np.ndarray]:
    """What `--compare` needs of each clip: its features, and whether it shows what is named (-1 where it is not)."""
    seen, judge = split.seen, split.judge
    name = next(iter(seen.fake.features))
    found = {
        "features_name": np.array(f"{printed(name)} {getattr(judge, 'fingerprint', '')}"),
        "captions": np.array(seen.captions),
        "keys": np.array(seen.keys),
        "fake": seen.fake.features[name].numpy(),
        "real": seen.real.features[name].numpy(),
        "reference": seen.reference.features[name].numpy(),
        "energy": seen.fake.energy.numpy(),
        "energy_real": seen.real.energy.numpy(),
    }
    attributes = getattr(judge, "attributes", None)
    if attributes and any(seen.attributes):
        told = seen.named if any(seen.named) else None
        wanted = encode_truth(attributes, seen.attributes, told)
        shown = predicted_values(judge.classify(seen.fake.features[name]), attributes).cpu()
        found["right"] = torch.where(wanted < 0, -1, (wanted == shown).long()).numpy().astype(np.int8)
        found["attributes"] = np.array(list(attributes))
    return found


def html_page(report: Figures, splits: Mapping[str, Split], history: Path | None) -> str:
    parts: list[str] = []
    for name, figures in report["splits"].items():
        parts += split_sections(name, figures, splits[name])
    if "heldout_minus_test" in report:
        rows = [[name, value] for name, value in report["heldout_minus_test"].items()]
        note = "Normalised accuracy on combinations that training never showed, minus that on the others."
        parts.append(page.section("Held-out combinations", page.table(["attribute", "gap"], rows), note=note))
    if history is not None and history.is_file():
        lines = [json.loads(line) for line in history.read_text().splitlines() if line.endswith("}")]
        note = "Validations during training: half of fewer clips against the other half, so distances are larger here."
        parts.append(page.section("Over training", page.curves(lines), note=note))
    protocol = html.escape(json.dumps(report["protocol"], indent=2))
    parts.append(page.section("Protocol", f"<pre>{protocol}</pre>"))
    made = Path(str(report["protocol"].get("generated", "")))
    return page.page(f"{report['protocol'].get('experiment', made.name)}: evaluation", parts)


def split_sections(name: str, figures: Figures, split: Split) -> list[str]:
    parts = []
    warning = f"<p class=warning>{html.escape(figures['warning'])}</p>" if "warning" in figures else ""
    rows = accuracy_rows(figures)
    if rows:
        tables = page.table(["attribute", *ACCURACY], rows)
        shapes = [(n, f["confusion"]) for n, f in figures["attributes"].items() if "confusion" in f]
        matrices = "".join(page.matrix(n, c["values"], c["counts"]) for n, c in shapes)
        title = f"{name}: does it show what the text says?"
        parts.append(page.section(title, warning, tables, matrices, note=NOTES["attributes"]))
    if rows := text_rows(figures):
        title = f"{name}: whole captions, and captions with one attribute changed"
        parts.append(page.section(title, page.table(TEXT_HEADER, rows), note=NOTES["text"]))
    title = f"{name}: is it near to real clips?"
    parts.append(
        page.section(title, page.table(["figure", "value", "low", "high", "real", ""], distance_rows(figures)),
                     note=NOTES["distances"])
    )  # fmt: skip
    title = f"{name}: is it really video?"
    parts.append(
        page.section(title, page.table(["figure", "generated", "real", "ratio"], motion_rows(figures)),
                     note=NOTES["motion"])
    )  # fmt: skip
    header, control_rows = control_table(figures["controls"])
    parts.append(page.section(f"{name}: controls", page.table(header, control_rows), note=NOTES["controls"]))
    parts.append(page.section(f"{name}: clips", *sheets(split)))
    return parts


def accuracy_rows(figures: Figures) -> list[list[Any]]:
    """A row per attribute, for all together, and for the camera and direction by optical flow."""
    named = dict(figures.get("attributes", {}))
    if "all_correct" in figures:
        named["all correct"] = figures["all_correct"]
    full = figures.get("where_all_is_named", {})
    if full.get("all_correct"):
        named["all correct, of captions that name all"] = full["all_correct"]
    named |= {f"{name} by optical flow": figure for name, figure in figures.get("by_flow", {}).items()}
    if second := figures.get("second_judge"):
        both = {**second["attributes"], "all correct": second.get("all_correct", {})}
        named |= {f"{name} by {second['name']}": figure for name, figure in both.items()}
    return [[name, *(percent(figure.get(key)) if key != "clips" else figure.get(key) for key in ACCURACY)]
            for name, figure in named.items()]  # fmt: skip


def text_rows(figures: Figures) -> list[list[Any]]:
    """R-precision and caption swaps: name, value, its interval, real clips, chance."""
    rows = []
    for name, f in figures.get("r_precision", {}).items():
        rows.append([f"R-precision, {name} negatives", f["value"], f["low"], f["high"], f["ceiling"], f["floor"]])
    for name, shares in (figures.get("caption_swap") or {}).items():
        for what, f in shares.items():
            if f["clips"]:
                rows.append([f"caption swap, {name}: {what}", f["value"], f["low"], f["high"], None, None])
    return [[row[0], *map(percent, row[1:])] for row in rows]


def percent(share: Any) -> Any:
    return f"{100 * share:.1f} %" if isinstance(share, int | float) and math.isfinite(share) else None


def distance_rows(figures: Figures) -> list[list[Any]]:
    starts = ("fd_", "kid_", "mind_", "jedi_form_", "precision_", "recall_", "density_", "coverage_", "fvd")
    return [
        [key, f["value"], f.get("low"), f.get("high"), f.get("floor", f.get("ceiling")), f.get("warning", "")]
        for key, f in figures.items()
        if key.startswith(starts)
    ]


def motion_rows(figures: Figures) -> list[list[Any]]:
    keys = ("motion_energy", "motion_spectrum_gap_db", "flicker", "static_share", "arrow_of_time", "diversity")
    rows = []
    for key in (*keys, "memorisation"):
        if key in figures:
            f = figures[key]
            rows.append([key, f["value"], f.get("real", f.get("floor", f.get("as_new_as_real"))), f.get("ratio")])
    return rows


def control_table(controls: Mapping[str, Figures]) -> tuple[list[str], list[list[Any]]]:
    columns = list(dict.fromkeys(key for figures in controls.values() for key in figures))
    header = ["clips", *(SHORT.get(column, re.sub("_probe$", "", column)) for column in columns)]
    return header, [[name, *(figures.get(key) for key in columns)] for name, figures in controls.items()]


def sheets(split: Split) -> list[str]:
    """Contact sheets of the best, middle and worst clips by the judge's own opinion, beside the real ones."""
    from t2vgan.video.sheet import contact_sheet

    order = scores(split.seen, split.judge).argsort(descending=True).tolist()
    count = min(SHOWN, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    chosen = {"best": order[:count], "middle": order[middle : middle + count], "worst": order[-count:]}
    fake, real = split.seen.strips
    found = []
    for title, rows in chosen.items():
        captions: Sequence[str] = [split.seen.captions[i] for i in rows]
        picture = contact_sheet(
            [fake[i] for i in rows], captions, beside=[real[i] for i in rows], titles=("generated", "real"), scale=2
        )
        found.append(f"<h3>{title}</h3>{page.picture(picture, f'{title} clips, generated and real')}")
    return found
