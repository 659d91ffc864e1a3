"""A long trace as the least and greatest value per column of a picture."""

from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.recording import blocks, emg_channels

if TYPE_CHECKING:
    import mne

HIGHPASS_HZ = 20.0  # movement is mostly below (De Luca et al. 2010, J Biomech 43:1573)
_BLOCK_S = 10.0


def envelope(
    raw: "mne.io.Raw", names: list[str], n_columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the envelope of channels above 20 Hz, read piece by piece.

    Parameters
    ----------
    raw
        The recording.
    names
        Its channels to show.
    n_columns
        Most columns of the picture; fewer if there are fewer samples.

    Returns
    -------
    time_s
        Middle of each column, s, shape (n,).
    low_uv, high_uv
        Least and greatest value, µV, shape (n_channels, n); NaN where samples are missing.
    """
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sfreq = raw.info["sfreq"]
    present = emg_channels(raw)
    rows = [present.index(name) for name in names]
    n_each = max(1, -(-raw.n_times // n_columns))
    seconds = max(1, round(_BLOCK_S * sfreq / n_each)) * n_each / sfreq  # whole columns
    sos = butter(2, HIGHPASS_HZ, "highpass", fs=sfreq, output="sos")
    last = np.full((len(rows), 1), np.nan)
    state = None
    lows, highs = [], []
    for _, block in blocks(raw, seconds):
        values = block[rows]
        missing = np.isnan(values)
        held = _held(values, last)
        last = held[:, -1:]
        if state is None:
            state = sosfilt_zi(sos)[:, None, :] * held[:, :1]
        filtered, state = sosfilt(sos, held, zi=state)
        filtered[missing] = np.nan
        n_short = -filtered.shape[1] % n_each
        padded = np.pad(filtered, ((0, 0), (0, n_short)), constant_values=np.nan)
        columns = padded.reshape(len(rows), -1, n_each)
        lows.append(np.fmin.reduce(columns, axis=2))
        highs.append(np.fmax.reduce(columns, axis=2))
    low = np.concatenate(lows, axis=1)
    time_s = (np.arange(low.shape[1]) + 0.5) * n_each / sfreq
    return time_s, low, np.concatenate(highs, axis=1)


def _held(values: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return values with the last known one where some are missing; at first the next known."""
    first = np.take_along_axis(values, (~np.isnan(values)).argmax(axis=1)[:, None], axis=1)
    before = np.nan_to_num(np.where(np.isnan(last), first, last))
    padded = np.concatenate([before, values], axis=1)
    known = np.where(np.isnan(padded), 0, np.arange(padded.shape[1]))
    return np.take_along_axis(padded, np.maximum.accumulate(known, axis=1), axis=1)[:, 1:]
