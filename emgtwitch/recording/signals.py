"""What a reader finds in a file, in one form, and how that becomes an `mne.io.Raw`."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.channels import muscle_of, side_of
from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording.bdf import BAD_GAP

if TYPE_CHECKING:
    import mne

COUNTS = "counts"
_MICRO = r"(?:u|µ|μ|micro)"
# unit as written: µV per unit
_UNITS = {
    rf"{_MICRO}v(?:olts?)?": 1.0,
    r"mv|millivolts?": 1e3,
    r"v(?:olts?)?": 1e6,
    r"nv|nanovolts?": 1e-3,
}
_RATE_HINT = "state the sampling rate: --sfreq, in Python read_recording(…, sfreq=…)"
_UNIT_HINT = (
    "state the unit (uV, mV, V): --unit, in Python read_recording(…, unit=…), or for counts of a "
    "converter the µV per count: --uv-per-count, in Python uv_per_count=…"
)
# Words of a channel name that say that it is no EMG; what they stand for is seen in the wild.
_NO_EMG = re.compile(
    r"acc(el)?(erometer)?|gyro(scope)?|mag(netometer)?|aux|trig(ger)?|status|marker|event|"
    r"ecg|ekg|eeg|eog|meg|eda|gsr|resp(iration)?|abdomen|thor(ax)?|flow|airflow|snore|temp|spo|sao|"
    r"pulse|ppg|bvp|force|torque|gonio|angle|position|switch|digital|nseq|counter|time|timestamp|"
    r"battery|annotations?|imu|roll|pitch|yaw"
)
_SAYS_EMG = {"emg", "semg", "exg"}
_MAX_NAME = 64


@dataclass(frozen=True)
class Stated:
    """What the caller, or a file beside the recording, states about it; None is not stated.

    Attributes
    ----------
    sfreq
        Samples per second.
    unit
        Unit of the numbers: ``"uV"``, ``"mV"``, ``"V"`` or ``"nV"``.
    uv_per_count
        Microvolts per count of the converter, where the numbers are counts.
    stream
        Name of the stream to take from a file of several.
    """

    sfreq: float | None = None
    unit: str | None = None
    uv_per_count: float | None = None
    stream: str | None = None


@dataclass(frozen=True)
class Signals:
    """EMG as read, before it becomes an `mne.io.Raw`.

    Attributes
    ----------
    names
        Channel names.
    data_uv
        Samples in µV, float64, shape (n_channels, n_samples); what is missing is NaN.
    sfreq
        Samples per second.
    start
        Date and time of the first sample, if the file tells.
    """

    names: list[str]
    data_uv: np.ndarray
    sfreq: float
    start: datetime | None = None


def uv_per_unit(unit: str) -> float | None:
    """Return the µV in one `unit` of voltage, or None if `unit` is no voltage."""
    word = unit.strip().strip("[]()").strip().lower()
    return next((uv for pattern, uv in _UNITS.items() if re.fullmatch(pattern, word)), None)


def agreed_rate(
    own: float | None, stated: Stated, where: object, *, unit_known: bool = True
) -> float:
    """Return the rate that the file has, or else the one stated; they must not contradict.

    Parameters
    ----------
    own
        Samples per second by the file, if it tells.
    stated
        What is stated beside the file.
    where
        The file, for the message.
    unit_known
        Whether there is a unit; if not, the message that the rate is missing says that too.

    Raises
    ------
    InputError
        There is none, or the two differ by more than 1 %.
    """
    rate = stated.sfreq if own is None else own
    if rate is None:
        what, hint, entry = "the sampling rate", _RATE_HINT, '"SamplingFrequency": 1000'
        if not unit_known:
            what, hint = f"{what} and the unit", f"{hint}; {_UNIT_HINT}"
            entry += ', "Units": "uV"'
        raise InputError(
            f"{where}: nothing in it tells {what}; {hint}; or write {{{entry}}} into a .json file "
            f"of the same name beside it"
        )
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"{where}: {rate} Hz is no sampling rate")
    if stated.sfreq is not None and abs(stated.sfreq - rate) > 0.01 * rate:
        raise InputError(f"{where}: its sampling rate is {rate:g} Hz, but {stated.sfreq:g} stated")
    return float(rate)


def to_uv(values: np.ndarray, unit: str | None, stated: Stated, where: object) -> np.ndarray:
    """Return the samples of one channel in µV.

    Counts lose their median: where the converter reads zero volts is not known, and is not in the
    middle of its range (the divider and the offset of the converter move it).

    Parameters
    ----------
    values
        Numbers as in the file, shape (n_samples,).
    unit
        The unit that the file states, `COUNTS` or None.
    stated
        What is stated beside the file.
    where
        File and channel, for the message.

    Raises
    ------
    InputError
        The unit is not known, or what is stated contradicts the file.
    """
    own = None if unit in (None, "", COUNTS) else uv_per_unit(unit or "")
    given = None if stated.unit is None else uv_per_unit(stated.unit)
    if stated.unit is not None and given is None:
        raise InputError(f"{where}: {stated.unit!r} is no unit of voltage; say uV, mV, V or nV")
    if own is not None:
        if given not in (None, own):
            raise InputError(f"{where}: it says that it is in {unit}; state no other unit")
        if stated.uv_per_count is not None:
            warn(f"{where}: it says that it is in {unit}: the µV per count stated are not used")
        return values * own
    if stated.uv_per_count is not None:
        if not (np.isfinite(stated.uv_per_count) and stated.uv_per_count > 0):
            raise InputError(f"{where}: {stated.uv_per_count} µV per count cannot be")
        return (values - _median(values)) * stated.uv_per_count
    if given is not None:
        return values * given
    if unit == COUNTS:
        known = "its numbers are counts of a converter"
    else:
        known = f"its unit {clean_name(unit)!r} is no voltage" if unit else "it has no unit"
    raise InputError(
        f"{where}: {known}; {_UNIT_HINT}; or write "
        f'{{"Units": "uV"}} or {{"Gain": 200, "Bits": 10, "Vref": 5.0}} into a .json file of the '
        f"same name beside it"
    )


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0


def emg_columns(names: Sequence[str], units: Sequence[str | None]) -> list[int]:
    """Return which channels are EMG, as their names and units tell.

    If any name says EMG or names a muscle of the leg, those are the EMG channels; if none does,
    all that are a voltage (or state no unit) and are not named as something else.
    """
    possible = [
        index
        for index, (name, unit) in enumerate(zip(names, units, strict=True))
        if not any(_NO_EMG.fullmatch(word) for word in _words(name))
        and (unit in (None, "", COUNTS) or uv_per_unit(unit or "") is not None)
    ]
    said = [
        index
        for index in possible
        if _SAYS_EMG.intersection(_words(names[index])) or muscle_of(names[index]) is not None
    ]
    return said or possible


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", name.lower())


def clean_text(text: object, longest: int) -> str:
    """Return text from a file without what could disturb a terminal or a table."""
    printable = "".join(char if char.isprintable() else " " for char in str(text))
    return " ".join(printable.split())[:longest]


def clean_name(text: object) -> str:
    """Return a name from a file, cleaned and not too long."""
    return clean_text(text, _MAX_NAME)


def unique_names(names: Sequence[str], where: object) -> list[str]:
    """Return clean names, a number for a missing one.

    Raises
    ------
    InputError
        Two channels have one name, so that no result could say which of them it is about.
    """
    result = [clean_name(name) or f"channel {index + 1}" for index, name in enumerate(names)]
    twice = next((name for name in result if result.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: two channels are named {twice!r}; rename one in the file")
    return result


def warn(message: str) -> None:
    """Warn about a recording, at the line that asked for it."""
    warnings.warn(message, SignalWarning, stacklevel=2)


def to_raw(signals: Signals, where: object) -> "mne.io.Raw":
    """Turn signals into `mne.io.Raw`: type emg, volts; stretches without samples are `BAD_GAP`.

    The samples are not copied: `signals` is used up.
    """
    import mne

    missing = np.isnan(signals.data_uv)
    if missing.any():
        lost = missing.any(axis=0)
        n_gaps = int((np.diff(lost, prepend=False) & lost).sum())
        warn(f"{where}: {lost.sum()} of {len(lost)} samples are missing, in {n_gaps} gaps")
    info = mne.create_info(signals.names, signals.sfreq, "emg")
    volts = np.multiply(signals.data_uv, 1e-6, out=signals.data_uv)  # a night is 0.5 GB
    raw = mne.io.RawArray(volts, info, copy=None, verbose="error")
    if signals.start is not None:
        raw.set_meas_date(signals.start.replace(tzinfo=UTC))
    mark_gaps(raw, missing.all(axis=0))
    return raw


def mark_gaps(raw: "mne.io.Raw", missing: np.ndarray) -> None:
    """Add a `BAD_GAP` annotation for each run of True in `missing`, shape (n_samples,)."""
    import mne

    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
    starts, stops = edges[::2] / raw.info["sfreq"], edges[1::2] / raw.info["sfreq"]
    if len(starts):
        raw.set_annotations(
            raw.annotations
            + mne.Annotations(
                starts, stops - starts, [BAD_GAP] * len(starts), orig_time=raw.info["meas_date"]
            )
        )


def remember(raw: "mne.io.Raw", facts: dict[str, dict[str, Any]]) -> None:
    """Keep what a file beside the recording tells about channels, by channel name."""
    raw.info["temp"] = {"emgtwitch": facts}


def recall(raw: "mne.io.Raw", channel: str) -> dict[str, Any]:
    """Return side and muscle of a channel: as remembered, or else as its name tells."""
    kept = (raw.info.get("temp") or {}).get("emgtwitch", {})
    return kept.get(channel, {"side": side_of(channel), "muscle": muscle_of(channel)})
