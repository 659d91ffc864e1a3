"""Lines of numbers, as sketches print them for the Arduino Serial Plotter.

A line is one scan: numbers, or ``name:number``, between ``,`` ``;`` or tab, or else spaces; a
separator at the end is ignored. Lines end with CR, LF or both. There is no counter and no
checksum. How fast scans come is up to the sketch. If it prints as fast as it can, the rate depends
on the number of digits, and so on the signal itself: a column with the board's clock is needed.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from firmware_bridge.decoders import Block, BridgeError, Statistics

BAUD = 115_200
OTHER_BAUDS = (9_600, 57_600, 230_400, 250_000, 500_000, 1_000_000)
N_CHANNELS = 2
LONGEST_LINE = 512

# The board's clocks and their ticks per second; both are u32 and wrap: `micros` after 71.6 min.
TICKS_PER_S = {"us": 1_000_000, "ms": 1_000}
_WRAP = 2**32
_LONGEST_STEP_S = 1.0  # that needs no confirmation
_LONGEST_GAP_S = 60.0  # that is not taken for another start of the board
_TIME_NAMES = {
    **dict.fromkeys(("micros", "us", "timeus", "tus", "timestampus", "microseconds"), "us"),
    **dict.fromkeys(("millis", "ms", "timems", "tms", "timestampms", "milliseconds"), "ms"),
}

_LINE_END = re.compile(rb"[\r\n]")
_AFTER_NAME = re.compile(rb": +")
_SEPARATOR = re.compile(rb" *[,;\t][ \t]*")
_NUMBER = re.compile(
    rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?|ovf)", re.IGNORECASE
)
_NAME = re.compile(r"[^\W\d][^,;:\t\r\n]{0,39}")
_DIGIT, _STRANGE = re.compile(rb"\d"), re.compile(rb"[^\d+\-.,;: \t]")


@dataclass(frozen=True, eq=False)
class TimedBlock(Block):
    """Scans with the board's own time of each.

    Attributes
    ----------
    time_s
        Shape (n_scans,); the wraps of the board's clock are undone. It begins anew with a session.
    """

    time_s: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass
class _Scan:
    """A line of numbers: its names (none, or one for each), and the lines lost before it."""

    names: tuple[str, ...]
    values: list[bytes]
    lost: int
    session: int = 0
    raw_ticks: int = 0  # the board's clock, as sent
    ticks: int = 0  # without wraps

    def agrees(self, other: "_Scan") -> bool:
        return self.names == other.names and len(self.values) == len(other.values)

    def ticks_since(self, other: "_Scan") -> int:
        return (self.raw_ticks - other.raw_ticks) % _WRAP

    def continue_clock(self, before: Sequence["_Scan"], ticks_per_s: int) -> None:
        """Set session and ticks; `before` are the last scans, one or two."""
        last = before[-1]
        self.session, ahead = last.session, self.ticks_since(last)
        if ahead <= _LONGEST_GAP_S * ticks_per_s:
            self.ticks = last.ticks + ahead
        elif self.ticks_since(before[0]) <= _LONGEST_STEP_S * ticks_per_s:
            # A wrong digit had put the clock ahead.
            self.ticks = last.ticks + ahead - _WRAP
        else:
            self.session += 1


class TextDecoder:
    """Decoder of lines of numbers: `Block`, or `TimedBlock` if there is a time column.

    The first line may be cut off and is not taken for a scan. The number of columns, and the names
    in front of the numbers, are those of the first two scans in a row that agree; lines with
    others are rejected. A line of names right before the first scans, separated by more than
    spaces, names the columns. A time column is known by its name (``micros``, ``time_us``,
    ``millis``, ``time (ms)`` and the like) or given, never guessed. Time that steps back,
    or ahead by more than 1 s, must be confirmed by the next scan; a confirmed step back, or ahead
    by more than 60 s, is a board that started anew, and another session.

    Codes are int32 in blocks of whole numbers. In others they are float64, and NaN where a
    sketch prints ``nan``, ``inf`` or ``ovf``.

    A rejected line made mostly of digits is a lost scan (more, if it has as many columns); what
    leaves no line behind is unseen. A changed or missing digit cannot be seen at all.

    Parameters
    ----------
    n_channels
        None takes as many as the scans have.
    time_column
        The place, from 0, of the board's clock, a whole number of 32 bits, and its unit, ``us`` or
        ``ms``. It has to be given to a decoder that will not see the names.

    Attributes
    ----------
    statistics
        `rejected` counts lines: "partial" (the first), "too long", "text", "columns", "names",
        "clock".
    n_channels
        None until known.
    ch_names
        Names of the channels, empty if there are none.
    time_column
        As given, or as the names told.

    Raises
    ------
    BridgeError
        If `time_column` cannot be.
    """

    def __init__(
        self, n_channels: int | None = None, time_column: tuple[int, str] | None = None
    ) -> None:
        if time_column is not None and (time_column[0] < 0 or time_column[1] not in TICKS_PER_S):
            raise BridgeError(f"time column {time_column}: its place, from 0, and us or ms")
        self.statistics = Statistics()
        self.n_channels = n_channels
        self.ch_names: tuple[str, ...] = ()
        self.time_column = time_column
        self._header: tuple[str, ...] = ()
        self._model: _Scan | None = None  # all scans agree with it; None: not known yet
        self._held: _Scan | None = None  # to be confirmed by the next one
        self._line = b""  # begun, without an end so far
        self._n_lines = 0
        self._lost = 0  # scans since the last line that was read as one
        self._next = 0  # index of the next scan
        self._before: list[_Scan] = []  # the last two accepted ones

    def feed(self, data: bytes) -> list[object]:
        """Take in bytes and return the blocks that they complete."""
        self.statistics.n_bytes += len(data)
        *lines, begun = _LINE_END.split(self._line + data)
        self._line = begun[: LONGEST_LINE + 1]
        blocks: list[object] = []
        together: list[_Scan] = []
        for line in lines:
            scan = self._read(line)
            self._n_lines += 1
            for accepted in self._accept(scan) if scan else ():
                if together and (accepted.lost or accepted.session != together[-1].session):
                    blocks.append(self._block(together))
                    together = []
                together.append(accepted)
        if together:
            blocks.append(self._block(together))
        return blocks

    def _read(self, line: bytes) -> _Scan | None:
        """Return the scan in a line without its end; None if there is none."""
        if len(line) > LONGEST_LINE:
            self._reject("too long")
            return None
        line = line.strip(b" \t")
        if not line:
            return None
        separated = _SEPARATOR.split(line)
        fields = separated if len(separated) > 1 else _AFTER_NAME.sub(b":", line).split()
        if b":" in line and not all(b":" in field for field in fields):
            fields = separated  # spaces inside a name
        if not fields[-1]:
            fields = fields[:-1]
        if not fields:
            return None
        parts = [field.rpartition(b":") for field in fields]
        values = [value.strip() for _, _, value in parts]
        if all(map(_NUMBER.fullmatch, values)):
            names = _names([name for name, _, _ in parts]) if b":" in line else ()
            if names is None or not self._n_lines:
                self._reject("text" if names is None else "partial")
                return None
            lost, self._lost = self._lost, 0
            return _Scan(names, values, lost)
        header = _names(fields) if len(separated) > 1 and self._model is None else None
        if header:
            self._header = header
        else:
            of_digits = len(_STRANGE.findall(line)) < len(_DIGIT.findall(line))
            self._reject("text", int(of_digits))
        return None

    def _reject(self, reason: str, lost: int = 0) -> None:
        """Count a line, and the scans that it stands for."""
        self.statistics.rejected[reason] += 1
        self._lost += lost

    def _accept(self, scan: _Scan) -> list[_Scan]:
        """Return the scans that are accepted now that this one has come."""
        if self._model is None:
            return self._learn(scan)
        if scan.agrees(self._model):
            return self._on_clock(scan)
        reason = "columns" if scan.names == self._model.names else "names"
        self._reject(reason, scan.lost + math.ceil(len(scan.values) / len(self._model.values)))
        return []

    def _learn(self, scan: _Scan) -> list[_Scan]:
        """Learn the columns from two scans in a row that agree."""
        held, self._held = self._held, scan
        if held is None:
            return []
        names = scan.names or (self._header if len(self._header) == len(scan.values) else ())
        time = self.time_column or _time_column(names)
        n_channels = len(scan.values) - (time is not None)
        is_possible = n_channels > 0 and (time is None or time[0] <= n_channels)
        is_right = is_possible and self.n_channels in (None, n_channels)
        if not is_right or not held.agrees(scan):
            self._reject("columns")
            return []
        self._model, self._held = scan, None
        self.n_channels, self.time_column = n_channels, time
        self.ch_names = tuple(n for k, n in enumerate(names) if time is None or k != time[0])
        held.lost = 0
        return self._on_clock(held) + self._on_clock(scan)

    def _on_clock(self, scan: _Scan) -> list[_Scan]:
        """Return the scans whose time is plausible, or confirmed, now that this one has come."""
        if self.time_column is None:
            return [scan]
        column, unit = self.time_column
        ticks = scan.values[column]
        if not ticks.isdigit() or int(ticks) >= _WRAP:
            self._reject("clock", scan.lost + 1)
            return []
        scan.raw_ticks = scan.ticks = int(ticks)
        longest = _LONGEST_STEP_S * TICKS_PER_S[unit]
        held, self._held = self._held, None
        if not self._before or scan.ticks_since(self._before[-1]) <= longest:
            accepted = [scan]
        elif held and scan.ticks_since(held) <= longest:
            accepted, held = [held, scan], None
        else:
            accepted, self._held = [], scan
        if held:
            self.statistics.rejected["clock"] += 1
            scan.lost += held.lost + 1
        for each in accepted:
            if self._before:
                each.continue_clock(self._before, TICKS_PER_S[unit])
            self._before = [*self._before[-1:], each]
        return accepted

    def _block(self, scans: Sequence[_Scan]) -> Block:
        """Return the block of scans in a row."""
        lost, session = scans[0].lost, scans[0].session
        first = self._next + lost
        self._next = first + len(scans)
        self.statistics.lost_scans += lost
        self.statistics.n_frames += len(scans)
        self.statistics.n_scans += len(scans)
        values = np.array([list(map(_number, scan.values)) for scan in scans]).T.copy()
        if self.time_column is None:
            return Block(first, _whole(values), session)
        column, unit = self.time_column
        counts = _whole(np.delete(values, column, axis=0))
        time_s = np.array([scan.ticks for scan in scans]) / TICKS_PER_S[unit]
        return TimedBlock(first, counts, session, time_s=time_s)


def _names(fields: Sequence[bytes]) -> tuple[str, ...] | None:
    """Return the fields as names, or None if one of them is no name."""
    try:
        names = tuple(each.decode().strip() for each in fields)
    except UnicodeDecodeError:
        return None
    return names if all(map(_NAME.fullmatch, names)) else None


def _time_column(names: Sequence[str]) -> tuple[int, str] | None:
    """Return column and unit of the first name that says it is the board's clock."""
    for column, name in enumerate(names):
        unit = _TIME_NAMES.get(re.sub(r"[ _()\[\]]", "", name.lower()))
        if unit:
            return column, unit
    return None


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:  # ovf
        return math.nan


