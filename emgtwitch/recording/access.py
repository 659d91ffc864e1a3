"""Take from a recording what the detector needs: blocks in µV, gaps, sides, converter steps."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import recall

if TYPE_CHECKING:
    import mne

_ABOUT_THE_SIGNAL = ("BAD_", "EDGE ", "NEW SEGMENT")
_GAPS = ("bad_gap", "bad_acq_skip")  # the second is what MNE writes for skipped FIF buffers
_SAMPLE_S = 2.0
_MOST_SAMPLES = 30


def emg_channels(raw: "mne.io.Raw") -> list[str]:
    """Return the names of the EMG channels that are not marked bad, in their order."""
    return [
        name
        for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True)
        if kind == "emg" and name not in raw.info["bads"]
    ]


def channel_sides(raw: "mne.io.Raw") -> dict[str, str | None]:
    """Return the side of each EMG channel: ``"left"``, ``"right"`` or None if nothing tells."""
    return {name: recall(raw, name)["side"] for name in emg_channels(raw)}


def channel_muscles(raw: "mne.io.Raw") -> dict[str, str | None]:
    """Return the muscle of each EMG channel, or None if nothing tells."""
    return {name: recall(raw, name)["muscle"] for name in emg_channels(raw)}


def marks(raw: "mne.io.Raw") -> list[tuple[float, str]]:
    """Return what people noted while it was recorded: (seconds from the start, text), in order.

    These are the annotations that are not about the signal itself, as ``BAD_`` and ``EDGE`` are.
    """
    offset = 0.0 if raw.annotations.orig_time is None else raw.first_time
    return sorted(
        (max(float(onset - offset), 0.0), str(text))
        for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        if not str(text).upper().startswith(_ABOUT_THE_SIGNAL)
    )


def gaps(raw: "mne.io.Raw") -> list[tuple[float, float]]:
    """Return where samples are missing, as (start_s, stop_s) from the start of the recording.

    These are the annotations ``BAD_gap`` and ``BAD_ACQ_SKIP``, whichever channels they name;
    those that touch are one. A cell missing in one channel only is NaN in `blocks`, and no gap.
    """
    offset = 0.0 if raw.annotations.orig_time is None else raw.first_time
    found = sorted(
        (onset - offset, onset - offset + duration)
        for onset, duration, text in zip(
            raw.annotations.onset,
            raw.annotations.duration,
            raw.annotations.description,
            strict=True,
        )
        if text.lower() in _GAPS
    )
    result: list[tuple[float, float]] = []
    for start, stop in found:
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((float(max(start, 0.0)), float(stop)))
    return result


def blocks(raw: "mne.io.Raw", seconds: float = 10.0) -> Iterator[tuple[int, np.ndarray]]:
    """Yield a recording piece by piece, so that a long one need not be in memory.

    Parameters
    ----------
    raw
        A recording as returned by `emgtwitch.read_recording`.
    seconds
        Length of a block; the last one may be shorter.

    Yields
    ------
    start_sample
        Index of the first sample of the block.
    block
        µV, float64, shape (n_channels, n_samples), the channels as in `emg_channels`; NaN where
        samples are missing.

    Raises
    ------
    InputError
        A part of the file cannot be read.
    """
    step = max(1, round(seconds * raw.info["sfreq"]))
    read = reader(raw)
    for start in range(0, raw.n_times, step):
        yield start, read(start, min(start + step, raw.n_times))


def reader(raw: "mne.io.Raw") -> Callable[[int, int], np.ndarray]:
    """Return a function that reads the samples from one to before another, like `blocks`."""
    names, missing = emg_channels(raw), _missing_samples(raw)
    return lambda start, stop: _block(raw, names, missing, start, stop)


def spread_blocks(raw: "mne.io.Raw") -> list[np.ndarray]:
    """Return blocks of two seconds spread evenly over the recording, at most thirty.

    Enough to judge a recording by, without reading all of it; a recording of a minute or less
    is returned whole.
    """
    step = max(1, round(_SAMPLE_S * raw.info["sfreq"]))
    starts = np.arange(0, raw.n_times, step)
    if len(starts) > _MOST_SAMPLES:
        starts = np.linspace(0, raw.n_times - step, _MOST_SAMPLES).astype(int)
    read = reader(raw)
    return [read(int(start), min(int(start) + step, raw.n_times)) for start in starts]


def lsb_uv(raw: "mne.io.Raw") -> np.ndarray:
    """Return the step of the converter of each EMG channel in µV, NaN for a constant channel.

    It is the smallest difference between two values that occur in `spread_blocks`. The step in
    the header of a file is often finer than that of the converter (a 10-bit board stored in
    24 bits), and text files have none. Filtered or resampled data give a very small step.

    Returns
    -------
    step_uv
        float64, shape (n_channels,), the channels as in `emg_channels`.
    """
    sample = np.hstack(spread_blocks(raw))
    steps = np.full(len(sample), np.nan)
    for index, values in enumerate(sample):
        levels = np.unique(values[np.isfinite(values)])
        if len(levels) > 1:
            steps[index] = np.diff(levels).min()
    return steps


def _missing_samples(raw: "mne.io.Raw") -> np.ndarray:
    """Return first and end sample of each gap, int64, shape (n_gaps, 2), in order."""
    spans = np.array(gaps(raw), dtype=float).reshape(-1, 2)
    return np.rint(spans * raw.info["sfreq"]).astype(np.int64)


def _block(
    raw: "mne.io.Raw", names: list[str], missing: np.ndarray, start: int, stop: int
) -> np.ndarray:
    try:
        block = raw.get_data(picks=names, start=start, stop=stop) * 1e6
    except Exception as error:  # what MNE raises depends on where a file is damaged
        second = start / raw.info["sfreq"]
        raise InputError(
            f"{raw.filenames[0]}: damaged: its samples from {second:g} s on cannot be read"
        ) from error
    from_gap = np.searchsorted(missing[:, 1], start, "right")
    to_gap = np.searchsorted(missing[:, 0], stop)
    for first, last in missing[from_gap:to_gap]:
        block[:, max(first - start, 0) : last - start] = np.nan
    return block
