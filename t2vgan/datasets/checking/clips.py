"""What is found out about each clip. A finding is one of FINDINGS with a sentence; some make a clip unusable."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from t2vgan.datasets.sampling import SHORT, CaptionedClip
from t2vgan.video.inspect import Look, claimed_s, fingerprint_of, look_through
from t2vgan.video.sources import Source, VideoError

FINDINGS = {  # finding -> (makes the clip unusable, what it means)
    "corrupt": (True, "it cannot be decoded, or not to its end"),
    "no caption": (True, "nothing says what it shows"),
    "manifest": (True, "its line in the manifest has a mistake"),
    "not looked through": (False, "it takes longer than --patience_s, or the decoder hangs: nothing is known of it"),
    "too short": (False, "it ends before the clip that is cut from it does"),
    "fewer frames": (False, "the file says that it has more frames than it has"),
    "retimed": (False, "its frames do not come at the rate that the file says; they are taken by their true times"),
    "few frames a second": (False, "some of its frames are shown several times in a clip"),
    "small": (False, "it is smaller than the clip: it is enlarged"),
    "interlaced": (False, "each frame holds two instants, in alternating lines"),
    "duplicate caption": (False, "another clip has the same caption"),
    "near-duplicate": (False, "another clip shows nearly the same"),
    "wrong audio": (False, "its sound is damaged, or not as long as its pictures"),
}
PRINTS = (0.125, 0.375, 0.625, 0.875)  # where in the clip pictures are taken for its print
AUDIO_SLACK_S = 0.5
FRAME_SLACK = 1  # frames that containers round away


@dataclass(frozen=True)
class Wanted:
    """What training will ask of each clip."""

    size: int
    frames: int
    duration_s: float
    short: str


@dataclass
class Checked:
    """One clip and what was found."""

    key: str
    file: str
    captions: tuple[str, ...]
    byte_count: int
    findings: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    claimed_frames: int = 0
    fps: float = 0.0
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    codec: str = ""
    reader: str = ""
    print: tuple[int, ...] = ()
    colours: bytes = b""
    thumbnail: str = ""  # a jpeg in base64

    @property
    def usable(self) -> bool:
        return not any(unusable(finding) for finding in self.findings) and "left out" not in self.findings

    def told(self) -> dict[str, Any]:
        """For the report: without what is only compared."""
        kept = asdict(self) | {"usable": self.usable}
        return {name: value for name, value in kept.items() if name not in ("print", "colours", "thumbnail")}


@dataclass(frozen=True)
class Job:
    """A video and the clips that are parts of it."""

    source: Source
    clips: tuple[CaptionedClip, ...]
    byte_counts: tuple[int, ...]
    wanted: Wanted


def unusable(finding: str) -> bool:
    return FINDINGS.get(finding, (False, ""))[0]


def check(job: Job) -> list[Checked]:
    """Looks the video through once and says of each of its clips what was found."""
    instants = {place for clip in job.clips for place in _instants(clip, None)}
    try:
        look = look_through(job.source, sorted(instants))
        whole = _instants_of_whole(job.clips, look)
        if whole:  # where a clip has no end of its own, its places are known only now
            look.pictures |= look_through(job.source, sorted(whole)).pictures
    except VideoError as error:
        reason = str(error).removeprefix(f"{job.source}: ")
        return failed(job, reason)
    return [_checked(clip, count, look, job.wanted) for clip, count in zip(job.clips, job.byte_counts, strict=True)]


def failed(job: Job, reason: str) -> list[Checked]:
    """All clips of a video that cannot be looked at."""
    return _unseen(job, {"corrupt": reason})


def late(job: Job, seconds: float) -> list[Checked]:
    """All clips of a video that was given up: it may be good, and only long or slow to decode."""
    return _unseen(job, {"not looked through": f"not in {seconds:.0f} s; raise --patience_s"})


def lasts_s(job: Job) -> float:
    return claimed_s(job.source)


def _unseen(job: Job, findings: dict[str, str]) -> list[Checked]:
    pairs = zip(job.clips, job.byte_counts, strict=True)
    return [Checked(clip.key, str(job.source), clip.captions, count, dict(findings)) for clip, count in pairs]


def _instants(clip: CaptionedClip, look: Look | None) -> list[float]:
    end_s = clip.end_s if clip.end_s is not None else (look.duration_s if look else None)
    return [clip.start_s + place * (end_s - clip.start_s) for place in PRINTS] if end_s is not None else []


def _instants_of_whole(clips: Sequence[CaptionedClip], look: Look) -> set[float]:
    return {place for clip in clips if clip.end_s is None for place in _instants(clip, look)}


def _checked(clip: CaptionedClip, byte_count: int, look: Look, wanted: Wanted) -> Checked:
    end_s = min(look.duration_s, clip.end_s if clip.end_s is not None else look.duration_s)
    whole = not clip.start_s and clip.end_s is None  # what a file claims, it claims of all of it
    inside = look.times[(look.times >= clip.start_s - 1e-6) & (look.times < end_s - 1e-6)]
    found = Checked(
        clip.key, str(clip.file), clip.captions, byte_count,
        frames=len(inside), claimed_frames=look.claimed_frames if whole else 0,
        duration_s=round(max(0.0, end_s - clip.start_s), 3),
        fps=round(look.frames / look.duration_s, 3) if look.duration_s else 0.0,
        width=look.width, height=look.height, codec=look.codec,
        reader=f"pyav ({look.fallback})" if look.fallback else "decord",
    )  # fmt: skip
    found.findings = {**_of_file(look, end_s), **_of_clip(clip, look, found, wanted)}
    if "corrupt" in found.findings:  # what else there is follows from it
        found.findings = {"corrupt": found.findings["corrupt"]}
    pictures = [look.pictures[place] for place in _instants(clip, look) if place in look.pictures]
    if pictures and clip.start_s < look.duration_s:
        prints = [fingerprint_of(picture) for picture in pictures]
        found.print, found.colours = tuple(bits for bits, _ in prints), b"".join(colours for _, colours in prints)
        found.thumbnail = _jpeg(_sheet(pictures))
    return found


def _of_file(look: Look, end_s: float) -> dict[str, str]:
    found = {}
    if look.damage and (look.damage_s is None or look.damage_s <= end_s):
        found["corrupt"] = look.damage
    missing = look.claimed_frames - look.frames
    if missing > FRAME_SLACK and not look.damage:
        found["fewer frames"] = f"{look.frames} frames decoded, {look.claimed_frames} claimed"
    gaps = np.diff(look.times)
    if len(gaps) and gaps.max() > 1.5 * gaps.min() + 0.002:
        told = f"its gaps are {1000 * gaps.min():.0f} to {1000 * gaps.max():.0f} ms"
        found["retimed"] = f"the frame rate varies: {told}"
    elif len(gaps) and look.claimed_fps and not 0.97 < gaps.mean() * look.claimed_fps < 1.03:
        found["retimed"] = f"{look.claimed_fps:.2f} frames a second claimed, {1 / gaps.mean():.2f} there"
    if look.interlaced:
        found["interlaced"] = FINDINGS["interlaced"][1]
    if look.audio_damage:
        found["wrong audio"] = f"damaged: {look.audio_damage}"
    elif look.audio_s is not None and abs(look.audio_s - look.duration_s) > AUDIO_SLACK_S:
        found["wrong audio"] = f"{look.audio_s:.1f} s of sound beside {look.duration_s:.1f} s of pictures"
    return found


def _of_clip(clip: CaptionedClip, look: Look, found: Checked, wanted: Wanted) -> dict[str, str]:
    said: dict[str, str] = {}
    last_s = (wanted.frames - 1) * wanted.duration_s / wanted.frames
    if clip.start_s >= look.duration_s:
        said["corrupt"] = f"starts at {clip.start_s:g} s, but the video ends at {look.duration_s:.2f} s"
    elif found.duration_s <= last_s:
        claimed = f" ({found.claimed_frames} claimed)" if found.claimed_frames else ""
        told = f"{found.frames} frames decoded{claimed}, {found.duration_s:.2f} s"
        said["too short"] = f"{told}; a clip is {wanted.duration_s:g} s: {SHORT[wanted.short]}"
        if wanted.short == "skip":
            said["left out"] = "short: skip leaves it out"
    if 0 < found.fps < 0.99 * wanted.frames / wanted.duration_s:
        said["few frames a second"] = f"{found.fps:g}, and a clip has {wanted.frames / wanted.duration_s:g}"
    if 0 < min(found.width, found.height) < wanted.size:
        said["small"] = f"{found.width} x {found.height} pixels for a clip of {wanted.size}"
    return said


def _sheet(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Two by two in the order of reading; the last again where a clip has no four."""
    edge = ((0, 2), (0, 2), (0, 0))
    four = [*pictures, *[pictures[-1]] * (len(PRINTS) - len(pictures))]
    parted = [np.pad(picture, edge, constant_values=255) for picture in four]
    return np.concatenate([np.concatenate(parted[:2], axis=1), np.concatenate(parted[2:], axis=1)])[:-2, :-2]


def _jpeg(picture: np.ndarray) -> str:
    from PIL import Image

    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, format="jpeg", quality=70)
    return base64.b64encode(memory.getvalue()).decode()
