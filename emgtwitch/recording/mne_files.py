"""Read the formats that MNE reads as they are: FIF and BrainVision."""

from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import BAD_GAP
from emgtwitch.recording.signals import (
    Stated,
    agreed_rate,
    clean_name,
    emg_columns,
    to_uv,
    unique_names,
    warn,
)

if TYPE_CHECKING:
    import mne

_MOST_PER_BYTE = 20  # a pause is stored as a number of samples
_BREAKS = ("new segment/", "bad boundary", "edge boundary")


def read_fif(path: Path, stated: Stated) -> "mne.io.Raw":
    """Read a FIF file; it is not loaded.

    Raises
    ------
    InputError
        Damaged, no EMG channel, or what is stated contradicts it.
    """
    import mne

    raw = mne.io.read_raw_fif(path, verbose="error")
    _drop_cut_off_end(raw, path)
    return _emg_only(raw, stated, path)


def _drop_cut_off_end(raw: "mne.io.Raw", path: Path) -> None:
    """Drop what cannot be read from the end: a file may be cut off anywhere."""

    def unreadable(sample: int) -> bool:
        try:
            raw.get_data(start=sample, stop=sample + 1)
        except (ValueError, OSError):
            return True
        return False

    there = bisect_left(range(raw.n_times), True, key=unreadable)
    if 0 < there < raw.n_times:
        warn(f"{path}: cut off: {there} of {raw.n_times} samples are there")
        raw.crop(tmax=(there - 1) / raw.info["sfreq"])


def read_brainvision(path: Path, stated: Stated) -> "mne.io.Raw":
    """Read a BrainVision recording by its header file (.vhdr); it is not loaded.

    Raises
    ------
    InputError
        Damaged, no EMG channel, or what is stated contradicts it.
    """
    import mne

    return _emg_only(mne.io.read_raw_brainvision(path, verbose="error"), stated, path)


def _emg_only(raw: "mne.io.Raw", stated: Stated, path: Path) -> "mne.io.Raw":
    """Keep the channels of type emg, or if there are none those that their names tell."""
    if raw.n_times > _MOST_PER_BYTE * sum(Path(file).stat().st_size for file in raw.filenames):
        raise InputError(f"{path}: says that it holds more samples than it can")
    kinds = raw.get_channel_types()
    emg = [name for name, kind in zip(raw.ch_names, kinds, strict=True) if kind == "emg"]
    if not emg:
        # Channels without a type are eeg or misc in these files.
        named = [k for k, kind in enumerate(kinds) if kind in ("eeg", "misc", "bio")]
        units = [_unit(raw, raw.ch_names[k]) for k in named]
        emg = [raw.ch_names[named[k]] for k in emg_columns([raw.ch_names[k] for k in named], units)]
    if not emg:
        listed = ", ".join(clean_name(name) for name in raw.ch_names)
        raise InputError(f"{path}: no EMG channel among: {listed}")
    raw.pick(emg, verbose="error")
    raw.set_channel_types(dict.fromkeys(emg, "emg"), on_unit_change="ignore", verbose="error")
    raw.rename_channels(dict(zip(emg, unique_names(emg, path), strict=True)))
    agreed_rate(float(raw.info["sfreq"]), stated, path)
    if stated.unit is not None or stated.uv_per_count is not None:
        to_uv(raw.get_data(stop=1)[0], "V", stated, path)
    _mark_breaks(raw, path)
    return raw


def _unit(raw: "mne.io.Raw", name: str) -> str | None:
    return getattr(raw, "_orig_units", {}).get(name)


def _mark_breaks(raw: "mne.io.Raw", path: Path) -> None:
    """Mark where a recording was paused as a gap of one sample, so that filters start afresh."""
    offset = 0.0 if raw.annotations.orig_time is None else raw.first_time
    onsets = [
        onset
        for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        if text.lower().startswith(_BREAKS) and onset - offset > 0.5 / raw.info["sfreq"]
    ]
    if onsets:
        raw.annotations.append(onsets, 1 / raw.info["sfreq"], BAD_GAP)
        warn(f"{path}: paused {len(onsets)} times; times are counted without the pauses")
