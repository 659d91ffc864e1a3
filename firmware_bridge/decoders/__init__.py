"""Decoders: bytes of a board, cut in any way, become blocks of scans.

A scan is one sample of every channel. Each format is a module with a class that has `feed` and
`statistics`, as `Decoder` says, and a function that makes the same bytes from scans.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


class BridgeError(Exception):
    """The board, the port or the format asked for cannot be used; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive scans, none missing inside.

    Attributes
    ----------
    first
        Index of the first scan, counted from the start of the stream with those that were lost,
        where the format lets them be counted.
    counts
        Codes of the converter, as sent: int32 of shape (n_channels, n_scans).
    session
        Number of the stream; a board that starts anew changes it. 0 where the format has none.
    clipped
        Bit k is set where the board saw channel k at a limit of its converter.
    test_signal
        The board sends a signal of its own, not its inputs.
    """

    first: int
    counts: np.ndarray
    session: int = 0
    clipped: int = 0
    test_signal: bool = False


@dataclass(frozen=True)
class Mark:
    """A moment that somebody marked, at the board or through it.

    Attributes
    ----------
    scan
        Index of the scan, with its fraction, on the axis of `Block.first`.
    code
        What was marked, a number of 16 bits.
    source
        Who marked: ``host``, ``button`` or ``pin``.
    session
        As in `Block`.
    """

    scan: float
    code: int
    source: str
    session: int = 0


@dataclass
class Statistics:
    """What a decoder has seen so far.

    Attributes
    ----------
    n_bytes, n_frames, n_scans
        Bytes fed, frames (or lines) accepted, scans handed out.
    lost_scans
        Scans that the sequence evidence of the format proves lost.
    rejected
        Frames or bytes thrown away, by reason.
    """

    n_bytes: int = 0
    n_frames: int = 0
    n_scans: int = 0
    lost_scans: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class Decoder(Protocol):
    """What every format offers.

    Attributes
    ----------
    statistics
        Counters, never reset.
    """

    statistics: Statistics

    def feed(self, data: bytes) -> list[object]:
        """Take in bytes and return what they complete, in order: `Block`, `Mark` and others.

        Joined, the result is the same for every cutting of the bytes. Memory is bounded, no byte
        raises.
        """
        ...
