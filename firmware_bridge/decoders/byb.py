"""Backyard Brains SpikerShield and SpikerBox family.

A scan is two bytes per channel: ``code >> 7`` and ``code & 7F``; bit 7 is set on the very first
byte of a scan and on no other. No counter, no checksum. Between ``FF FF 01 01 80 FF`` and
``FF FF 01 01 81 FF``, which no sample holds, a board may send text ``TYPE:VALUE;``, as ``HWT:``
with its name and ``EVNT:`` with a digit. The board sends unasked.

The timer of 16 MHz boards is set to 8 · 199 cycles, which is 10050.25 Hz, not the nominal 10 kHz,
shared by the channels. Their 230400 baud are 222222 on the wire.
"""

import re
from dataclasses import dataclass

import numpy as np

from firmware_bridge.decoders import Block, Mark, Statistics
from firmware_bridge.decoders.counted import require_channels, require_codes

BAUD = 222_222
OTHER_BAUDS = (230_400, 500_000)
IDENTIFY = b"b:;\n"
N_CHANNELS, MOST_CHANNELS, BITS = 1, 6, 10
NOMINAL_TOTAL_HZ = 10_000
REAL_TOTAL_HZ = 16e6 / (8 * 199)

_BEGIN, _END = b"\xff\xff\x01\x01\x80\xff", b"\xff\xff\x01\x01\x81\xff"
_LONGEST_MESSAGE = 256
_LONGEST_EVENT = 4  # digits, so that the code fits 16 bits


def start(n_channels: int) -> bytes:
    """Return the command for so many channels; boards that cannot be asked ignore it."""
    return b"conf s:%d;c:%d;\n" % (NOMINAL_TOTAL_HZ // n_channels, n_channels)


@dataclass(frozen=True)
class Message:
    """What a board says of itself: kind ``HWT`` (its type), ``BRD`` and others, and the value."""

    kind: str
    value: str


class BybDecoder:
    """Decoder of Backyard Brains streams: `Block`, `Mark` of EVNT, and `Message`.

    A scan is accepted if it has its exact length, only its first byte has bit 7, each high byte
    fits `bits`, and the next byte begins another scan; so the last scan is held until that byte.
    The remains of damaged scans tell how many were lost: their bytes over the length of a scan,
    rounded. Scans that left nothing behind go unseen.

    Parameters
    ----------
    n_channels
        1..6.
    bits
        10 for shields, 14 for the boxes that answer ``HUMANSB`` or ``UNIBOX``.

    Attributes
    ----------
    statistics
        `rejected` counts "bytes" of damaged scans and "messages" without an end.

    Raises
    ------
    BridgeError
        If no board has so many channels.
    """

    def __init__(self, n_channels: int = N_CHANNELS, bits: int = BITS) -> None:
        require_channels("Backyard Brains", n_channels, MOST_CHANNELS)
        self.statistics = Statistics()
        self._length = 2 * n_channels
        high = (1 << bits) - 1 >> 7
        scan = rb"[\x80-\x%02x][\x00-\x7f](?:[\x00-\x%02x][\x00-\x7f]){%d}"
        scan %= (0x80 | high, high, n_channels - 1)
        self._scans = re.compile(rb"(?:%s)+(?=[\x80-\xff])" % scan)
        self._raw = bytearray()  # not yet told apart: samples or message
        self._samples = b""
        self._next = 0  # index of the next scan
        self._damaged = 0  # bytes since the last accepted scan

    def feed(self, data: bytes) -> list[object]:
        """Take in bytes and return what they complete."""
        self.statistics.n_bytes += len(data)
        raw = self._raw
        raw += data
        found: list[object] = []
        while True:
            begin = raw.find(_BEGIN)
            if begin < 0:
                samples = len(raw) - _may_begin(raw)
                self._take(bytes(raw[:samples]), found)
                del raw[:samples]
                return found
            self._take(bytes(raw[:begin]), found)
            del raw[:begin]
            end = raw.find(_END, len(_BEGIN), _LONGEST_MESSAGE)
            if end >= 0:
                self._read(bytes(raw[len(_BEGIN) : end]), found)
                del raw[: end + len(_END)]
            elif len(raw) < _LONGEST_MESSAGE:
                return found
            else:
                self.statistics.rejected["messages"] += 1
                del raw[: len(_BEGIN)]

    def _take(self, samples: bytes, found: list[object]) -> None:
        """Append the blocks that these bytes of samples complete."""
        buffer = self._samples + samples
        at = 0
        for run in self._scans.finditer(buffer):
            self._damage(run.start() - at)
            at = run.end()
            lost = self._pending(0) if self.statistics.n_frames else 0
            self._damaged = 0
            found.append(self._block(run.group(), lost))
        # What may still become a scan begins with the last byte that has bit 7.
        marked = np.flatnonzero(np.frombuffer(buffer, np.uint8, offset=at) & 0x80)
        rest = at + int(marked[-1]) if len(marked) else len(buffer)
        if len(buffer) - rest > self._length:
            rest = len(buffer)
        self._damage(rest - at)
        self._samples = buffer[rest:]

    def _block(self, scans: bytes, lost: int) -> Block:
        """Return the block of whole scans that come after so many lost ones."""
        pairs = np.frombuffer(scans, np.uint8).reshape(-1, self._length // 2, 2)
        high, low = pairs[:, :, 0].T.astype(np.int32) & 0x7F, pairs[:, :, 1].T
        first = self._next + lost
        self.statistics.lost_scans += lost
        self.statistics.n_frames += len(pairs)
        self.statistics.n_scans += len(pairs)
        self._next = first + len(pairs)
        return Block(first, np.ascontiguousarray(high << 7 | low))

    def _damage(self, n_bytes: int) -> None:
        if n_bytes:
            self.statistics.rejected["bytes"] += n_bytes
            self._damaged += n_bytes

    def _pending(self, held: int) -> int:
        """Return how many scans the damaged bytes, and so many held ones, stand for."""
        return (2 * (self._damaged + held) + self._length) // (2 * self._length)

    def _read(self, text: bytes, found: list[object]) -> None:
        """Append what the text of a message says."""
        for item in text.decode("ascii", "replace").split(";"):
            kind, colon, value = item.strip().partition(":")
            if kind == "EVNT" and value.isdecimal() and len(value) <= _LONGEST_EVENT:
                scan = self._next + self._pending(len(self._samples))
                found.append(Mark(float(scan), int(value), "pin"))
            elif colon:
                found.append(Message(kind, value))


def _may_begin(raw: bytearray) -> int:
    """Return how many bytes at the end may be the beginning of a message."""
    return next((n for n in range(len(_BEGIN) - 1, 0, -1) if raw.endswith(_BEGIN[:n])), 0)


def encode(counts: np.ndarray, first: int = 0, bits: int = BITS) -> bytes:
    """Return the bytes of scans.

    Parameters
    ----------
    counts
        Codes of `bits` bits, (n_channels, n_scans).
    first
        Not sent: the format has no counter.
    bits
        10 or 14.
    """
    codes = require_codes(counts, 0, (1 << bits) - 1)
    pairs = np.stack((codes >> 7, codes & 0x7F), axis=-1).astype(np.uint8)
    pairs[0, :, 0] |= 0x80
    return pairs.swapaxes(0, 1).tobytes()


def encode_message(kind: str, value: str) -> bytes:
    """Return the bytes of a message, as ``EVNT`` and ``1``."""
    return _BEGIN + f"{kind}:{value};".encode("ascii") + _END
