"""Upside Down Labs Chords (BioAmp EXG Pill and kin).

A frame is one scan: ``C7 7C``, a counter of 8 bits, each channel as u16 with the high byte first,
``01``. No checksum. The counter counts scans that were sent, not scans that were due: what the
board itself skips stays unseen. The board sends after START; any byte it receives stops it.
"""

import numpy as np

from firmware_bridge.decoders.counted import CountedDecoder, require_channels, require_codes

BAUD = 230_400
OTHER_BAUDS = (115_200,)
IDENTIFY, START, STOP = b"WHORU\n", b"START\n", b"STOP\n"
N_CHANNELS, MOST_CHANNELS, BITS = 6, 16, 10
SFREQ_HZ = 250.0  # of the Uno; see BOARDS

# What a board answers to IDENTIFY: scans per second, channels, bits.
BOARDS = {
    "UNO-R3": (250, 6, 10),
    "UNO-CLONE": (250, 6, 10),
    "GENUINO-UNO": (250, 6, 10),
    "NANO-CLONE": (250, 8, 10),
    "NANO-CLASSIC": (250, 8, 10),
    "MEGA-2560-R3": (250, 16, 10),
    "MEGA-2560-CLONE": (250, 16, 10),
    "UNO-R4": (500, 6, 14),
    "RPI-PICO-RP2040": (500, 3, 12),
    "NPG-LITE": (500, 3, 12),
    "STM32F4-BLACK-PILL": (500, 8, 12),
    "STM32G4-CORE-BOARD": (500, 16, 12),
    "GIGA-R1": (500, 6, 16),
}
_END = 0x01


class ChordsDecoder(CountedDecoder):
    """Decoder of Chords frames.

    Parameters
    ----------
    n_channels, bits
        Of the board, see `BOARDS`; a frame with a code beyond `bits` is refused.

    Raises
    ------
    BridgeError
        If no board has so many channels.
    """

    SYNC = b"\xc7\x7c"

    def __init__(self, n_channels: int = N_CHANNELS, bits: int = BITS) -> None:
        require_channels("Chords", n_channels, MOST_CHANNELS)
        super().__init__(2 * n_channels + 4)
        self._highest = (1 << bits) - 1 >> 8

    def _intact(self, frame: bytes) -> bool:
        return frame[-1] == _END and max(frame[3:-1:2]) <= self._highest

    def _count(self, frame: bytes) -> int:
        return frame[2]

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        high, low = frames[:, 3:-1:2].T.astype(np.int32), frames[:, 4:-1:2].T
        return high << 8 | low


def encode(counts: np.ndarray, first: int = 0) -> bytes:
    """Return the bytes of scans.

    Parameters
    ----------
    counts
        Codes 0..65535, (n_channels, n_scans).
    first
        Index of the first of them, which its counter comes from.
    """
    codes = require_codes(counts, 0, 0xFFFF)
    n_channels, n_scans = codes.shape
    frames = np.empty((n_scans, 2 * n_channels + 4), np.uint8)
    frames[:, :2] = list(ChordsDecoder.SYNC)
    frames[:, 2] = (first + np.arange(n_scans)) % ChordsDecoder.MODULUS
    frames[:, 3:-1] = codes.T.astype(">u2", order="C").view(np.uint8)
    frames[:, -1] = _END
    return frames.tobytes()
