"""Read OpenSignals (r)evolution files of PLUX and BITalino devices: HDF5 and text.

EMG in mV = (count / 2^bits - 0.5) * Vcc / gain * 1000. For PLUX devices Vcc = 3 V, gain 1000
(PLUX's biosignalsnotebooks, `raw_to_phy`); for BITalino Vcc = 3.3 V, gain 1009 for the revision,
1000 before it (BITalino EMG data sheets, as quoted by the opensignalsreader package and in
BITalino's forum).
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import (
    COUNTS,
    Signals,
    Stated,
    agreed_rate,
    clean_name,
    emg_columns,
    to_uv,
    unique_names,
    warn,
)
from emgtwitch.recording.table import first_lines, read_numbers
from emgtwitch.recording.timing import fill, grid_of_counter

SIGNATURE = "# OpenSignals Text File Format"
_MOST_PER_BYTE = 20  # samples that compression can keep in a byte
# device: (Vcc in V, gain)
_PLUX = (3.0, 1000.0)
_SENSORS = {
    **dict.fromkeys(
        ["bioplux", "biosignalsplux", "rachimeter", "channeller", "swifter", "ddme_openbanplux"],
        _PLUX,
    ),
    "bitalino": (3.3, 1000.0),
    "bitalino_rev": (3.3, 1009.0),
    "bitalino_riot": (3.3, 1009.0),
}


@dataclass(frozen=True)
class _Device:
    """One device as its header describes it: what is needed to find and convert its EMG."""

    name: str
    sfreq: float
    labels: list[str]
    sensors: list[str]
    bits: list[int]
    start: datetime | None


def read_hdf5(path: Path, stated: Stated) -> Signals:
    """Read EMG from an OpenSignals HDF5 file.

    Raises
    ------
    InputError
        It is another kind of HDF5 file, holds no EMG, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{path}: reading HDF5 needs h5py; install it with: pip install h5py"
        ) from error
    found = []
    with h5py.File(path, "r") as file:
        groups = [group for group in file.values() if isinstance(group, h5py.Group)]
        for group in groups:
            if "raw" in group and "sampling rate" in group.attrs:
                raw = group["raw"]
                keys = [f"channel_{number}" for number in np.ravel(group.attrs["channels"])]
                attributes = {key: _plain(value) for key, value in group.attrs.items()}
                attributes["label"] = [_plain(raw[key].attrs.get("label", key)) for key in keys]
                attributes["sensor"] = [_plain(raw[key].attrs.get("sensor", "")) for key in keys]
                device = _device(attributes, path)
                chosen = _emg_of(device)
                if max(raw[key].size for key in keys) > _MOST_PER_BYTE * path.stat().st_size:
                    raise InputError(f"{path}: says that it holds more samples than it can")
                counts = [raw[keys[index]][:, 0].astype(float) for index in chosen]
                sequence = raw["nSeq"][:, 0] if "nSeq" in raw else None
                found.append(_signals(device, chosen, counts, sequence, stated, path))
    return _together(found, path)


