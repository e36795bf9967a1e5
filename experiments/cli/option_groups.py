"""Groups of options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from benchmarks.costs import COST_MODELS
from benchmarks.errors import InputError
from experiments.studies.presets import PRESETS
from experiments.studies.search_loop import Crossing, IncumbentRule
from supernets.settings import applies_to


def add_images(group: Any) -> None:
    """Options that `images_of` reads."""
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="files of the data set; digits needs none")
    seed = "of the split into training, validation and test images where none is published (default: 0)"
    group.add_argument("--split-seed", type=int, metavar="N", help=seed)


def add_network(group: Any) -> None:
    """Options that `scale_of` reads."""
    group.add_argument("--width", type=int, metavar="C", help=f"channels of the first stage{applies_to('width')}")
    group.add_argument("--depth", type=int, metavar="N", help=f"cells per stage{applies_to('depth')}")
    channels = f"the eight channel counts that a layer chooses from{applies_to('channels')}"
    group.add_argument("--channels", nargs=8, type=int, metavar="C", help=channels)


def add_recipe(group: Any, prefix: str = "") -> None:
    """Options that `recipe_of` reads; `prefix` is put before the names of all."""
    group.add_argument(f"--{prefix}batch-size", type=int, metavar="N", help="images per step")
    group.add_argument(f"--{prefix}evaluation-batch-size", type=int, metavar="N", help="images per evaluation batch")
    group.add_argument(f"--{prefix}learning-rate", type=float, metavar="LR", help="of the first epoch")
    group.add_argument(f"--{prefix}momentum", type=float, metavar="M", help="of SGD")
    group.add_argument(f"--{prefix}weight-decay", type=float, metavar="WD", help="of all parameters")
    switch = argparse.BooleanOptionalAction
    group.add_argument(f"--{prefix}nesterov", action=switch, help="Nesterov momentum")
    group.add_argument(f"--{prefix}mixed-precision", action=switch, help="bfloat16 where PyTorch deems it safe")
    group.add_argument(f"--{prefix}channels-last", action=switch, help="memory layout of images and weights")
    group.add_argument(f"--{prefix}test-every-epoch", action=switch, help="not only after the last epoch")


def add_device(group: Any) -> None:
    """Options that `resources_of` reads."""
    group.add_argument("--device", help="cpu or cuda (default: cuda where there is a GPU)")
    gpus = "of each training on cuda; below 1, trainings share a GPU (default: 1)"
    group.add_argument("--gpus-per-training", type=float, metavar="G", help=gpus)


def add_evaluation_options(group: Any) -> None:
    """Those that weight-sharing methods have no use for."""
    evaluate = "table: look evaluations up; train: train every architecture that is asked for (default: table)"
    group.add_argument("--evaluate", choices=("table", "train"), default="table", help=evaluate)
    presets = "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items())
    group.add_argument("--preset", choices=list(PRESETS), help=f"a paper's protocol for what is not given. {presets}")
    budget = "seconds per run: simulated, or measured with --evaluate train (default: the data set's nats-paper "
    budget += "budget, else the time of 200 average evaluations; on a table without times 200 evaluations)"
    evaluations = "evaluations per run, instead of --budget; with --evaluate train one of the two is required"
    amount = group.add_mutually_exclusive_group()
    amount.add_argument("--budget", type=float, metavar="SECONDS", help=budget)
    amount.add_argument("--evaluations", type=int, metavar="N", help=evaluations)
    cost = "charged per evaluation; nats: its training epochs and one validation pass (default: nats)"
    group.add_argument("--cost-model", choices=COST_MODELS, help=cost)
    policy = "sampled: the score of one training seed at random; mean: over seeds; fixed:SEED (default: sampled; with "
    group.add_argument("--seed-policy", metavar="POLICY", help=f"{policy}--evaluate train fixed:0, and no other kind)")
    schedule = "training schedule searched with (default: the table's); with --evaluate train its epochs, required"
    group.add_argument("--schedule", metavar="NAME", help=schedule)
    crossing = "whether the evaluation that crosses a budget in seconds counts (default: keep)"
    group.add_argument("--crossing", choices=get_args(Crossing), help=crossing)
    group.add_argument("--cache", action="store_true", help="repeated queries are free (default: charged again)")
    simulated = "evaluations at a time on the search's clock (default: 1; with --evaluate train as many as --workers)"
    group.add_argument("--simulated-workers", type=int, metavar="W", help=simulated)
    incumbent = "fidelities whose scores are compared to find a run's answer (default: highest_fidelity)"
    group.add_argument("--incumbent", choices=get_args(IncumbentRule), help=incumbent)


def add_weight_sharing_options(group: Any) -> None:
    """Those that nothing else has."""
    threads = "of each run on a CPU; another number rounds sums otherwise (default: 1)"
    group.add_argument("--threads", type=int, metavar="N", help=threads)


RECIPE = "recipe-"
"""Before the names of the recipe's options: algorithms have options such as --learning-rate, too."""


def add_network_options(group: Any) -> None:
    """Those of nas-bench build that say which images and networks, and on what. None has a default other than None."""
    add_images(group)
    add_network(group)
    add_device(group)


def add_recipe_options(group: Any) -> None:
    """Those of nas-bench build that say how stand-alone networks are trained, likewise."""
    add_recipe(group, RECIPE)


def refuse(given: argparse.Namespace, add_options: Callable[[Any], None], instead: str) -> None:
    """InputError if an option that `add_options` adds was given and would decide nothing."""
    options = argparse.ArgumentParser(add_help=False)
    add_options(options)
    for name, default in vars(options.parse_args([])).items():
        if getattr(given, name) != default:
            raise InputError(f"--{name.replace('_', '-')} {instead}")
