"""The thread that reads a board: keeps the stream going, whatever happens to board and port."""

import contextlib
import threading
import time
from dataclasses import asdict, replace
from enum import Enum
from fractions import Fraction

from firmware_bridge import frames
from firmware_bridge.assembly import Assembly, Begin
from firmware_bridge.bytelog import CaptureWriter
from firmware_bridge.commands import Commands
from firmware_bridge.decoders import Block, BridgeError, Mark
from firmware_bridge.device_info import DeviceInfo
from firmware_bridge.host_marks import PATIENCE_NS, HostMarks
from firmware_bridge.inbox import Inbox
from firmware_bridge.items import Gap, Lost, Notice, Reconnected, Stalled
from firmware_bridge.link import PORT_ERRORS, Link
from firmware_bridge.ports import identity_of, why_gone
from firmware_bridge.reconnect import find_board

_NS = 1_000_000_000
_STALL_NS = 1 * _NS
# A board that stays silent for so long is asked to start anew, and later reopened.
_ASK_EVERY_NS = 1 * _NS
_START_ANEW_NS = 2 * _NS
_REOPEN_NS = 10 * _NS
# Often at first, so that the delay is known soon.
_PING_NS, _FIRST_PING_NS, _FIRST_NS = 1 * _NS, _NS // 4, 5 * _NS
_ANSWER_S = 1.0
_TRIES, _FOREIGN_TRIES = 3, 5
# Resonators are off by 5000 ppm at the worst.
_WRONG_RATE_PPM = 20_000
_TOO_SLOW = "whatever takes them in was too slow for too long"


class State(Enum):
    """What a device is doing."""

    IDLE = "open, not streaming"
    STARTING = "starting a stream"
    STREAMING = "streaming"
    LOST = "gone, being looked for"
    CLOSED = "closed"


