"""A board of somebody else's format, in software: streams what its encoder makes."""

import re
from fractions import Fraction

import numpy as np

from firmware_bridge.decoders import BridgeError, byb, chords
from firmware_bridge.decoders.formats import FORMATS, Format
from firmware_bridge.virtual.board import Board, Send, Source, Stream

_PIECES_PER_S = 200  # so often bytes are sent, several scans at once where there are more


def _chords_board(n_channels: int) -> tuple[str, float, int]:
    """Return name, scans per second and bits of the first Chords board with so many channels."""
    for name, (sfreq, channels, bits) in chords.BOARDS.items():
        if channels == n_channels:
            return name, sfreq, bits
    known = sorted({channels for _, channels, _ in chords.BOARDS.values()})
    raise BridgeError(f"no Chords board has {n_channels} channels: {', '.join(map(str, known))}")


def rate_and_bits(format_: Format, n_channels: int) -> tuple[float | None, int | None]:
    """Return scans per second and resolution of a board; None where it can have any.

    Raises
    ------
    BridgeError
        There is no board of this format with so many channels.
    """
    if format_.name == "chords":
        return _chords_board(n_channels)[1:]
    return format_.real_sfreq_hz(n_channels), format_.bits


def _identity(format_: Format, n_channels: int) -> bytes:
    """Return what the board answers when asked what it is."""
    match format_.name:
        case "byb":
            return byb.encode_message("HWT", "MUSCLESS")
        case "chords":
            return _chords_board(n_channels)[0].encode() + b"\r\n"
        case "cyton":
            return b"OpenBCI V3 8-16 channel\r\nvirtual$$$"
        case "bitalino":
            return b"BITalino_v5.2\n"
    return b""


class ForeignBoard(Board):
    """The board; one without a command to stop streams as soon as it is switched on."""

    def __init__(
        self, source: Source, send: Send, name: str, n_channels: int, sfreq: float
    ) -> None:
        super().__init__(source, send)
        self._format = FORMATS[name]
        real_sfreq, _ = rate_and_bits(self._format, n_channels)
        self._sfreq = Fraction(real_sfreq or sfreq).limit_denominator(1_000_000)
        try:
            self._format.encode(source(0, 1))
        except (ValueError, IndexError) as error:
            raise BridgeError(f"{name} cannot send {n_channels} such channels: {error}") from error
        self._n_channels = n_channels
        self._identity = _identity(self._format, n_channels)
        commands = (self._format.identify, self._format.start(n_channels), self._format.stop)
        self._commands = [command for command in commands if command]
        self._heard = b""
        self._boots = 0

    def boot(self, now_ns: int, cause: int) -> None:
        """Start anew."""
        self._heard = b""
        self._boots += 1
        self.stream = None
        if not self._format.stop:
            self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        self.finish(now_ns)
        size = max(1, int(self._sfreq / _PIECES_PER_S))
        channels = tuple(range(self._n_channels))
        self.stream = Stream(0, self._boots, self._sfreq, channels, size, now_ns)
        self.streams.append(self.stream)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Obey the commands in some bytes from the host."""
        self._heard += data
        at = 0
        for found in re.finditer(b"|".join(map(re.escape, self._commands)) or b"$^", self._heard):
            at = found.end()
            if found.group() == self._format.identify:
                self._send(self._identity, now_ns, None, 0)
            elif found.group() == self._format.stop:
                self.finish(now_ns)
            elif self._format.stop:
                self._begin(now_ns)
        longest = max(map(len, self._commands), default=1)
        self._heard = self._heard[max(at, len(self._heard) - longest + 1) :]

    def press_button(self, code: int, now_ns: int) -> None:
        """Send the message of an event, which only Backyard Brains have."""
        if self._format.name == "byb":
            self._send(byb.encode_message("EVNT", str(code)), now_ns, None, 0)

    def _frame(self, stream: Stream, first: int, counts: np.ndarray) -> bytes:
        # The counter of Chords counts what was sent, not what was due.
        return self._format.encode(counts, stream.sent if self._format.name == "chords" else first)
