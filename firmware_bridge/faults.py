"""What can go wrong between a board and its reader, on demand and the same for the same seed."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from firmware_bridge.decoders import BridgeError

_MOST_PPM = 100_000.0
What = Literal["stall", "go_on", "reset", "unplug", "plug", "garble", "clear"]


@dataclass(frozen=True)
class Faults:
    """Faults of a virtual device.

    Moments are seconds of the board's own clock after scan 0 of its first stream, so that they
    hit the same scans in every run.

    Attributes
    ----------
    seed
        Start of the random streams of the byte faults.
    drop, flip, duplicate
        Probability per byte from the board that it is lost, has one bit inverted, comes twice.
    coalesce_ms
        Bytes are handed over in lumps, this often. FTDI adapters wait up to 16 ms; the Uno's
        USB chip 4.096 ms.
    stalls
        (moment, length) in which the board hangs: it sends and answers nothing, its scans are
        lost, and afterwards it counts them.
    resets
        Moments at which the board starts anew.
    unplugs
        (moment, length) without the cable, and so without power.
    wrong_baud
        (moment, length) in which every byte, both ways, arrives as a random one.
    rate_error_ppm
        How much faster than it says the clock of the board runs.

    Raises
    ------
    BridgeError
        A value is impossible, or two of the moments overlap.
    """

    seed: int = 0
    drop: float = 0.0
    flip: float = 0.0
    duplicate: float = 0.0
    coalesce_ms: float = 0.0
    stalls: tuple[tuple[float, float], ...] = ()
    resets: tuple[float, ...] = ()
    unplugs: tuple[tuple[float, float], ...] = ()
    wrong_baud: tuple[tuple[float, float], ...] = ()
    rate_error_ppm: float = 0.0

    def __post_init__(self) -> None:
        for name in ("drop", "flip", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise BridgeError(f"{name} {getattr(self, name):g}: a probability is 0 to 1")
        if not abs(self.rate_error_ppm) <= _MOST_PPM:
            raise BridgeError(f"rate error {self.rate_error_ppm:g} ppm: at most {_MOST_PPM:g}")
        if self.seed < 0:
            raise BridgeError(f"seed {self.seed}: must not be negative")
        times: dict[str, Iterable[tuple[float, ...]]] = {
            "coalesce-ms": [(self.coalesce_ms,)],
            "stall": self.stalls,
            "reset": [(at,) for at in self.resets],
            "unplug": self.unplugs,
            "wrong-baud": self.wrong_baud,
        }
        for name, spans in times.items():
            for span in spans:
                if not all(0 <= time < math.inf for time in span):
                    told = ":".join(f"{time:g}" for time in span)
                    raise BridgeError(f"{name} {told}: times are finite numbers, 0 or more")
        spans = sorted((*self.stalls, *self.unplugs, *((at, 0.0) for at in self.resets)))
        for (at, length), (later, _) in pairwise(spans):
            if later <= at + length:
                raise BridgeError(f"faults at {at:g} s and {later:g} s overlap")

    def timeline(self) -> list[tuple[float, What]]:
        """Return the moments, s, at which something begins or ends, in order."""
        spans: list[tuple[tuple[tuple[float, float], ...], What, What]] = [
            (self.stalls, "stall", "go_on"),
            (self.unplugs, "unplug", "plug"),
            (self.wrong_baud, "garble", "clear"),
        ]
        moments: list[tuple[float, What]] = [(at, "reset") for at in self.resets]
        for each, begin, end in spans:
            for at, length in each:
                moments += [(at, begin), (at + length, end)]
        return sorted(moments, key=lambda moment: moment[0])


class ByteFaults:
    """Damages the bytes that a board sends.

    What happens to a byte depends on the seed, on what kind of bytes it belongs to, and on how
    many of that kind came before; not on when it is sent, nor in which pieces.

    Attributes
    ----------
    dropped, flipped, duplicated
        Bytes so far.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        seeds = np.random.SeedSequence(faults.seed).spawn(3)
        # The data of a stream have a random stream of their own: how many answers and reports
        # come in between depends on the host and on the time.
        self._data, self._other, self._noise = map(np.random.default_rng, seeds)
        self.dropped = self.flipped = self.duplicated = 0

    def damage(self, wire: bytes, is_data: bool) -> bytes:
        """Return what arrives of `wire`."""
        faults = self._faults
        if not (faults.drop or faults.flip or faults.duplicate):
            return wire
        rng = self._data if is_data else self._other
        drop, flip, duplicate, bit = rng.random((len(wire), 4)).T
        kept = drop >= faults.drop
        flipped = kept & (flip < faults.flip)
        twice = kept & (duplicate < faults.duplicate)
        self.dropped += int((~kept).sum())
        self.flipped += int(flipped.sum())
        self.duplicated += int(twice.sum())
        mask = np.where(flipped, 1 << (8 * bit).astype(np.uint8), 0).astype(np.uint8)
        arrived = np.frombuffer(wire, np.uint8) ^ mask
        return np.repeat(arrived, kept + twice.astype(int)).tobytes()

    def garble(self, data: bytes) -> bytes:
        """Return as many random bytes: what a reader at another baud rate might see."""
        return self._noise.bytes(len(data))