class Reader:
    """Starts the stream, reads it and starts it anew when the board or the port was away.

    Decoding is done here as well, since it is quick; whatever takes time (processing, disk, a
    viewer) is on the other side of the inbox.

    Parameters
    ----------
    link, info
        The open port and the board behind it.
    capture
        Raw capture, if wanted.
    inbox
        Where items go.
    ending
        Set to end.
    test_mode
        Test signal of an EMGT/1 board.

    Attributes
    ----------
    link, info, state, assembly
        As they are now.
    n_stalls, n_restarts, n_losses
        How often nothing came for 1 s, the board began anew by itself, and the port was gone.
    """

    def __init__(
        self,
        link: Link,
        info: DeviceInfo,
        capture: CaptureWriter | None,
        inbox: Inbox,
        ending: threading.Event,
        test_mode: int = frames.NO_TEST,
    ) -> None:
        self.link, self.info = link, info
        self.state = State.IDLE
        self.assembly = Assembly()
        self.n_stalls = self.n_restarts = self.n_losses = 0
        self._identity = identity_of(link.port)
        self._name = link.port
        self._capture, self._inbox, self._ending = capture, inbox, ending
        self._test_mode = test_mode
        self._commands = Commands(link, info.format)
        self._session = time.monotonic_ns() // 1000 % 256
        self._ack: frames.Ack | None = None
        self._has_stopped = False
        self._start_anew = ""
        self._last_scan_ns = self._asked_ns = self._begun_ns = self._ping_ns = 0
        self._n_scans = 0
        self._stalled = False
        self._marks = HostMarks()
        self._n_dropped = 0
        self._doubted = False

    # Starting

    def begin(self, why: str = "") -> None:
        """Start a stream and see it come.

        Raises
        ------
        BridgeError
            If the board refuses or nothing comes.
        One of PORT_ERRORS
            If the port has gone.
        """
        self.state = State.STARTING
        tries = _TRIES if self._commands.is_emgt else _FOREIGN_TRIES
        n_bytes = self.assembly.counts.n_bytes
        for _ in range(tries):
            self._session = (self._session + 1) % 256
            self._start_stream(why)
            if self._ending.is_set() or self._has_started():
                break
        else:
            n_bytes = self.assembly.counts.n_bytes - n_bytes
            raise BridgeError(
                f"{self.link.port}: {n_bytes} bytes came, but no scans as {self.info.title} sends "
                "them: wrong format, number of channels or speed"
                if n_bytes
                else f"{self.link.port}: {self.info.title} was started, but nothing comes"
            )
        self.state = State.STREAMING
        self._start_anew = ""
        self._begun_ns = self._ping_ns = time.monotonic_ns()
        if not self._stalled:
            self._last_scan_ns = self._begun_ns

    def _start_stream(self, why: str) -> None:
        info = self.info
        begin = Begin(
            format=info.format,
            n_channels=info.n_channels,
            sfreq=float(info.sfreq),
            wall_ns=time.time_ns(),
            bits=info.bits,
            session=self._session if self._commands.is_emgt else None,
            why=why,
            time_column=info.time_column,
        )
        now_ns = time.monotonic_ns()
        self._hand_on(self.assembly.begin(begin, now_ns))
        self._note(now_ns, begin=asdict(begin))
        self._ack = None
        self._commands.start(info, self._session, self._test_mode)

    def _has_started(self) -> bool:
        """Wait for the answer to START, or for the first scans of a board that does not answer."""
        before = self.assembly.n_scans
        until = time.monotonic() + _ANSWER_S
        while time.monotonic() < until and not self._ending.is_set():
            self._pump()
            if not self._commands.is_emgt:
                if self.assembly.n_scans > before:
                    return True
                continue
            ack = self._ack
            if ack is None:
                continue
            if ack.status != frames.OK:
                raise BridgeError(
                    f"{self.link.port}: the board refuses {self.info.n_channels} channels at "
                    f"{float(self.info.sfreq):g} Hz: try fewer channels or a lower rate"
                )
            if ack.n_channels != self.info.n_channels:
                raise BridgeError(
                    f"{self.link.port}: {self.info.n_channels} channels were asked for, "
                    f"the board sends {ack.n_channels}"
                )
            self.info = replace(self.info, sfreq=Fraction(ack.fs_num, ack.fs_den))
            return True
        return False

    # The thread

    def run(self) -> None:
        """Read until `ending` is set; then stop the board."""
        try:
            while not self._ending.is_set():
                try:
                    self._stream()
                except (*PORT_ERRORS, BridgeError) as error:
                    self._let_go(why_gone(self.link.port, error))
                    self._find()
            self.halt()
        except Exception as error:
            self.state = State.LOST
            told = BridgeError(f"reading the device ended: {type(error).__name__}: {error}")
            told.__cause__ = error
            self._inbox.end(told)
        else:
            self.state = State.IDLE
            self._inbox.end()

    def _stream(self) -> None:
        while not self._ending.is_set():
            if self._start_anew:
                if self.state is State.STREAMING:
                    self.n_restarts += 1
                    self._notice(f"{self._start_anew}; the stream is started anew")
                    self._end_stream()
                self.begin(self._start_anew)
            self._pump()
            now_ns = time.monotonic_ns()
            self._watch(now_ns)
            self._keep_time(now_ns)
            self._settle_marks(now_ns)
            self._doubt_rate()

    def _pump(self) -> bool:
        """Read once and hand on what it completes; tell whether anything came."""
        data, now_ns = self.link.read()
        self._hand_on(self.assembly.feed(data, now_ns))
        if self.assembly.n_scans > self._n_scans:
            self._n_scans = self.assembly.n_scans
            if self._stalled:
                self._stalled = False
                seconds = (now_ns - self._last_scan_ns) / _NS
                self._put(Stalled(now_ns, seconds, over=True))
            self._last_scan_ns = now_ns
        return bool(data)

    def _hand_on(self, items: list[object]) -> None:
        for item in items:
            match item:
                case Block() | Gap():
                    self._put(item)
                case Mark():
                    if item.source == "host":
                        self._marks.answer(item.code)
                    self._put(item)
                case frames.Ack(cmd=frames.Start.TYPE):
                    self._ack = item
                case frames.Ack(cmd=frames.Stop.TYPE):
                    self._has_stopped = True
                case frames.Ack(status=status) if status != frames.OK:
                    self._notice(f"the board refused command {item.cmd:02X} (status {status})")
                case frames.Log():
                    self._notice(f"the board says: {item.text}")
                case frames.Info() | frames.Status() if self.state is State.STREAMING:
                    self._check(item)

    def _check(self, told: frames.Info | frames.Status) -> None:
        """See from what the board tells whether it still sends the stream we started."""
        if self._start_anew:
            return
        if isinstance(told, frames.Info) and told.boot_id != self.info.boot_id:
            self.info = replace(self.info, boot_id=told.boot_id)
            self._start_anew = "the board was reset"
        elif not told.flags & frames.STREAMING:
            self._start_anew = "the board had stopped"
        elif isinstance(told, frames.Status) and told.session != self._session:
            self._start_anew = "the board sends another stream"

    def _watch(self, now_ns: int) -> None:
        """Raise the alarm when nothing comes, and ask why."""
        silent_ns = now_ns - self._last_scan_ns
        if silent_ns < _STALL_NS:
            return
        if not self._stalled:
            self._stalled = True
            self.n_stalls += 1
            self._asked_ns = 0
            self._put(Stalled(now_ns, silent_ns / _NS, over=False))
        if silent_ns > _REOPEN_NS:
            raise BridgeError(f"nothing came for {silent_ns / _NS:.0f} s")
        if self._commands.is_emgt and now_ns - self._asked_ns > _ASK_EVERY_NS:
            self._asked_ns = now_ns
            self._commands.ident()
        elif silent_ns > _START_ANEW_NS and self._commands.can_start:
            self._start_anew = "nothing came for 2 s"

    def _keep_time(self, now_ns: int) -> None:
        """Ask an EMGT/1 board where on its axis it is."""
        if not self._commands.is_emgt or now_ns < self._ping_ns or self._stalled:
            return
        first = now_ns - self._begun_ns < _FIRST_NS
        self._ping_ns = now_ns + (_FIRST_PING_NS if first else _PING_NS)
        token = now_ns // 1000 % 2**32
        sent_ns = self._commands.ping(token)
        self.assembly.ping(token, sent_ns)
        self._note(sent_ns, ping=token)

    def _doubt_rate(self) -> None:
        """Tell once when the board is far from the rate it was taken to have."""
        clock = self.assembly.clock
        if self._doubted or not clock or not clock.trusted:
            return
        if abs(clock.deviation_ppm) > _WRONG_RATE_PPM:
            self._doubted = True
            self._notice(
                f"the board sends {clock.sfreq_hz:.1f} scans per second, not "
                f"{clock.nominal_hz:g}: give this rate, or is it another board?"
            )

    def _end_stream(self) -> None:
        self._hand_on(self.assembly.end())
        self._note(time.monotonic_ns(), end=True)

    def halt(self) -> None:
        """Stop the board and take in what it has still sent."""
        self._has_stopped = False
        try:
            if self.state is not State.LOST:
                self._stop()
        except PORT_ERRORS as error:
            self._put(Lost(time.monotonic_ns(), why_gone(self.link.port, error)))
        self._settle_marks(time.monotonic_ns() + 2 * PATIENCE_NS)
        self._end_stream()

    def _stop(self) -> None:
        for _ in range(_TRIES if self._commands.is_emgt else 1):
            self._commands.stop()
            until = time.monotonic() + _ANSWER_S
            while not self._has_stopped and time.monotonic() < until:
                came = self._pump()
                # Boards that do not answer have stopped when nothing comes.
                if not self._commands.is_emgt and not (came and self._commands.can_start):
                    return

    # A port that has gone

    def _let_go(self, why: str) -> None:
        self.state = State.LOST
        self._stalled = False
        self.n_losses += 1
        self.link.close()
        self._end_stream()
        self._put(Lost(time.monotonic_ns(), why))

    def _find(self) -> None:
        """Look for the board until it answers or `ending` is set."""
        found = find_board(
            self._name, self._identity, self.info, self._capture, self._ending, self._notice
        )
        if found:
            self.link, now = found
            self.info = replace(self.info, boot_id=now.boot_id)
            self._commands = Commands(self.link, self.info.format)
            self._start_anew = "the port was gone"
            self._put(Reconnected(time.monotonic_ns(), self.link.port))

    # Marks

    def mark(self, code: int) -> None:
        """Mark this moment: by the board where it can, else by the computer's clock."""
        now_ns = time.monotonic_ns()
        if self._commands.is_emgt and self.state is State.STREAMING:
            self._marks.ask(code, now_ns)
            # If the board has gone, the mark is settled without it.
            with contextlib.suppress(*PORT_ERRORS):
                self._commands.mark(code)
        else:
            self._mark_here(code, now_ns)

    def _mark_here(self, code: int, at_ns: int) -> None:
        clock = self.assembly.clock
        self._put(Mark(clock.scan_at(at_ns) if clock else 0.0, code, "host", self._session))

    def _settle_marks(self, now_ns: int) -> None:
        """Place the marks that the board did not answer."""
        for code, asked_ns in self._marks.overdue(now_ns):
            self._mark_here(code, asked_ns)

    # Small things

    def _note(self, now_ns: int, **values: object) -> None:
        if self._capture:
            self._capture.note(now_ns, **values)

    def _notice(self, text: str) -> None:
        self._put(Notice(time.monotonic_ns(), text))

    def _put(self, item: object) -> None:
        """Hand an item over; tell once when some did not fit."""
        lost = self._inbox.lost_scans
        if self._n_dropped and self._inbox.put(
            Notice(time.monotonic_ns(), f"{self._n_dropped} scans were dropped: {_TOO_SLOW}")
        ):
            self._n_dropped = 0
        self._inbox.put(item)
        self._n_dropped += self._inbox.lost_scans - lost
