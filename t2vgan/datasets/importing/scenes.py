"""Long videos -> scenes, by PySceneDetect (extra `scenes`): cuts that lie where the content changes at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from t2vgan.video.sources import VideoError


def scenes_of(path: Path, *, shortest_s: float = 1.0, longest_s: float | None = None) -> list[tuple[float, float]]:
    """(start, end) in seconds of every scene of at least `shortest_s`; longer ones are cut into equal parts.

    Raises `VideoError`, and ValueError where PySceneDetect is not installed.
    """
    try:
        from scenedetect import AdaptiveDetector, detect
    except ImportError:
        raise ValueError("scenes are found by PySceneDetect: pip install 't2vgan[scenes]'") from None
    try:
        found = detect(str(path), AdaptiveDetector(), start_in_scene=True)
    except Exception as error:  # it hands on what OpenCV raises
        raise VideoError(f"{path}: no scenes can be found ({str(error).splitlines()[0]})") from error
    spans = [(float(start.seconds), float(end.seconds)) for start, end in found]
    return [part for span in spans for part in in_parts(span, longest_s) if part[1] - part[0] >= shortest_s]


def in_parts(span: tuple[float, float], longest_s: float | None) -> list[tuple[float, float]]:
    """Equal parts of at most `longest_s`."""
    start, end = span
    count = 1 if not longest_s else max(1, -int(-(end - start) // longest_s))
    edges = [start + (end - start) * i / count for i in range(count + 1)]
    return [(round(a, 3), round(b, 3)) for a, b in pairwise(edges)]
