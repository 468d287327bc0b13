"""How fast a run goes and how long it will take."""

from __future__ import annotations

import time


class Pace:
    """Clips per second of the training steps since the last look, and the time left.

    The time left also allows for validation, samples and checkpoints, as they have been so far in this process.
    """

    def __init__(self, *, first: int, total: int) -> None:
        self.first = first  # clips seen when this process began
        self.total = total
        self._began = self._step_began = time.monotonic()
        self._busy_s, self._clips = 0.0, 0

    def step_begins(self) -> None:
        self._step_began = time.monotonic()

    def step_ends(self, clips: int) -> None:
        self._busy_s += time.monotonic() - self._step_began
        self._clips += clips

    def look(self, clips_seen: int) -> str:
        """E.g. "12,000 / 200,000 clips  350 clips/s  9 min left"; the count of the steps starts anew."""
        spent, done = time.monotonic() - self._began, clips_seen - self.first
        left = spent / done * (self.total - clips_seen) if done > 0 else 0.0
        parts = [f"{clips_seen:,} / {self.total:,} clips"]
        if self._busy_s > 0:
            rate = self._clips / self._busy_s
            parts.append(f"{rate:,.0f} clips/s" if rate >= 100 else f"{rate:.3g} clips/s")
        if left > 0:
            parts.append(f"{duration(left)} left")
        self._busy_s, self._clips = 0.0, 0
        return "  ".join(parts)


def duration(seconds: int | float) -> str:
    """Short for people: "45 s", "12 min", "3 h 05 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
