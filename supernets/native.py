"""Small networks trained by compiled code on one core of a CPU: the mathematics of `CandidateNetwork`, at less cost.

PyTorch spends most of the time of a small network on starting operations. Here a whole pass over many batches is one
call of native.cpp, which is compiled for this processor when it is first needed. Numbers are float32 as in PyTorch, and
differ from its by rounding alone; a training, which is chaotic, then differs as between two kinds of processor.

Departures: what no other number depends on is not computed (an operation whose result meets only `none`, for example);
its weights stay as they are, where PyTorch lets some of them decay. `none` gives zero also where its input is infinite.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_path
from torch import Tensor, nn

from benchmarks.spaces.tss import EDGES
from supernets.candidate_network import CandidateNetwork
from supernets.cell import Cell
from supernets.ops import ChannelProjection, Pooling, ReLUConvBN, ResNetBasicblock, Zero

if TYPE_CHECKING:
    from supernets.train import TrainConfig

LARGEST = 8192
"""Pixels of a batch up to which the compiled code is faster: activations then stay in the processor's caches."""
_SOURCE = Path(__file__).with_suffix(".cpp")
_FLAGS = ("-O3", "-march=native", "-std=c++20", "-shared", "-fPIC")
_log = logging.getLogger(__name__)


def serves(image_shape: tuple[int, int, int], config: TrainConfig, device: torch.device | str) -> bool:
    """Whether the compiled code trains networks on such images: small batches of float32, on a CPU, with a compiler."""
    small = config.batch_size * image_shape[1] * image_shape[2] <= LARGEST
    single = torch.get_default_dtype() == torch.float32 and not config.mixed_precision
    return small and single and torch.device(device).type == "cpu" and _library() is not None


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """The compiled code, from the user's cache where it is there; None, with a warning, where it cannot be compiled."""
    named = os.environ.get("CXX")
    names = (named,) if named else ("c++", "g++", "clang++")
    compiler = next((path for name in names if (path := shutil.which(name))), None)
    if compiler is None:
        _log.warning(
            "small networks are trained by PyTorch, several times slower: no C++ compiler (%s)", ", ".join(names)
        )
        return None
    try:
        return _declared(ctypes.CDLL(str(_compiled(compiler))))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        _log.warning("small networks are trained by PyTorch, several times slower: %s failed: %s", compiler, reason)
        return None


