"""The BDF+ files that emgtwitch writes, seen from outside: where records lie, what texts say.

Only that dialect: continuous, records of one second, texts in the last signal. Recordings of all
kinds are read by `emgtwitch.read_recording`.
"""

import os
import re
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import Annotation, time_keeping_tal

COUNT_POSITION, COUNT_WIDTH = 236, 8
_FIXED_BYTES = 256
_BYTES_PER_SIGNAL = 256
_BYTES_PER_SAMPLE = 3
_SAMPLES_FIELD = 216  # bytes per signal before the field of the samples in a record
_TAL = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14((?:[^\x14\0]*\x14)+)\0")


@dataclass(frozen=True)
class Layout:
    """Where the records of a file lie.

    Attributes
    ----------
    n_records
        As the header says; -1 while the file grows.
    n_channels, sfreq, text_samples
        Channels without that of the texts, samples in a record of each, and room for the texts in
        samples of three bytes.
    """

    n_records: int
    n_channels: int
    sfreq: int
    text_samples: int

    @property
    def data_start(self) -> int:
        """Position of the first record, in bytes."""
        return _FIXED_BYTES + _BYTES_PER_SIGNAL * (self.n_channels + 1)

    @property
    def text_start(self) -> int:
        """Position of the texts in a record, in bytes."""
        return _BYTES_PER_SAMPLE * self.n_channels * self.sfreq

    @property
    def record_bytes(self) -> int:
        """Length of a record, in bytes."""
        return self.text_start + _BYTES_PER_SAMPLE * self.text_samples

    def position(self, index: int) -> int:
        """Return where a record starts, in bytes."""
        return self.data_start + index * self.record_bytes

    def is_record(self, data: bytes, index: int) -> bool:
        """Return whether these bytes are a whole record that says that it has this index."""
        stamp = time_keeping_tal(index)
        return (
            len(data) == self.record_bytes
            and data[self.text_start : self.text_start + len(stamp)] == stamp
        )

    def counts(self, data: bytes) -> np.ndarray:
        """Return the counts in a record: int32 of shape (n_channels, sfreq)."""
        low_bytes = np.frombuffer(data, np.uint8, self.text_start).reshape(-1, _BYTES_PER_SAMPLE)
        padded = np.zeros((len(low_bytes), 4), np.uint8)
        padded[:, 1:] = low_bytes
        return (padded.view("<i4") >> 8).reshape(self.n_channels, self.sfreq).astype(np.int32)


def read_layout(path: str | os.PathLike[str]) -> Layout:
    """Read the header of a file.

    Raises
    ------
    InputError
        It cannot be read, or is not BDF+ as emgtwitch writes it.
    """
    try:
        with Path(path).open("rb") as file:
            fixed = file.read(_FIXED_BYTES)
            if fixed[:1] != b"\xff" or fixed[192:197] != b"BDF+C":
                raise InputError(f"{path}: not a continuous BDF+ file")
            n_signals = _integer(fixed[252:256], path)
            fields = file.read(_BYTES_PER_SIGNAL * max(n_signals, 0))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if n_signals < 2 or len(fields) < _BYTES_PER_SIGNAL * n_signals:
        raise InputError(f"{path}: its header is damaged")
    if fixed[244:252].strip() != b"1":
        raise InputError(f"{path}: its records are not one second long: not recorded by emgtwitch")
    first = _SAMPLES_FIELD * n_signals
    samples = [
        _integer(fields[start : start + 8], path)
        for start in range(first, first + 8 * n_signals, 8)
    ]
    last_label = fields[16 * (n_signals - 1) : 16 * n_signals].strip()
    *rates, text_samples = samples
    if last_label != b"BDF Annotations" or len(set(rates)) != 1 or min(samples) < 1:
        raise InputError(
            f"{path}: not recorded by emgtwitch: channels of one rate, then texts, were expected"
        )
    n_records = _integer(fixed[COUNT_POSITION : COUNT_POSITION + COUNT_WIDTH], path)
    return Layout(n_records, n_signals - 1, rates[0], text_samples)


def read_record(file: FileIO, layout: Layout, index: int) -> bytes:
    """Return a record, or what of it is there."""
    file.seek(layout.position(index))
    return file.read(layout.record_bytes) or b""


def read_texts(path: str | os.PathLike[str]) -> list[Annotation]:
    """Return the annotations of a finished file: (onset_s, duration_s, text), by onset.

    Raises
    ------
    InputError
        As `read_layout`.
    """
    layout = read_layout(path)
    texts = []
    with Path(path).open("rb", buffering=0) as file:
        for index in range(layout.n_records):
            file.seek(layout.position(index) + layout.text_start)
            data = file.read(layout.record_bytes - layout.text_start) or b""
            texts += [
                (float(onset), float(duration or 0), text.decode("utf-8", "replace"))
                for onset, duration, listed in _TAL.findall(data)
                for text in listed.split(b"\x14")
                if text
            ]
    return sorted(texts, key=lambda text: text[0])


def _integer(field: bytes, path: str | os.PathLike[str]) -> int:
    try:
        return int(field)
    except ValueError as error:
        raise InputError(f"{path}: its header is damaged: {field!r} is no number") from error
