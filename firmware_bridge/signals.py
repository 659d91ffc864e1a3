"""The test signals of a board, known on both sides, so that a recording can be checked exactly."""

import numpy as np

# Modes of TEST.
NO_TEST, RAMP, SINE, NOISE = range(4)


def test_signal(mode: int, scans: np.ndarray, n_channels: int, bits: int) -> np.ndarray:
    """Return the codes of a test signal of the board.

    Parameters
    ----------
    mode
        `RAMP`, `SINE` or `NOISE`.
    scans
        Indices of the scans, (n_scans,).
    n_channels
        Channels in the stream.
    bits
        Of the converter.

    Returns
    -------
    Codes, int32 of shape (n_channels, n_scans).
    """
    scan = np.asarray(scans, np.uint64) % 2**32
    channel = np.arange(n_channels, dtype=np.uint64)[:, None]
    levels = 2**bits
    if mode == RAMP:
        codes = (scan + 64 * channel) % levels
    elif mode == SINE:
        table = np.rint(levels / 4 * np.sin(2 * np.pi * np.arange(32) / 32))
        codes = levels // 2 + table[(scan + 8 * channel) % 32]
    elif mode == NOISE:
        mixed = (scan * 0x9E3779B1 + channel * 0x85EBCA6B) % 2**32
        codes = (mixed ^ (mixed >> 15)) >> (32 - bits)
    else:
        raise ValueError(f"there is no test signal {mode}")
    return codes.astype(np.int32)
