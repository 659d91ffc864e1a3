"""From time stamps and sample counters to an even grid of samples with its gaps."""

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import warn

_LONG_PAUSE_S = 1.0
_MOST_OFF_GRID = 0.2  # periods, root mean square; 0.29 is no relation to the grid at all
_EVEN_S = 5e-3
_MOST_GROWTH = 20  # samples to fill for each sample there is


def grid_of_times(times_s: np.ndarray, where: object) -> tuple[float, np.ndarray]:
    """Return the sampling rate, and the index on an even grid, that time stamps tell.

    A straight line is fitted to longer and longer starts of the time stamps, each time counting
    in periods of the line before it, so that a gap does not bend it. Where every stamp then lies
    near a point of its own, the missing points are gaps. Stamps that do not (those of a host,
    that come in bursts) only give the mean rate: losses shorter than a second cannot be seen
    then, which is warned of.

    Parameters
    ----------
    times_s
        Seconds, shape (n_samples,), n_samples >= 3.
    where
        File, for messages.

    Returns
    -------
    sfreq
        Samples per second; a whole number if it is one to within 1e-5.
    index
        int64, shape (n_samples,), strictly increasing from 0.

    Raises
    ------
    InputError
        Time stands still, runs backward or is missing.
    """
    if not np.isfinite(times_s).all():
        row = int(np.flatnonzero(~np.isfinite(times_s))[0])
        raise InputError(f"{where}: the time stamp of sample {row + 1} is missing")
    times_s = times_s - times_s[0]
    steps = np.diff(times_s)
    if (steps < 0).any():
        row = int(np.flatnonzero(steps < 0)[0])
        raise InputError(
            f"{where}: time runs backward after sample {row + 1}; is it two recordings in one?"
        )
    if times_s[-1] <= 0:
        raise InputError(f"{where}: time stands still; are the time stamps in another unit?")
    # A step over a loss is two periods or more.
    period_s = float(np.median(steps[steps <= 1.5 * np.median(steps)]))
    sfreq, index = _fitted_grid(times_s, period_s) or _mean_grid(times_s, where)
    if abs(round(sfreq) - sfreq) < 1e-5 * sfreq:
        sfreq = float(round(sfreq))
    return sfreq, index


def _fitted_grid(times_s: np.ndarray, period_s: float) -> tuple[float, np.ndarray] | None:
    """Return rate and index if the stamps lie near the points of an even grid, else None."""
    index = np.zeros(len(times_s), dtype=np.int64)
    first_s, stop = 0.0, 5
    while period_s > 0:
        stop = min(2 * stop, len(times_s))
        start = times_s[:stop]
        index[:stop] = np.rint((start - first_s) / period_s)
        period_s, first_s = _line(index[:stop], start)
        off_s = np.sqrt(np.mean((start - first_s - index[:stop] * period_s) ** 2))
        if off_s > _MOST_OFF_GRID * period_s:
            return None
        if stop == len(times_s):
            return (1 / period_s, index - index[0]) if (np.diff(index) > 0).all() else None
    return None


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line; np.polyfit takes far more memory."""
    centred = x - x.mean()
    spread = centred @ centred
    slope = float(centred @ (y - y.mean()) / spread) if spread > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _mean_grid(times_s: np.ndarray, where: object) -> tuple[float, np.ndarray]:
    """Return the mean rate, and the index if only pauses longer than a second are losses."""
    pauses = np.diff(times_s)
    long_ones = pauses > _LONG_PAUSE_S
    if long_ones.all() or pauses[~long_ones].sum() <= 0:
        raise InputError(f"{where}: time stands still; are the time stamps in another unit?")
    sfreq = float((~long_ones).sum() / pauses[~long_ones].sum())
    lost = np.where(long_ones, np.rint(pauses * sfreq) - 1, 0).astype(np.int64)
    index = np.arange(len(times_s)) + np.concatenate([[0], np.cumsum(lost)])
    off_s = np.abs(times_s - index / sfreq).max()
    if off_s > _EVEN_S:
        warn(
            f"{where}: the time stamps are up to {off_s * 1e3:.0f} ms off an even grid (those of "
            f"a host?): the rate is their mean, {sfreq:.4g} Hz, and short losses cannot be seen"
        )
    return sfreq, index


def grid_of_counter(counter: np.ndarray, period: int | None = None) -> np.ndarray:
    """Return the index on an even grid that a sample counter tells.

    Parameters
    ----------
    counter
        Count of each sample, int64, shape (n_samples,), n_samples >= 1.
    period
        The counter starts at zero again after this many; None if it never does.

    Returns
    -------
    index
        int64, shape (n_samples,), from 0. A loss of a whole number of periods cannot be seen.
    """
    steps = np.diff(counter)
    if period is not None:
        steps = (steps - 1) % period + 1
    return np.concatenate([[0], np.cumsum(steps)])


def fill(data: np.ndarray, index: np.ndarray, where: object) -> np.ndarray:
    """Return samples put on their grid, NaN where there is none.

    Parameters
    ----------
    data
        float64, shape (n_channels, n_samples).
    index
        Strictly increasing from 0, shape (n_samples,).
    where
        File, for the message.

    Raises
    ------
    InputError
        There is far more missing than there is.
    """
    n_samples = int(index[-1]) + 1
    if n_samples == data.shape[1]:
        return data
    if n_samples > _MOST_GROWTH * data.shape[1]:
        raise InputError(
            f"{where}: {n_samples - data.shape[1]} samples are missing, and only "
            f"{data.shape[1]} are there; split it into its parts"
        )
    filled = np.full((len(data), n_samples), np.nan)
    filled[:, index] = data
    return filled
