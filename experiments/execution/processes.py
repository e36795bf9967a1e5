"""Worker processes for tables: each takes blocks of rows until there are none left, or its parent is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process

Work = Callable[[range], range]
"""Does a block of rows and returns it; a function that a fresh process can import."""


def in_processes(
    work: Work, blocks: Sequence[range], workers: int, opening: Callable[..., None], *given: object
) -> Iterator[range]:
    """`work(block)` of every block, yielded in the order in which they are finished.

    Args:
        opening: called as `opening(*given)` by every process before any work; what it keeps lives as long as it does.

    Raises:
        BrokenProcessPool: a process died. Whatever `work` raises, too; in both cases blocks not begun are left.
    """
    waiting, running = list(reversed(blocks)), set[Future[range]]()
    pool = ProcessPoolExecutor(min(workers, len(blocks)), get_context("spawn"), _begin, (opening, given))
    try:
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                running.add(_submit(pool, work, waiting.pop()))
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, work: Work, block: range) -> Future[range]:
    """Hand out a block. A worker process that this starts never sees Ctrl-C, which is its parent's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the mask is inherited
    try:
        return pool.submit(work, block)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(opening: Callable[..., None], given: tuple[object, ...]) -> None:
    opening(*given)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
