"""When something is due that happens every so many clips."""

from __future__ import annotations


def due(*, clips_seen: int, clips: int, every: int) -> bool:
    """True in the step whose `clips` took the count to or over a multiple of `every`; never when `every` is 0.

    Has no memory, so that a resumed run does things at the same counts as one that never stopped.
    """
    return every > 0 and clips_seen // every > (clips_seen - clips) // every