def read_text(path: Path, stated: Stated) -> Signals:
    """Read EMG from an OpenSignals text file.

    Raises
    ------
    InputError
        The header is damaged or names no EMG channel.
    """
    lines = first_lines(path, 10)
    skip = next((k + 1 for k, line in enumerate(lines) if "EndOfHeader" in line), None)
    try:
        header = json.loads(next(line for line in lines if line.startswith("# {"))[2:])
        columns = {key: [str(name) for name in value["column"]] for key, value in header.items()}
    except (StopIteration, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: its OpenSignals header is damaged") from error
    if skip is None:
        raise InputError(f"{path}: its OpenSignals header has no end")
    found = []
    before = 0
    for key, names in columns.items():
        device = _device(header[key], path)
        chosen = _emg_of(device)
        # The analogue channels are the last columns of a device.
        first = before + len(names) - len(device.labels)
        wanted = [first + index for index in chosen]
        has_sequence = names[:1] == ["nSeq"]
        values = read_numbers(path, [before] * has_sequence + wanted, delimiter=None, skip=skip)
        sequence = values[0] if has_sequence else None
        counts = list(values[int(has_sequence) :])
        found.append(_signals(device, chosen, counts, sequence, stated, path))
        before += len(names)
    return _together(found, path)


def _plain(value: Any) -> Any:
    """Return an HDF5 attribute as Python object."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.tolist() if hasattr(value, "tolist") else value


def _device(header: dict[str, Any], path: Path) -> _Device:
    try:
        labels = [str(label) for label in header["label"]]
        sensors = [str(sensor) for sensor in header["sensor"]]
        bits = [int(bits) for bits in header["resolution"]][-len(labels) :]
        device = _Device(
            str(header["device"]), float(header["sampling rate"]), labels, sensors, bits, None
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: its OpenSignals header is damaged: {error!r}") from error
    if not len(labels) == len(sensors) == len(bits) or not all(1 <= n <= 32 for n in bits):
        raise InputError(f"{path}: its OpenSignals header contradicts itself about its channels")
    try:
        stamp = f"{header['date']} {str(header['time']).split('.')[0]}"
        start = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S")
    except (KeyError, ValueError):
        return device
    return _Device(device.name, device.sfreq, labels, sensors, bits, start)


def _emg_of(device: _Device) -> list[int]:
    said = [index for index, kind in enumerate(device.sensors) if "EMG" in kind.upper()]
    unsaid = [index for index, kind in enumerate(device.sensors) if kind.upper() in ("", "RAW")]
    if said:
        return said
    by_label = emg_columns([device.labels[index] for index in unsaid], [COUNTS] * len(unsaid))
    return [unsaid[index] for index in by_label]


def _signals(
    device: _Device,
    chosen: list[int],
    counts: list[np.ndarray],
    sequence: np.ndarray | None,
    stated: Stated,
    path: Path,
) -> Signals:
    names = [device.labels[index] for index in chosen]
    data = []
    for index, name, count in zip(chosen, names, counts, strict=True):
        where = f"{path}: {clean_name(name)}"
        if stated.uv_per_count is None and stated.unit is None:
            if device.name not in _SENSORS or "EMG" not in device.sensors[index].upper():
                raise InputError(
                    f"{where}: sensor {device.sensors[index]!r} of device {device.name!r} is not "
                    f"known; state the µV per count: --uv-per-count, in Python uv_per_count=…"
                )
            vcc, gain = _SENSORS[device.name]
            data.append((count / 2 ** device.bits[index] - 0.5) * (vcc / gain * 1e6))
        else:
            data.append(to_uv(count, COUNTS, stated, where))
    array = np.array(data).reshape(len(data), -1)
    if sequence is not None and len(sequence) and len(data):
        array = fill(array, _grid(sequence.astype(np.int64)), path)
    return Signals(names, array, agreed_rate(device.sfreq, stated, path), device.start)


def _grid(sequence: np.ndarray) -> np.ndarray:
    """Return the index that the sequence numbers tell: 4 bits in BITalino files.

    In HDF5 files they are stored in 16 bits and stay at 65535 once there: from then on losses
    cannot be seen.
    """
    if sequence.max() <= 15:
        return grid_of_counter(sequence, 16)
    if (np.diff(sequence) < 0).any():
        return grid_of_counter(sequence, int(sequence.max()) + 1)
    full = int(np.searchsorted(sequence, 65535))
    index = np.arange(len(sequence)) + (sequence[0] if full == 0 else 0)
    if full > 0:
        index[:full] = sequence[:full] - sequence[0]
        index[full:] = index[full - 1] + 1 + np.arange(len(sequence) - full)
    return index - index[0]


def _together(found: list[Signals], path: Path) -> Signals:
    """Return the signals of all devices, which OpenSignals starts and samples together."""
    found = [signals for signals in found if signals.names]
    if not found:
        raise InputError(f"{path}: no EMG channel of an OpenSignals device in it")
    rates = {signals.sfreq for signals in found}
    if len(rates) > 1:
        raise InputError(f"{path}: its devices have several sampling rates: {sorted(rates)}")
    shortest = min(signals.data_uv.shape[1] for signals in found)
    if any(signals.data_uv.shape[1] != shortest for signals in found):
        warn(f"{path}: its devices differ in length; all are cut to {shortest} samples")
    names = unique_names([name for signals in found for name in signals.names], path)
    data = np.concatenate([signals.data_uv[:, :shortest] for signals in found])
    return Signals(names, data, found[0].sfreq, found[0].start)
