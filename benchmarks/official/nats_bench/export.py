"""Export of a BenchmarkTable to the files of an official NATS-Bench archive, for the package `nats_bench` 1.8.

    DIR/meta.pickle.pbz2      the strings of all architectures, and which of them have a file
    DIR/000000.pickle.pbz2    {schedule: archresult} of architecture 0; no file for untrained architectures

`nats_bench.create("DIR", "tss", fast_mode=True)`, or "sss", reads them. Only containers, strings and plain numbers are
pickled, so the files do not depend on the version of NumPy.

A table of released files is written like these files, except that the sets of all runs (`eval_names`) have one order.

Any other table keeps its names of records, schedules and seeds (as int), and its splits get the set names under which
`get_more_info` looks for them: valid is 'x-valid', test 'x-test' ('ori-test' of 'cifar10-valid' and 'cifar10'), valtest
'ori-test'. What was not measured is left out, except that an accuracy without a loss has the loss NaN, as the official
code always reads both. Costs and times without a training are left out, as official files have them only in runs.
Further costs of the network become further attributes of a run, such as
`query_by_index(0, "digits", "12")[0].trained_as`. If the official package could not answer from what a table holds,
`NatsExport` raises InputError.

The official methods treat records with other names than the official four as follows:

- They answer: `get_more_info` (without the sets that were not evaluated at the epoch), `query_by_index`,
  `query_meta_info_by_index`, `get_cost_info`, `get_latency`, `get_net_param` (None), `clear_params`, `reload`, all of
  ArchResults except `debug_test`, all of ResultsCount, and everything about architectures and their strings.
- `query_info_str_by_arch`, `query_by_arch` and `show` answer if valid and test were measured after the last epoch.
- `find_best` accepts the sets 'train', 'valid', 'x-valid' and 'x-test', not 'test', and `hp` as a string. Unless every
  architecture of the space has a file, it needs `enforce_all=False`, and then compares those queried before.
- `get_net_config` returns None for 'num_classes', 'C' and 'N', or 'channels', which a table does not hold.
- `simulate_train_eval` and `statistics` raise ValueError: they accept only official names. 'cifar10' is simulated from
  the records 'cifar10-valid' (accuracy and times) and 'cifar10' (latency), so a table needs both.
- An architecture without a file raises AssertionError, one without the schedule or record KeyError. If the seeds of an
  architecture were not measured at the same epochs, only epochs common to all seeds can be queried.
"""

from __future__ import annotations

import bz2
import math
import pickle
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

from benchmarks.errors import InputError
from benchmarks.nats_layout import nats_columns
from benchmarks.official.nats_bench.files import EXTENSION
from benchmarks.official.nats_bench.results import MIGRATED_SEED, set_names
from benchmarks.official.nats_bench.table import TableReader
from benchmarks.official.nats_bench.trial import epoch_keys
from benchmarks.table import BenchmarkTable, Column

META = f"meta.{EXTENSION}"


def file_name(index: int) -> str:
    """The name of the official file of the architecture with the official index `index`."""
    return f"{index:06d}.{EXTENSION}"


def packed(content: Any) -> bytes:
    """The bytes of the official file that holds `content`: a bz2 stream of one pickle."""
    return bz2.compress(pickle.dumps(content, protocol=4))


