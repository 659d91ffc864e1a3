"""The steps of a recording: what comes from the device, and the marks that people set."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from emgtwitch.capture.live import LiveRecording
from emgtwitch.capture.marks import SetMark, TypedMarks
from emgtwitch.event_table import Event
from firmware_bridge.decoders import Block, BridgeError, Mark
from firmware_bridge.device import Device
from firmware_bridge.items import Gap, Lost, Notice, Reconnected, Stalled

_FIRST_S = 10.0
# What is written of marks: texts that find no room in their second lengthen the file. A second has
# room for 340 bytes or more, see `emgtwitch.recording.bdf_recorder`.
_MARKS_BYTES, _MARKS_BYTES_PER_S = 4000.0, 200.0
_MARK_BYTES = 20  # beside its text
_OVERTIME_S = 5.0  # without scans, after which the computer's clock ends a recording


class Marks(Protocol):
    """Where marks come from: `TypedMarks`, `SpooledMarks`, `Audience`."""

    def take(self) -> list[SetMark]:
        """Return the marks set since the last call."""
        ...


def first_items(device: Device) -> list[object]:
    """Return what comes until the first scans have come.

    Raises
    ------
    BridgeError
        The device sends none.
    """
    items: list[object] = []
    until_s = time.monotonic() + _FIRST_S
    while not any(isinstance(item, Block) for item in items):
        if time.monotonic() > until_s:
            raise BridgeError(f"{device.port}: the board does not send; reset it and try again")
        items += device.read(0.1)
    return items


def local_time_of(device: Device, scan: int) -> datetime:
    """Return the local time of a scan of a device; it is now where the device has no clock yet."""
    clock = device.clock
    if clock is None:
        return datetime.now()
    return clock.wall_time_of(scan).astimezone().replace(tzinfo=None)


class Session:
    """Moves scans from a device into growing recordings, and notes what happens on the way.

    Parameters
    ----------
    device
        Open, and started by `run`.
    live
        The recording. One without a recorder keeps no marks.
    marks
        Where marks come from.
    most_scans
        Where the recording ends; None for no end.

    Attributes
    ----------
    first_scan
        Scan of the device that is scan 0 of the recording.
    trouble
        What is wrong at the moment, in words; empty if nothing.
    """

    def __init__(
        self,
        device: Device,
        live: LiveRecording,
        marks: Sequence[Marks] = (),
        most_scans: int | None = None,
    ) -> None:
        self.device, self.live = device, live
        self.first_scan = 0
        self._marks = marks
        self._most_scans = most_scans
        self._begun_s = time.monotonic()
        self._is_past_end = False
        self._marks_bytes, self._marked_s = _MARKS_BYTES, self._begun_s
        self._too_many = False
        self.trouble = ""
        self._said: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether all scans have come, or would have if the board were still sending."""
        if self._most_scans is None:
            return False
        due_s = self._most_scans / self.live.detector.sfreq + _OVERTIME_S
        late = bool(self.trouble) and time.monotonic() - self._begun_s > due_s
        return late or self._is_past_end

    @property
    def nothing_can_be_typed(self) -> bool:
        """Whether typed marks have ended: Ctrl-D."""
        return any(isinstance(source, TypedMarks) and source.ended for source in self._marks)

    @property
    def next_scan(self) -> int:
        """Scan of the device that comes next."""
        return self.first_scan + self.live.n_scans

    def go_on_with(self, live: LiveRecording, marks: Sequence[Marks] = ()) -> None:
        """Let the next scan be scan 0 of another recording, into which all goes from now on."""
        self.first_scan = self.next_scan
        self.live, self._marks = live, marks

    def finish(self, *, stop: bool = True) -> list[Event]:
        """Take in the rest, and account for what should have come until now.

        Parameters
        ----------
        stop
            Stop the board before.
        """
        due = self.live.n_scans
        if self.is_over and self._most_scans is not None:
            due = self._most_scans
        elif self.trouble:
            due = int(self._scan_at(time.time()))
        if stop:
            self.device.stop()
        new = self.step(0)
        return new + self.live.skip(due if self._most_scans is None else min(due, self._most_scans))

    def take_said(self) -> list[str]:
        """Return lines for people, on what happened since the last call."""
        said, self._said = self._said, []
        return said

    def step(self, timeout_s: float) -> list[Event]:
        """Take in what came, waiting at most `timeout_s` for it; return new events."""
        return self.take(self.device.read(timeout_s))

    def take(self, items: Sequence[object]) -> list[Event]:
        """Take in items of the device, and the marks set by now; return new events."""
        new: list[Event] = []
        for item in items:
            match item:
                case Block():
                    self.trouble = ""
                    new += self._take(item)
                case Mark():
                    self._annotate(item.scan - self.first_scan, f"{item.source} {item.code}")
                case Lost() | Reconnected() | Stalled() | Gap() | Notice():
                    self._note(item)
        for source in self._marks:
            for mark in filter(self._has_room, source.take()):
                self._annotate(self._scan_at(mark.time_s), mark.text)
        return new

    def _take(self, block: Block) -> list[Event]:
        """Take in a block, as far as it belongs to the recording."""
        # Scans before the first are those of a recording that was finished while they were lost.
        counts = block.counts[:, max(0, self.first_scan - block.first) :]
        first = max(0, block.first - self.first_scan)
        if self._most_scans is not None:
            self._is_past_end = first + counts.shape[1] >= self._most_scans
            counts = counts[:, : max(0, self._most_scans - first)]
        return self.live.take(first, counts) if counts.shape[1] else []

    def _has_room(self, mark: SetMark) -> bool:
        """Return whether a mark can be kept: a key that is stuck may set any number of them."""
        now_s, n_bytes = time.monotonic(), _MARK_BYTES + len(mark.text.encode())
        more = _MARKS_BYTES_PER_S * (now_s - self._marked_s)
        self._marks_bytes, self._marked_s = min(self._marks_bytes + more, _MARKS_BYTES), now_s
        if n_bytes > self._marks_bytes:
            if not self._too_many:
                self._said.append("too many marks at once; not all are kept")
            self._too_many = True
            return False
        self._marks_bytes -= n_bytes
        self._too_many = self._too_many and self._marks_bytes < _MARKS_BYTES / 2
        return True

    def _annotate(self, scan: float, text: str) -> None:
        onset_s = max(0.0, scan) / self.live.detector.sfreq
        if self.live.recorder is None:
            self._said.append(f"nothing is recorded, so no mark is kept: {text}")
            return
        self.live.annotate(onset_s, text)
        self._said.append(f"mark at {onset_s:.1f} s: {text}")

    def _scan_at(self, time_s: float) -> float:
        """Return the scan at a time of day, by the fitted clock; by what has come without one."""
        clock = self.device.clock
        # The clock of the computer may have been set in between.
        ago_s = min(max(0.0, time.time() - time_s), time.monotonic() - self._begun_s)
        if clock is None:
            scan = self.live.n_scans - ago_s * self.live.detector.sfreq
        else:
            scan = clock.scan_at(time.monotonic_ns() - round(ago_s * 1e9)) - self.first_scan
        return max(0.0, scan)

    def _note(self, item: Lost | Reconnected | Stalled | Gap | Notice) -> None:
        now = f"{datetime.now():%H:%M:%S}"
        match item:
            case Lost():
                self.trouble = f"signal lost since {self.trouble[-len(now) :] or now}"
                self._said.append(f"connection lost ({item.why}); looking for the board")
            case Reconnected():
                self._said.append(f"the board is back on {item.port}")
            case Stalled(over=True):
                self._said.append(f"data come again after {item.seconds:.1f} s")
            case Stalled():
                self.trouble = self.trouble or f"no data since {now}"
                self._said.append("the board is silent; is its cable loose?")
            case Gap():
                seconds = item.n_scans / self.live.detector.sfreq
                self._said.append(f"about {seconds:.1f} s are missing: {item.why}")
            case Notice():
                self._said.append(item.text)
