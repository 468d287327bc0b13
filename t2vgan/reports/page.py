"""A report as one html page that needs nothing beside it: pictures are inside, there are no scripts and no links."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #202024; background: #fff;
       max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd }
h3 { font-size: 1rem; margin-bottom: .3rem }
table { border-collapse: collapse; margin: .6rem 0 }
td, th { padding: .15rem .6rem; text-align: right; white-space: nowrap }
th { font-weight: 600; color: #555 }
td:first-child, th:first-child { text-align: left }
tr:nth-child(even) td { background: #f6f6f8 }
.warning { color: #a33 } .note { color: #666 }
img { max-width: 100%; image-rendering: pixelated }
.wide { overflow-x: auto }
.matrix { font-size: .85rem; display: inline-table; margin-right: 2rem }
.matrix td { min-width: 2.2rem; text-align: center }
"""


def page(title: str, parts: Iterable[str]) -> str:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<body><h1>{html.escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def section(heading: str, *parts: str, note: str = "") -> str:
    told = f"<p class=note>{html.escape(note)}</p>" if note else ""
    return f"<h2>{html.escape(heading)}</h2>{told}{''.join(parts)}"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else html.escape(str(value))


def matrix(name: str, values: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Rows: what the caption says; columns: what the judge saw; the darker, the larger the share of the row."""
    rows = []
    for wanted, row in zip(values, counts, strict=True):
        shares = [(n, n / max(1, sum(row))) for n in row]
        cells = "".join(
            f'<td style="background:rgba(40,90,160,{share:.2f});color:{"#fff" if share > 0.5 else "#222"}">{n}</td>'
            for n, share in shares
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
