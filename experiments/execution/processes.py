"""Worker processes for tables: each processes blocks of rows until none are left or its parent process ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process

Work = Callable[[range], range]
"""Processes a block of rows and returns the block; a function that a new process can import."""


def in_processes(
    work: Work, blocks: Sequence[range], workers: int, opening: Callable[..., None], *given: object
) -> Iterator[range]:
    """Yield `work(block)` of every block in the order in which they finish.

    Args:
        opening: called as `opening(*given)` once in every process before any work.

    Raises:
        BrokenProcessPool: a process died. An exception of `work` is raised here, too. In both cases no further block
            is started.
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
    """Submit a block. Worker processes started by this call ignore Ctrl-C, which their parent handles."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # worker processes inherit the mask
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
