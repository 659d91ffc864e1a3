"""Read EDF, EDF+, BDF and BDF+ files through MNE, after their header has been checked.

MNE takes unknown units for volts, brings channels of different rates to one, and joins the parts
of a discontinuous file (EDF+D) as if nothing were missing. So the header is read here first.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import (
    Stated,
    agreed_rate,
    clean_name,
    emg_columns,
    mark_gaps,
    to_uv,
    unique_names,
    warn,
)

if TYPE_CHECKING:
    import mne

_TEXT_LABELS = ("EDF Annotations", "BDF Annotations")
_FIXED_BYTES = 256
_BYTES_PER_SIGNAL = 256
_MOST_FILLED_BYTES = 2**31
# name, width of the fields of each signal, in their order
_SIGNAL_FIELDS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "samples": 8,
    "reserved": 32,
}


@dataclass(frozen=True)
class Header:
    """What of the header of an EDF or BDF file decides how it is read.

    Attributes
    ----------
    labels, units
        One for each signal, those of annotations included.
    samples
        Samples in a record, for each signal.
    sample_bytes
        2 for EDF, 3 for BDF.
    record_s
        Seconds in a record.
    n_records
        Whole records in the file, which may differ from what the header says.
    discontinuous
        Whether records may be apart in time (EDF+D, BDF+D).
    """

    labels: list[str]
    units: list[str]
    samples: list[int]
    sample_bytes: int
    record_s: float
    n_records: int
    discontinuous: bool

    @property
    def data_start(self) -> int:
        """Position of the first record, in bytes."""
        return _FIXED_BYTES + _BYTES_PER_SIGNAL * len(self.labels)

    @property
    def record_bytes(self) -> int:
        """Length of a record, in bytes."""
        return self.sample_bytes * sum(self.samples)

    @property
    def text_signal(self) -> int | None:
        """Index of the first signal of annotations, if there is one."""
        return next((k for k, label in enumerate(self.labels) if label in _TEXT_LABELS), None)


def read_header(path: Path) -> Header:
    """Read and check the header of an EDF or BDF file.

    Raises
    ------
    InputError
        It is damaged or contradicts the length of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        if len(fixed) < _FIXED_BYTES:
            raise InputError(f"{path}: cut off within its header")
        n_signals = _integer(fixed[252:256], "number of signals", path)
        start = _FIXED_BYTES + _BYTES_PER_SIGNAL * n_signals
        length = _integer(fixed[184:192], "header length", path)
        if n_signals < 1 or size < start or length != start:
            raise InputError(
                f"{path}: its header is damaged: {n_signals} signals need {start} bytes of header"
            )
        rest = file.read(start - _FIXED_BYTES)
    fields: dict[str, list[bytes]] = {}
    position = 0
    for name, width in _SIGNAL_FIELDS.items():
        ends = range(position + width, position + width * (n_signals + 1), width)
        fields[name] = [rest[end - width : end] for end in ends]
        position += width * n_signals
    texts = {name: [_text(field) for field in fields[name]] for name in ("label", "unit")}
    samples = [_integer(field, "samples per record", path) for field in fields["samples"]]
    for index, label in enumerate(texts["label"]):
        low, high = (_number(fields[f"digital_{end}"][index], path) for end in ("min", "max"))
        least, most = (_number(fields[f"physical_{end}"][index], path) for end in ("min", "max"))
        if low >= high or least == most or samples[index] < 1:
            raise InputError(f"{path}: {clean_name(label)}: its calibration or length is damaged")
    record_s = _number(fixed[244:252], path)
    header = Header(
        texts["label"],
        texts["unit"],
        samples,
        3 if fixed[:1] == b"\xff" else 2,
        record_s,
        (size - start) // ((3 if fixed[:1] == b"\xff" else 2) * sum(samples)),
        fixed[192:236].strip().endswith(b"+D"),
    )
    promised = _integer(fixed[236:244], "number of records", path)
    unfinished = "is still being recorded, or was interrupted (then: emgtwitch recover)"
    if record_s <= 0 or header.n_records == 0:
        raise InputError(
            f"{path}: no samples in it: {header.n_records} records of {record_s:g} s"
            + (f"; it {unfinished}" if promised < 0 else "")
        )
    if promised > header.n_records:
        warn(f"{path}: cut off: {header.n_records} of {promised} records are there")
    elif promised < 0:
        warn(f"{path}: {unfinished}; {header.n_records} records are there")
    elif promised < header.n_records:
        warn(f"{path}: {header.n_records} records are there, but its header says {promised}")
    return header


