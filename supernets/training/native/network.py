"""Training of small networks by compiled code on one CPU core: the mathematics of `CandidateNetwork` at lower cost.

With a small network, PyTorch spends most of its time on launching operations. Here a pass over many batches is one call
of network.cpp. Numbers are float32 as in PyTorch and differ from PyTorch's only by rounding. Since training amplifies
rounding, its results then differ as much as between two types of processor.

Departures: an edge that has no path to the output of its cell is not computed; its weights and statistics stay as they
are, whereas PyTorch's weight decay changes some of them. `none` outputs zero even if its input is infinite. A batch
with one number per channel, which PyTorch refuses to normalise, has variance 0.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces.tss import EDGES
from supernets.candidate_network import CandidateConfig, CandidateNetwork, Cell, NetworkConfig
from supernets.images.tasks import ImageTask
from supernets.ops import ChannelProjection, Pooling, ReLUConvBN, ResNetBasicblock, Zero
from supernets.training.native.compilation import library

LARGEST = 2**17
"""The largest size of a batch's feature maps, in numbers, at which compiled code is faster (see tests/performance)."""


def serves(networks: Sequence[CandidateConfig], task: ImageTask, batch_size: int, device: torch.device | str) -> bool:
    """Whether compiled code can train these networks: small ones, in float32, on a CPU, if there is a compiler."""
    sizes = {part.images.shape[1:] for part in (task.train, *task.evaluation.values())}
    return (
        torch.device(device).type == "cpu"
        and torch.get_default_dtype() == torch.float32
        and len(sizes) == 1
        and all(
            isinstance(network, NetworkConfig) and batch_size * _largest_map(network, task.image_shape) <= LARGEST
            for network in networks
        )
        and library() is not None
    )


