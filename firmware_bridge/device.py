"""A board at a port: open it, stream, mark, stop; lost connections come back by themselves."""

import threading
from dataclasses import dataclass
from os import PathLike
from types import TracebackType

from firmware_bridge import frames
from firmware_bridge.assembly import AssemblyCounts
from firmware_bridge.bytelog import CaptureWriter
from firmware_bridge.clock import ClockFit
from firmware_bridge.decoders import BridgeError
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.device_info import DeviceInfo
from firmware_bridge.identify import identify
from firmware_bridge.inbox import Inbox
from firmware_bridge.link import PORT_ERRORS, Link
from firmware_bridge.ports import why_gone
from firmware_bridge.reader import Reader, State

# Eight minutes at 2 kHz; 24 MB with six channels.
QUEUE_SCANS = 1_000_000


@dataclass(frozen=True)
class DeviceStatistics(AssemblyCounts):
    """What was received and lost since `Device.start`.

    Attributes
    ----------
    lost_in_queue
        Scans dropped because nobody took them; they are in `lost_scans` too, not in the counts of
        the line.
    queue_high_water
        Most scans that have waited to be taken.
    n_stalls, n_restarts, n_losses
        How often nothing came for 1 s, the board began anew by itself, and the port was gone.
    """

    lost_in_queue: int = 0
    queue_high_water: int = 0
    n_stalls: int = 0
    n_restarts: int = 0
    n_losses: int = 0


class Device:
    """A board that is open; made by `open_device`, closed at the end of a ``with``.

    One thread at a time may call its methods; `mark` can be called by any.
    """

    def __init__(
        self, link: Link, info: DeviceInfo, capture: CaptureWriter | None, queue_scans: int
    ) -> None:
        self._capture = capture
        self._queue_scans = queue_scans
        self._inbox = Inbox(queue_scans)
        self._ending = threading.Event()
        self._reader = Reader(link, info, capture, self._inbox, self._ending)
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def info(self) -> DeviceInfo:
        """What the board is; its rate is exact after `start`."""
        return self._reader.info

    @property
    def port(self) -> str:
        """Where it is now."""
        return self._reader.link.port

    @property
    def state(self) -> State:
        """What it is doing."""
        return State.CLOSED if self._closed else self._reader.state

    @property
    def clock(self) -> ClockFit | None:
        """The board's clock against the computer's; None before the first scan."""
        return self._reader.assembly.clock

    @property
    def statistics(self) -> DeviceStatistics:
        """What was received and lost since `start`."""
        counts = self._reader.assembly.counts
        told = vars(counts) | {"lost_scans": counts.lost_scans + self._inbox.lost_scans}
        return DeviceStatistics(
            **told,
            lost_in_queue=self._inbox.lost_scans,
            queue_high_water=self._inbox.high_water,
            n_stalls=self._reader.n_stalls,
            n_restarts=self._reader.n_restarts,
            n_losses=self._reader.n_losses,
        )

    @property
    def capture_error(self) -> str | None:
        """Why the raw capture ended early; None while all is well."""
        return self._capture.failed if self._capture else None

    def start(self, test_mode: int = frames.NO_TEST) -> None:
        """Start a stream: scan 0 of a new axis, counters from 0.

        Parameters
        ----------
        test_mode
            An EMGT/1 board sends this test signal (`frames.RAMP` and others), not its inputs.

        Raises
        ------
        BridgeError
            If the board refuses or nothing comes; the message says what to do.
        """
        if self._closed or self._thread:
            raise BridgeError("the device is closed" if self._closed else "it streams already")
        self._ending.clear()
        self._inbox = Inbox(self._queue_scans)
        link, info = self._reader.link, self._reader.info
        self._reader = Reader(link, info, self._capture, self._inbox, self._ending, test_mode)
        try:
            self._reader.begin()
        except PORT_ERRORS as error:
            raise BridgeError(f"{self.port} has gone: {why_gone(self.port, error)}") from error
        except BaseException:
            self._reader.halt()
            raise
        self._thread = threading.Thread(target=self._reader.run, name="device reader", daemon=True)
        self._thread.start()

    def read(self, timeout_s: float = 0.1) -> list[object]:
        """Return everything that has come since the last call, in order, as soon as there is any.

        Returns
        -------
        list
            `Block` and `Mark`, whose scans are on one axis from `start` to `stop`, also when the
            board was reset or away in between; `items.Gap`, `Lost`, `Reconnected`, `Stalled` and
            `Notice`. Empty after the timeout, and at once after `stop` when all is taken.

        Raises
        ------
        BridgeError
            If reading ended because of an error.
        """
        return self._inbox.take(timeout_s)

    def mark(self, code: int) -> None:
        """Mark this moment with a number of 16 bits: a `Mark` comes by `read`.

        The board places it where it can. If it does not within 1 s, or cannot, the computer's clock
        does, so that no mark is lost.
        """
        if not 0 <= code < 1 << 16:
            raise BridgeError(f"mark {code}: codes are 0 to 65535")
        self._reader.mark(code)

    def stop(self) -> None:
        """Stop the stream; what has come and was not read yet can still be read."""
        self._ending.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Stop and close the port; again does nothing."""
        if self._closed:
            return
        try:
            self.stop()
        finally:
            self._closed = True
            self._reader.link.close()
            if self._capture:
                self._capture.close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_device(
    port: str,
    format: str = "auto",
    *,
    n_channels: int | None = None,
    sfreq: float | None = None,
    baud: int | None = None,
    log: str | PathLike[str] | None = None,
    queue_scans: int = QUEUE_SCANS,
) -> Device:
    """Open a port, stop whatever is streaming there, and find out what the board is.

    Parameters
    ----------
    port
        Name of a serial port, or a URL of pyserial (``socket://host:port``, ``rfc2217://...``).
    format
        Name in `decoders.formats.FORMATS`, or ``auto`` to try all.
    n_channels, sfreq, baud
        None leaves it to the board, or to what is usual with the format.
    log
        New file for a raw capture of every byte (``.emgraw``).
    queue_scans
        So many scans may wait to be read; more are dropped and counted.

    Raises
    ------
    BridgeError
        If the port cannot be opened, nothing answers, or not what was asked for; the message says
        what to do.
    """
    if baud is not None and not 0 < baud < 2**31:  # pyserial hands on 32 bits
        raise BridgeError(f"{baud} baud: the speed of a line is above 0 and below 2147483648")
    capture = CaptureWriter(log) if log else None
    link: Link | None = None
    try:
        usual = FORMATS[format].baud if format in FORMATS else frames.BAUD
        link = Link(port, baud or usual, capture)
        info = identify(link, threading.Event(), format, n_channels, sfreq, baud)
    except BaseException as error:
        if link:
            link.close()
        if capture:
            capture.close()
        if isinstance(error, PORT_ERRORS):
            raise BridgeError(f"{port} has gone: {why_gone(port, error)}") from error
        raise
    return Device(link, info, capture, queue_scans)