def read_edf(path: Path, stated: Stated) -> "mne.io.Raw":
    """Read the EMG channels of an EDF or BDF file; a continuous file is not loaded.

    A discontinuous file is loaded, its gaps are marked, and hold the last value before them.

    Raises
    ------
    InputError
        Damaged, no EMG channel, EMG channels of different rates, two of one name, no unit, or time
        runs backward between records.
    """
    import mne

    header = read_header(path)
    signals = [k for k, label in enumerate(header.labels) if label not in _TEXT_LABELS]
    emg = [
        signals[k]
        for k in emg_columns(
            [header.labels[k] for k in signals], [_voltage(header.units[k]) for k in signals]
        )
    ]
    if not emg:
        listed = ", ".join(clean_name(header.labels[k]) for k in signals)
        raise InputError(f"{path}: no EMG channel among: {listed}")
    rates = [header.samples[k] / header.record_s for k in emg]
    if len(set(rates)) > 1:
        names = [clean_name(header.labels[k]) for k in emg]
        listed = ", ".join(f"{name} {rate:g} Hz" for name, rate in zip(names, rates, strict=True))
        raise InputError(
            f"{path}: its EMG channels have different sampling rates ({listed}); save those of "
            "each rate in a file of their own"
        )
    agreed_rate(rates[0], stated, path)
    labels = {header.labels[k] for k in emg}
    exclude = [header.labels[k] for k in signals if header.labels[k] not in labels]
    if any(header.labels[k] in labels for k in signals if k not in emg):
        raise InputError(f"{path}: an EMG channel has the same name as another channel")
    names = unique_names([header.labels[k] for k in emg], path)
    starts = _record_starts(path, header)
    reader = mne.io.read_raw_bdf if header.sample_bytes == 3 else mne.io.read_raw_edf
    try:
        raw = reader(path, exclude=exclude, stim_channel=[], verbose="error")
    except UnicodeDecodeError:  # annotations should be UTF-8; older programs write Latin-1
        raw = reader(path, exclude=exclude, stim_channel=[], encoding="latin1", verbose="error")
    if len(raw.ch_names) != len(names):
        raise InputError(f"{path}: its channel names are damaged: {', '.join(names)}")
    raw.rename_channels(dict(zip(raw.ch_names, names, strict=True)))
    raw.set_channel_types(dict.fromkeys(names, "emg"), on_unit_change="ignore", verbose="error")
    _calibrate(raw, [header.units[k] for k in emg], stated, path)
    if starts is not None:
        raw = _with_gaps(raw, starts, header.record_s, path)
    return raw


def _calibrate(raw: "mne.io.Raw", units: list[str], stated: Stated, path: Path) -> None:
    """Bring channels whose unit MNE does not know, and took for volts, to volts."""
    for name, unit in zip(raw.ch_names, units, strict=True):
        if unit in ("uV", "µV", "mV", "V"):
            to_uv(np.zeros(1), unit, stated, f"{path}: {name}")  # refuses what contradicts it
            continue
        where = f"{path}: {name}"
        values = to_uv(raw.load_data(verbose="error").get_data(name)[0], unit, stated, where)
        raw.apply_function(lambda _, v=values: v * 1e-6, picks=[name], verbose="error")


