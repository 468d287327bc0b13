"""Work on many files in parallel that outlives files at which a process dies or never comes to an end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
SLOWEST = 4.0  # seconds of work that a second of video may take: large pictures, decoded several times by one thread
LONGEST = 24.0  # times the patience, whatever a file claims of itself


@dataclass
class Patience(Generic[Job]):
    """How long a job is waited for: `seconds`, or longer where what it works on claims to last long.

    Only a job that takes longer than `seconds` is asked what it claims, in a process of its own: it may hang at that.
    """

    seconds: float
    lasts_s: Callable[[Job], float]

    def wait(self, future: Future[Result], job: Job) -> Result:
        """Its result. Raises `NotYet`."""
        try:
            return future.result(timeout=self.seconds)
        except NotYet:
            return future.result(timeout=self.of(job) - self.seconds)

    def of(self, job: Job) -> float:
        pool = _pool(1)
        try:
            claimed_s = pool.submit(self.lasts_s, job).result(timeout=self.seconds)
        except (BrokenProcessPool, NotYet):
            claimed_s = 0.0
        finally:
            _end(pool)
        return min(max(self.seconds, SLOWEST * claimed_s), LONGEST * self.seconds)


def in_parallel(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    processes: int,
    failed: Callable[[Job, str], Result],
    late: Callable[[Job, float], Result],
    lasts_s: Callable[[Job], float],
    patience_s: float = 300.0,
) -> Iterator[Result]:
    """`work(job)` of each, in order. `failed(job, reason)` stands for a job that kills its process, and
    `late(job, seconds)` for one that takes longer than `Patience` allows. `processes` = 0: here, without any."""
    if processes == 0:
        yield from map(work, jobs)
        return
    patience = Patience(patience_s, lasts_s)
    next_job = 0
    while next_job < len(jobs):
        for result in _until_it_breaks(work, jobs, next_job, processes, patience):
            yield result
            next_job += 1
        if next_job < len(jobs):  # this one, or one that ran beside it: alone it shows
            yield _alone(work, jobs[next_job], failed, late, patience)
            next_job += 1


def _until_it_breaks(
    work: Callable[[Job], Result], jobs: Sequence[Job], first: int, processes: int, patience: Patience[Job]
) -> Iterator[Result]:
    pool = _pool(processes)
    running: dict[int, Future[Result]] = {}
    try:
        for number in range(first, len(jobs)):
            for ahead in range(number, min(number + 4 * processes, len(jobs))):
                if ahead not in running:
                    running[ahead] = pool.submit(work, jobs[ahead])
            yield patience.wait(running.pop(number), jobs[number])
    except (BrokenProcessPool, NotYet):
        return
    finally:
        _end(pool)


def _alone(
    work: Callable[[Job], Result],
    job: Job,
    failed: Callable[[Job, str], Result],
    late: Callable[[Job, float], Result],
    patience: Patience[Job],
) -> Result:
    pool = _pool(1)
    began = time.monotonic()
    try:
        return patience.wait(pool.submit(work, job), job)
    except BrokenProcessPool:
        return failed(job, "the decoder crashes on it")
    except NotYet:
        return late(job, time.monotonic() - began)
    finally:
        _end(pool)


def _pool(processes: int) -> ProcessPoolExecutor:
    # A plain fork would copy locks of torch's threads that are held; Ctrl-C is the parent's to answer.
    context = get_context("forkserver" if sys.platform == "linux" else "spawn")
    return ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))


def _end(pool: ProcessPoolExecutor) -> None:
    """At once: a decoder that hangs would otherwise be waited for."""
    workers: dict[int, Any] = dict(getattr(pool, "_processes", None) or {})
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers.values():
        worker.kill()
