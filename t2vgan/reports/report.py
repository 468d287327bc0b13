"""A report: metrics.json, one html page, and the clips' own results for paired comparisons."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2vgan.metrics.attributes import encode_truth, predicted_values
from t2vgan.metrics.panel import Figures
from t2vgan.metrics.precise import MetricWarning
from t2vgan.reports import page, rows
from t2vgan.reports.figures import FORMAT, gap, plain, printed, scores, split_figures
from t2vgan.reports.measure import STRIP, Measured
from t2vgan.reports.notes import NOTES
from t2vgan.reports.sources import Source
from t2vgan.system import written_whole

SHOWN = 6  # clips in each contact sheet
SHEET_PX = 1_000  # about as wide as the page


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
    """What was compared with what, and how the figures were made."""
    protocol = source.protocol()
    features = {}
    for extractor in source.extractors:
        about = {"hash": getattr(extractor, "fingerprint", "") or None, "dim": getattr(extractor, "dim", None)}
        about |= {"accuracy_on_real_clips": getattr(extractor, "accuracy", None)}
        features[extractor.name] = {**about, **dict(getattr(extractor, "protocol", {}))}
    return {
        **protocol,
        "reference": {**protocol["reference"], "clips": len(seen.reference)},  # that could be read
        "clips": len(seen.fake),
        "features": features,
        "covariance": "over n - 1, unless the features' own convention says otherwise",
        "kernel": "polynomial, degree 3, unbiased",
        "intervals": "95 %: jackknife over clips for distances, Wilson for shares",
    }


def look_and_judge(seen: Measured, source: Source) -> Split:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetricWarning)  # the figures say it themselves
        return Split(split_figures(seen, source), seen, source.extractors[0])


def write(folder: Path, report: Figures, splits: Mapping[str, Split], *, history: Path | None) -> list[Path]:
    """metrics.json, report.html and clips_<split>.npz in the folder; the written files."""
    folder.mkdir(parents=True, exist_ok=True)
    earlier = splits_there(folder)
    written = [folder / "metrics.json", folder / "report.html"]
    with written_whole(written[0]) as part:
        part.write_text(json.dumps(report, indent=2) + "\n")
    for file in folder.glob("clips_*.npz"):  # of an earlier look: --compare must not take them for this one's
        if (name := file.stem.removeprefix("clips_")) in earlier and name not in splits:
            file.unlink()
    for name, split in splits.items():
        written.append(folder / f"clips_{name}.npz")
        with written_whole(written[-1]) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **per_clip(split))
    with written_whole(written[1]) as part:
        part.write_text(html_page(report, splits, history), encoding="utf-8", errors="backslashreplace")
    return written


def splits_there(folder: Path) -> list[str]:
    """Of the report that the folder holds: other files in it are not ours."""
    try:
        return list(json.loads((folder / "metrics.json").read_text())["splits"])
    except (OSError, ValueError, LookupError, TypeError):
        return []


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
    protocol = report["protocol"]
    told = [page.warning(f"{name}: {text}") for name, f in report["splits"].items()
            for text in (f.get("warning", ""), unreadable(f)) if text]  # fmt: skip
    parts = [page.section("At a glance", *told, page.table(*rows.overview(report)), note=NOTES["overview"])]
    for name, figures in report["splits"].items():
        parts += split_sections(name, figures, splits[name])
    if history is not None and history.is_file():
        lines = [json.loads(line) for line in history.read_text().splitlines() if line.endswith("}")]
        parts.append(page.section("Over training", page.curves(lines), note=NOTES["history"]))
    parts.append(page.section("Protocol", page.table(["", ""], list(leaves(protocol)), plain=True)))
    made = Path(str(protocol.get("generated", "")))
    title = f"{protocol.get('experiment', made.name)}: evaluation"
    return page.page(title, [page.note(summary_of(report)), page.contents(parts), *parts])


def summary_of(report: Figures) -> str:
    protocol, splits = report["protocol"], report["splits"]
    clip, data = protocol.get("clip", {}), protocol.get("data", {})
    shape = f"{clip.get('frames')} frames over {clip.get('duration_s')} s, {clip.get('size')} pixels"
    reference = protocol.get("reference", {})
    counts = list(dict.fromkeys(f["reference_clips"] for f in splits.values()))
    away = f"{' and '.join(map(str, counts))} {reference.get('which', 'other real ones')}"
    each = ", ".join(f"{figures['clips']} clips of {name}" for name, figures in splits.items())
    made = f"{each}, by {protocol.get('generated')}"
    return f"{made}, beside real clips of {data.get('name')}: {shape}. Distances are from {away}."


def leaves(value: Any, path: str = "") -> Iterator[list[Any]]:
    """Every entry of nested dictionaries: its path and its value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif value is not None:
        yield [path, value]


