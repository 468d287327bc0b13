"""The page of a data check: counts, captions, and every clip with its picture and what was found of it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from t2vgan.reports.page import page, section, table

SHOWN = 400  # clips with a picture: those with findings first


def data_page(
    title: str, report: Mapping[str, Any], clips: Sequence[Mapping[str, Any]], means: Mapping[str, str]
) -> str:
    """`report`: summary and statistics of captions; `clips`: what was found of each, with `thumbnail` (jpeg in base64);
    `means`: finding -> what it means."""
    summary, text = report["summary"], report.get("captions") or {}
    wanted = summary["wanted"]
    view = f"{wanted['frames']} frames of {wanted['size']} pixels over {wanted['duration_s']:g} s"
    counted = [(name, count, means.get(name, "")) for name, count in summary["findings"].items()]
    first = [
        ("clips", summary["clips"]), ("usable", summary["usable"]), ("unusable", summary["unusable"]),
        ("hours of usable video", summary["hours"]), ("without any finding", summary["without_findings"]),
        ("checked for", f"{view}, short: {wanted['short']}"), ("read by", _counts(summary["readers"])),
        ("codecs", _counts(summary["codecs"])),
    ]  # fmt: skip
    parts = [
        section("Can it be used?", _left(table(("", ""), first))),
        section("Findings", _left(table(("finding", "clips", "meaning"), counted)) if counted else "<p>None.</p>"),
        section("Captions", *_captions(text)) if text.get("captions") else "",
        section("Clips", _clips(clips), note=_note(clips)),
    ]
    return page(title, [f"<style>{STYLE}</style>", *parts])


STYLE = """
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .8rem }
.clip { border: 1px solid #ddd; border-radius: .4rem; padding: .5rem; font-size: .82rem; overflow-wrap: anywhere }
.clip img { width: 100%; background: #eee; image-rendering: auto; border-radius: .25rem }
.unusable { border-color: #c33; background: #fff4f4 } .noted { border-color: #ca3 }
.clip b { display: block } .clip ul { margin: .3rem 0 0; padding-left: 1.1rem } .clip .none { color: #2a7 }
.text td, .text th { text-align: left; white-space: normal }
.text :is(td, th):nth-child(2):not(:last-child) { text-align: right }
.bars { display: flex; align-items: flex-end; height: 6rem; gap: 2px }
.bars div { background: #48a; flex: 1; min-width: 3px }
"""


def show(summary: Mapping[str, Any], clips: Sequence[Mapping[str, Any]], most: int = 20) -> None:
    """The counts and the clips that cannot be used, on the screen."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    bad = [clip for clip in clips if not clip["usable"]]
    if bad:
        listing = Table("cannot be used", "why")
        for clip in bad[:most]:
            listing.add_row(escape(clip["key"]), escape("; ".join(f"{k}: {v}" for k, v in clip["findings"].items())))
        console.print(listing)
    console.print(f"... and {len(bad) - most} more" if len(bad) > most else "", end="\n" if len(bad) > most else "")
    counts = Table("finding", "clips", title_justify="left")
    for name, count in (("usable", summary["usable"]), ("unusable", summary["unusable"]), *summary["findings"].items()):
        counts.add_row(name, str(count))
    console.print(counts)


def _left(inner: str) -> str:
    return f"<div class=text>{inner}</div>"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"


def _captions(text: Mapping[str, Any]) -> list[str]:
    without, substituted = text["without_vector"], text["with_substitute"]
    rows = [
        ("captions", text["captions"]),
        ("distinct", text["distinct"]),
        ("words in a caption", _counts(text["words"])),
        ("longer than is read", text["longer_than_read"]),
        ("different words", f"{text['vocabulary']}, {text['once']} of them once"),
        ("words without a vector", f"{without['words']} ({_counts(without['most']) if without['most'] else 'none'})"),
        ("words that another stands for", f"{substituted['words']}"),
        ("tags", _counts(text["tags"])),
        ("entities", _counts(text["entities"])),
        ("most named", _counts(text["named"])),
        ("verbs", _counts(text["verbs"])),
    ]
    wide = "<style>.captions td { white-space: normal; text-align: left }</style><div class=captions>"
    return [wide, table(("", ""), rows), "</div>", "<h3>Captions of so many words</h3>", _bars(text["lengths"])]


def _bars(counts: Mapping[str, int]) -> str:
    most = max(counts.values())
    bars = (
        f'<div style="height:{100 * n / most:.0f}%" title="{k} words: {n} captions"></div>' for k, n in counts.items()
    )
    ends = list(counts)
    return f"<div class=bars>{''.join(bars)}</div><p class=note>from {ends[0]} to {ends[-1]} words</p>"


def _note(clips: Sequence[Mapping[str, Any]]) -> str:
    shown = f"; {SHOWN} of {len(clips)} are shown, report.json has all" if len(clips) > SHOWN else ""
    return f"Those that cannot be used first, then those with other findings; four instants of each{shown}."


def _clips(clips: Sequence[Mapping[str, Any]]) -> str:
    order = sorted(clips, key=lambda clip: (clip["usable"], not clip["findings"]))
    return f"<div class=clips>{''.join(_clip(clip) for clip in order[:SHOWN])}</div>"


def _clip(clip: Mapping[str, Any]) -> str:
    kind = "unusable" if not clip["usable"] else "noted" if clip["findings"] else ""
    found = "".join(f"<li><i>{html.escape(k)}</i>: {html.escape(v)}</li>" for k, v in clip["findings"].items())
    caption = html.escape(" / ".join(clip["captions"])[:300])
    size = f"{clip['width']} x {clip['height']}, {clip['fps']:g} fps, {clip['duration_s']:.2f} s, {clip['codec']}"
    shown = f'<img alt="" style="aspect-ratio:{clip["width"]}/{clip["height"]}" src="data:image/jpeg;base64,'
    picture = f'{shown}{clip["thumbnail"]}">' if clip["thumbnail"] else ""
    told = f"<ul>{found}</ul>" if found else "<span class=none>fine</span>"
    return (
        f"<div class='clip {kind}'>{picture}<b>{html.escape(clip['key'])}</b>"
        f"{html.escape(size) if clip['width'] else ''}<div>{caption}</div>{told}</div>"
    )
