"""A made-up space as unlike a rectangle as spaces come: 2, 3 or 5 choices per decision, a third of them not allowed."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.spaces import Arch, ConstrainedSpace


@dataclass(frozen=True)
class MixedSpace(ConstrainedSpace):
    """`mixed`: strings such as 'b-no-3-y-2-yes', of 5 * 2 * 3 * 3 * 5 * 2 = 900 combinations."""

    name = "mixed"
    decisions = ("area", "branch", "channels", "downsampling", "extent", "fused")  # in the order of ConfigSpace
    choices = (tuple("abcde"), ("no", "yes"), tuple("123"), tuple("xyz"), tuple("12345"), ("no", "yes"))

    def allows(self, arch: Arch) -> bool:
        area, branch, channels, downsampling, extent, _ = arch
        return (area + branch * extent + channels * downsampling) % 3 != 1

    def to_string(self, arch: Arch) -> str:
        return "-".join(self.names(arch))

    def from_string(self, string: str) -> Arch:
        return self.from_names(string.split("-"))


MIXED = MixedSpace()