class NatsExport:
    """The content of the official files of a table.

    Raises:
        InputError: the table does not belong to a NATS-Bench space, has no separate training seeds, or has a column
            that official files cannot hold.
    """

    def __init__(self, table: BenchmarkTable) -> None:
        self.table = table
        self._reader = TableReader(table)
        self._released = tuple(table.columns.values()) == nats_columns(table.info.space)
        unsupported = [column.name for column in table.columns.values() if not _has_place(column)]
        if unsupported:
            raise InputError(
                f"{table.path}: official NATS-Bench files cannot hold {', '.join(unsupported)}; only a table without "
                "these columns can be exported"
            )

    def meta(self, exported: Collection[int]) -> dict[str, Any]:
        """The content of the meta file; `exported` are the indices of the architectures that have a file.

        In the released meta files `evaluated_indexes` is empty; the official package does not read it.
        """
        strings = list(self._reader.strings)
        return {
            "meta_archs": strings,
            "total_archs": len(strings),
            "arch2infos": None,
            "evaluated_indexes": set(exported),
        }

    def architecture(self, index: int) -> OrderedDict[str, dict[str, Any]]:
        """{schedule: archresult} of an architecture; empty if it was never trained.

        Raises:
            KeyError: the table has no such architecture.
            InputError: the official package could not read it; this never happens with a table of released files.
        """
        results = self._reader.archresults(index)
        for schedule, result in results.items():
            for (record, seed), run in result["all_results"].items():
                _make_plain(run)
                if not self._released:
                    where = f"{self.table.path}: architecture {index}, {record}, schedule {schedule}, seed {seed}"
                    _check_run(run, self.table.info.space, where)
            if not self._released:
                _check_costs(result, f"{self.table.path}: architecture {index}, schedule {schedule}")
        return results


def _has_place(column: Column) -> bool:
    if column.split == "network":
        return True
    if column.split == "train":
        return column.quantity in ("accuracy", "top5_accuracy", "loss", "seconds")
    return column.split in set_names(column.record) and column.quantity in ("accuracy", "loss", "seconds")


def _make_plain(run: dict[str, Any]) -> None:
    """Replace NumPy numbers by Python numbers, and add a loss of NaN to every accuracy without one."""
    run["params"] = float(run["params"])
    run["latency"] = run["latency"] and [float(seconds) for seconds in run["latency"]]
    for accuracies, losses in (("train_acc1es", "train_losses"), ("eval_acc1es", "eval_losses")):
        run[losses] = {**dict.fromkeys(run[accuracies], math.nan), **run[losses]}


def _check_run(run: Mapping[str, Any], space: str, where: str) -> None:
    """Raise InputError unless `get_more_info` works after the last epoch for every set that has an accuracy then."""
    epochs = run["epochs"]
    if epochs - 1 not in run["train_acc1es"]:
        raise InputError(
            f"{where}: has no training accuracy after its last epoch, {epochs}; without it the official package cannot "
            "answer any query about this training"
        )
    if run["name"] == "cifar10-valid" and f"x-valid@{epochs - 1}" not in run["eval_acc1es"]:
        raise InputError(
            f"{where}: has no validation accuracy after its last epoch, {epochs}; the official package requires it for "
            "'cifar10-valid'"
        )
    sets = {key.rpartition("@")[0] for key in run["eval_acc1es"]}
    evaluations = [key for name in sorted(sets) for key in epoch_keys(name, epochs)]
    for what, times, needed in (
        ("training", run["train_times"], range(epochs)),
        ("evaluation", run["eval_times"], evaluations),
    ):
        missing = [key for key in needed if key not in (times or ())]
        if missing and (times or space == "sss"):
            raise InputError(
                f"{where}: {len(missing)} of {len(needed)} {what} times were not measured; the official package needs "
                f"{'all of them' if space == 'sss' else 'all of them or none'}"
            )


def _check_costs(result: Mapping[str, Any], where: str) -> None:
    """Raise InputError if the seeds disagree on costs, and seed 888, which is then official, is missing."""
    for record, seeds in result["dataset_seed"].items():
        runs = [result["all_results"][record, seed] for seed in seeds]
        for quantity in ("params", "flop"):
            if len({f"{run[quantity]:.5f}" for run in runs}) > 1 and MIGRATED_SEED not in seeds:
                raise InputError(
                    f"{where}: the seeds {seeds} of {record} disagree on {quantity}; the official package reads only "
                    f"runs that agree or include the seed {MIGRATED_SEED}"
                )
