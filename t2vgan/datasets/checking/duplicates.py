"""Clips that tell or show the same as others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from t2vgan.datasets.checking.clips import Checked

FAR_BITS = 15  # of 256 that may differ between the prints of two clips that show the same
FAR_COLOUR = 12  # grey levels that the colour of each area of each picture may differ
BAND_BITS, BANDS = 16, 16  # with at most 15 bits apart at least one of the 16 bands is equal
CROWD = 400  # so many clips with one band: flat pictures, compared with the first of them only


def mark_captions(clips: Sequence[Checked]) -> None:
    """Adds the finding "duplicate caption" to every clip that shares one with a clip before it."""
    first: dict[str, str] = {}
    for clip in clips:
        for caption in clip.captions:
            other = first.setdefault(caption.casefold(), clip.key)
            if other != clip.key and "duplicate caption" not in clip.findings:
                clip.findings["duplicate caption"] = f"as {other}: {caption}"


def mark_videos(clips: Sequence[Checked]) -> None:
    """Adds the finding "near-duplicate" to every clip that shows nearly the same as a clip before it."""
    buckets: dict[tuple[int, int], list[Checked]] = defaultdict(list)
    for clip in clips:
        if len(clip.print) != 4:
            continue
        bits = _joined(clip.print)
        bands = [(band, bits >> band * BAND_BITS & (1 << BAND_BITS) - 1) for band in range(BANDS)]
        other = _first_alike(clip, bits, (buckets[band] for band in bands))
        if other is not None:
            clip.findings["near-duplicate"] = f"of {other.key}"
        for band in bands:
            if len(buckets[band]) < CROWD:
                buckets[band].append(clip)


def _first_alike(clip: Checked, bits: int, buckets: Iterable[list[Checked]]) -> Checked | None:
    tried: set[int] = set()
    for bucket in buckets:
        for other in bucket:
            if id(other) not in tried:
                tried.add(id(other))
                if (bits ^ _joined(other.print)).bit_count() <= FAR_BITS and _same_colours(clip, other):
                    return other
    return None


def _same_colours(clip: Checked, other: Checked) -> bool:
    return all(abs(a - b) <= FAR_COLOUR for a, b in zip(clip.colours, other.colours, strict=True))


def _joined(parts: tuple[int, ...]) -> int:
    whole = 0
    for part in parts:
        whole = whole << 64 | part
    return whole
