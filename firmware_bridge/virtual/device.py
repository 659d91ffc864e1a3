"""A virtual device: a board in software, opened like a real one, with faults on demand."""

import heapq
import itertools
import math
import os
import select
import threading
import time
from types import TracebackType

import numpy as np

from firmware_bridge import frames
from firmware_bridge.decoders import BridgeError
from firmware_bridge.faults import ByteFaults, Faults
from firmware_bridge.virtual.board import (
    EXTERNAL,
    NS,
    POWER_ON,
    WATCHDOG,
    Board,
    Send,
    Source,
    Stream,
)
from firmware_bridge.virtual.emgt import About, EmgtBoard
from firmware_bridge.virtual.port import PtyPort, TcpPort
from firmware_bridge.virtual.ring import Ring

# The 64 KiB that the serial drivers of operating systems keep for a reader that is late.
RING_BYTES = 65_536
_LONGEST_WAIT_S = 0.02
_LEAP_NS = 50_000_000


class VirtualDevice:
    """A board in software, served on a pseudo-terminal or a TCP port by a thread of its own.

    It does what a board does at the moment at which it is due, however late its thread comes to
    do it: which scans there are depends on the clock only. A reader that does not read fills the
    sending ring; then whole frames are dropped and counted, as on a board. Opening the port
    discards what was not read yet.

    Parameters
    ----------
    source
        ``source(first, n)`` returns codes of any scans, int of shape (n_channels, n); each
        stream begins with its scan 0.
    format
        ``emgt`` or a name of `firmware_bridge.decoders.formats.FORMATS`.
    faults
        What goes wrong.
    about
        What the board tells of itself; by default two channels are ``calf_L`` and ``calf_R``.
    speed
        So much faster than the computer's clock the clock of the board runs. `math.inf`: while
        it streams, as fast as the bytes are read, so that none is ever lost.
    ring_bytes
        Size of the sending ring.
    boot_s
        Time from a start to the first byte, in which the board is deaf.

    Attributes
    ----------
    port, url
        Where it is served: name of the pseudo-terminal, URL for pyserial. None: it is not.
    byte_faults
        What was dropped, flipped and duplicated.

    Raises
    ------
    BridgeError
        The format is unknown, or has not so many channels.
    """

    def __init__(
        self,
        source: Source,
        format: str = "emgt",
        faults: Faults | None = None,
        *,
        about: About | None = None,
        speed: float = 1.0,
        ring_bytes: int = RING_BYTES,
        boot_s: float = 0.0,
    ) -> None:
        self._faults = faults or Faults()
        self.byte_faults = ByteFaults(self._faults)
        n_channels = len(source(0, 1))
        if about is None:
            about = About(("calf_L", "calf_R", *(f"emg{k}" for k in range(3, 9)))[:n_channels])
        self._source = source
        self._board = _board(format, source, self._send, n_channels, about)
        self._ring = Ring(ring_bytes, round(self._faults.coalesce_ms * 1e6))
        self._speed = speed
        self._boot_ns = round(boot_s * NS)
        self._pty: PtyPort | None = None
        self._tcp: TcpPort | None = None
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._error: Exception | None = None
        self._moments: list[tuple[int, int, str]] = []  # ns, order, what: a heap
        self._order = itertools.count()
        self._anchored = False
        self._deaf = self._hung = self._garbled = False
        self._now_ns = 0

    # What a user has

    def serve_pty(self, link: str | os.PathLike[str] | None = None) -> str:
        """Serve on a pseudo-terminal, switch on if it is off, and return the port's name.

        Parameters
        ----------
        link
            A symbolic link to make to it, which stays the same when the device is unplugged.

        Raises
        ------
        BridgeError
            The system has no pseudo-terminals; the link is there and is no link.
        """
        with self._lock:
            self._pty = PtyPort(link)
            self._switch_on()
            return self._pty.name

    def serve_tcp(self, port: int = 0) -> str:
        """Serve on a TCP port of this machine (0: any), switch on, and return pyserial's URL.

        While a client is there, it has the device, and not the pseudo-terminal.

        Raises
        ------
        BridgeError
            The port is taken.
        """
        with self._lock:
            self._tcp = TcpPort(port)
            self._switch_on()
            return self._tcp.url

    @property
    def port(self) -> str | None:
        """Name of the pseudo-terminal, or of the link to it."""
        return self._pty.name if self._pty else None

    @property
    def url(self) -> str | None:
        """What pyserial opens the TCP port by."""
        return self._tcp.url if self._tcp else None

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams so far and what became of their scans."""
        return tuple(self._board.streams)

    @property
    def n_bytes(self) -> int:
        """Bytes handed over so far."""
        return self._ring.n_bytes

    @property
    def failed(self) -> bool:
        """Whether it has stopped by itself; `close` says why."""
        return self._error is not None

    def counts(self, stream: Stream, first: int, n: int) -> np.ndarray:
        """Return the codes of scans of a stream, int of shape (channels of the stream, n)."""
        return self._source(first, n)[list(stream.channels)]

    def monotonic_ns(self, stream: Stream, scan: int) -> int:
        """Return when a scan is taken on the computer's clock; `speed` must be finite."""
        return self._origin[0] + round((stream.moment(scan) - self._origin[1]) / self._pace)

    def press_button(self, code: int = 1) -> None:
        """Mark this moment of the stream as the board's own button does."""
        with self._lock:
            self._tick()
            self._run()
            self._board.press_button(code, self._now_ns)

    def close(self) -> None:
        """Switch off, close the ports and remove the link.

        Raises
        ------
        BridgeError
            The device had stopped by itself; the message says why.
        """
        self._closing = True
        if self._thread:
            self._thread.join()
        for port in self._ports():
            port.unplug()
        self._pty = self._tcp = None
        if self._error:
            raise BridgeError(f"the virtual device failed: {self._error}") from self._error

    def __enter__(self) -> "VirtualDevice":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Time

    def _switch_on(self) -> None:
        if self._thread is None:
            self._pace = 1.0 if math.isinf(self._speed) else self._speed
            self._pace *= 1 + self._faults.rate_error_ppm * 1e-6
            self._origin = (time.monotonic_ns(), 0)
            self._boot(0, POWER_ON)
            self._thread = threading.Thread(target=self._serve, name="device", daemon=True)
            self._thread.start()

    def _tick(self) -> None:
        """Read the clock of the board."""
        host_ns = time.monotonic_ns()
        if math.isinf(self._speed) and self._board.stream:
            leave_ns = self._ring.leave_ns()
            if leave_ns is None or leave_ns > self._now_ns:
                self._now_ns += _LEAP_NS
            self._origin = (host_ns, self._now_ns)
        else:
            since, board_ns = self._origin
            self._now_ns = board_ns + int((host_ns - since) * self._pace)

    def _serve(self) -> None:
        try:
            while not self._closing:
                with self._lock:
                    heard = b"" if self._hung else self._listen()  # left where it is
                    self._tick()
                    self._run()
                    self._obey(heard)
                    self._ring.drain(self._now_ns, self._write)
                self._wait()
        except Exception as error:
            self._error = error

    def _run(self) -> None:
        """Do everything that is due by now, in the order of time."""
        while True:
            if self._board.streams and not self._anchored:
                self._anchored = True
                start_ns = self._board.streams[0].start_ns
                for at_s, what in self._faults.timeline():
                    self._later(start_ns + round(at_s * NS), what)
            if not self._moments or self._moments[0][0] > self._now_ns:
                break
            at_ns, _, event = heapq.heappop(self._moments)
            self._run_board(at_ns)
            self._do(event, at_ns)
        self._run_board(self._now_ns)

    def _run_board(self, until_ns: int) -> None:
        if not (self._deaf or self._hung):
            self._board.run_until(until_ns)

    def _later(self, at_ns: int, what: str) -> None:
        heapq.heappush(self._moments, (at_ns, next(self._order), what))

    def _do(self, what: str, at_ns: int) -> None:
        """Let something begin or end."""
        match what:
            case "boot":
                self._deaf = False
                self._board.boot(at_ns, self._cause)
            case "stall":
                self._hung = True
            case "go_on":
                self._hung = False
                self._board.skip_until(at_ns)
            case "reset":
                self._power_off(at_ns)
                self._boot(at_ns, EXTERNAL)
            case "unplug":
                self._power_off(at_ns)
                for port in self._ports():
                    port.unplug()
            case "plug":
                for port in self._ports():
                    port.plug()
                self._boot(at_ns, POWER_ON)
            case "garble" | "clear":
                self._garbled = what == "garble"

    def _power_off(self, at_ns: int) -> None:
        self._ring.drain(at_ns, self._write)  # what was due before, should it be later by now
        self._ring.clear()
        self._board.power_off(at_ns)
        self._deaf = True
        self._moments = [moment for moment in self._moments if moment[2] != "boot"]
        heapq.heapify(self._moments)

    def _boot(self, at_ns: int, cause: int) -> None:
        self._deaf, self._cause = True, cause
        self._later(at_ns + self._boot_ns, "boot")

    # Bytes

    def _ports(self) -> list[PtyPort | TcpPort]:
        """Return the ports, the one that is preferred first."""
        return [port for port in (self._tcp, self._pty) if port]

    def _port(self) -> PtyPort | TcpPort | None:
        return next((port for port in self._ports() if port.connected), None)

    def _write(self, data: bytes) -> int:
        port = self._port()
        return port.write(data) if port else 0

    def _send(self, wire: bytes, ready_ns: int, stream: Stream | None, n_scans: int) -> bool:
        if not self._ring.fits(len(wire)):
            self._ring.drain(self._now_ns, self._write)
            if not self._ring.fits(len(wire)):
                return False
        arriving = self.byte_faults.damage(wire, is_data=stream is not None)
        if self._garbled:
            arriving = self.byte_faults.garble(arriving)
        if stream and arriving != wire:
            stream.damaged += n_scans
        self._ring.put(arriving, ready_ns, stream, n_scans)
        return True

    def _listen(self) -> bytes:
        """Return what the host sent."""
        heard = b""
        for port in self._ports():
            data, anew = port.read()
            if port is self._port():
                heard = data
                if anew:
                    self._ring.clear()
        return self.byte_faults.garble(heard) if self._garbled else heard

    def _obey(self, heard: bytes) -> None:
        if heard and not self._deaf:
            self._board.receive(heard, self._now_ns)
        if self._board.reset_asked:
            self._board.reset_asked = False
            self._board.power_off(self._now_ns)
            self._boot(self._now_ns, WATCHDOG)

    def _wait(self) -> None:
        """Rest until there is something to do."""
        leave_ns = self._ring.leave_ns()
        full = leave_ns is not None and leave_ns <= self._now_ns
        active = self._port()
        moments = [at for at, *_ in self._moments[:1]]
        if not (self._deaf or self._hung):
            moments.append(self._board.next_ns() or self._now_ns + NS)
        if leave_ns is not None and not full:
            moments.append(leave_ns)
        wait_s = _LONGEST_WAIT_S
        if math.isinf(self._speed) and self._board.stream:
            wait_s *= full
        elif moments:
            wait_s = min(max(0.0, (min(moments) - self._now_ns) / NS / self._pace), wait_s)
        reading = [] if self._hung else [f for port in self._ports() for f in port.sockets()]
        writing = active.sockets() if active and full else []
        if reading or writing:
            select.select(reading, writing, [], wait_s)
        else:
            time.sleep(wait_s)


def _board(format_name: str, source: Source, send: Send, n_channels: int, about: About) -> Board:
    """Return the board of a format."""
    if format_name == "emgt":
        if n_channels > frames.MOST_CHANNELS:
            raise BridgeError(f"EMGT/1 has at most {frames.MOST_CHANNELS} channels")
        if n_channels != len(about.ch_names):
            raise BridgeError(f"{n_channels} channels, but {len(about.ch_names)} names")
        return EmgtBoard(source, send, about)
    # Only now, since boards of other makers are rarely wanted.
    from firmware_bridge.decoders.formats import FORMATS
    from firmware_bridge.virtual.foreign import ForeignBoard

    if format_name not in FORMATS:
        raise BridgeError(f"format {format_name} is unknown: {', '.join(FORMATS)}")
    return ForeignBoard(source, send, format_name, n_channels, about.sfreq)