def split_sections(name: str, figures: Figures, split: Split) -> list[str]:
    parts = []
    if judged := rows.accuracy_tables(figures):
        tables = [page.heading(f"judged by {judge}") + (page.note(NOTES["flow"]) if judge == rows.FLOW else "")
                  + page.table(rows.ACCURACY, found) for judge, found in judged.items()]  # fmt: skip
        parts.append(page.section(f"{name}: does it show what the text says?", *tables, note=NOTES["attributes"]))
        shapes = [(n, f["confusion"]) for n, f in figures.get("attributes", {}).items() if "confusion" in f]
        matrices = "".join(page.matrix(n, c["values"], c["counts"]) for n, c in shapes)
        title = page.heading("what the caption says (rows), what the judge saw (columns), in clips")
        parts += [title + page.row_of(matrices)] if shapes else []
    if found := rows.text_rows(figures):
        parts.append(page.section(f"{name}: whole captions", page.table(rows.TEXT, found), note=NOTES["text"]))
    if found := rows.swap_rows(figures):
        shown = page.table(rows.SWAP, found)
        parts.append(page.section(f"{name}: the same noise, one attribute changed", shown, note=NOTES["swap"]))
    near = [page.heading(f"in the features of {space}") + page.table(rows.NEAR, found)
            for space, found in rows.distance_tables(figures).items()]  # fmt: skip
    parts.append(page.section(f"{name}: is it near to real clips?", *near, note=NOTES["distances"]))
    moving = page.table(rows.MOTION, rows.motion_rows(figures))
    parts.append(page.section(f"{name}: is it really video?", moving, note=NOTES["motion"]))
    header, found = rows.control_table(figures["controls"])
    shown = page.table(header, found, marked=rows.made_for(figures["controls"]))
    still = page.warning(rows.unmoved(figures["controls"]))
    parts.append(page.section(f"{name}: controls", still, shown, note=NOTES["controls"]))
    return [*parts, page.section(f"{name}: clips to look at", *sheets(split), note=NOTES["clips"])]


def unreadable(figures: Figures) -> str:
    left = figures["left_out"]
    return f"{len(left)} clips could not be read; the first: {left[0]}" if left else ""


def sheets(split: Split) -> list[str]:
    """Contact sheets of the best, middle and worst clips by the judge's own opinion, beside the real ones."""
    from t2vgan.video.sheet import contact_sheet

    order = scores(split.seen, split.judge).argsort(descending=True).tolist()
    count = min(SHOWN, max(1, len(order) // 3))
    scale = max(1, round(SHEET_PX / (2 * STRIP * split.seen.strips[0].shape[-2])))
    middle = (len(order) - count) // 2
    chosen = {"best": order[:count], "middle": order[middle : middle + count], "worst": order[-count:]}
    fake, real = split.seen.strips
    found = []
    for title, places in chosen.items():
        captions: Sequence[str] = [split.seen.captions[i] for i in places]
        picture = contact_sheet(
            [fake[i] for i in places],
            captions,
            beside=[real[i] for i in places],
            titles=("generated", "real"),
            scale=scale,
        )
        found.append(f"{page.heading(title)}{page.picture(picture, f'{title} clips, generated and real')}")
    return found
