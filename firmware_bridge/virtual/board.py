"""What a virtual board does at which moment of its own clock; bytes and time are brought to it.

Times here are nanoseconds of the board's clock, which begins when the device is switched on.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

NS = 1_000_000_000
POWER_ON, EXTERNAL, WATCHDOG = 0x01, 0x02, 0x08
_MOST_FRAMES = 256  # made at once
Source = Callable[[int, int], np.ndarray]


@dataclass
class Stream:
    """One stream of scans, from its start to its end, and what became of them.

    Attributes
    ----------
    session, boot_id
        Number of the stream as the host chose it, and of the start of the board.
    sfreq
        Scans per second of the board's clock, exactly.
    channels
        Rows of the source, in the order in which they are sent.
    scans_per_frame
        So many are sent, or lost, together.
    start_ns
        Moment of scan 0.
    due, sent, handed_over
        Scans the converter was due to take; those whose frames went into the sending ring; those
        whose bytes the operating system has taken.
    lost_spans
        (first scan, number of scans) of what was due and never sent.
    overruns
        Scans of these in frames that were dropped because the sending ring was full.
    damaged
        Scans in frames of which byte faults changed something.
    finished
        The board ended it in order, not a fault.
    """

    session: int
    boot_id: int
    sfreq: Fraction
    channels: tuple[int, ...]
    scans_per_frame: int
    start_ns: int
    due: int = 0
    sent: int = 0
    handed_over: int = 0
    lost_spans: list[tuple[int, int]] = field(default_factory=list)
    overruns: int = 0
    damaged: int = 0
    finished: bool = False
    _lost: int = 0

    @property
    def lost(self) -> int:
        """How many scans were due and never sent."""
        return self._lost

    @property
    def next(self) -> int:
        """Index of the first scan that is neither sent nor lost."""
        return self.sent + self._lost

    def lose(self, n: int) -> None:
        """Count the next `n` scans as lost."""
        if not n:
            return
        if self.lost_spans and sum(self.lost_spans[-1]) == self.next:
            self.lost_spans[-1] = (self.lost_spans[-1][0], self.lost_spans[-1][1] + n)
        else:
            self.lost_spans.append((self.next, n))
        self._lost += n

    def position(self, now_ns: int) -> tuple[int, int]:
        """Return the moment on the scan axis: scan, -1 before scan 0, and fraction in 1/65536."""
        step = self.sfreq.denominator * NS
        place = max(-1, (now_ns - self.start_ns) * self.sfreq.numerator * 65536 // step)
        return divmod(place, 65536)

    def moment(self, scan: int) -> int:
        """Return when a scan is taken, ns."""
        step = self.sfreq.denominator * NS
        return self.start_ns - (-scan * step) // self.sfreq.numerator


# Puts bytes that are ready at a moment, with so many scans of a stream in them, into the ring;
# False where it is full.
Send = Callable[[bytes, int, Stream | None, int], bool]


class Board(ABC):
    """The part that all boards share: taking scans when they are due.

    Attributes
    ----------
    stream
        The running stream, or None.
    streams
        All so far.
    reset_asked
        The host told the board to restart, which is for who brings the time to do.
    """

    def __init__(self, source: Source, send: Send) -> None:
        self._source = source
        self._send = send
        self.stream: Stream | None = None
        self.streams: list[Stream] = []
        self.reset_asked = False

    @abstractmethod
    def boot(self, now_ns: int, cause: int) -> None:
        """Start the board anew; the cause is a bit of MCUSR (`POWER_ON` and others)."""

    @abstractmethod
    def receive(self, data: bytes, now_ns: int) -> None:
        """Take in bytes from the host, after `run_until` the same moment."""

    @abstractmethod
    def press_button(self, code: int, now_ns: int) -> None:
        """Mark a moment of the stream by the button of the board, if the format has marks."""

    @abstractmethod
    def _frame(self, stream: Stream, first: int, counts: np.ndarray) -> bytes:
        """Return the bytes of consecutive scans."""

    def _counts(self, stream: Stream, first: int, n: int) -> np.ndarray:
        return self._source(first, n)[list(stream.channels)]

    def _catch_up(self, now_ns: int) -> None:
        if self.stream:
            self.stream.due = max(self.stream.due, self.stream.position(now_ns)[0] + 1)

    def power_off(self, now_ns: int) -> None:
        """End everything at once; what was due and waited for its frame to be full is gone."""
        self._catch_up(now_ns)
        self.stream = None

    def skip_until(self, now_ns: int) -> None:
        """Lose what was due while the board hung."""
        self._catch_up(now_ns)
        if self.stream:
            self.stream.lose(self.stream.due - self.stream.next)

    def run_until(self, now_ns: int) -> None:
        """Send every frame that is full up to and at a moment."""
        self._catch_up(now_ns)
        stream = self.stream
        while stream and (frames := (stream.due - stream.next) // stream.scans_per_frame):
            self._send_frames(stream, min(frames, _MOST_FRAMES), stream.scans_per_frame)

    def finish(self, now_ns: int) -> None:
        """End the stream; what was due is still sent."""
        self.run_until(now_ns)
        if self.stream is None:
            return
        if rest := self.stream.due - self.stream.next:
            self._send_frames(self.stream, 1, rest)
        self.stream.finished = True
        self.stream = None

    def _send_frames(self, stream: Stream, n_frames: int, size: int) -> None:
        first = stream.next
        counts = self._counts(stream, first, n_frames * size)
        for start in range(0, n_frames * size, size):
            wire = self._frame(stream, first + start, counts[:, start : start + size])
            ready_ns = stream.moment(first + start + size - 1)
            if self._send(wire, ready_ns, stream, size):
                stream.sent += size
            else:
                stream.lose(size)
                stream.overruns += size

    def next_ns(self) -> int | None:
        """Return when something is due next."""
        stream = self.stream
        if stream is None:
            return None
        return stream.moment(stream.next + stream.scans_per_frame - 1)
