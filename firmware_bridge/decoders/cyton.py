"""OpenBCI Cyton, eight channels without the Daisy.

A frame is one scan of 33 bytes: ``A0``, a counter of 8 bits, eight channels as signed 24 bits with
the high byte first, six auxiliary bytes (not decoded), and ``C0``..``C6``, which tells what the
auxiliary bytes are. No checksum. The board streams at 250 Hz after `START`. To `RESET` it answers
with text that ends with ``$$$``.
"""

import numpy as np

from firmware_bridge.decoders.counted import CountedDecoder, require_codes

BAUD = 115_200
IDENTIFY = RESET = b"v"
DEFAULTS, START, STOP = b"d", b"b", b"s"
N_CHANNELS, BITS = 8, 24
SFREQ_HZ = 250.0
LENGTH = 33
# Reference 4.5 V, gain 24 (that of DEFAULTS): 0.02235 µV.
UV_PER_COUNT = 4.5e6 / 24 / (2**23 - 1)

_HIGHEST = 2**23 - 1
_END = 0xC0


class CytonDecoder(CountedDecoder):
    """Decoder of Cyton frames, eight channels always.

    One byte to synchronise on and a few values for the last one are weak evidence in 33 bytes, so
    a frame is held until the first byte of the next one has come. The last byte changes only when
    the auxiliary bytes change their meaning: where it does, the whole next frame must confirm it.
    """

    SYNC = b"\xa0"
    CONFIRM_IN_STEP = True

    def __init__(self) -> None:
        super().__init__(LENGTH)

    def _intact(self, frame: bytes) -> bool:
        return _END <= frame[-1] <= _END + 6

    def _count(self, frame: bytes) -> int:
        return frame[1]

    def _usual(self, frame: bytes, last: bytes) -> bool:
        return frame[-1] == last[-1]

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        high, middle, low = (frames[:, 2 + k : 26 : 3].T.astype(np.int32) for k in range(3))
        # In the upper three bytes of int32, so that the shift back extends the sign.
        return (high << 24 | middle << 16 | low << 8) >> 8


def encode(counts: np.ndarray, first: int = 0) -> bytes:
    """Return the bytes of scans.

    Parameters
    ----------
    counts
        Codes −2^23..2^23−1, (n_channels, n_scans); channels up to the eighth are sent as 0.
    first
        Index of the first of them, which its counter comes from.
    """
    codes = require_codes(counts, -_HIGHEST - 1, _HIGHEST)
    n_channels, n_scans = codes.shape
    eight = np.zeros((n_scans, N_CHANNELS), ">i4")
    eight[:, :n_channels] = codes.T
    frames = np.zeros((n_scans, LENGTH), np.uint8)
    frames[:, 0] = CytonDecoder.SYNC[0]
    frames[:, 1] = (first + np.arange(n_scans)) % CytonDecoder.MODULUS
    frames[:, 2:26] = (
        eight.view(np.uint8).reshape(n_scans, N_CHANNELS, 4)[:, :, 1:].reshape(n_scans, 24)
    )
    frames[:, -1] = _END
    return frames.tobytes()
