"""Operations, block and cell: values by hand, shapes, and the oddities of the official code that are kept."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces.tss import OPERATIONS
from supernets.candidate_network import Cell
from supernets.ops import (
    OPERATION_MODULES,
    ChannelProjection,
    FactorizedReduce,
    Norm,
    Pooling,
    ReLUConvBN,
    ResNetBasicblock,
    Zero,
    operation,
)

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)


def linear(module: nn.Module) -> nn.Module:
    """`module` in evaluation with every convolution weight 1 and every normalisation the identity."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.ones_(part.weight)
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0
    return module.eval()


def image(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)[None, None]  # (1, 1, H, W)


def test_the_operations_are_those_of_the_space() -> None:
    assert tuple(OPERATION_MODULES) == OPERATIONS


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("c_in", "c_out"), [(4, 4), (3, 5), (6, 2)])
@pytest.mark.parametrize("name", [*OPERATIONS, "block"])
def test_every_operation_gives_the_size_rounded_up(name: str, c_in: int, c_out: int, stride: int) -> None:
    module = ResNetBasicblock(c_in, c_out, stride) if name == "block" else operation(name, c_in, c_out, stride)
    for height, width in ((1, 1), (2, 3), (8, 8), (9, 9), (12, 33)):
        out = module(torch.randn(2, c_in, height, width))
        assert out.shape == (2, c_out, -(-height // stride), -(-width // stride))


def test_relu_comes_before_the_convolution_and_not_after() -> None:
    module = linear(ReLUConvBN(1, 1, 1))
    assert torch.equal(module(image([-1.0, 2.0])), image([0.0, 2.0]))
    nn.init.constant_(module.get_parameter("op.1.weight"), -3.0)
    assert torch.equal(module(image([-1.0, 2.0])), image([0.0, -6.0]))


def test_an_operation_leaves_its_input_as_it_is() -> None:
    x = torch.randn(2, 4, 5, 5)
    before = x.clone()
    for name, stride in itertools.product(OPERATIONS, (1, 2)):
        operation(name, 4, 4, stride)(x)
    assert torch.equal(x, before)


def test_skip_at_stride_1_between_widths_has_no_relu() -> None:
    module = linear(operation("skip_connect", 1, 2))
    assert isinstance(module, ChannelProjection)
    assert set(dict(module.named_children())) == {"conv", "bn"}
    assert torch.equal(module(image([-1.0, 2.0])), image([-1.0, 2.0]).expand(1, 2, 1, 2))


def test_skip_at_stride_2_takes_even_pixels_then_odd_ones_after_a_relu() -> None:
    module = linear(operation("skip_connect", 1, 2, stride=2))
    assert isinstance(module, FactorizedReduce)
    out = module(image([-1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]))
    assert torch.equal(out[:, :1], image([0.0, 3.0], [7.0, 9.0]))
    assert torch.equal(out[:, 1:], image([5.0, 0.0], [0.0, 0.0]))  # beyond the border is zero


def test_an_odd_width_is_split_between_the_halves_of_the_reduction() -> None:
    module = FactorizedReduce(4, 5)
    assert module.get_parameter("convs.0.weight").shape == (2, 4, 1, 1)
    assert module.get_parameter("convs.1.weight").shape == (3, 4, 1, 1)


def test_pooling_averages_over_the_pixels_inside_the_image() -> None:
    out = Pooling(1, 1)(image([1.0, 2.0, 6.0], [1.0, 2.0, 6.0]))
    assert torch.equal(out, image([1.5, 3.0, 4.0], [1.5, 3.0, 4.0]))


def test_pooling_between_widths_convolves_first() -> None:
    module = linear(Pooling(1, 2))
    assert torch.equal(module(image([-4.0, 2.0, 6.0])), image([1.0, 8 / 3, 4.0]).expand(1, 2, 1, 3))


def test_zero_shows_nan_and_infinity_between_equal_widths_only() -> None:
    x = image([1.0, float("nan"), float("inf")])
    assert torch.isnan(Zero(1, 1)(x)).tolist() == [[[[False, True, True]]]]
    assert torch.equal(Zero(1, 2)(x), torch.zeros(1, 2, 1, 3))


def test_without_affine_norms_the_convolutions_have_a_bias() -> None:
    def names(norm: Norm) -> set[str]:
        modules = (ReLUConvBN(3, 2, 3, norm=norm), FactorizedReduce(2, 4, norm), ChannelProjection(2, 3, norm))
        return {name for module in modules for name in module.state_dict()}

    assert {"op.1.bias", "convs.0.bias", "convs.1.bias", "conv.bias"} <= names(Norm(False, False))
    assert not {"op.2.weight", "op.2.running_mean", "bn.weight"} & names(Norm(False, False))
    assert {"op.2.weight", "op.2.bias", "op.2.running_mean", "bn.weight"} <= names(Norm())
    assert not {"op.1.bias", "convs.0.bias", "convs.1.bias", "conv.bias"} & names(Norm())


def test_the_block_pools_its_shortcut_and_does_not_normalise_it() -> None:
    block = linear(ResNetBasicblock(1, 1))
    nn.init.zeros_(block.get_parameter("conv_b.op.1.weight"))
    out = block(image([1.0, 3.0, -5.0], [5.0, 7.0, -7.0], [2.0, 4.0, -8.0]))
    assert torch.equal(out, image([4.0, -6.0], [3.0, -8.0]))  # the odd row and column by themselves
    assert [name for name in block.state_dict() if name.startswith("downsample")] == ["downsample.1.weight"]


def test_the_block_at_stride_1_adds_its_input() -> None:
    block = linear(ResNetBasicblock(1, 1, stride=1))
    nn.init.zeros_(block.get_parameter("conv_b.op.1.weight"))
    assert torch.equal(block(image([1.0, -2.0])), image([1.0, -2.0]))


def test_unknown_operations_and_strides_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown operation 'nor_conv_5x5'.*did you mean 'nor_conv"):
        operation("nor_conv_5x5", 4, 4)
    with pytest.raises(InputError, match="stride of an operation is 1 or 2, got 3"):
        operation("none", 4, 4, stride=3)
    with pytest.raises(InputError, match="stride of an operation is 1 or 2, got 0"):
        ResNetBasicblock(4, 4, stride=0)


def test_a_cell_of_skips_counts_the_paths_from_input_to_output() -> None:
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    for arch in itertools.product((NONE, SKIP), repeat=6):
        to_1, to_2 = arch[0], arch[1] + arch[2] * arch[0]  # SKIP is 1, NONE is 0
        to_3 = arch[3] + arch[4] * to_1 + arch[5] * to_2
        torch.testing.assert_close(Cell(arch, 3, 3)(x), to_3 * x)


def test_only_edges_out_of_node_0_change_the_width() -> None:
    cell = Cell((CONV_1X1, CONV_3X3, SKIP, SKIP, CONV_1X1, POOL), 3, 5)
    shapes = {name: tuple(weight.shape) for name, weight in cell.named_parameters() if weight.dim() == 4}
    assert shapes == {
        "layers.0.op.1.weight": (5, 3, 1, 1),
        "layers.1.op.1.weight": (5, 3, 3, 3),
        "layers.3.conv.weight": (5, 3, 1, 1),
        "layers.4.op.1.weight": (5, 5, 1, 1),
    }
    assert cell(torch.randn(2, 3, 7, 7)).shape == (2, 5, 7, 7)
