"""Missing samples: short gaps are filled, the others bridged so that the filter sees no step."""

import numpy as np

SHORT_GAP_S = 0.002  # a straight line over no more than this is as good as what is missing


def with_gaps(samples: np.ndarray) -> np.ndarray:
    """Return in which channels of ``(n_channels, n)`` samples are missing."""
    return np.isnan(samples @ np.ones(samples.shape[1]))  # half the time of a sum


def fill_short_gaps(samples: np.ndarray, sfreq: float) -> None:
    """Replace the samples missing in short gaps by a straight line, in place.

    Parameters
    ----------
    samples
        ``(n_channels, n)``, NaN where missing; gaps at the first or the last sample stay.
    sfreq
        Sampling frequency, Hz.
    """
    longest = int(SHORT_GAP_S * sfreq)
    for channel in np.flatnonzero(with_gaps(samples)).tolist():
        row = samples[channel]
        missing = np.flatnonzero(np.diff(np.isnan(row), prepend=False, append=False))
        for start, stop in missing.reshape(-1, 2).tolist():
            if stop - start <= longest and start > 0 and stop < len(row):
                row[start - 1 : stop + 1] = np.linspace(row[start - 1], row[stop], stop - start + 2)


class GapBridge:
    """Replaces missing samples by the last one, and removes the step at the end of a gap."""

    def __init__(self, n_channels: int) -> None:
        self._last = np.zeros(n_channels)
        self._offset = np.zeros(n_channels)
        self._in_gap = np.ones(n_channels, dtype=bool)  # the signal starts as if after a gap

    def bridge(self, samples: np.ndarray, n: int, *, keep: bool = True) -> None:
        """Remove NaN and the steps of gaps, in place.

        Parameters
        ----------
        samples
            ``(n_channels, n + n_ahead)``, NaN where missing.
        n
            After so many of them the next call starts.
        keep
            False if the next call starts with the same again.
        """
        rows = np.flatnonzero(with_gaps(samples) | self._in_gap)
        missing = samples[rows]
        samples -= self._offset[:, None]
        offset, in_gap = self._offset.copy(), np.zeros(len(samples), dtype=bool)
        for row, given in zip(rows.tolist(), missing, strict=True):
            state = float(self._last[row]), float(self._offset[row]), bool(self._in_gap[row])
            state = _bridge_row(given[:n], samples[row, :n], *state)
            _, offset[row], in_gap[row] = state
            _bridge_row(given[n:], samples[row, n:], *state)
        if keep:
            self._last, self._offset, self._in_gap = samples[:, n - 1].copy(), offset, in_gap


def _bridge_row(
    samples: np.ndarray, bridged: np.ndarray, last: float, offset: float, in_gap: bool
) -> tuple[float, float, bool]:
    """Write the samples of a channel as they go on from a state; return the state after them."""
    missing = np.isnan(samples)
    edges = np.flatnonzero(np.diff(np.concatenate([[in_gap], missing]))).tolist()
    start = 0
    for stop in [*edges, len(samples)]:
        if stop > start and in_gap:
            bridged[start:stop] = last
        elif stop > start:
            bridged[start:stop] = samples[start:stop] - offset
            last = float(bridged[stop - 1])
        if stop < len(samples):
            in_gap = not in_gap
            if not in_gap:
                offset = float(samples[stop]) - last
        start = stop
    return last, offset, in_gap