def _with_gaps(
    raw: "mne.io.Raw", starts_s: np.ndarray, record_s: float, path: Path
) -> "mne.io.Raw":
    """Return a recording whose records lie where their time stamps say."""
    import mne

    sfreq = float(raw.info["sfreq"])
    length = round(record_s * sfreq)
    first = np.rint((starts_s - starts_s[0]) * sfreq).astype(np.int64)
    if (np.diff(first) < length).any():
        record = int(np.flatnonzero(np.diff(first) < length)[0])
        raise InputError(f"{path}: time runs backward after record {record + 1}")
    n_samples = int(first[-1]) + length
    if n_samples * len(raw.ch_names) * 8 > _MOST_FILLED_BYTES:
        raise InputError(
            f"{path}: its gaps make it {n_samples / sfreq / 3600:.1f} h long; split it into parts"
        )
    data = raw.get_data()
    index = (first[:, np.newaxis] + np.arange(length)).ravel()
    missing = np.ones(n_samples, dtype=bool)
    missing[index] = False
    last_there = np.maximum.accumulate(np.where(missing, 0, np.arange(n_samples)))
    filled = np.empty((len(data), n_samples))
    filled[:, index] = data
    filled = filled[:, last_there]
    result = mne.io.RawArray(filled, raw.info, verbose="error")
    # Not those of `raw`: MNE has dropped what lies beyond the end that it took for the end.
    result.set_annotations(mne.read_annotations(path), emit_warning=False, verbose="error")
    mark_gaps(result, missing)
    warn(f"{path}: {missing.sum() / sfreq:.1f} s are missing between its records")
    return result


def _record_starts(path: Path, header: Header) -> np.ndarray | None:
    """Return when each record starts, in seconds, or None if they follow each other.

    Of a file that says that it is continuous only the first and the last record are looked at.
    """
    if header.text_signal is None:
        if header.discontinuous:
            raise InputError(f"{path}: discontinuous (+D), but its records have no time stamps")
        return None
    before = header.sample_bytes * sum(header.samples[: header.text_signal])
    size = header.sample_bytes * header.samples[header.text_signal]

    def starts(records: range) -> np.ndarray:
        found = []
        with path.open("rb") as file:
            for record in records:
                file.seek(header.data_start + record * header.record_bytes + before)
                stamp = re.match(rb"([+-]\d+(?:\.\d*)?)\x14\x14", file.read(size))
                found.append(float(stamp[1]) if stamp else np.nan)
        return np.array(found)

    last = header.n_records - 1
    if not header.discontinuous:
        ends = starts(range(0, last + 1, max(last, 1)))
        first_s, last_s = ends[0], ends[-1]
        if np.isnan(first_s):  # some programs write none
            return None
        if abs(last_s - first_s - last * header.record_s) < 0.5 * header.record_s:
            return None
    found = starts(range(header.n_records))
    if np.isnan(found).any():
        record = int(np.flatnonzero(np.isnan(found))[0]) + 1
        raise InputError(
            f"{path}: record {record} of {header.n_records} has no time stamp: damaged from there "
            f"on, as by a loss of power"
        )
    return None if np.allclose(np.diff(found), header.record_s, atol=1e-3, rtol=0) else found


def _voltage(unit: str) -> str | None:
    """Return the unit if a channel in it may be EMG; those of counts may be, if stated."""
    return None if unit.lower() in ("", "counts", "adc", "lsb", "bits", "digit") else unit


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip(" \0")


def _number(field: bytes, path: Path) -> float:
    text = _text(field)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is None:
        raise InputError(f"{path}: its header is damaged: {clean_name(text)!r} is no number")
    return float(text)


def _integer(field: bytes, what: str, path: Path) -> int:
    text = _text(field)
    if re.fullmatch(r"[+-]?\d+", text) is None:
        raise InputError(f"{path}: its header is damaged: {what} is {clean_name(text)!r}")
    return int(text)