def _whole(values: np.ndarray) -> np.ndarray:
    """Return values as int32 if all of them are such, else as float64 with NaN for infinities."""
    if (np.abs(values) < 2**31).all() and (values == np.rint(values)).all():
        return values.astype(np.int32)
    return np.where(np.isfinite(values), values, math.nan)


def encode(
    counts: np.ndarray,
    first: int = 0,
    *,
    ch_names: Sequence[str] = (),
    step_us: float | None = None,
) -> bytes:
    """Return the bytes that a sketch prints.

    Parameters
    ----------
    counts
        Whole or other numbers, (n_channels, n_scans).
    first
        Index of the first of them. Index 0 comes after an empty line, or the header if there is
        one, because a first line is never taken for a scan.
    ch_names
        Names for a header.
    step_us
        Adds a first column and name ``micros``: this many microseconds per scan, modulo 2^32.
    """
    rows = np.asarray(counts).T.tolist()
    header = list(ch_names)
    if step_us is not None:
        header = ["micros", *(ch_names or (f"ch{k}" for k in range(len(counts))))]
        rows = [[round((first + k) * step_us) % _WRAP, *row] for k, row in enumerate(rows)]
    lines = [header] * (first == 0) + rows
    return "".join(",".join(map(str, line)) + "\r\n" for line in lines).encode()
