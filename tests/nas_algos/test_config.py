"""The options of every algorithm: documented, with defaults in range, and refused out of range; and their names."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from benchmarks.errors import InputError
from benchmarks.options import default_of, describe_range
from nas_algos.config import Config, knob
from nas_algos.multi_trial import ALGORITHMS, algorithm_named
from nas_algos.weight_sharing import METHODS, method_named

CONFIGS: dict[str, type[Config]] = {name: algorithm.Config for name, algorithm in ALGORITHMS.items()} | {
    name: method_named(name).Config for name in METHODS
}
KNOBS = [
    pytest.param(config, option, id=f"{name}-{option.name}")
    for name, config in CONFIGS.items()
    for option in dataclasses.fields(config)
]
Knob = dataclasses.Field[Any]


def is_choice(config: type[Config], option: Knob) -> bool:
    return get_origin(get_type_hints(config)[option.name]) is Literal


def test_no_name_is_there_twice() -> None:
    assert len(CONFIGS) == len(ALGORITHMS) + len(METHODS)


@dataclass(frozen=True)
class Example(Config):
    both: int = knob(5, "a whole number", low=1, high=10)
    share: float = knob(0.5, "a share", low=0, high=1)
    below: float = knob(0.0, "no lower bound", high=2.5)
    free: float = knob(0.0, "no bound")
    kind: Literal["one", "two"] = knob("one", "one of two")


@pytest.mark.parametrize("name", CONFIGS)
def test_defaults_are_accepted_and_configs_are_values(name: str) -> None:
    config = CONFIGS[name]
    assert config() == config()
    assert dataclasses.is_dataclass(config)
    for option in dataclasses.fields(config):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config(), option.name, default_of(option))


@pytest.mark.parametrize(("config", "option"), KNOBS)
def test_a_knob_says_what_it_is(config: type[Config], option: Knob) -> None:
    assert len(option.metadata["help"]) >= 10
    assert option.default is not dataclasses.MISSING
    kind = get_type_hints(config)[option.name]
    if is_choice(config, option):
        assert default_of(option) in get_args(kind)
        assert all(f"{choice}:" in option.metadata["help"] for choice in get_args(kind))
    else:
        assert type(default_of(option)) is kind
        assert (option.metadata["low"] is None) == (kind is bool)


@pytest.mark.parametrize(("config", "option"), KNOBS)
def test_the_ends_of_the_range_are_in_it_and_what_lies_beyond_is_refused(config: type[Config], option: Knob) -> None:
    if is_choice(config, option):
        with pytest.raises(InputError, match=re.escape(f"{option.name} must be one of ")):
            config(**{option.name: "neither"})
        return
    message = re.escape(f"{option.name} must be in {describe_range(option)}, got ")
    if type(default_of(option)) is bool:
        message = f"{option.name} must be true or false, got "
    for end, step in [(option.metadata["low"], -1), (option.metadata["high"], 1)]:
        if end is not None:
            assert getattr(config(**{option.name: end}), option.name) == end
            beyond = end + step if isinstance(default_of(option), int) else math.nextafter(end, step * math.inf)
            with pytest.raises(InputError, match=message):
                config(**{option.name: beyond})
    for nonsense in (math.nan, math.inf, -math.inf):
        with pytest.raises(InputError, match=message):
            config(**{option.name: nonsense})


@pytest.mark.parametrize(("config", "option"), KNOBS)
def test_a_count_is_whole(config: type[Config], option: Knob) -> None:
    if type(default_of(option)) is int:
        with pytest.raises(InputError, match=f"{option.name} must be a whole number in "):
            config(**{option.name: option.metadata["low"] + 0.5})


def test_ranges_in_words() -> None:
    options = {option.name: describe_range(option) for option in dataclasses.fields(Example)}
    assert options == {
        "both": "[1, 10]", "share": "[0, 1]", "below": "(-inf, 2.5]", "free": "(-inf, inf)", "kind": "(-inf, inf)"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"both": 0}, "both must be in [1, 10], got 0"),
        ({"both": 11}, "both must be in [1, 10], got 11"),
        ({"both": 2.5}, "both must be a whole number in [1, 10], got 2.5"),
        ({"share": 1.5}, "share must be in [0, 1], got 1.5"),
        ({"share": math.nan}, "share must be in [0, 1], got nan"),
        ({"below": 3}, "below must be in (-inf, 2.5], got 3"),
        ({"free": math.inf}, "free must be in (-inf, inf), got inf"),
        ({"kind": "three"}, "kind must be one of one, two, got 'three'"),
    ],
)
def test_the_message_names_the_field_the_range_and_the_value(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Example(**options)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_one_name_everywhere(name: str) -> None:
    """Registry key = module = class, save for capitals and underscores; its config is named after it."""
    algorithm = ALGORITHMS[name]
    assert algorithm.__module__ == f"nas_algos.multi_trial.{name}"
    assert algorithm.__name__.lower() == name.replace("_", "")
    assert algorithm.Config.__name__ == f"{algorithm.__name__}Config"
    assert algorithm.Config.__module__ == algorithm.__module__


@pytest.mark.parametrize("name", METHODS)
def test_a_weight_sharing_method_has_one_name_everywhere(name: str) -> None:
    """The same, save that the two orders of DARTS share a module and a config."""
    method, config = method_named(name), method_named(name).Config
    module = "darts" if name in ("darts_v1", "darts_v2") else name
    assert METHODS[name] == f"{module}.{method.__name__}"
    assert method.__module__ == config.__module__ == f"nas_algos.weight_sharing.{module}"
    assert method.__name__.lower() == name.replace("_", "")
    assert config.__name__ == ("DartsConfig" if module == "darts" else f"{method.__name__}Config")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_hyphens_may_stand_for_underscores(name: str) -> None:
    assert algorithm_named(name) is ALGORITHMS[name]
    assert algorithm_named(name.replace("_", "-")) is ALGORITHMS[name]


@pytest.mark.parametrize("name", METHODS)
def test_hyphens_may_stand_for_underscores_in_weight_sharing(name: str) -> None:
    assert method_named(name.replace("_", "-")) is method_named(name)


def test_an_unknown_algorithm_lists_the_names_and_the_nearest() -> None:
    with pytest.raises(InputError) as error:
        algorithm_named("regularised_ea")
    assert str(error.value) == (
        f"unknown algorithm 'regularised_ea': choose from {', '.join(ALGORITHMS)}; did you mean 'regularized_ea'?"
    )


def test_an_unknown_weight_sharing_method_lists_the_names_and_the_nearest() -> None:
    with pytest.raises(InputError) as error:
        method_named("darts_v3")
    assert str(error.value) == (
        f"unknown weight-sharing method 'darts_v3': choose from {', '.join(METHODS)}; did you mean 'darts_v2'?"
    )


def test_a_switch_is_true_or_false() -> None:
    @dataclass(frozen=True)
    class Switched(Config):
        on: bool = knob(False, "a switch")

    assert Switched(on=True).on
    with pytest.raises(InputError, match="on must be true or false, got 2"):
        Switched(on=2)  # type: ignore[arg-type]
