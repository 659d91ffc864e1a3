"""Write BDF+ (24-bit EDF+): converter counts unscaled, their calibration in the header.

The layout is that of EDF+ (https://www.edfplus.info/specs/edfplus.html) with three bytes per
sample: a fixed header, then records of one second. The last signal of a record holds its texts
("TALs", time-stamped annotation lists). The header and the records are made by pure functions, so
that a writer that appends one record a second makes the same bytes as `write_bdf`.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emgtwitch.errors import InputError

Annotation = tuple[float, float, str]

MAX_COUNT = 2**23 - 1
UNFINISHED = -1
BAD_GAP = "BAD_gap"
_BYTES_PER_SAMPLE = 3
_LABEL = "BDF Annotations"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write_bdf(
    path: str | os.PathLike[str],
    counts: np.ndarray,
    *,
    sfreq: int,
    ch_names: Sequence[str],
    uv_per_count: float | Sequence[float] | np.ndarray,
    start: datetime,
    annotations: Iterable[Annotation] = (),
    subject: str = "X",
    about: str = "",
) -> None:
    """Write a continuous BDF+ file, whole or not at all; the same input gives the same bytes.

    The counts are stored as they are. A record holds whole seconds: a last, partial second is
    filled with the last count, and the filling is marked by an annotation ``BAD_gap``.

    Parameters
    ----------
    path
        File to write, ending in ``.bdf``.
    counts
        Integers of shape (n_channels, n_samples), each of at most 24 bits, signed.
    sfreq
        Samples per second.
    ch_names
        One label per channel: at most 16 printable ASCII characters, all different.
    uv_per_count
        Microvolts per count, for all channels or one per channel. The header has 7 characters
        for it: what is read back differs by less than 5e-6 of the value.
    start
        Date and time of the first sample, whole seconds, from 1985 to 2084 (limits of EDF).
    annotations
        (onset_s, duration_s, text), in seconds from the first sample.
    subject, about
        Code of the subject, and free text for the recording identification.

    Raises
    ------
    InputError
        What is given cannot be stored in BDF+ without a loss.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] == 0 or counts.dtype.kind not in "iu":
        raise InputError(
            f"counts must be integers of shape (n_channels, n_samples), not {counts.dtype} of "
            f"shape {counts.shape}"
        )
    sfreq = _whole_rate(sfreq)
    texts = list(annotations)
    n_samples = counts.shape[1]
    n_records = -(-n_samples // sfreq)
    if missing := n_records * sfreq - n_samples:
        texts.append((n_samples / sfreq, missing / sfreq, BAD_GAP))
    texts.sort(key=lambda text: text[0])
    # Readers take a text from any record, so that the texts can be spread evenly over them.
    per_record = -(-len(texts) // n_records)
    tals = [
        time_keeping_tal(index)
        + b"".join(tal(*text) for text in texts[index * per_record : (index + 1) * per_record])
        for index in range(n_records)
    ]
    text_samples = -(-max(map(len, tals)) // _BYTES_PER_SAMPLE)
    first = header(
        n_records,
        sfreq=sfreq,
        ch_names=ch_names,
        uv_per_count=uv_per_count,
        start=start,
        text_samples=text_samples,
        subject=subject,
        about=about,
    )
    if len(ch_names) != len(counts):
        raise InputError(f"{len(ch_names)} channel names for {len(counts)} channels")
    with _whole_binary_file(path) as file:
        file.write(first)
        for index, texts_of_record in enumerate(tals):
            block = counts[:, index * sfreq : (index + 1) * sfreq]
            block = np.pad(block, [(0, 0), (0, sfreq - block.shape[1])], mode="edge")
            file.write(record(block, texts_of_record, text_samples))


def header(
    n_records: int,
    *,
    sfreq: int,
    ch_names: Sequence[str],
    uv_per_count: float | Sequence[float] | np.ndarray,
    start: datetime,
    text_samples: int,
    subject: str = "X",
    about: str = "",
) -> bytes:
    """Return the header of a BDF+ file of records of one second.

    Parameters
    ----------
    n_records
        Number of records, or `UNFINISHED` while the file still grows.
    sfreq, ch_names, uv_per_count, start, subject, about
        As for `write_bdf`.
    text_samples
        Room for texts in every record, in samples of three bytes.

    Raises
    ------
    InputError
        A value does not fit into its field.
    """
    n_channels = len(ch_names)
    if len(set(ch_names)) != n_channels or not n_channels:
        raise InputError(f"channel names must be there and differ: {list(ch_names)}")
    if _LABEL in ch_names:
        raise InputError(f"{_LABEL!r} is reserved and cannot name a channel")
    if not 1985 <= start.year <= 2084:
        raise InputError(f"a BDF file cannot start in the year {start.year}")
    scale = np.broadcast_to(np.asarray(uv_per_count, dtype=float), n_channels)
    limits = [physical_limit(value) for value in scale]
    date = f"{start.day:02d}-{_MONTHS[start.month - 1]}-{start.year}"
    n_signals = n_channels + 1
    fixed = [
        (f"{_one_word(subject)} X X X", 80),
        (f"Startdate {date} X X {_one_word(about)}", 80),
        (f"{start:%d.%m.%y}", 8),
        (f"{start:%H.%M.%S}", 8),
        (256 * (1 + n_signals), 8),
        ("BDF+C", 44),
        (n_records, 8),
        (1, 8),
        (n_signals, 4),
    ]
    per_signal: list[tuple[list, int]] = [
        ([*ch_names, _LABEL], 16),
        ([""] * n_signals, 80),  # the transducer of the texts must be blank
        ([unit for unit, _ in limits] + [""], 8),
        ([f"-{limit}" for _, limit in limits] + [-1], 8),
        ([limit for _, limit in limits] + [1], 8),
        # Symmetric limits: count 0 is 0 µV, whatever the rounding of the physical limits.
        ([-MAX_COUNT] * n_channels + [-MAX_COUNT - 1], 8),
        ([MAX_COUNT] * n_signals, 8),
        ([""] * n_signals, 80),
        ([_whole_rate(sfreq)] * n_channels + [text_samples], 8),
        ([""] * n_signals, 32),
    ]
    fields = fixed + [(value, width) for values, width in per_signal for value in values]
    return b"\xffBIOSEMI" + b"".join(_field(value, width) for value, width in fields)


def record(counts: np.ndarray, tals: bytes, text_samples: int) -> bytes:
    """Return one record: the counts of each channel, then its texts.

    Parameters
    ----------
    counts
        Integers of shape (n_channels, samples per record).
    tals
        `time_keeping_tal` of this record, followed by any number of `tal`.
    text_samples
        Room for the texts, as in the header.

    Raises
    ------
    InputError
        A count needs more than 24 bits, or the texts more room.
    """
    if counts.size and (counts.min() < -MAX_COUNT - 1 or counts.max() > MAX_COUNT):
        raise InputError("a count needs more than the 24 bits of BDF")
    room = text_samples * _BYTES_PER_SAMPLE
    if len(tals) > room:
        raise InputError(f"{len(tals)} bytes of annotations do not fit into {room}")
    low_bytes = counts.astype("<i4")[..., np.newaxis].view(np.uint8)[..., :_BYTES_PER_SAMPLE]
    return low_bytes.tobytes() + tals.ljust(room, b"\0")


def time_keeping_tal(onset_s: float) -> bytes:
    """Return the text that every record begins with: when the record starts, in seconds."""
    return f"+{_decimal(onset_s)}\x14\x14\0".encode()


def tal(onset_s: float, duration_s: float, text: str) -> bytes:
    """Return an annotation; characters that would break the list become spaces."""
    words = "".join(char if char >= " " else " " for char in text)
    sign = "" if onset_s < 0 else "+"
    return f"{sign}{_decimal(onset_s)}\x15{_decimal(duration_s)}\x14{words}\x14\0".encode()


def physical_limit(uv_per_count: float) -> tuple[str, str]:
    """Return the unit of a channel and the value of `MAX_COUNT` in it, as the header says them.

    The value has as many digits as 7 characters hold.

    Raises
    ------
    InputError
        It does not fit.
    """
    for unit, factor in (("uV", 1.0), ("mV", 1e-3), ("V", 1e-6)):
        limit = MAX_COUNT * uv_per_count * factor
        if 1 <= limit < 1e7:
            text = f"{limit:.{max(0, 6 - len(str(int(limit))))}f}"
            if len(text) <= 7:
                return unit, text
    raise InputError(f"{uv_per_count} µV per count does not fit into the header of a BDF file")


def _decimal(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _whole_rate(sfreq: int) -> int:
    if sfreq < 1 or sfreq != int(sfreq):
        raise InputError(f"BDF records of one second need a whole number of samples, not {sfreq}")
    return int(sfreq)


def _one_word(text: str) -> str:
    return "_".join(text.split()) or "X"


def _field(value: str | int, width: int) -> bytes:
    text = str(value)
    if len(text) > width or not (text.isascii() and text.isprintable()):
        raise InputError(f"{text!r}: BDF has room for {width} printable ASCII characters here")
    return text.ljust(width).encode("ascii")


@contextmanager
def _whole_binary_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    final = Path(path)
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)
