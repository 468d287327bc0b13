"""A report as one html page that needs nothing beside it: pictures are inside, there are no scripts and no links."""

from __future__ import annotations

import base64
import html
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from t2vgan.reports.rows import VOID, number

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #202024; background: #fff;
       max-width: 70rem; margin: 2rem auto 4rem; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem }
h2 { font-size: 1.2rem; margin-top: 2.6rem; padding-bottom: .2rem; border-bottom: 2px solid #285aa0 }
h3 { font-size: .95rem; margin: 1.4rem 0 .3rem; color: #285aa0 }
table { border-collapse: collapse; margin: .4rem 0 1rem; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ececf0 }
th { font-weight: 600; color: #555; border-bottom: 1px solid #bbb }
td:first-child, th:first-child { text-align: left; padding-left: .2rem }
.void td { color: #999 } .void td.words { color: #a33 }
.meant { background: #e3edf9; font-weight: 600 }
td.words { text-align: left; white-space: normal; color: #666; font-size: .85rem }
.warning { color: #a33; font-weight: 600 } .note { color: #666; max-width: 64rem }
.plain td, .plain th { text-align: left } .plain td { white-space: normal; overflow-wrap: anywhere; font-size: .85rem }
.plain td:first-child { min-width: 6rem }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; font-size: .85rem } nav a { color: #285aa0 }
img { max-width: 100%; image-rendering: pixelated }
.wide { overflow-x: auto } .row { display: flex; flex-wrap: wrap; gap: .6rem 2.5rem; align-items: flex-start }
.matrix { font-size: .82rem } .matrix td { min-width: 2rem; text-align: center; border: 1px solid #fff }
.matrix td:first-child { text-align: right; border: 0 } .matrix th { border: 0; font-weight: 400 }
.matrix th:first-child { font-weight: 600; color: #202024 }
.matrix .own { outline: 2px solid #e0a030; outline-offset: -2px }
"""


def page(title: str, parts: Iterable[str]) -> str:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<body><h1>{html.escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def section(heading: str, *parts: str, note: str = "") -> str:
    told = f"<p class=note>{html.escape(note)}</p>" if note else ""
    return f"<h2 id={anchor(heading)}>{html.escape(heading)}</h2>{told}{''.join(parts)}"


def anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def contents(parts: Iterable[str]) -> str:
    """Links to the sections among these parts, a line for each split."""
    lines: dict[str, list[str]] = {}
    for place, name in (found for part in parts for found in re.findall(r"<h2 id=(\S+)>(.*?)</h2>", part)):
        split, _, rest = name.rpartition(": ")
        lines.setdefault(split, []).append(f"<a href=#{place}>{rest}</a>")
    return "".join(f"<nav>{split and f'<b>{split}</b>'} {' '.join(links)}</nav>" for split, links in lines.items())


def heading(text: str) -> str:
    return f"<h3>{html.escape(text)}</h3>"


def note(text: str) -> str:
    return f"<p class=note>{html.escape(text)}</p>"


def warning(text: str) -> str:
    return f"<p class=warning>{html.escape(text)}</p>" if text else ""


def row_of(parts: str) -> str:
    """Things side by side."""
    return f"<div class=row>{parts}</div>"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    marked: Sequence[Sequence[bool]] | None = None,
    plain: bool = False,
) -> str:
    """marked: the cells that stand out. A row that does not count is faint.

    plain: for words, not for figures. A last column that alone has no name holds words, too.
    """
    head = "" if not any(header) else "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = []
    for i, row in enumerate(rows):
        marks = marked[i] if marked else [False] * len(row)
        kinds = [" class=meant" if mark else "" for mark in marks]
        kinds[-1] = kinds[-1] or ("" if header[-1] or not any(header) else " class=words")
        cells = (f"<td{kind}>{cell(value)}</td>" for value, kind in zip(row, kinds, strict=True))
        void = " class=void" if row[-1] == VOID else ""
        body.append(f"<tr{void}>{''.join(cells)}</tr>")
    kind = " class=plain" if plain else ""
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<div class=wide><table{kind}>{head}<tbody>{''.join(body)}</tbody></table></div>"


def cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return number(value)
    return html.escape(str(value))


def matrix(name: str, values: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Rows: what the caption says; columns: what the judge saw; the darker, the larger the share of the row."""
    rows = []
    for i, (wanted, row) in enumerate(zip(values, counts, strict=True)):
        shares = [(n, n / max(1, sum(row))) for n in row]
        cells = "".join(
            f'<td{" class=own" if i == k else ""} style="background:rgba(40,90,160,{share:.2f});'
            f'color:{"#fff" if share > 0.5 else "#222" if n else "#bbb"}">{n}</td>'
            for k, (n, share) in enumerate(shares)
        )
        rows.append(f"<tr><td>{html.escape(wanted)}</td>{cells}</tr>")
    head = "".join(f"<th>{html.escape(value)}</th>" for value in (name, *values))
    return f"<table class=matrix><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def picture(pixels: np.ndarray, alt: str) -> str:
    """uint8 (h, w, 3) inside the page."""
    from PIL import Image

    return inside(alt, lambda memory: Image.fromarray(pixels).save(memory, format="png", optimize=True))


def inside(alt: str, save: Callable[[io.BytesIO], object]) -> str:
    """A png that `save` writes, as an img element."""
    memory = io.BytesIO()
    save(memory)
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{base64.b64encode(memory.getvalue()).decode()}">'


def curves(lines: Sequence[Mapping[str, Any]]) -> str:
    """Figures of a run's validations over the clips that it had seen."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    names = sorted(
        {name for line in lines for name in line if name.startswith(("accuracy/", "fd_", "kid_", "motion/"))}
    )
    groups = {
        "accuracy": [n for n in names if n.startswith("accuracy/")],
        "distance": [n for n in names if n.startswith("fd_")],
        "kernel distance": [n for n in names if n.startswith("kid_")],
        "motion": [n for n in names if n.startswith("motion/")],
    }
    shown = {title: group for title, group in groups.items() if group}
    if not lines or not shown:
        return ""
    figure, axes = plt.subplots(1, len(shown), figsize=(4.2 * len(shown), 3.2), dpi=110, squeeze=False)
    seen = [line["clips_seen"] for line in lines]
    for axis, (title, group) in zip(axes[0], shown.items(), strict=True):
        for name in group:
            axis.plot(seen, [line.get(name) for line in lines], label=name.split("/")[-1], linewidth=1.2)
        axis.set(title=title, xlabel="clips seen")
        axis.legend(fontsize=6)
    figure.tight_layout()
    plt.close(figure)
    return inside("curves", lambda memory: figure.savefig(memory, format="png"))


def grouped_bars(labels: Sequence[str], groups: Mapping[str, Sequence[tuple[float, float, float]]]) -> str:
    """Bars with error bars: for each group (value, low, high) per label."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 3.4), dpi=110)
    width, places = 0.8 / len(groups), np.arange(len(labels))
    for k, (name, values) in enumerate(groups.items()):
        heights, lows, highs = (np.nan_to_num(np.array(column)) for column in zip(*values, strict=True))
        errors = np.abs(np.stack([heights - lows, highs - heights]))
        axis.bar(places + k * width, heights, width, yerr=errors, label=name, error_kw={"linewidth": 0.8})
    axis.set(xticks=places + 0.4 - width / 2, ylim=(0, 1), ylabel="accuracy")
    axis.set_xticklabels(labels)
    axis.legend(fontsize=7)
    figure.tight_layout()
    plt.close(figure)
    return inside("accuracies", lambda memory: figure.savefig(memory, format="png"))
