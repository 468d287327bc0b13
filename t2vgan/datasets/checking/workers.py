"""Work on many files in parallel that outlives files at which a process dies or never comes to an end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    processes: int,
    failed: Callable[[Job, str], Result],
    patience_s: float = 300.0,
) -> Iterator[Result]:
    """`work(job)` of each, in order. `failed(job, reason)` stands for a job that kills its process or takes longer than
    `patience_s`. `processes` = 0: here, without any of this."""
    if processes == 0:
        yield from map(work, jobs)
        return
    next_job = 0
    while next_job < len(jobs):
        for result in _until_it_breaks(work, jobs, next_job, processes, patience_s):
            yield result
            next_job += 1
        if next_job < len(jobs):  # this one, or one that ran beside it: alone it shows
            yield _alone(work, jobs[next_job], failed, patience_s)
            next_job += 1


def _until_it_breaks(
    work: Callable[[Job], Result], jobs: Sequence[Job], first: int, processes: int, patience_s: float
) -> Iterator[Result]:
    pool = _pool(processes)
    running: dict[int, Future[Result]] = {}
    try:
        for number in range(first, len(jobs)):
            for ahead in range(number, min(number + 4 * processes, len(jobs))):
                if ahead not in running:
                    running[ahead] = pool.submit(work, jobs[ahead])
            yield running.pop(number).result(timeout=patience_s)
    except (BrokenProcessPool, NotYet):
        return
    finally:
        _end(pool)


def _alone(work: Callable[[Job], Result], job: Job, failed: Callable[[Job, str], Result], patience_s: float) -> Result:
    pool = _pool(1)
    began = time.monotonic()
    try:
        return pool.submit(work, job).result(timeout=patience_s)
    except BrokenProcessPool:
        return failed(job, "the decoder crashes on it")
    except NotYet:
        return failed(job, f"the decoder does not come to an end within {time.monotonic() - began:.0f} s")
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
