"""What a device hands out besides blocks of scans and marks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lost:
    """The connection broke; the device is being looked for.

    Attributes
    ----------
    monotonic_ns
        When, on the computer's monotonic clock; so for every item.
    why
        In words.
    """

    monotonic_ns: int
    why: str


@dataclass(frozen=True)
class Reconnected:
    """The device is back and streaming again.

    Attributes
    ----------
    monotonic_ns
        When.
    port
        Where; it may have another name than before.
    """

    monotonic_ns: int
    port: str


@dataclass(frozen=True)
class Gap:
    """Scans are missing before `scan`, and how many is estimated by the computer's clock.

    Gaps that are counted by the device need no such item: there `Block.first` jumps, exactly.

    Attributes
    ----------
    monotonic_ns
        When the first scan after the gap arrived.
    scan
        Index of this scan, the `first` of the next block.
    n_scans
        Length of the gap.
    why
        Why it could not be counted.
    """

    monotonic_ns: int
    scan: int
    n_scans: int
    why: str


@dataclass(frozen=True)
class Stalled:
    """Nothing comes though the device should be streaming, or it comes again.

    Attributes
    ----------
    monotonic_ns
        When this was noticed.
    seconds
        Time without a byte so far.
    over
        Bytes come again.
    """

    monotonic_ns: int
    seconds: float
    over: bool


@dataclass(frozen=True)
class Notice:
    """Something people should know, in plain words.

    Attributes
    ----------
    monotonic_ns
        When.
    text
        What.
    """

    monotonic_ns: int
    text: str
