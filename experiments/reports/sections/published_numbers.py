"""Results as printed in papers, for comparison with those of a study on the same benchmark.

Where the original could not be consulted, numbers are as quoted by later papers. These disagree in places, since two
versions of the NAS-Bench-201 paper and two settings of batch normalisation are in circulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Published(NamedTuple):
    """A method on one data set; accuracies in percent, mean ± standard deviation over runs."""

    space: str
    dataset: str
    method: str
    """Name in the paper."""
    algorithm: str
    """Name in this project; 'optimum', or empty for a network that is not the result of a search."""
    validation: str
    test: str
    budget: float | None
    """Simulated seconds; None where the method has none."""
    source: str
    """Key of SOURCES."""


NATS, RELIZO, TENAS, EEEA, RMI, LLMATIC = "nats", "relizo", "tenas", "eeea", "rmi", "llmatic"
_NB201 = "Dong and Yang, NAS-Bench-201, ICLR 2020, arXiv:2001.00326, table 5, as quoted in "
SOURCES = {
    NATS: "Dong et al., NATS-Bench, 2021, arXiv:2009.00437, table 4, as quoted in arXiv:2302.14838, table 4; 500 runs "
    "of multi-trial searches, 3 of weight sharing.",
    RELIZO: f"{_NB201}ReLIZO, NeurIPS 2024, table 2; apparently without running statistics in batch normalisation.",
    TENAS: f"{_NB201}TE-NAS, ICLR 2021, table 1.",
    EEEA: f"{_NB201}EEEA-Net, arXiv:2108.06156, table 9.",
    RMI: f"{_NB201}the README of RMI-NAS; apparently the architectures found on cifar10 within that "
    "budget, trained on these data sets. A search on them ends lower, so this report has no comparable result.",
    LLMATIC: f"{_NB201}a review of LLMatic.",
}
FOUND_ELSEWHERE = (RMI,)
"""Sources whose architectures were searched for on another data set."""
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")

# Space, method, algorithm, budgets by data set, source, then (validation, test) of each of DATASETS.
_NATS_BUDGETS, _NB201_BUDGETS = (20_000.0, 40_000.0, 60_000.0), (12_000.0,) * 3
_NONE = (None,) * 3
_ROWS: list[tuple[str, str, str, tuple[float | None, ...], str, tuple[tuple[str, str], ...]]] = [
    ("sss", "REA", "regularized_ea", _NATS_BUDGETS, NATS,
     (("90.37±0.20", "93.22±0.16"), ("70.23±0.50", "70.11±0.61"), ("45.30±0.69", "45.94±0.92"))),
    ("sss", "REINFORCE", "reinforce", _NATS_BUDGETS, NATS,
     (("90.25±0.23", "93.16±0.21"), ("69.84±0.59", "69.96±0.57"), ("45.06±0.77", "45.71±0.93"))),
    ("sss", "RANDOM", "random_search", _NATS_BUDGETS, NATS,
     (("90.10±0.26", "93.03±0.25"), ("69.57±0.57", "69.72±0.61"), ("45.01±0.74", "45.42±0.86"))),
    ("sss", "BOHB", "bohb", _NATS_BUDGETS, NATS,
     (("90.07±0.28", "93.01±0.24"), ("69.75±0.60", "69.90±0.60"), ("45.11±0.69", "45.56±0.81"))),
    ("sss", "channel-wise interpolation", "tas", _NONE, NATS,
     (("90.71±0.00", "93.40±0.00"), ("70.30±0.00", "70.72±0.00"), ("44.73±0.00", "47.17±0.00"))),
    ("sss", "masking + Gumbel-Softmax", "mask_gumbel", _NONE, NATS,
     (("90.41±0.10", "93.14±0.13"), ("70.30±0.00", "70.72±0.00"), ("45.71±0.39", "46.38±0.27"))),
    ("sss", "masking + sampling", "mask_rl", _NONE, NATS,
     (("89.73±0.37", "92.78±0.30"), ("69.67±0.22", "70.11±0.33"), ("44.70±0.60", "45.11±0.76"))),
    ("tss", "RANDOM", "random_search", _NB201_BUDGETS, LLMATIC,
     (("", "93.70±0.36"), ("", ""), ("", ""))),
    ("tss", "REINFORCE", "reinforce", _NB201_BUDGETS, RMI,
     (("", ""), ("", "71.71±1.09"), ("", "45.24±1.18"))),
    ("tss", "REINFORCE", "reinforce", _NB201_BUDGETS, EEEA,
     (("91.09±0.37", "93.85±0.37"), ("", ""), ("", ""))),
    ("tss", "ENAS", "enas", _NONE, RELIZO,
     (("37.51±3.19", "53.89±0.58"), ("13.37±2.35", "13.96±2.33"), ("15.06±1.95", "14.84±2.10"))),
    ("tss", "RSPS", "random_nas", _NONE, RELIZO,
     (("80.42±3.58", "84.07±3.61"), ("52.12±5.55", "52.31±5.77"), ("27.22±3.24", "26.28±3.09"))),
    ("tss", "DARTS-V1", "darts_v1", _NONE, RELIZO,
     (("39.77±0.00", "54.30±0.00"), ("15.03±0.00", "15.61±0.00"), ("16.43±0.00", "16.32±0.00"))),
    ("tss", "DARTS-V2", "darts_v2", _NONE, RELIZO,
     (("39.77±0.00", "54.30±0.00"), ("15.03±0.00", "15.61±0.00"), ("16.43±0.00", "16.32±0.00"))),
    ("tss", "GDAS", "gdas", _NONE, RELIZO,
     (("89.89±0.08", "93.61±0.09"), ("71.34±0.04", "70.70±0.30"), ("41.59±1.33", "41.71±0.98"))),
    ("tss", "SETN", "setn", _NONE, RELIZO,
     (("84.04±0.28", "87.64±0.00"), ("58.86±0.06", "59.05±0.24"), ("33.06±0.02", "32.52±0.21"))),
    ("tss", "ENAS", "enas", _NONE, TENAS,
     (("", "54.30"), ("", "15.61"), ("", "16.32"))),
    ("tss", "RSPS", "random_nas", _NONE, TENAS,
     (("", "87.66±1.69"), ("", "58.33±4.34"), ("", "31.14±3.88"))),
    ("tss", "RSPS", "random_nas", _NONE, EEEA,
     (("84.16±1.69", "87.66±1.69"), ("45.78±6.33", "46.60±6.57"), ("31.09±5.65", "30.78±6.12"))),
    ("tss", "GDAS", "gdas", _NONE, TENAS,
     (("", "93.61±0.09"), ("", "70.70±0.30"), ("", "41.84±0.90"))),
    ("tss", "ResNet", "", _NONE, EEEA,
     (("90.83", "93.97"), ("70.42", "70.86"), ("44.53", "43.63"))),
    ("tss", "optimal", "optimum", _NONE, EEEA,
     (("91.61", "94.37"), ("73.49", "73.51"), ("46.77", "47.31"))),
]  # fmt: skip

OPTIMA = {("tss", "cifar10"): 94.37, ("tss", "cifar100"): 73.51, ("tss", "ImageNet16-120"): 47.31}
"""Best test accuracy, percent: tells the published table from another one with data sets of the same names."""
MEANS = {("sss", "cifar10"): 91.0855}
"""Mean test accuracy of all architectures, percent, for the same purpose: notebooks/issue-11.ipynb of NATS-Bench."""


def rows_of(space: str, dataset: str) -> Iterator[Published]:
    """Published results on a data set; none for other data sets or spaces."""
    for of_space, method, algorithm, budgets, source, accuracies in _ROWS:
        for name, budget, (validation, test) in zip(DATASETS, budgets, accuracies, strict=True):
            if (of_space, name) == (space, dataset) and test:
                yield Published(space, dataset, method, algorithm, validation, test, budget, source)
