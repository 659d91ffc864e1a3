"""A board with the EMGT/1 firmware, in software: the states and rules of `PROTOCOL.md`."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from firmware_bridge import frames
from firmware_bridge.virtual.board import NS, Board, Send, Source, Stream

_HEAD = len(frames.encode_body(frames.Data(0, 0, 1, 0, 0, b"")))
_PART = frames.LONGEST_BODY - len(frames.encode_body(frames.Info(1, 0, 0, 0, 1, "")))
# Longer packets do not fit the USB chip of an Uno.
_MOST_SCAN_BYTES = 96 - _HEAD - 4
_TIMER_HZ = 16_000_000
_PRESCALERS = (1, 8, 64, 256)
_MOST_SILENCE_S = 86_400


def exact_rate(hz: int) -> Fraction:
    """Return the scans per second that the 16-bit timer of an Uno makes of a rate asked for."""
    for prescaler in _PRESCALERS:
        clocks = (_TIMER_HZ // prescaler + hz // 2) // hz
        if clocks <= 65_536:
            break
    return Fraction(_TIMER_HZ, prescaler * clocks)


@dataclass(frozen=True)
class About:
    """What an EMGT/1 board tells of itself.

    Attributes
    ----------
    ch_names
        One per row of the source.
    sfreq
        Rate it proposes, Hz.
    bits, vref_mv
        Converter.
    gain
        Of the sensors.
    serial
        Identifies the board; may be empty.
    boot_id
        Of its first start; each further start counts one up.
    only_sfreq
        START at any other rate is refused, because the source has only this one.
    """

    ch_names: tuple[str, ...]
    sfreq: int = 2000
    bits: int = 10
    vref_mv: int = 5000
    gain: float = 200.0
    serial: str = ""
    boot_id: int = 1
    only_sfreq: bool = False


class EmgtBoard(Board):
    """The board; the host's bytes come by `receive`, its own go to `send`."""

    def __init__(self, source: Source, send: Send, about: About) -> None:
        super().__init__(source, send)
        self._about = about
        self._boots = 0
        self._hung, self._overruns_told = False, 0

    def boot(self, now_ns: int, cause: int) -> None:
        """Start anew: no stream, all settings and counters as they were at first."""
        self.stream = None
        self._cause = cause
        self._boot_ns = now_ns
        self._boots += 1
        self._boot_id = (self._about.boot_id + self._boots - 1) % 2**32
        self._last: Stream | None = None
        self._reader = frames.PacketReader()
        self._silence_s = 0
        self._text = self._text_wanted = False
        self._test_mode = frames.NO_TEST
        self._second_ns = now_ns + NS
        self._heard_ns = now_ns
        self.reset_asked = False
        self._tell_info(now_ns)

    def _say(self, message: frames.FromDevice, now_ns: int) -> None:
        self._send(frames.encode(message), now_ns, None, 0)

    def _tell_info(self, now_ns: int) -> None:
        about = self._about
        rate = exact_rate(about.sfreq)
        n_channels = len(about.ch_names)
        values = {
            "fw": "virtual-1",
            "board": "virtual",
            "serial": about.serial,
            "nch": n_channels,
            "max_nch": n_channels,
            "fs_num": rate.numerator,
            "fs_den": rate.denominator,
            "bits": about.bits,
            "vref_mv": about.vref_mv,
            "vcc_mv": about.vref_mv,
            "scans_per_frame": self._usual_scans(about.sfreq, n_channels),
            "sources": "host,button",
        }
        for k, name in enumerate(about.ch_names):
            channel = {"name": name, "pin": f"A{k}", "sensor": "simulated", "output": "RAW"}
            channel |= {"gain": f"{about.gain:g}", "skew_us": "0"}
            values |= {f"ch{k}.{key}": value for key, value in channel.items()}
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        parts = [text[start : start + _PART] for start in range(0, len(text), _PART)]
        for number, part in enumerate(parts):
            head = (frames.PROTOCOL, self.stream is not None, self._boot_id, number, len(parts))
            self._say(frames.Info(*head, part), now_ns)

    @staticmethod
    def _most_scans(n_channels: int) -> int:
        return _MOST_SCAN_BYTES // (2 * n_channels)

    def _usual_scans(self, hz: int, n_channels: int) -> int:
        """Return how many scans make a frame if the host does not say: 10 ms, if they fit."""
        return min(max(1, hz // 100), self._most_scans(n_channels))

    def run_until(self, now_ns: int) -> None:
        """Send the scans that are due, and once a second a report."""
        while self._second_ns <= now_ns:
            at_ns = self._second_ns
            self._second_ns += NS
            super().run_until(at_ns)
            self._each_second(at_ns)
        super().run_until(now_ns)

    def next_ns(self) -> int:
        """Return when something is due next."""
        frame_ns = super().next_ns()
        return self._second_ns if frame_ns is None else min(self._second_ns, frame_ns)

    def _each_second(self, now_ns: int) -> None:
        silent_s = (now_ns - self._heard_ns) / NS
        if self.stream and 0 < self._silence_s <= silent_s:
            self.finish(now_ns)
            self._say(frames.Log("stopped: nothing heard from the computer"), now_ns)
        if not (self.stream and self._text):
            self._tell_status(now_ns)

    def finish(self, now_ns: int) -> None:
        """End the stream; what was due is still sent, then its account."""
        if self.stream:
            super().finish(now_ns)
            if not self._text:
                self._tell_status(now_ns)

    def _tell_status(self, now_ns: int) -> None:
        last = self._last
        self._say(
            frames.Status(
                session=last.session if last else 0,
                uptime_ms=(now_ns - self._boot_ns) // 1_000_000 % 2**32,
                scan=last.due % 2**32 if last else 0,
                lost_scans=last.lost % 2**32 if last else 0,
                tx_overruns=last.overruns % 2**16 if last else 0,
                rx_crc_errors=self._reader.rejected.total() % 2**16,
                rx_overruns=0,
                vcc_mv=self._about.vref_mv,
                reset_cause=self._cause,
                flags=frames.STREAMING if self.stream else 0,
            ),
            now_ns,
        )

    # Scans

    def _counts(self, stream: Stream, first: int, n: int) -> np.ndarray:
        if not self._test_mode:
            return super()._counts(stream, first, n)
        scans = np.arange(first, first + n)
        return frames.test_signal(self._test_mode, scans, len(stream.channels), self._about.bits)

    def _frame(self, stream: Stream, first: int, counts: np.ndarray) -> bytes:
        if self._text:
            return "".join(",".join(map(str, scan)) + "\r\n" for scan in counts.T.tolist()).encode()
        highest = 2**self._about.bits - 1
        at_limit = ((counts <= 0) | (counts >= highest)).any(axis=1)
        clip = int(np.packbits(at_limit, bitorder="little")[0])
        flags = frames.TEST_SIGNAL if self._test_mode else 0
        if self._hung:
            flags |= frames.OVERRUN
        if stream.overruns != self._overruns_told:
            flags |= frames.RING_FULL
        self._hung, self._overruns_told = False, stream.overruns
        return frames.encode(frames.Data.of(stream.session, first, counts, flags, clip))

    def skip_until(self, now_ns: int) -> None:
        """Lose what was due while the board hung, and tell so."""
        super().skip_until(now_ns)
        self._hung = True
        while self._second_ns <= now_ns:
            self._second_ns += NS

    # Commands

    def receive(self, data: bytes, now_ns: int) -> None:
        """Obey and answer the commands in some bytes from the host."""
        for body in self._reader.feed(data):
            self._heard_ns = now_ns
            try:
                command = frames.decode(body)
            except frames.FrameError as error:
                known = str(error) == "wrong length"
                status = frames.BAD_LENGTH if known else frames.UNKNOWN_COMMAND
                if len(body) > 1 and body[0] >= frames.Ident.TYPE:
                    self._say(frames.Ack(body[1], body[0], status), now_ns)
                continue
            if isinstance(command, frames.Command):
                self._obey(command, now_ns)

    def _obey(self, command: frames.Command, now_ns: int) -> None:
        status = frames.OK
        match command:
            case frames.Start():
                self._say(self._start(command, now_ns), now_ns)
                return
            case frames.Ping(token=token):
                uptime_us = (now_ns - self._boot_ns) // 1000 % 2**32
                self._say(frames.Pong(token, *self._moment(now_ns), uptime_us), now_ns)
                return
            case frames.Stop() | frames.Reset():
                self.finish(now_ns)
            case frames.MarkCommand(code=code):
                self._mark("host", code, now_ns)
            case frames.Set(key=frames.SILENCE_S, value=value) if value <= _MOST_SILENCE_S:
                self._silence_s = value
            case frames.Set(key=frames.PLOTTER_LINES, value=0 | 1 as value):
                self._text_wanted = bool(value)
            case frames.Test(mode=mode) if mode <= frames.NOISE:
                self._test_mode = mode
            case frames.Set() | frames.Test():
                status = frames.BAD_ARGUMENT
        self._say(frames.Ack(command.seq, command.TYPE, status), now_ns)
        if isinstance(command, frames.Ident):
            self._tell_info(now_ns)
        self.reset_asked |= isinstance(command, frames.Reset)

    def _moment(self, now_ns: int) -> tuple[int, int, int]:
        """Return session, scan and fraction of a moment."""
        scan, sub = self.stream.position(now_ns) if self.stream else (0, 0)
        session = self._last.session if self._last else 0
        return (session, scan % 2**32, sub) if scan >= 0 else (session, 0, 0)

    def press_button(self, code: int, now_ns: int) -> None:
        """Send EVENT: the button marks this moment of the stream."""
        self._mark("button", code, now_ns)

    def _mark(self, source: str, code: int, now_ns: int) -> None:
        if not self.stream or self._text:
            return
        number = frames.SOURCES.index(source)
        self._say(frames.MarkEvent(*self._moment(now_ns), number, code), now_ns)

    def _start(self, command: frames.Start, now_ns: int) -> frames.Ack:
        """Start a stream, after what is left of the one before, and return the answer."""
        about = self._about
        channels = tuple(k for k in range(8) if command.chmask >> k & 1)
        if (
            not channels
            or channels[-1] >= len(about.ch_names)
            or command.n > self._most_scans(len(channels))
            or command.fs == 0
            or (about.only_sfreq and command.fs != about.sfreq)
        ):
            return frames.Ack(command.seq, command.TYPE, frames.BAD_ARGUMENT)
        self.finish(now_ns)
        rate = exact_rate(command.fs)
        size = command.n or self._usual_scans(command.fs, len(channels))
        # The timer runs from 0 on: scan 0 is due when it has gone round once.
        first_ns = now_ns - -NS * rate.denominator // rate.numerator
        stream = Stream(command.session, self._boot_id, rate, channels, size, first_ns)
        self.stream = self._last = stream
        self.streams.append(stream)
        self._text = self._text_wanted
        self._hung, self._overruns_told = False, 0
        started = (rate.numerator, rate.denominator, len(channels), size)
        return frames.Ack(command.seq, command.TYPE, frames.OK, *started)
