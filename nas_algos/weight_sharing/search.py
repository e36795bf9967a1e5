"""The loop of weight-sharing searches: epochs of weight steps and architecture steps, each ended by a derivation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import BytesIO
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.errors import InputError
from benchmarks.spaces import Arch
from nas_algos.weight_sharing.configs import MethodConfig
from nas_algos.weight_sharing.method import Method, SharedWeights
from nas_algos.weight_sharing.registry import PHASES
from supernets.images.labelled import Batch
from supernets.images.search_batches import SearchImages
from supernets.images.tasks import ImageTask
from supernets.networks import supernet_config
from supernets.ops import Norm
from supernets.settings import NetworkScale
from supernets.supernet import Supernet
from supernets.training.devices import wait_for

CHECKSUM = sha256().digest_size
"""Number of bytes of the checksum in front of a saved state."""
OnStep = Callable[[int, int], None]
"""Called after every step with (steps done, steps of all epochs)."""


class DivergedError(InputError):
    """A loss, a weight or the distribution over architectures is no longer finite."""


@dataclass(frozen=True)
class EpochRecord:
    """The measurements of one epoch, and the architecture derived from it."""

    epoch: int  # 1, 2, ...
    weight_loss: float  # cross entropy in nats, mean over the training images as each step saw them
    weight_accuracy: float  # percent, mean over the same images, on the paths or the mixture that each step trained
    architecture_loss: float  # mean over the architecture steps; NaN if there were none
    arch: Arch  # derived at the end of the epoch
    validation: float  # accuracy of `arch` with the shared weights on all validation images, in percent
    probabilities: tuple[tuple[float, ...], ...]  # for each decision, the probability of each of its options
    seconds: Mapping[str, float]
    """Seconds by phase. `weights` includes preparing the images; no phase includes the pass for `validation`."""

    @property
    def entropy(self) -> float:
        """The entropy of the distribution over options in nats, averaged over decisions."""
        rows = [np.array(row) for row in self.probabilities]
        return float(np.mean([-(p * np.log(np.where(p > 0, p, 1))).sum() for p in rows]))


class SupernetSearch:
    """One run of a method. On a CPU it is a pure function of its arguments; its state after each epoch is complete.

    Args:
        space: the name of the space whose supernet is trained.
        seeds: the source of all random numbers.
        device: the device for the network and the images.

    Raises:
        InputError: the method does not search supernets of this kind, the task has no validation images, or the scale
            or the config is invalid.
    """

    def __init__(
        self,
        method: type[Method],
        space: str,
        config: MethodConfig,
        task: ImageTask,
        scale: NetworkScale,
        seeds: np.random.SeedSequence,
        device: torch.device | str = "cpu",
    ) -> None:
        network_rng, drop_path_rng, method_rng, self.data_rng = (
            torch.Generator().manual_seed(int(seed)) for seed in seeds.generate_state(4, np.uint64) >> np.uint64(1)
        )
        self.space, self.config, self.device = space, config, torch.device(device)
        self._identity = {
            "space": space,
            "method": method.__name__,
            "config": asdict(config),
            "scale": asdict(scale),
            "images": task.fingerprint(),
            "seeds": (seeds.entropy, tuple(seeds.spawn_key)),
        }
        self.images = SearchImages(task.to(device), config.batch_size, config.evaluation_batch_size)
        network = _supernet(space, config, task, scale, network_rng).to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        self.weights = SharedWeights(network, self.images, config, drop_path_rng)
        self.method = method(self.weights, method_rng)
        self.records: list[EpochRecord] = []

    def epochs(self, on_step: OnStep | None = None) -> Iterator[EpochRecord]:
        """Run and yield the remaining epochs; each is added to `records`.

        Raises:
            DivergedError: a loss, a weight or the distribution is not finite. The search cannot continue; the state
                saved after the previous epoch is still valid.
        """
        while len(self.records) < self.config.epochs:
            self.records.append(self._epoch(len(self.records), on_step))
            yield self.records[-1]

    def _epoch(self, epoch: int, on_step: OnStep | None) -> EpochRecord:
        watch, method, steps = _Stopwatch(self.device), self.method, self.images.steps
        self.weights.network.train()
        self.weights.begin_epoch(epoch)
        method.begin_epoch(epoch)
        seen: list[tuple[Tensor, Tensor, int]] = []
        architecture_losses: list[Tensor] = []
        images = self.images.epoch(self.data_rng)
        for step in range(1, steps + 1):
            with watch("weights"):
                batches = next(images)
            seen.append(self._step(*batches, architecture_losses, watch))
            if on_step:
                on_step(epoch * steps + step, self.config.epochs * steps)
        loss, accuracy = _averages(seen)
        architecture_loss = float(torch.stack(architecture_losses).mean()) if architecture_losses else 0.0
        self._check_finite(epoch, loss, architecture_loss)
        with watch("controller"):
            method.end_epoch(self.images.validation_batches(self.data_rng))
        probabilities = method.probabilities()
        if not probabilities.isfinite().all():
            raise DivergedError(
                f"the distribution over architectures is not finite after epoch {epoch + 1}: use a smaller "
                "--arch-learning-rate, or for enas --controller-learning-rate"
            )
        with watch("derivation"):
            arch = method.derive(self.images.validation_batches(self.data_rng))
        return EpochRecord(
            epoch=epoch + 1,
            weight_loss=loss,
            weight_accuracy=accuracy,
            architecture_loss=architecture_loss if architecture_losses else float("nan"),
            arch=arch,
            validation=self.one_shot([arch])[0],
            probabilities=tuple(
                tuple(row[:options]) for row, options in zip(probabilities.tolist(), method.space.options, strict=True)
            ),
            seconds=watch.seconds(),
        )

    def _check_finite(self, epoch: int, loss: float, architecture_loss: float) -> None:
        """Raise a DivergedError, which names the option to change, if a loss or a weight is not finite."""
        for what, value, options in (
            ("training loss of the shared weights", loss, "--learning-rate, or --clip 5"),
            ("architecture loss", architecture_loss, "--learning-rate or --arch-learning-rate"),
        ):
            if not np.isfinite(value):
                raise DivergedError(f"the {what} became {value} in epoch {epoch + 1}: use a smaller {options}")
        if not self.weights.finite():  # the last loss was measured before its step
            raise DivergedError(
                f"shared weights became infinite in epoch {epoch + 1}: use a smaller --learning-rate, or --clip 5"
            )

    def _step(
        self, base: Batch, held_out: Batch, architecture_losses: list[Tensor], watch: _Stopwatch
    ) -> tuple[Tensor, Tensor, int]:
        """Take one step of the weights and one of the architecture, in the order of the config.

        Returns:
            (loss, correctly classified images, images) of the weight step.
        """

        def architecture() -> None:
            with watch("architecture"):
                loss = self.method.architecture_step(base, held_out)
            if loss is not None:
                architecture_losses.append(loss)

        if self.config.order == "architecture_first":
            architecture()
        with watch("weights"):
            loss, right = self.weights.step(base, self.method.weight_choice())
        if self.config.order == "weights_first":
            architecture()
        return loss, right, len(base.labels)

    def state_dict(self) -> dict[str, Any]:
        """The state that the remaining epochs depend on, and the records of the finished ones.

        The tensors are those of the search, not copies: save them before the next epoch starts.
        """
        return {
            "of": self._identity,
            "records": [asdict(record) for record in self.records],
            "weights": self.weights.state_dict(),
            "method": self.method.state_dict(),
            "data_rng": self.data_rng.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from the `state_dict` of a search with the same arguments; InputError for that of another search."""
        identity = state.get("of") if isinstance(state, dict) else type(state)
        if isinstance(identity, dict):
            identity = {"space": self.space} | identity  # version 0.1.0 did not save it
        if identity != self._identity:
            raise InputError(f"expected a state of {self._identity}, got one of {identity}")
        self.records = [EpochRecord(**record) for record in state["records"]]
        self.weights.load_state_dict(state["weights"])
        self.method.load_state_dict(state["method"])
        self.data_rng.set_state(state["data_rng"])

    def to_bytes(self) -> bytes:
        """`state_dict` as the content of a file, preceded by a checksum."""
        stream = BytesIO()
        torch.save(self.state_dict(), stream)
        return sha256(stream.getvalue()).digest() + stream.getvalue()

    def resume(self, content: bytes) -> None:
        """Resume from the result of `to_bytes`; nothing in it is executed.

        Raises:
            InputError: the content is damaged, or belongs to another search.
        """
        checksum, state = content[:CHECKSUM], content[CHECKSUM:]
        if sha256(state).digest() != checksum:
            raise InputError("cannot resume from this checkpoint: delete it (its checksum is wrong)")
        try:
            self.load_state_dict(torch.load(BytesIO(state), map_location="cpu", weights_only=True))
        except (InputError, KeyError, TypeError, UnpicklingError) as error:
            raise InputError(f"cannot resume from this checkpoint: delete it ({error})") from error

    def one_shot(self, archs: Iterable[Arch]) -> list[float]:
        """The validation accuracy of each architecture with the current shared weights, in percent."""
        return [self.weights.accuracy(self.images.validation(), self.method.path(arch)) for arch in archs]


