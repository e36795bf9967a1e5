"""The texts that the official NATS-Bench package prints about an architecture."""

from __future__ import annotations

from typing import Any

from benchmarks.official.nats_bench.results import ArchResults

Shown = tuple[tuple[str, str], ...]
"""(label, set) pairs of one line, in print order."""

SIZE_SHOWN: dict[str, Shown] = {
    "cifar10-valid": (("train", "train"), ("valid", "x-valid"), ("test", "ori-test")),
    "cifar10": (("train", "train"), ("test ", "ori-test")),
}
TOPOLOGY_SHOWN: dict[str, Shown] = {**SIZE_SHOWN, "cifar10-valid": (("train", "train"), ("valid", "x-valid"))}
OTHERS_SHOWN: Shown = (("train", "train"), ("valid", "x-valid"), ("test", "x-test"))


def info_lines(results: ArchResults, shown: dict[str, Shown], extra_info: str | None = None) -> list[str]:
    """The string of the architecture, its records, and for each record one line of costs and one of mean metrics."""
    names = results.get_dataset_names()
    lines = [results.arch_str, f"datasets : {names}, extra-info : {extra_info}"]
    for dataset in names:
        lines.append(f"{dataset:14s} {_costs(results.get_compute_costs(dataset))}")
        metrics = [
            f"{label} : [{_metric(results.get_metrics(dataset, setname))}]"
            for label, setname in shown.get(dataset, OTHERS_SHOWN)
        ]
        lines.append(f"{dataset:14s} {', '.join(metrics)}")
    return lines


def schedule_block(results: ArchResults, shown: dict[str, Shown]) -> str:
    """The text of `show` about one schedule: a rule with the number of epochs, then `info_lines`."""
    rule = ">" * 40
    return "\n".join([f"{rule} {results.get_total_epoch():03d} epochs {rule}", *info_lines(results, shown)])


def _costs(costs: dict[str, Any]) -> str:
    latency = costs["latency"]
    milliseconds = f"{latency * 1000:.2f}" if latency is not None and latency > 0 else None
    return f"FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, latency={milliseconds} ms."


def _metric(metrics: dict[str, Any]) -> str:
    return f"loss = {metrics['loss']:.3f} & top1 = {metrics['accuracy']:.2f}%"