def _compiled(compiler: str) -> Path:
    """The library made of native.cpp by `compiler` for this processor."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    made_of = (_SOURCE.read_text(), compiler, version, *_FLAGS, platform.machine(), _processor_features())
    name = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    library = user_cache_path("nas-algos") / f"native-{name}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            command = [compiler, *_FLAGS, str(_SOURCE), "-o", str(made)]
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
            made.replace(library)
    return library


def _processor_features() -> str:
    """What -march=native depends on, as far as the system tells: caches may be shared by unequal machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with the types of its functions."""
    pointer, integer, long, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float
    library.create.argtypes = [integer, integer, integer, pointer, integer, pointer, long, long]
    library.create.restype = pointer
    library.destroy.argtypes = [pointer]
    library.destroy.restype = None
    for name in ("parameters", "gradients", "statistics"):
        function = getattr(library, name)  # not library[name], which is another object at every use
        function.argtypes, function.restype = [pointer], ctypes.POINTER(real)
    library.train.argtypes = [
        *(pointer, pointer, pointer, long, integer, real, real, integer, real),
        *(ctypes.POINTER(ctypes.c_double), ctypes.POINTER(long)),
    ]
    library.train.restype = None
    library.evaluate.argtypes = [*(pointer, pointer, pointer, long, integer), *library.train.argtypes[-2:]]
    library.evaluate.restype = None
    return library


class _Kind(IntEnum):
    """The kinds of steps of native.cpp."""

    CONVOLUTION = 0
    NORMALISATION = 1
    RELU = 2
    SUM = 3
    POOLING = 4
    CLASSIFIER = 5


@dataclass(frozen=True)
class _Map:
    """A feature map of a batch."""

    number: int
    height: int
    width: int
    channels: int
    filled: int  # channels, filled up to whole vectors
    border: int = 0


def _filled(channels: int) -> int:
    return 8 if channels <= 8 else -(-channels // 16) * 16


class _Program:
    """The steps of a network, and where its numbers lie in the arrays of native.cpp."""

    def __init__(self, network: CandidateNetwork, height: int, width: int) -> None:
        self.maps: list[_Map] = []
        self.steps: list[tuple[int, ...]] = []
        self.parameters = self.statistics = 0  # how many numbers there are
        self.modules: list[tuple[nn.Conv2d | nn.BatchNorm2d | nn.Linear, int, int, int]] = []
        """Module, first parameter, first statistic, channels filled up."""
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
        classifier = network.classifier
        first = self._reserve(classifier, x.filled, classifier.out_features * (x.filled + 1))
        self._step(_Kind.CLASSIFIER, x, None, c_out=classifier.out_features, parameter=first)

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
        self._step(_Kind.POOLING, x, pooled, kernel=2, stride=2)
        self._step(_Kind.SUM, self._convolved(pooled, projection), out)
        return out

    def _operation(self, module: nn.Module, x: _Map, out: _Map) -> None:
        """out += module(x)."""
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
                self._step(_Kind.POOLING, x, out, kernel=3, stride=1)
            case nn.Identity():
                self._step(_Kind.SUM, x, out)
            case _:
                raise TypeError(f"no step of the compiled code is a {type(module).__name__}")

    def _relu(self, x: _Map) -> _Map:
        """max(x, 0) with a border for 3x3 convolutions, once for all that read it."""
        if x.number not in self._activated:
            self._activated[x.number] = self._map(x.height, x.width, x.channels, border=1)
            self._step(_Kind.RELU, x, self._activated[x.number])
        return self._activated[x.number]

    def _convolved(self, x: _Map, module: nn.Module) -> _Map:
        assert isinstance(module, nn.Conv2d)
        (kernel, _), (stride, _) = module.kernel_size, module.stride
        border = kernel // 2 if stride == 1 else 0  # its gradient is convolved in turn
        out = self._map(-(-x.height // stride), -(-x.width // stride), module.out_channels, border)
        first = self._reserve(module, out.filled, kernel**2 * x.channels * out.filled)
        self._step(_Kind.CONVOLUTION, x, out, x.channels, module.out_channels, kernel, stride, first)
        return out

    def _normalised(self, x: _Map, module: nn.Module, out: _Map | None = None) -> _Map:
        """The batch normalisation of x, which nothing else reads; added to `out` where it is given."""
        out = out or self._map(x.height, x.width, x.channels)
        statistic = self.statistics
        first = self._reserve(module, x.filled, 2 * x.filled, 2 * x.filled)
        self._step(_Kind.NORMALISATION, x, out, parameter=first, statistic=statistic)
        return out

    def _map(self, height: int, width: int, channels: int, border: int = 0) -> _Map:
        self.maps.append(_Map(len(self.maps), height, width, channels, _filled(channels), border))
        return self.maps[-1]

    def _reserve(self, module: nn.Module, filled: int, parameters: int, statistics: int = 0) -> int:
        """The position of the first of a module's `parameters`; they start at a whole vector."""
        assert isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
        first = self.parameters
        self.modules.append((module, first, self.statistics, filled))
        self.parameters += -(-parameters // 16) * 16
        self.statistics += statistics
        return first

    def _step(
        self,
        kind: _Kind,
        source: _Map,
        target: _Map | None,
        c_in: int = 0,
        c_out: int = 0,
        kernel: int = 0,
        stride: int = 0,
        parameter: int = 0,
        statistic: int = 0,
    ) -> None:
        number = -1 if target is None else target.number
        self.steps.append((kind, source.number, number, c_in, c_out, kernel, stride, parameter, statistic))


class NativeNetwork:
    """A copy of a network's weights and statistics that compiled code trains."""

    def __init__(self, network: CandidateNetwork, image_size: tuple[int, int], batch_size: int) -> None:
        """`image_size` is (height, width); raises RuntimeError where nothing can be compiled (see `serves`)."""
        library = _library()
        if library is None:
            raise RuntimeError("the code for small networks could not be compiled")
        self._program = program = _Program(network, *image_size)
        self._library, self._batch_size = library, batch_size
        maps = np.array([(m.height, m.width, m.filled, m.border) for m in program.maps], dtype=np.int32)
        steps = np.array(program.steps, dtype=np.int64)
        self._handle = library.create(
            *(batch_size, network.config.in_channels, len(maps), maps.ctypes.data, len(steps), steps.ctypes.data),
            *(program.parameters, program.statistics),
        )
        weakref.finalize(self, library.destroy, self._handle)
        for own, tensor in self._numbers():
            own[...] = tensor.detach().numpy()

    def _array(self, name: str) -> NDArray[np.float32]:
        """A view of memory that lives as long as this object."""
        size = self._program.statistics if name == "statistics" else self._program.parameters
        return np.ctypeslib.as_array(getattr(self._library, name)(self._handle), (size,))

    def _numbers(self) -> Iterator[tuple[NDArray[np.float32], Tensor]]:
        """Views of the compiled code's weights and statistics, in the shapes of the network's, and those."""
        parameters, statistics = self._array("parameters"), self._array("statistics")
        for module, first, first_statistic, filled in self._program.modules:
            yield from self._of_module(parameters[first:], module, filled)
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                yield statistics[first_statistic:][: module.num_features], module.running_mean
                yield statistics[first_statistic + filled :][: module.num_features], module.running_var

    @staticmethod
    def _of_module(
        numbers: NDArray[np.float32], module: nn.Conv2d | nn.BatchNorm2d | nn.Linear, filled: int
    ) -> Iterator[tuple[NDArray[np.float32], Tensor]]:
        """Views of `numbers`, which begin with those of the module's parameters, and the parameters."""
        match module:
            case nn.Conv2d():
                kernel, c_in = module.kernel_size[0], module.in_channels
                stored = numbers[: kernel**2 * c_in * filled].reshape(kernel, kernel, c_in, filled)
                yield stored.transpose(3, 2, 0, 1)[: module.out_channels], module.weight
            case nn.BatchNorm2d():
                yield numbers[: module.num_features], module.weight
                yield numbers[filled:][: module.num_features], module.bias
            case nn.Linear():
                classes = module.out_features
                yield numbers[: classes * filled].reshape(classes, filled)[:, : module.in_features], module.weight
                yield numbers[classes * filled :][:classes], module.bias

    def gradients(self) -> Iterator[tuple[NDArray[np.float32], Tensor]]:
        """The gradient of the last batch with respect to a parameter of the network, and the parameter; of each."""
        gradients = self._array("gradients")
        for module, first, _, filled in self._program.modules:
            yield from self._of_module(gradients[first:], module, filled)

    def train(self, images: Tensor, labels: Tensor, learning_rate: float, config: TrainConfig) -> tuple[float, int]:
        """One step per batch of normalised images (n, channels, height, width), float32, and labels (n,), int64.

        Returns the cross entropies, summed over the images, and how many answers were right, each before its step.
        """
        loss, right = ctypes.c_double(), ctypes.c_int64()
        images, labels = images.contiguous(), labels.contiguous()
        self._library.train(
            *(self._handle, images.data_ptr(), labels.data_ptr(), len(labels), self._batch_size),
            *(learning_rate, config.momentum, config.nesterov, config.weight_decay),
            *(ctypes.byref(loss), ctypes.byref(right)),
        )
        return loss.value, right.value

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[float, int]:
        """What `train` returns, in evaluation mode."""
        loss, right = ctypes.c_double(), ctypes.c_int64()
        images, labels = images.contiguous(), labels.contiguous()
        self._library.evaluate(
            *(self._handle, images.data_ptr(), labels.data_ptr(), len(labels), self._batch_size),
            *(ctypes.byref(loss), ctypes.byref(right)),
        )
        return loss.value, right.value

    @torch.no_grad()
    def store(self) -> None:
        """Give the network it was made from the weights and statistics as they are now."""
        for own, tensor in self._numbers():
            tensor.copy_(torch.from_numpy(own.copy()))
