"""A folder of captioned videos, a manifest or shards: every clip of it looked at, and what that comes to.

<output>/report.json     counts, and what was found of each clip
<output>/report.html     the same as a page with pictures (`reports/data_page.py`)
<root>/quarantine.jsonl  the clips that no training will meet
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2vgan.datasets import quarantine
from t2vgan.datasets.captioned_folder import captioned
from t2vgan.datasets.checking import clips as looks
from t2vgan.datasets.checking.clips import Checked, Job, Wanted
from t2vgan.datasets.checking.duplicates import mark_captions, mark_videos
from t2vgan.datasets.checking.workers import in_parallel
from t2vgan.datasets.manifest import manifests_in, read_manifest
from t2vgan.datasets.progress import with_progress
from t2vgan.datasets.sampling import CaptionedClip, byte_count, content
from t2vgan.system import as_json, written_whole

PICTURES = 500  # of clips with nothing to find fault with are kept for the page


@dataclass
class Found:
    """The clips of a data set by name, and what could not even be a clip: name -> (finding, reason)."""

    home: Path
    clips: list[CaptionedClip] = field(default_factory=list)
    others: dict[str, tuple[str, str]] = field(default_factory=dict)


def found_in(path: Path) -> Found:
    """ValueError when there is nothing to check."""
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    files = [path] if path.is_file() else manifests_in(path)
    found = Found(home=path if path.is_dir() else path.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report says it of each clip
        if not files:
            found.clips, without = captioned(path)
            found.others = {name: ("no caption", reason) for name, reason in without.items()}
            return found
        seen: set[tuple[str, str]] = set()
        for file in files:
            listed = read_manifest(file)
            found.others |= {place: ("manifest", reason) for place, reason in listed.broken.items()}
            fresh = [clip for clip in listed.clips if (clip.key, clip.video) not in seen]
            seen |= {(clip.key, clip.video) for clip in fresh}
            found.clips += fresh
    return found


def checked(found: Found, wanted: Wanted, *, processes: int, patience_s: float = 300.0) -> list[Checked]:
    """Every clip in order, each video decoded once, with a progress bar; then those that are no clips."""
    by_video: dict[str, list[CaptionedClip]] = defaultdict(list)
    for clip in found.clips:
        by_video[f"{clip.root}/{clip.video}:{clip.part}:{clip.fps}"].append(clip)
    jobs = [Job(group[0].file, tuple(group), tuple(map(byte_count, group)), wanted) for group in by_video.values()]
    done: dict[int, Checked] = {}
    place = {id(clip): number for number, clip in enumerate(found.clips)}
    results = in_parallel(
        looks.check,
        jobs,
        processes=processes,
        failed=looks.failed,
        late=looks.late,
        lasts_s=looks.lasts_s,
        patience_s=patience_s,
    )
    fine = 0
    for job, group in zip(jobs, with_progress(results, "checking", len(jobs), unit="videos"), strict=True):
        for clip, result in zip(job.clips, group, strict=True):
            done[place[id(clip)]] = result
            fine += not result.findings
            if not result.findings and fine > PICTURES:
                result.thumbnail = ""
    every = [done[number] for number in sorted(done)]
    mark_captions(every)
    mark_videos(every)
    return every + [Checked(name, name, (), -1, {finding: reason}) for name, (finding, reason) in found.others.items()]


def summary(clips: Sequence[Checked], wanted: Wanted) -> dict[str, Any]:
    """Counts of everything."""
    usable = [clip for clip in clips if clip.usable]
    counts = Counter(finding for clip in clips for finding in clip.findings if finding in looks.FINDINGS)
    readers = Counter(clip.reader.split(" ")[0] for clip in clips if clip.reader)
    return {
        "clips": len(clips),
        "usable": len(usable),
        "unusable": len(clips) - len(usable),
        "unusable_share": round(1 - len(usable) / max(1, len(clips)), 4),
        "without_findings": sum(not clip.findings for clip in clips),
        "hours": round(sum(clip.duration_s for clip in usable) / 3600, 4),
        "findings": {name: counts[name] for name in looks.FINDINGS if counts[name]},
        "readers": dict(readers),
        "codecs": dict(Counter(clip.codec for clip in clips if clip.codec).most_common()),
        "wanted": {
            "size": wanted.size, "frames": wanted.frames, "duration_s": wanted.duration_s, "short": wanted.short,
        },
    }  # fmt: skip


def put_in_quarantine(found: Found, clips: Sequence[Checked], also: Sequence[str] = ()) -> int:
    """Lists what is unusable, and the clips with the findings `also`. Returns how many; a mended set loses its list."""
    out = [
        {"key": clip.key, "reason": _reason(clip, also), "bytes": clip.byte_count, "content": content(own)}
        for clip, own in zip(clips, found.clips, strict=False)  # after them come those that are no clips
        if clip.captions and (_refused(clip) or set(also) & set(clip.findings))
    ]
    quarantine.write(found.home, out, looked_at={clip.key for clip in clips})
    return len(out)


def _refused(clip: Checked) -> bool:
    return any(looks.unusable(finding) for finding in clip.findings)


def _reason(clip: Checked, also: Sequence[str]) -> str:
    named = [f for f in clip.findings if looks.unusable(f) or f in also]
    return "; ".join(f"{finding}: {clip.findings[finding]}" for finding in named)


def write_report(folder: Path, report: dict[str, Any]) -> Path:
    with written_whole(folder / "report.json") as part:
        part.write_text(as_json(report, indent=1, default=list) + "\n", encoding="utf-8")
    return folder / "report.json"
