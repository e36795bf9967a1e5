"""Spaces: the official order, strings, canonical forms, and the laws of sampling and mutation."""

from __future__ import annotations

import bz2
import hashlib
import pickle
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import chisquare

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES, Arch, ProductSpace, Space, space_named
from benchmarks.spaces.base import uniform_int
from benchmarks.spaces.tss import EDGES, OPERATIONS, live_edges
from tests.made_up_space import MIXED, MixedSpace

SIZES = {"tss": 15_625, "sss": 32_768}
META_FILES = {"tss": "NATS-tss-v1_0-3ffb9-simple", "sss": "NATS-sss-v1_0-50262-simple"}
DRAWS = 20_000

reproducible = settings(derandomize=True, deadline=None)
spaces = pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))


def all_strings(space: Space) -> list[str]:
    return [space.to_string(space.arch(index)) for index in range(len(space))]


def assert_distributed(draws: Iterable[Any], expected: dict[Any, float]) -> None:
    """Every draw is an expected one, and their counts pass a chi-square test at one in a million."""
    counts = Counter(draws)
    assert set(counts) <= set(expected)
    total = counts.total()
    observed = [counts[value] for value in expected]
    assert chisquare(observed, [total * share for share in expected.values()]).pvalue > 1e-6


def changed(before: Arch, after: Arch) -> list[int]:
    """Positions of the decisions that differ."""
    return [position for position in range(len(before)) if before[position] != after[position]]


# The official order and strings.


@spaces
def test_order_has_the_published_md5_sum(space: Space) -> None:
    sums = {"tss": "1985aacc268bf045d31ddeecaaac0dc0", "sss": "956fd28c82955ceac0ee3621fc9287d5"}
    strings = all_strings(space)
    assert len(space) == SIZES[space.name] == len(strings)
    assert hashlib.md5("\n".join(strings).encode()).hexdigest() == sums[space.name]


@spaces
def test_order_is_that_of_the_official_meta_file(space: Space, shared_data: Path) -> None:
    with bz2.open(shared_data / "nats_bench" / META_FILES[space.name] / "meta.pickle.pbz2") as stream:
        assert pickle.load(stream)["meta_archs"] == all_strings(space)


def all_edges(operation: str) -> str:
    """The topology with the same operation on every edge."""
    return f"|{operation}~0|+|{operation}~0|{operation}~1|+|{operation}~0|{operation}~1|{operation}~2|"


@pytest.mark.parametrize(
    ("name", "index", "string"),
    [
        ("tss", 0, "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"),
        ("tss", 11, "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"),
        ("tss", 284, "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"),
        ("tss", 1651, all_edges("none")),
        ("tss", 1835, all_edges("skip_connect")),
        ("tss", 4317, all_edges("nor_conv_1x1")),
        ("tss", 1462, all_edges("nor_conv_3x3")),
        ("tss", 7581, all_edges("avg_pool_3x3")),
        ("tss", 15624, "|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|"),
        ("sss", 0, "8:8:8:8:8"),
        ("sss", 1, "8:8:8:8:16"),
        ("sss", 11, "8:8:8:16:32"),
        ("sss", 284, "8:8:40:32:40"),
        ("sss", 512, "8:16:8:8:8"),
        ("sss", 4096, "16:8:8:8:8"),
        ("sss", 32767, "64:64:64:64:64"),
    ],
)
def test_known_indices_have_their_official_strings(name: str, index: int, string: str) -> None:
    space = SPACES[name]
    assert space.to_string(space.arch(index)) == string
    assert space.index(space.from_string(string)) == index


@spaces
def test_strings_and_indices_come_back_for_every_architecture(space: Space) -> None:
    archs = [space.arch(index) for index in range(len(space))]
    assert len(set(archs)) == len(space)
    assert [space.index(arch) for arch in archs] == list(range(len(space)))
    assert [space.from_string(space.to_string(arch)) for arch in archs] == archs


