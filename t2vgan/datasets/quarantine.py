"""Clips that a check found to be unusable: listed beside the data set, and left out by it.

`quarantine.jsonl`: {"key": "clips/7.mp4", "reason": "truncated: ...", "bytes": 123, "content": "9f...", "by": "check"}.
A line holds for as long as the file has so many bytes and this content: what was mended or downloaded again is used
again. Lines without "by" are a person's own: they always hold, and no check takes them away.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from t2vgan.datasets.sampling import CaptionedClip, byte_count, content
from t2vgan.system import as_json, written_whole

FILE = "quarantine.jsonl"


def entries(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder's list. ValueError for a line that cannot be understood."""
    path, found = folder / FILE, []
    if not path.is_file():
        return []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry["key"], str):
                raise TypeError
        except (ValueError, KeyError, TypeError):  # ValueError: not JSON, or an integer of thousands of digits
            example = '{"key": "lion.mp4", "reason": "..."}'
            raise ValueError(f"{path}:{number}: not a line such as {example}; mend or delete it") from None
        found.append(entry)
    return found


def usable(
    clips: Sequence[CaptionedClip], listed: Sequence[dict[str, Any]]
) -> tuple[list[CaptionedClip], dict[str, str]]:
    """The clips that are not in quarantine; and the key and reason of those that are."""
    if not listed:
        return list(clips), {}
    by_key: dict[str, list[dict[str, Any]]] = {}  # manifests of several splits may use a key twice
    for entry in listed:
        by_key.setdefault(entry["key"], []).append(entry)
    kept, out = [], {}
    for clip in clips:
        if entry := next((each for each in by_key.get(clip.key, ()) if _is_of(each, clip)), None):
            out[clip.key] = str(entry.get("reason") or "listed")
        else:
            kept.append(clip)
    return kept, out


def _is_of(entry: dict[str, Any], clip: CaptionedClip) -> bool:
    same_size = entry.get("bytes") in (None, byte_count(clip))
    return same_size and ("content" not in entry or entry["content"] == content(clip))


def tell(folder: Path, out: dict[str, str]) -> None:
    if out:
        key, reason = next(iter(out.items()))
        what = f"{folder / FILE}: {len(out)} clips are left out, such as {key}: {reason}"
        warnings.warn(f"{what}; delete the file to use them again", stacklevel=4)


def write(folder: Path, found: Iterable[dict[str, Any]], *, looked_at: Container[str]) -> Path:
    """Puts what a check found of the clips that it `looked_at` (keys) in the place of what earlier ones did; keeps the
    lines of people, and those of clips that it did not look at.
    """
    kept = [entry for entry in entries(folder) if entry.get("by") != "check" or entry["key"] not in looked_at]
    keys = {entry["key"] for entry in kept}
    lines = [*kept, *({**entry, "by": "check"} for entry in found if entry["key"] not in keys)]
    if lines:
        with written_whole(folder / FILE) as part:
            part.write_text("".join(as_json(line) + "\n" for line in lines), encoding="utf-8")
    else:
        (folder / FILE).unlink(missing_ok=True)
    return folder / FILE
