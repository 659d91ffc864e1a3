"""BITalino (r)evolution: bits packed tightly, with a counter of 4 bits and a CRC of 4 bits.

Bytes of a frame, one scan, from the last one backwards (A1..A4 have 10 bits, A5 and A6 have 6):

| byte | content |
| --- | --- |
| −1 | counter · 16 + CRC |
| −2 | I1 I2 O1 O2, A1[9:6] |
| −3 | A1[5:0], A2[9:8] |
| −4 | A2[7:0] |
| −5 | A3[9:2] |
| −6 | A3[1:0], A4[9:4] |
| −7 | A4[3:0], A5[5:2] |
| −8 | A5[1:0], A6[5:0] |

Frames of 1..6 channels have 3, 4, 6, 7, 8, 8 bytes. The CRC is that of x^4 + x + 1, starting from
0, most significant bit first, over the frame with the CRC's own place zero; the whole frame, as a
polynomial, is then a multiple of x^4 + x + 1. The digital lines I1..O2 are not decoded.
"""

import numpy as np

from firmware_bridge.decoders.counted import CountedDecoder, require_channels, require_codes

BAUD = 115_200
IDENTIFY, STOP = b"\x07", b"\x00"
N_CHANNELS, BITS = 2, 10
SFREQ_HZ = 1000.0
# EMG sensor at 3.3 V: ±1.64 mV over 10 bits at gain 1009, as remembered from its data sheet and
# not verified.
UV_PER_COUNT = 3.3e6 / 1024 / 1009

_LENGTHS = (0, 3, 4, 6, 7, 8, 8)
_POLYNOMIAL = 0b10011


def _remainder(value: int) -> int:
    for bit in range(value.bit_length() - 1, 3, -1):
        if value >> bit & 1:
            value ^= _POLYNOMIAL << bit - 4
    return value


# Remainder after one more byte: [remainder so far << 8 | byte].
_STEP = [_remainder(value) for value in range(16 << 8)]


def start(n_channels: int) -> bytes:
    """Return the commands that start the first channels at 1000 Hz."""
    return bytes([3 << 6 | 0x03, ((1 << n_channels) - 1) << 2 | 0x01])


class BitalinoDecoder(CountedDecoder):
    """Decoder of BITalino frames.

    There are no bytes to synchronise on and a CRC of 4 bits passes 1 of 16 by chance, more with
    samples that follow a line. So a frame is held until the next one is intact too and has the
    next counter, out of step until two have followed.

    Raises
    ------
    BridgeError
        If no board has so many channels.
    """

    MODULUS = 16
    CONFIRM_IN_STEP = True
    CONFIRM = 2

    def __init__(self, n_channels: int = N_CHANNELS) -> None:
        require_channels("BITalino", n_channels, len(_LENGTHS) - 1)
        super().__init__(_LENGTHS[n_channels])
        self._n_channels = n_channels

    def _intact(self, frame: bytes) -> bool:
        remainder = 0
        for byte in frame:
            remainder = _STEP[remainder << 8 | byte]
        return not remainder

    def _count(self, frame: bytes) -> int:
        return frame[-1] >> 4

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        # Byte -k of the frame is b[k]; missing channels read as zero.
        b = np.zeros((9, len(frames)), np.int32)
        b[1 : self.length + 1] = frames.T[::-1]
        channels = (
            (b[2] & 0x0F) << 6 | b[3] >> 2,
            (b[3] & 0x03) << 8 | b[4],
            b[5] << 2 | b[6] >> 6,
            (b[6] & 0x3F) << 4 | b[7] >> 4,
            (b[7] & 0x0F) << 2 | b[8] >> 6,
            b[8] & 0x3F,
        )
        return np.stack(channels[: self._n_channels])


def encode(counts: np.ndarray, first: int = 0) -> bytes:
    """Return the bytes of scans.

    Parameters
    ----------
    counts
        Codes 0..1023, (n_channels, n_scans), 1..6 channels; 0..63 from the fifth channel on.
    first
        Index of the first of them, which its counter comes from.
    """
    codes = require_codes(counts, 0, 1023)
    require_codes(codes[4:], 0, 63) if len(codes) > 4 else None
    n_channels, n_scans = codes.shape
    if n_channels > 4:
        require_codes(codes[4:], 0, 63)
    a = np.zeros((7, n_scans), np.int64)
    a[1 : n_channels + 1] = codes
    backwards = np.stack(
        (
            (first + np.arange(n_scans)) % BitalinoDecoder.MODULUS << 4,
            a[1] >> 6,
            (a[1] & 0x3F) << 2 | a[2] >> 8,
            a[2] & 0xFF,
            a[3] >> 2,
            (a[3] & 0x03) << 6 | a[4] >> 4,
            (a[4] & 0x0F) << 4 | a[5] >> 2,
            (a[5] & 0x03) << 6 | a[6],
        )
    )
    frames = backwards[: _LENGTHS[n_channels]][::-1].astype(np.uint8)
    remainder = np.zeros(n_scans, np.int64)
    for row in frames:
        remainder = np.array(_STEP)[remainder << 8 | row]
    frames[-1] |= remainder.astype(np.uint8)
    return frames.T.tobytes()
