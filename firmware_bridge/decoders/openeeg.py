"""OpenEEG P2, as the Olimex SHIELD-EKG-EMG sends it.

A frame is one scan of 17 bytes: ``A5 5A 02``, a counter of 8 bits, six channels as u16 with the
high byte first, 10 bits used, and a byte of switches, always 01 from the Olimex sketch. No
checksum. The board sends unasked. The Olimex sketch is documented as 256 Hz, but its timer of
whole milliseconds makes it 250 Hz. Its 57600 baud are 58824 on the wire, which USB chips of clones
may see as an error of 2.1 %. Some clones send at 115200 baud.
"""

import numpy as np

from firmware_bridge.decoders.counted import CountedDecoder, require_codes

BAUD = 57_600
OTHER_BAUDS = (115_200,)
N_CHANNELS, BITS = 6, 10
NOMINAL_SFREQ_HZ, REAL_SFREQ_HZ = 256.0, 250.0
LENGTH = 17

_SWITCHES = 0x01  # as the Olimex sketch sends them
_MOST_SWITCHES = 0x0F


class OpenEegDecoder(CountedDecoder):
    """Decoder of OpenEEG P2 frames, six channels always.

    The layout leaves the four switches open: a frame in which they change is accepted only when
    the next one confirms it.
    """

    SYNC = b"\xa5\x5a\x02"

    def __init__(self) -> None:
        super().__init__(LENGTH)

    def _intact(self, frame: bytes) -> bool:
        return max(frame[4:16:2]) <= 0x03 and frame[16] <= _MOST_SWITCHES

    def _count(self, frame: bytes) -> int:
        return frame[3]

    def _usual(self, frame: bytes, last: bytes) -> bool:
        return frame[16] == last[16]

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        high, low = frames[:, 4:16:2].T.astype(np.int32), frames[:, 5:16:2].T
        return high << 8 | low


def encode(counts: np.ndarray, first: int = 0) -> bytes:
    """Return the bytes of scans.

    Parameters
    ----------
    counts
        Codes 0..1023, (n_channels, n_scans); channels up to the sixth are sent as 0.
    first
        Index of the first of them, which its counter comes from.
    """
    codes = require_codes(counts, 0, 1023)
    n_channels, n_scans = codes.shape
    six = np.zeros((n_scans, N_CHANNELS), ">u2")
    six[:, :n_channels] = codes.T
    frames = np.empty((n_scans, LENGTH), np.uint8)
    frames[:, :3] = list(OpenEegDecoder.SYNC)
    frames[:, 3] = (first + np.arange(n_scans)) % OpenEegDecoder.MODULUS
    frames[:, 4:16] = six.view(np.uint8)
    frames[:, 16] = _SWITCHES
    return frames.tobytes()
