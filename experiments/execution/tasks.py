"""Execution of calls, a few at a time, in this process or as Ray tasks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from itertools import islice

from experiments.execution.calls import Calls, Key, Result
from experiments.execution.resources import Resources

Report = Callable[[Key, float], None]
"""Called with (key, progress of its call)."""


def run_tasks(
    calls: Calls[Key, Result], keys: Iterable[Key], resources: Resources, report: Report[Key] | None = None
) -> Iterator[tuple[Key, Result]]:
    """Yield (key, result) as calls finish, in any order.

    Only a few keys are submitted ahead of the results, so that results never pile up in Ray's object store.

    Args:
        resources: with 0 workers, calls run in this process one after the other; otherwise as that many Ray tasks.
        report: called with every beat of a call, if calls have beats; on Ray periodically with the latest ones.

    Raises:
        InputError: no cluster answers, a node has other versions, or a call was lost in every attempt. An exception of
            a call is raised here, too.
    """
    waiting = iter(keys)
    if not resources.workers:
        for key in waiting:
            beat = (partial(report or _ignore, key),) if calls.beats else ()
            yield key, calls.function(*calls.shared, *calls.files, key, *beat)
        return
    first = next(waiting, None)
    if first is None:  # nothing to start Ray for
        return
    from experiments.execution.ray_tasks import RayTasks  # imports Ray

    with RayTasks.open(calls, resources) as tasks:
        tasks.begin(first)
        for key in islice(waiting, tasks.at_once - 1):
            tasks.begin(key)
        while tasks.under_way:
            for key, result in tasks.finished():
                for following in islice(waiting, 1):
                    tasks.begin(following)
                yield key, result
            for key, beaten in tasks.beats().items():
                (report or _ignore)(key, beaten)


def _ignore(_key: Hashable, _beat: float) -> None:
    pass
