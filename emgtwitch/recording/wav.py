"""Read WAV files, as SpikeRecorder and other sound tools write them; they state no unit."""

from pathlib import Path

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import COUNTS, Signals, Stated, agreed_rate, to_uv


def read_wav(path: Path, stated: Stated) -> Signals:
    """Read all channels: counts of the converter, or the floating-point numbers of the file.

    Raises
    ------
    InputError
        Damaged, or neither unit nor µV per count is stated.
    """
    from scipy.io import wavfile

    sfreq, samples = wavfile.read(path)
    samples = samples.reshape(len(samples), -1).T
    values = samples.astype(np.float64)
    if _bits(path) == 24:
        values /= 256  # they come in the upper three bytes of four
    unit = COUNTS if samples.dtype.kind in "iu" else None
    if not len(samples) or not samples.size or not np.isfinite(values).all():
        raise InputError(f"{path}: no samples in it, or some that are no number")
    names = [f"channel {index + 1}" for index in range(len(values))]
    data = [
        to_uv(row, unit, stated, f"{path}: {name}") for row, name in zip(values, names, strict=True)
    ]
    return Signals(names, np.array(data), agreed_rate(float(sfreq), stated, path))


def _bits(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(4096)
    return int.from_bytes(head[(start := head.find(b"fmt ") + 22) : start + 2], "little")
