"""The one loop of every weight-sharing search: epochs of weights steps and architecture steps, and what they derive."""

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
from nas_algos.weight_sharing import PHASES
from nas_algos.weight_sharing.method import Method, MethodConfig
from nas_algos.weight_sharing.shared_weights import SharedWeights
from supernets.images.search_batches import Batch, SearchImages
from supernets.images.tasks import ImageTask
from supernets.networks import supernet_config
from supernets.ops import Norm
from supernets.settings import NetworkScale
from supernets.training.devices import wait_for

CHECKSUM = sha256().digest_size
"""Bytes in front of a saved state."""

Progress = Callable[[int, int], None]
"""Told after every step (epochs done before this one times the steps of an epoch + steps done of it, steps of all)."""


class DivergedError(InputError):
    """A loss, or the distribution over architectures, is no longer a number."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did and found."""

    epoch: int  # 1, 2, ...
    weight_loss: float  # cross entropy in nats, mean over the training images as each step saw them
    weight_accuracy: float  # percent of them, on the sampled paths or the mixture that each step trained
    architecture_loss: float  # of the architecture steps, mean; NaN where there were none
    arch: Arch  # derived at the end of the epoch
    validation: float  # percent of all validation images that `arch` classifies right with the shared weights
    probabilities: tuple[tuple[float, ...], ...]  # by decision and option
    seconds: Mapping[str, float]
    """By phase, of this epoch. `weights` prepares the images of a step, too; the pass for `validation` is left out."""

    @property
    def entropy(self) -> float:
        """Of the distribution over options, in nats, mean over decisions."""
        p = np.array(self.probabilities)
        return float(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1).mean())


class SupernetSearch:
    """One run of a method: a pure function of its arguments, on a CPU; the state after each epoch is complete.

    Args:
        seeds: what all random numbers come from.
        device: where network and images are put.

    Raises:
        InputError: the task has no validation images, or the scale or the config is impossible.
    """

    def __init__(
        self,
        method: type[Method],
        config: MethodConfig,
        task: ImageTask,
        scale: NetworkScale,
        seeds: np.random.SeedSequence,
        device: torch.device | str = "cpu",
    ) -> None:
        network_rng, drop_path_rng, method_rng, self.data_rng = (
            torch.Generator().manual_seed(int(seed)) for seed in seeds.generate_state(4, np.uint64) >> np.uint64(1)
        )
        self.config, self.device = config, torch.device(device)
        self._identity = {
            "method": method.__name__,
            "config": asdict(config),
            "scale": asdict(scale),
            "images": task.fingerprint(),
            "seeds": (seeds.entropy, tuple(seeds.spawn_key)),
        }
        self.images = SearchImages(task.to(device), config.batch_size, config.evaluation_batch_size)
        norm = Norm(config.affine, config.track_running_stats)
        network = supernet_config(method.space_name, scale, task, norm).build(network_rng).to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        self.weights = SharedWeights(network, self.images, config, drop_path_rng)
        self.method = method(self.weights, method_rng)
        self.records: list[EpochRecord] = []

    def epochs(self, progress: Progress | None = None) -> Iterator[EpochRecord]:
        """The epochs that are left, each of them added to `records`.

        Raises:
            DivergedError: an epoch's loss or distribution is not finite. The state is then of no use; the one before
                is.
        """
        while len(self.records) < self.config.epochs:
            self.records.append(self._epoch(len(self.records), progress))
            yield self.records[-1]

    def _epoch(self, epoch: int, progress: Progress | None) -> EpochRecord:
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
            if progress:
                progress(epoch * steps + step, self.config.epochs * steps)
        loss, accuracy = _averages(seen)
        architecture_loss = float(torch.stack(architecture_losses).mean()) if architecture_losses else 0.0
        for what, value, rates in (
            ("training loss of the shared weights", loss, "--learning-rate, or --clip 5"),
            ("architecture loss", architecture_loss, "--learning-rate or --arch-learning-rate"),
        ):
            if not np.isfinite(value):
                raise DivergedError(f"the {what} became {value} in epoch {epoch + 1}: give a smaller {rates}")
        if not self.weights.finite():  # the last step's loss is told before it changes the weights
            raise DivergedError(
                f"shared weights became infinite in epoch {epoch + 1}: give a smaller --learning-rate, or --clip 5"
            )
        with watch("controller"):
            method.end_epoch(self.images.validation_batches(self.data_rng))
        probabilities = method.probabilities()
        if not probabilities.isfinite().all():
            raise DivergedError(
                f"the distribution over architectures is no number after epoch {epoch + 1}: give a smaller "
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
            probabilities=tuple(tuple(row) for row in probabilities.tolist()),
            seconds=watch.seconds(),
        )

    def _step(
        self, base: Batch, held_out: Batch, architecture_losses: list[Tensor], watch: _Stopwatch
    ) -> tuple[Tensor, Tensor, int]:
        """(loss, images classified right, images) of the weights step."""

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
        """Everything that the epochs to come depend on, and the records of those that are done.

        The tensors are those of the search, not copies: save them before it goes on.
        """
        return {
            "of": self._identity,
            "records": [asdict(record) for record in self.records],
            "weights": self.weights.state_dict(),
            "method": self.method.state_dict(),
            "data_rng": self.data_rng.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a search with the same arguments; InputError if of another one."""
        of = state.get("of") if isinstance(state, dict) else type(state)
        if of != self._identity:
            raise InputError(f"expected a state of {self._identity}, got one of {of}")
        self.records = [EpochRecord(**record) for record in state["records"]]
        self.weights.load_state_dict(state["weights"])
        self.method.load_state_dict(state["method"])
        self.data_rng.set_state(state["data_rng"])

    def to_bytes(self) -> bytes:
        """`state_dict` as a file's content, with a checksum in front."""
        stream = BytesIO()
        torch.save(self.state_dict(), stream)
        return sha256(stream.getvalue()).digest() + stream.getvalue()

    def resume(self, content: bytes) -> None:
        """Go on from `to_bytes`, of which nothing is executed; InputError if it is damaged or of another search."""
        checksum, state = content[:CHECKSUM], content[CHECKSUM:]
        if sha256(state).digest() != checksum:
            raise InputError("the checkpoint cannot be gone on from: delete it (its checksum is wrong)")
        try:
            self.load_state_dict(torch.load(BytesIO(state), map_location="cpu", weights_only=True))
        except (InputError, KeyError, TypeError, UnpicklingError) as error:
            raise InputError(f"the checkpoint cannot be gone on from: delete it ({error})") from error

    def one_shot(self, archs: Iterable[Arch]) -> list[float]:
        """Percent validation accuracy of each architecture with the shared weights as they are."""
        return [self.weights.accuracy(self.images.validation(), self.method.path(arch)) for arch in archs]


def _averages(seen: Sequence[tuple[Tensor, Tensor, int]]) -> tuple[float, float]:
    """(loss, percent) over all images of an epoch; here the host waits for the device."""
    losses, right, counts = zip(*seen, strict=True)
    sizes = torch.tensor(counts, dtype=torch.float64)
    loss = (torch.stack(losses).double().cpu() * sizes).sum() / sizes.sum()
    return float(loss), 100 * float(torch.stack(right).sum()) / sum(counts)


class _Stopwatch:
    """Seconds spent in each phase; on a GPU those of its stream, without waiting for it in between."""

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