def check_supernet(
    method: type[Method], space: str, config: MethodConfig, task: ImageTask, scale: NetworkScale
) -> None:
    """Raise InputError if the method does not fit the supernet, or the supernet is invalid."""
    method.check_kind(_supernet(space, config, task, scale, torch.Generator()))


def _supernet(space: str, config: MethodConfig, task: ImageTask, scale: NetworkScale, rng: torch.Generator) -> Supernet:
    norm = Norm(config.affine, config.track_running_stats)
    return supernet_config(space, scale, task, norm).build(rng)


def _averages(seen: Sequence[tuple[Tensor, Tensor, int]]) -> tuple[float, float]:
    """(mean loss, accuracy in percent) over all images of an epoch; this makes the host wait for the device."""
    losses, right, counts = zip(*seen, strict=True)
    sizes = torch.tensor(counts, dtype=torch.float64)
    loss = (torch.stack(losses).double().cpu() * sizes).sum() / sizes.sum()
    return float(loss), 100 * float(torch.stack(right).sum()) / sum(counts)


class _Stopwatch:
    """Measures the seconds of each phase; on a GPU, by events of its stream, read only at the end."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._cuda = device, device.type == "cuda"
        self._spans: list[tuple[str, Any, Any]] = []

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = self._now()
        yield
        self._spans.append((phase, start, self._now()))

    def seconds(self) -> dict[str, float]:
        wait_for(self._device)
        spent = dict.fromkeys(PHASES, 0.0)
        for phase, start, end in self._spans:
            spent[phase] += start.elapsed_time(end) / 1000 if self._cuda else end - start
        return spent
