"""Read a recording of any supported format into one form."""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import bids, delimited, edf, mne_files, openbci, opensignals, wav, xdf
from emgtwitch.recording.checks import check
from emgtwitch.recording.kinds import kind_of
from emgtwitch.recording.signals import Signals, Stated, clean_text, remember, to_raw

if TYPE_CHECKING:
    import mne

_READERS: dict[str, Callable[[Path, Stated], "Signals | mne.io.Raw"]] = {
    "edf": edf.read_edf,
    "bdf": edf.read_edf,
    "fif": mne_files.read_fif,
    "vhdr": mne_files.read_brainvision,
    "hdf5": opensignals.read_hdf5,
    "opensignals": opensignals.read_text,
    "openbci": openbci.read_openbci,
    "xdf": xdf.read_xdf,
    "wav": wav.read_wav,
    "simple": delimited.read_simple_text,
    "delsys": delimited.read_delsys,
    "table": delimited.read_table,
}
_LONGEST_REASON = 300


def read_recording(
    path: str | os.PathLike[str],
    *,
    sfreq: float | None = None,
    unit: str | None = None,
    uv_per_count: float | None = None,
    stream: str | None = None,
) -> "mne.io.Raw":
    """Read the EMG of a recording.

    Formats: EDF, EDF+, BDF, BDF+, FIF and BrainVision (not loaded into memory); OpenSignals HDF5
    and text; OpenBCI text; XDF; WAV; CSV, TSV and other tables of text, also those of BioSPPy and
    Delsys. The format is known by the content. Other channels than EMG are left out. What the
    file itself does not tell may be stated here or in files beside it: ``<name>.json``, or the
    sidecars of an EMG-BIDS data set.

    Parameters
    ----------
    path
        File to read.
    sfreq
        Samples per second.
    unit
        Unit of the numbers: ``"uV"``, ``"mV"``, ``"V"`` or ``"nV"``.
    uv_per_count
        Microvolts per count, where the numbers are counts of a converter; their median is taken
        for zero.
    stream
        Name of the XDF stream to read.

    Returns
    -------
    raw
        Channels of type emg in volts. Missing samples are NaN, or marked by ``BAD_gap``;
        `emgtwitch.recording.blocks` knows both.

    Raises
    ------
    InputError
        The file cannot be read, holds no raw EMG, or lacks what would have to be guessed; or what
        is stated contradicts it.

    Warns
    -----
    SignalWarning
        Something limits what can be found: a low rate, gaps, a constant channel, a cut-off file.
    """
    source = Path(path)
    if unit is not None and uv_per_count is not None:
        raise InputError(
            f"{source}: state a unit (--unit, in Python unit=…) or the µV per count of a converter "
            f"(--uv-per-count, in Python uv_per_count=…), not both"
        )
    try:
        if source.is_dir():
            listed = ", ".join(file.name for file in bids.find_recordings(source)[:3])
            raise InputError(f"{source}: a folder; give one recording of it, such as: {listed}")
        kind = kind_of(source)
        said = bids.sidecar(source)
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from error
    beside = bids.stated_beside(source, said)
    if sfreq is not None:
        beside = replace(beside, sfreq=sfreq)
    if unit is not None or uv_per_count is not None:
        beside = replace(beside, unit=unit, uv_per_count=uv_per_count)
    raw = _read(kind, source, replace(beside, stream=stream))
    facts = bids.channel_facts(source, raw.ch_names)
    raw.set_channel_types(
        {name: "misc" for name, fact in facts.items() if fact["type"] not in (None, "EMG")},
        on_unit_change="ignore",
        verbose="error",
    )
    raw.info["bads"] += [name for name, fact in facts.items() if fact["status"] == "bad"]
    remember(raw, facts)
    if (mains := bids.line_frequency(said)) is not None:
        raw.info["line_freq"] = mains
    check(raw, source)
    return raw


def _read(kind: str, path: Path, stated: Stated) -> "mne.io.Raw":
    """Read a file by the reader of its kind; whatever a damaged file makes it raise is told."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = _READERS[kind](path, stated)
            if isinstance(found, Signals):
                found = to_raw(found, path)
    except InputError:
        raise
    except Exception as error:  # readers of others raise anything on damaged files
        reason = clean_text(error, _LONGEST_REASON) or type(error).__name__
        raise InputError(f"{path}: damaged, or no {kind} file: {reason}") from error
    for warning in caught:
        message = warning.message
        if not isinstance(message, SignalWarning):
            message = SignalWarning(f"{path}: {clean_text(message, _LONGEST_REASON)}")
        warnings.warn(message, stacklevel=3)
    return found
