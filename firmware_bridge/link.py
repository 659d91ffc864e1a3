"""An open port: bytes in with the moment they came, bytes out, and both into a raw capture."""

import contextlib
import select
import threading
import time
from collections.abc import Iterator

import serial

from firmware_bridge.bytelog import FROM_BOARD, TO_BOARD, CaptureWriter
from firmware_bridge.decoders import BridgeError
from firmware_bridge.ports import baud_matters, cannot_open

try:
    from termios import error as _TermiosError  # noqa: N812
except ImportError:  # not on Windows
    _TermiosError = OSError  # type: ignore[misc,assignment]

# What reading or writing raises when the port has gone; SerialException is an OSError.
PORT_ERRORS = (OSError, _TermiosError)
# A read waits no longer, so that whoever reads can do something else in between.
WAIT_S = 0.05
_WRITE_TIMEOUT_S = 1.0
_MOST_BYTES = 1 << 16


class Link:
    """A port opened with pyserial, for one reading and several writing threads.

    Parameters
    ----------
    port
        Name of a serial port, or a URL of pyserial: ``socket://``, ``rfc2217://`` and others.
    baud
        Speed of the line, where the port has one.
    capture
        Where the bytes go besides.

    Attributes
    ----------
    port, has_baud
        The port, and whether it has a speed at all.

    Raises
    ------
    BridgeError
        If the port cannot be opened; the message says what to do.
    """

    def __init__(self, port: str, baud: int, capture: CaptureWriter | None = None) -> None:
        self.port = port
        self.has_baud = baud_matters(port)
        self._capture = capture
        self._writing = threading.Lock()
        # pyserial waits for as many bytes as it is asked for, and cannot tell how many there are in
        # a socket: there we wait ourselves.
        self._is_socket = port.startswith("socket://")
        try:
            self._serial = serial.serial_for_url(port, do_not_open=True)
            self._serial.baudrate = baud
            self._serial.timeout = 0 if self._is_socket else WAIT_S
            if not port.startswith("rfc2217://"):  # which does not have it
                self._serial.write_timeout = _WRITE_TIMEOUT_S
            # Two readers of one port would each get half of the bytes.
            with contextlib.suppress(ValueError):
                self._serial.exclusive = True
            self._serial.open()
        except (*PORT_ERRORS, ValueError, OverflowError) as error:
            raise cannot_open(port, error) from error
        self._hurry()

    def _hurry(self) -> None:
        """Let bridges that collect bytes for 16 ms hand them on after 1 ms; Linux only."""
        # Pseudo-terminals refuse it, other systems do not have it.
        with contextlib.suppress(ValueError, AttributeError, *PORT_ERRORS):
            self._serial.set_low_latency_mode(True)

    def set_baud(self, baud: int) -> None:
        """Change the speed of the line; what was not read yet is dropped.

        Raises
        ------
        BridgeError
            The port does not take this speed.
        One of PORT_ERRORS
            If the port has gone.
        """
        try:
            self._serial.baudrate = baud
        except (ValueError, OverflowError) as error:
            raise BridgeError(f"{self.port} cannot be set to {baud} baud") from error
        self._serial.reset_input_buffer()

    def read(self) -> tuple[bytes, int]:
        """Return what has come, after 50 ms at the latest, and the moment of the monotonic clock.

        Raises
        ------
        One of PORT_ERRORS
            If the port has gone.
        """
        port = self._serial
        if self._is_socket:
            select.select([port.fileno()], [], [], WAIT_S)
            data = port.read(_MOST_BYTES)
        else:
            data = port.read(1)
            waiting = min(port.in_waiting, _MOST_BYTES) if data else 0
            if waiting:
                data += port.read(waiting)
        now_ns = time.monotonic_ns()
        if data and self._capture:
            self._capture.write(now_ns, FROM_BOARD, data)
        return data, now_ns

    def listen(self, seconds: float, ending: threading.Event) -> Iterator[bytes]:
        """Yield what comes in so many seconds, also b"" when nothing does, unless `ending` is set.

        Raises
        ------
        One of PORT_ERRORS
            If the port has gone.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until and not ending.is_set():
            yield self.read()[0]

    def write(self, data: bytes) -> int:
        """Send bytes and return the moment before that.

        Raises
        ------
        One of PORT_ERRORS
            If the port has gone or takes nothing for 1 s.
        """
        if not data:
            return time.monotonic_ns()
        with self._writing:
            now_ns = time.monotonic_ns()
            self._serial.write(data)
            if self._capture:
                self._capture.write(now_ns, TO_BOARD, data)
        return now_ns

    def close(self) -> None:
        """Close the port; an error of a port that has gone is nobody's concern any more."""
        connection = getattr(self._serial, "_socket", None)
        with contextlib.suppress(*PORT_ERRORS):
            self._serial.close()
        # pyserial only forgets a connection that the other end has reset.
        if connection:
            connection.close()