@pytest.mark.parametrize(
    ("name", "string", "named"),
    [
        ("tss", "", "3 nodes joined by .*, got 1"),
        ("tss", "|none~0|+|none~0|none~1|", "got 2"),
        ("tss", "|none~0|+|none~0|+|none~0|none~1|none~2|", "node 2"),
        ("tss", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2", "node 3"),
        ("tss", "none~0+|none~0|none~1|+|none~0|none~1|none~2|", "node 1"),
        ("tss", "||none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "node 1"),
        ("tss", "|none~0|+|none~0|none~1|+|none~0|none~2|none~1|", "edge 3<-1 .* got 'none~2'"),
        ("tss", "|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", "edge 3<-2 .* got 'conv~2'"),
        ("tss", "|none0|+|none~0|none~1|+|none~0|none~1|none~2|", "edge 1<-0 .* got 'none0'"),
        ("tss", "|none~00|+|none~0|none~1|+|none~0|none~1|none~2|", "edge 1<-0 .* got 'none~00'"),
        ("tss", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n", "node 3"),
        ("tss", "8:8:8:8:8", "3 nodes"),
        ("sss", "", "5 channel counts joined by ':', got 1"),
        ("sss", "8:8:8:8", "got 4"),
        ("sss", "8:8:8:8:8:8", "got 6"),
        ("sss", "8:8:9:8:8", "layer-2 .* got '9'"),
        ("sss", "8:8:8:8:08", "layer-4 .* got '08'"),
        ("sss", "72:8:8:8:8", "layer-0 .* got '72'"),
        ("sss", "8:8:8: 8:8", "layer-3 .* got ' 8'"),
    ],
)
def test_a_bad_string_is_refused_by_naming_its_bad_part(name: str, string: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        SPACES[name].from_string(string)


@reproducible
@given(name=st.sampled_from(list(SPACES)), text=st.text(alphabet="|~+:0128none_skpcavgrl36x", max_size=90))
def test_any_text_is_an_official_string_or_refused(name: str, text: str) -> None:
    space = SPACES[name]
    try:
        arch = space.from_string(text)
    except InputError:
        return
    assert space.to_string(arch) == text


@spaces
def test_indices_out_of_range_are_refused(space: Space) -> None:
    for index in (-1, len(space), 10**9):
        with pytest.raises(InputError, match=f"{space.name} holds architectures 0..{len(space) - 1}, got {index}"):
            space.arch(index)


@spaces
def test_architectures_of_wrong_length_or_choice_are_refused(space: Space) -> None:
    decisions, options = len(space.options), max(space.options)
    good = space.arch(0)
    for method in (space.index, space.to_string, space.canonical):
        with pytest.raises(InputError, match=f"{decisions} decisions, got {decisions - 1}"):
            method(good[:-1])
        for choice in (-1, options):
            with pytest.raises(InputError, match=f"0..{options - 1}, got {choice}"):
                method((choice, *good[1:]))


def test_an_unknown_space_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="choose from tss, sss; did you mean 'tss'"):
        space_named("ts")


# Canonical forms.


def test_topologies_fall_into_the_official_number_of_classes() -> None:
    space = SPACES["tss"]
    assert len({space.canonical(space.arch(index)) for index in range(len(space))}) == 6_466


@pytest.mark.parametrize(
    ("index", "string"),
    [
        (0, "(0)@avg_pool_3x3+(0)@avg_pool_3x3+(0)@nor_conv_1x1+(0)@nor_conv_1x1"),
        (11, "#+(((0)@nor_conv_3x3)@avg_pool_3x3+(0)@nor_conv_3x3)@avg_pool_3x3+((0)@nor_conv_3x3)@nor_conv_3x3"),
        (284, "#+#+(0)@nor_conv_1x1"),
    ],
)
def test_canonical_strings_of_known_topologies(index: int, string: str) -> None:
    space = SPACES["tss"]
    assert space.canonical(space.arch(index)) == string


def test_canonical_strings_are_those_of_the_official_package() -> None:
    official = pytest.importorskip("nats_bench", reason="compares with the PyPI package nats_bench").NATStopology
    space = SPACES["tss"]
    api = official.__new__(official)  # get_unique_str is all that is wanted, and it reads no file
    api.meta_archs = all_strings(space)
    api.query_index_by_arch = {string: index for index, string in enumerate(api.meta_archs)}.__getitem__
    assert [api.get_unique_str(string) for string in api.meta_archs] == [
        space.canonical(space.arch(index)) for index in range(len(space))
    ]


def test_an_edge_is_live_if_the_output_loses_a_path_without_it() -> None:
    def paths(arch: Arch) -> int:
        """From node 0 to node 3."""
        to_node = [1, 0, 0, 0]
        for (target, source), choice in zip(EDGES, arch, strict=True):
            to_node[target] += to_node[source] * (OPERATIONS[choice] != "none")
        return to_node[3]

    space = SPACES["tss"]
    for arch in map(space.arch, range(0, len(space), 3)):
        without = [(*arch[:edge], 0, *arch[edge + 1 :]) for edge in range(6)]
        assert live_edges(arch) == tuple(paths(other) < paths(arch) for other in without)
        assert any(live_edges(arch)) == ("0" in space.canonical(arch))


def test_every_size_is_its_own_class() -> None:
    space = SPACES["sss"]
    assert space.canonical(space.arch(284)) == "8:8:40:32:40"
    assert len({space.canonical(space.arch(index)) for index in range(len(space))}) == len(space)


# Sampling and moving.


@spaces
def test_neighbours_are_all_that_differ_in_one_decision(space: Space) -> None:
    expected = {"tss": 24, "sss": 35}[space.name]
    for index in range(0, len(space), 997):
        arch = space.arch(index)
        neighbours = space.neighbours(arch)
        assert len(set(neighbours)) == len(neighbours) == expected
        for other in neighbours:
            assert len(changed(arch, other)) == 1
            assert arch in space.neighbours(other)
            assert space.from_string(space.to_string(other)) == other


@spaces
def test_sampling_is_uniform_in_every_decision_and_pair(space: Space) -> None:
    decisions, options = len(space.options), max(space.options)
    rng = np.random.default_rng(1)
    archs = [space.sample(rng) for _ in range(DRAWS)]
    uniform = dict.fromkeys(range(options), 1 / options)
    pairs = {(a, b): 1 / options**2 for a in range(options) for b in range(options)}
    for position in range(decisions):
        assert_distributed((arch[position] for arch in archs), uniform)
        assert_distributed(((arch[position - 1], arch[position]) for arch in archs), pairs)


@spaces
def test_sampled_architectures_are_tuples_of_python_integers(space: Space) -> None:
    rng = np.random.default_rng(2)
    for arch in (space.sample(rng), space.mutate(space.arch(5), rng), space.mutate_official(space.arch(5), rng)):
        assert isinstance(arch, tuple)
        assert {type(choice) for choice in arch} == {int}
        space.index(arch)


@spaces
@pytest.mark.parametrize("index", [0, 11, 15_000])
def test_mutation_is_uniform_over_the_neighbours(space: Space, index: int) -> None:
    arch, rng = space.arch(index), np.random.default_rng(3)
    neighbours = space.neighbours(arch)
    assert_distributed((space.mutate(arch, rng) for _ in range(DRAWS)), dict.fromkeys(neighbours, 1 / len(neighbours)))


def test_official_topology_mutation_prefers_early_edges_and_always_changes_one() -> None:
    space, rng = SPACES["tss"], np.random.default_rng(4)
    arch = space.arch(11)
    mutated = [space.mutate_official(arch, rng) for _ in range(DRAWS)]
    edges = {0: 1 / 3, 1: 1 / 6, 2: 1 / 6, 3: 1 / 9, 4: 1 / 9, 5: 1 / 9}
    assert_distributed((position for other in mutated for position in changed(arch, other)), edges)
    assert all(len(changed(arch, other)) == 1 for other in mutated)
    for edge in edges:
        others = dict.fromkeys(set(range(len(OPERATIONS))) - {arch[edge]}, 1 / 4)
        assert_distributed((other[edge] for other in mutated if changed(arch, other) == [edge]), others)


def test_official_size_mutation_is_a_no_op_once_in_eight() -> None:
    space, rng = SPACES["sss"], np.random.default_rng(5)
    arch = space.arch(12_345)
    expected: dict[Arch, float] = {arch: 1 / 8} | dict.fromkeys(space.neighbours(arch), 1 / 40)
    assert_distributed((space.mutate_official(arch, rng) for _ in range(DRAWS)), expected)


@spaces
def test_draws_repeat_with_the_same_generator_state(space: Space) -> None:
    first, second = np.random.default_rng(6), np.random.default_rng(6)
    for _ in range(50):
        arch = space.sample(first)
        assert arch == space.sample(second)
        assert space.mutate(arch, first) == space.mutate(arch, second)
        assert space.mutate_official(arch, first) == space.mutate_official(arch, second)


class LargestDraw:
    """A generator whose every draw is the largest number below 1."""

    def random(self) -> float:
        return float(np.nextafter(1.0, 0.0))


@reproducible
@given(stop=st.integers(1, 2**31))
def test_a_uniform_integer_stays_below_its_bound_even_for_the_largest_draw(stop: int) -> None:
    assert uniform_int(cast(np.random.Generator, LargestDraw()), stop) == stop - 1


# Decisions with different choices, and combinations that are no architectures.


ALLOWED = [arch for arch in product(*map(range, MIXED.options)) if MIXED.allows(arch)]


def test_the_made_up_space_has_ragged_choices_and_a_third_of_invalid_combinations() -> None:
    assert MIXED.options == (5, 2, 3, 3, 5, 2)
    assert len(MIXED) == len(ALLOWED)
    assert 0.6 < len(MIXED) / 900 < 0.75


def test_allowed_combinations_are_numbered_in_lexicographic_order() -> None:
    assert [MIXED.arch(index) for index in range(len(MIXED))] == ALLOWED
    assert [MIXED.index(arch) for arch in ALLOWED] == list(range(len(MIXED)))
    assert [MIXED.from_string(MIXED.to_string(arch)) for arch in ALLOWED] == ALLOWED
    for index in (-1, len(MIXED)):
        with pytest.raises(InputError, match=f"mixed holds architectures 0..{len(MIXED) - 1}, got {index}"):
            MIXED.arch(index)


def test_invalid_combinations_are_refused_by_every_method_that_names_architectures() -> None:
    for arch in product(*map(range, MIXED.options)):
        assert MIXED.is_valid(arch) == MIXED.allows(arch)
    for arch in ((0, 0, 0, 0, 0), (5, 0, 0, 0, 0, 0), (0, -1, 0, 0, 0, 0), (0, 2, 0, 0, 0, 0)):
        assert not MIXED.is_valid(arch)
    for method in (MIXED.index, MIXED.to_string, MIXED.canonical, MIXED.describe):
        with pytest.raises(InputError, match="a combination of choices that mixed does not allow"):
            method((1, 0, 0, 0, 0, 0))
        with pytest.raises(InputError, match=r"a choice of branch in mixed is one of 0..1, got 2"):
            method((0, 2, 0, 0, 0, 0))
    with pytest.raises(InputError, match="mixed does not allow"):
        MIXED.from_string("b-no-1-x-1-no")


def test_samples_of_a_constrained_space_are_uniform_over_its_architectures() -> None:
    rng = np.random.default_rng(1)
    assert_distributed((MIXED.sample(rng) for _ in range(DRAWS)), dict.fromkeys(ALLOWED, 1 / len(ALLOWED)))


def test_neighbours_in_a_constrained_space_are_the_allowed_ones() -> None:
    for arch in ALLOWED[::7]:
        expected = [other for other in ALLOWED if len(changed(arch, other)) == 1]
        assert sorted(MIXED.neighbours(arch)) == expected


@pytest.mark.parametrize("index", [0, 77, 300])
def test_mutation_draws_a_decision_then_another_choice_until_the_result_is_allowed(index: int) -> None:
    arch, rng = MIXED.arch(index), np.random.default_rng(3)
    weights = {other: 1 / (MIXED.options[changed(arch, other)[0]] - 1) for other in MIXED.neighbours(arch)}
    expected = {other: weight / sum(weights.values()) for other, weight in weights.items()}
    for mutate in (MIXED.mutate, MIXED.mutate_official):
        assert_distributed((mutate(arch, rng) for _ in range(DRAWS)), expected)


class TwoIslands(MixedSpace):
    """Two architectures that differ in all decisions."""

    name = "islands"

    def allows(self, arch: Arch) -> bool:
        return arch in ((0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1))


class OneIsland(MixedSpace):
    name = "island"

    def allows(self, arch: Arch) -> bool:
        return not any(arch)


def test_an_architecture_without_neighbours_mutates_into_another_one() -> None:
    space, rng = TwoIslands(), np.random.default_rng(0)
    assert space.neighbours(space.arch(0)) == []
    assert space.mutate(space.arch(0), rng) == space.arch(1)
    with pytest.raises(InputError, match="island holds a single architecture, which cannot mutate"):
        OneIsland().mutate((0,) * 6, rng)


@dataclass(frozen=True)
class FixedDecision(ProductSpace):
    """One decision has a single choice, the other three."""

    name = "fixed"
    decisions = ("only", "free")
    choices = (("a",), ("x", "y", "z"))

    def to_string(self, arch: Arch) -> str:
        return "".join(self.names(arch))

    def from_string(self, string: str) -> Arch:
        return self.from_names(string)


def test_a_decision_with_a_single_choice_never_mutates() -> None:
    space, rng = FixedDecision(), np.random.default_rng(0)
    assert space.neighbours((0, 1)) == [(0, 0), (0, 2)]
    assert_distributed((space.mutate((0, 1), rng) for _ in range(DRAWS)), {(0, 0): 0.5, (0, 2): 0.5})


def test_choices_that_do_not_fit_the_decisions_are_refused() -> None:
    class Flat(FixedDecision):
        choices = ("a", "x")  # type: ignore[assignment]

    class TooFew(FixedDecision):
        choices = (("a",),)  # type: ignore[assignment]

    for kind in (Flat, TooFew):
        with pytest.raises(InputError, match="choices of fixed must hold a tuple of names for each of its 2 decisions"):
            kind()


# ConfigSpace.


@spaces
def test_config_space_has_one_categorical_per_decision_with_the_official_names(space: Space) -> None:
    names = {
        "tss": ["1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2"],
        "sss": ["layer-0", "layer-1", "layer-2", "layer-3", "layer-4"],
    }[space.name]
    choices = {"tss": OPERATIONS, "sss": ("8", "16", "24", "32", "40", "48", "56", "64")}[space.name]
    configuration: Any = space.config_space()
    assert sorted(configuration) == sorted(names)
    assert all(tuple(configuration[name].choices) == choices for name in names)
