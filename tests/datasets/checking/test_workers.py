"""Work in parallel that outlives processes that die or hang."""

from __future__ import annotations

import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

import pytest

from t2vgan.datasets.checking.clips import Checked
from t2vgan.datasets.checking.duplicates import mark_captions, mark_videos
from t2vgan.datasets.checking.workers import Patience, in_parallel


def told(job: str, reason: str) -> str:
    return f"{job}: {reason}"


def late(job: str, seconds: float) -> str:
    return f"{job}: not in {seconds:.0f} s"


def test_here_without_processes() -> None:
    done = in_parallel(str.upper, ["a", "b"], processes=0, failed=told, late=late, lasts_s=len)
    assert list(done) == ["A", "B"]


class Slow(Future[str]):
    """Work that is done on the second time of asking."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def result(self, timeout: float | None = None) -> str:
        self.waits.append(timeout)
        if len(self.waits) == 1:
            raise NotYet
        return "done"


@pytest.mark.parametrize(("claimed_s", "longer_s"), [("1", 0.0), ("60", 200.0), ("1e9", 23 * 40.0)])
def test_patience_grows_with_what_a_video_claims_up_to_a_bound(claimed_s: str, longer_s: float) -> None:
    slow, patience = Slow(), Patience(40.0, lasts_s=float)
    assert patience.wait(slow, claimed_s) == "done"
    assert slow.waits == [40.0, longer_s]
    assert patience.wait(slow, claimed_s) == "done" and slow.waits[2:] == [40.0]


@pytest.mark.slow
def test_a_process_that_dies_or_hangs_costs_its_own_job_only() -> None:
    """The work has to be importable by other processes: a function of the standard library stands for a decoder."""
    jobs = ["1 + 1", "__import__('os')._exit(7)", "2 + 2", "__import__('time').sleep(300)", "3 + 3"]
    began = time.monotonic()
    results = list(in_parallel(eval, jobs, processes=2, failed=told, late=late, lasts_s=str.isdecimal, patience_s=20.0))
    assert results[::2] == [2, 4, 6]
    assert results[1].endswith("the decoder crashes on it") and "not in" in results[3]
    assert time.monotonic() - began < 150


def clip(key: str, bits: int, colour: int = 100, caption: str = "") -> Checked:
    parts = tuple(bits >> 64 * i & (1 << 64) - 1 for i in range(4))
    return Checked(key, key, (caption or key,), 1, print=parts, colours=bytes([colour]) * 192)


def test_near_duplicates_are_found_up_to_the_distance_that_is_said() -> None:
    spread = sum(1 << 17 * i for i in range(15))  # 15 bits, as far apart as they can be
    clips = [clip("a", 0), clip("b", spread), clip("c", spread | 1 << 255), clip("d", 0, colour=200)]
    mark_videos(clips)
    assert [each.findings.get("near-duplicate") for each in clips] == [None, "of a", "of b", None]


def test_many_flat_clips_do_not_take_for_ever() -> None:
    clips = [clip(str(i), 0, colour=i % 200) for i in range(5_000)]
    began = time.process_time()
    mark_videos(clips)
    assert time.process_time() - began < 20 and clips[-1].findings["near-duplicate"]


def test_captions_that_differ_by_case_alone_are_the_same() -> None:
    clips = [clip("a", 0, caption="A lion"), clip("b", 0, caption="a LION"), clip("c", 0, caption="a cat")]
    mark_captions(clips)
    assert [each.findings.get("duplicate caption") for each in clips] == [None, "as a: a LION", None]