def _largest_map(network: NetworkConfig, image_shape: tuple[int, int, int]) -> int:
    """Numbers in the largest feature map of one image."""
    _, height, width = image_shape
    largest = 0
    for layer in network.layers:
        height, width = -(-height // layer.stride), -(-width // layer.stride)
        largest = max(largest, layer.c_out * height * width)
    return largest


class Sgd(NamedTuple):
    """The parameters of a step, as in torch.optim.SGD."""

    learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float


class _Kind(IntEnum):
    """The kinds of steps of network.cpp."""

    CONVOLUTION = 0
    NORMALISATION = 1
    RELU = 2
    SUM = 3
    POOLING = 4
    CLASSIFIER = 5


class _Map(NamedTuple):
    """A feature map of a batch."""

    number: int
    height: int
    width: int
    channels: int
    padded: int  # channels, padded to whole vectors
    border: int = 0


class _Step(NamedTuple):
    """A step as network.cpp reads it; fields that its kind does not need are 0."""

    kind: _Kind
    source: int
    target: int
    c_in: int = 0
    c_out: int = 0
    kernel: int = 0
    stride: int = 0
    parameter: int = 0  # position of its first parameter
    statistic: int = 0  # position of its first statistic


class _PlacedModule(NamedTuple):
    """A module and the positions of its numbers in the arrays of network.cpp."""

    module: nn.Conv2d | nn.BatchNorm2d | nn.Linear
    parameter: int
    statistic: int
    padded: int  # output channels of a convolution, or features of another module, padded to whole vectors


def _padded(channels: int) -> int:
    return 8 if channels <= 8 else -(-channels // 16) * 16


class _Program:
    """The steps, feature maps and modules of a network, as network.cpp executes them."""

    def __init__(self, network: CandidateNetwork, height: int, width: int) -> None:
        self.maps: list[_Map] = []
        self.steps: list[_Step] = []
        self.modules: list[_PlacedModule] = []
        self.parameters = self.statistics = 0  # numbers placed so far
        self._activated: dict[int, _Map] = {}
        self._network(network, height, width)

    def _network(self, network: CandidateNetwork, height: int, width: int) -> None:
        channels = network.config.in_channels
        images = _Map(0, height, width, channels, channels, border=1)
        self.maps.append(images)
        convolution, norm = network.stem
        x = self._normalised(self._convolved(images, convolution), norm)
        for layer, (_, c_out, _) in zip(network.cells, network.config.layers, strict=True):
            x = self._cell(layer, x, c_out) if isinstance(layer, Cell) else self._block(layer, x)
        x = self._relu(self._normalised(x, network.lastact[0]))
        classes = network.classifier.out_features
        first = self._place(network.classifier, x.padded, classes * (x.padded + 1))
        self.steps.append(_Step(_Kind.CLASSIFIER, x.number, -1, c_out=classes, parameter=first))

    def _cell(self, cell: Cell, x: _Map, channels: int) -> _Map:
        edges = [(*edge, layer) for edge, layer in zip(EDGES, cell.layers, strict=True) if not isinstance(layer, Zero)]
        needed = {3}
        for target, source, _ in reversed(edges):
            if target in needed:
                needed.add(source)
        nodes = {0: x} | {node: self._map(x.height, x.width, channels) for node in range(1, 4)}
        for target, source, layer in edges:
            if target in needed:
                self._operation(layer, nodes[source], nodes[target])
        return nodes[3]

    def _block(self, block: nn.Module, x: _Map) -> _Map:
        assert isinstance(block, ResNetBasicblock)
        _pool, projection = block.downsample.children()
        assert isinstance(projection, nn.Conv2d)
        height, width = -(-x.height // 2), -(-x.width // 2)
        middle, out = (self._map(height, width, projection.out_channels) for _ in range(2))
        self._operation(block.conv_a, x, middle)
        self._operation(block.conv_b, middle, out)
        pooled = self._map(height, width, x.channels)
        self.steps.append(_Step(_Kind.POOLING, x.number, pooled.number, kernel=2, stride=2))
        self.steps.append(_Step(_Kind.SUM, self._convolved(pooled, projection).number, out.number))
        return out

    def _operation(self, module: nn.Module, x: _Map, out: _Map) -> None:
        """Append the steps of `out += module(x)`."""
        match module:
            case ReLUConvBN():
                _relu, convolution, norm = module.op
                self._normalised(self._convolved(self._relu(x), convolution), norm, out)
            case ChannelProjection():
                self._normalised(self._convolved(x, module.conv), module.bn, out)
            case Pooling():
                if isinstance(module.preprocess, ReLUConvBN):
                    projected = self._map(x.height, x.width, out.channels)
                    self._operation(module.preprocess, x, projected)
                    x = projected
                self.steps.append(_Step(_Kind.POOLING, x.number, out.number, kernel=3, stride=1))
            case nn.Identity():
                self.steps.append(_Step(_Kind.SUM, x.number, out.number))
            case _:
                raise TypeError(f"the compiled code has no step for a {type(module).__name__}")

    def _relu(self, x: _Map) -> _Map:
        """Append max(x, 0), with a border for 3x3 convolutions, unless an earlier reader of `x` has done so."""
        if x.number not in self._activated:
            self._activated[x.number] = self._map(x.height, x.width, x.channels, border=1)
            self.steps.append(_Step(_Kind.RELU, x.number, self._activated[x.number].number))
        return self._activated[x.number]

    def _convolved(self, x: _Map, module: nn.Module) -> _Map:
        assert isinstance(module, nn.Conv2d)
        (kernel, _), (stride, _) = module.kernel_size, module.stride
        border = kernel // 2 if stride == 1 else 0  # the backward pass convolves its gradient
        out = self._map(-(-x.height // stride), -(-x.width // stride), module.out_channels, border)
        first = self._place(module, out.padded, kernel**2 * x.channels * out.padded)
        self.steps.append(
            _Step(_Kind.CONVOLUTION, x.number, out.number, x.channels, out.channels, kernel, stride, first)
        )
        return out

    def _normalised(self, x: _Map, module: nn.Module, out: _Map | None = None) -> _Map:
        """Append the batch normalisation of `x`, which has no other reader; it is added to `out` if that is given."""
        out = out or self._map(x.height, x.width, x.channels)
        statistic = self.statistics
        first = self._place(module, x.padded, 2 * x.padded, 2 * x.padded)
        self.steps.append(_Step(_Kind.NORMALISATION, x.number, out.number, parameter=first, statistic=statistic))
        return out

    def _map(self, height: int, width: int, channels: int, border: int = 0) -> _Map:
        self.maps.append(_Map(len(self.maps), height, width, channels, _padded(channels), border))
        return self.maps[-1]

    def _place(self, module: nn.Module, padded: int, parameters: int, statistics: int = 0) -> int:
        """Reserve space for a module's numbers; returns the position of its first parameter, aligned to vectors."""
        assert isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
        first = self.parameters
        self.modules.append(_PlacedModule(module, first, self.statistics, padded))
        self.parameters += -(-parameters // 16) * 16
        self.statistics += statistics
        return first


class NativeNetwork:
    """A copy of a network's weights and statistics, trained by compiled code."""

    def __init__(self, network: CandidateNetwork, image_size: tuple[int, int], batch_size: int) -> None:
        """Copy `network` for images of `image_size` (height, width).

        Raises:
            RuntimeError: the code cannot be compiled (see `serves`).
        """
        functions = library()
        if functions is None:
            raise RuntimeError("the code for small networks could not be compiled")
        config = network.config
        self._functions, self._batch_size, self._classes = functions, batch_size, config.num_classes
        self._image_shape = (config.in_channels, *image_size)
        self._program = program = _Program(network, *image_size)
        maps = np.array([(m.height, m.width, m.padded, m.border) for m in program.maps], dtype=np.int32)
        steps = np.array(program.steps, dtype=np.int64)
        self._handle = functions.create(
            batch_size,
            config.in_channels,
            len(maps),
            maps.ctypes.data,
            len(steps),
            steps.ctypes.data,
            program.parameters,
            program.statistics,
        )
        if not self._handle:
            raise MemoryError(f"no memory for the network {config} with batches of {batch_size}")
        weakref.finalize(self, functions.destroy, self._handle)
        for own, tensor in self._numbers():
            own[...] = tensor.detach().numpy()

    def train(self, images: Tensor, labels: Tensor, step: Sgd) -> tuple[float, int]:
        """Take a step per batch of normalised images (n, channels, height, width) and labels (n,), in order.

        Returns:
            The sum of the images' cross entropies in nats, and the number of correct predictions, each before its step.

        Raises:
            InputError: the images do not have the shape that the network was made for, or a label is not a class.
        """
        return self._pass(self._functions.train, images, labels, *step)

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[float, int]:
        """Evaluate in evaluation mode; returns and raises what `train` does."""
        return self._pass(self._functions.evaluate, images, labels)

    def _pass(self, function: Any, images: Tensor, labels: Tensor, *step: float) -> tuple[float, int]:
        if images.shape != (len(labels), *self._image_shape):
            wanted = f"images of shape {self._image_shape}, one for each of {len(labels)} labels"
            raise InputError(f"the network was made for {wanted}; got {tuple(images.shape)}")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self._classes:
            raise InputError(f"labels run from 0 to {self._classes - 1}, got {labels.min()} to {labels.max()}")
        images = images.to("cpu", torch.float32).contiguous()
        labels = labels.to("cpu", torch.int64).contiguous()
        loss, correct = ctypes.c_double(), ctypes.c_int64()
        data = (images.data_ptr(), labels.data_ptr(), len(labels))
        function(self._handle, *data, self._batch_size, *step, ctypes.byref(loss), ctypes.byref(correct))
        return loss.value, correct.value

    def _array(self, name: str) -> NDArray[np.float32]:
        """A view of an array of the compiled code; its memory lives as long as this object."""
        size = self._program.statistics if name == "statistics" else self._program.parameters
        return np.ctypeslib.as_array(getattr(self._functions, name)(self._handle), (size,))

    def _numbers(self) -> Iterator[tuple[NDArray[np.float32], Tensor]]:
        """Yield views of the compiled weights and statistics, in the network's shapes, with the network's tensors."""
        yield from self._of_parameters("parameters")
        statistics = self._array("statistics")
        for module, _, first, padded in self._program.modules:
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                yield statistics[first:][: module.num_features], module.running_mean
                yield statistics[first + padded :][: module.num_features], module.running_var

    def _of_parameters(self, name: str) -> Iterator[tuple[NDArray[np.float32], Tensor]]:
        """Yield views of 'parameters', or the last batch's 'gradients', in the network's shapes, with its tensors."""
        array = self._array(name)
        for module, first, _, padded in self._program.modules:
            numbers = array[first:]
            match module:
                case nn.Conv2d():
                    kernel, c_in = module.kernel_size[0], module.in_channels
                    stored = numbers[: kernel**2 * c_in * padded].reshape(kernel, kernel, c_in, padded)
                    yield stored.transpose(3, 2, 0, 1)[: module.out_channels], module.weight
                case nn.BatchNorm2d():
                    yield numbers[: module.num_features], module.weight
                    yield numbers[padded:][: module.num_features], module.bias
                case nn.Linear():
                    classes = module.out_features
                    yield numbers[: classes * padded].reshape(classes, padded)[:, : module.in_features], module.weight
                    yield numbers[classes * padded :][:classes], module.bias
