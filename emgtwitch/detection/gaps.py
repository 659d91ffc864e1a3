"""Missing samples: short gaps are filled, the others bridged so that the filter sees no step."""

import numpy as np

SHORT_GAP_S = 0.001  # what is missing over no more than this, its surroundings tell


def with_gaps(samples: np.ndarray) -> np.ndarray:
    """Return in which channels of ``(n_channels, n)`` samples are missing."""
    return np.isnan(samples @ np.ones(samples.shape[1]))  # half the time of a sum


def needed_after(sfreq: float) -> int:
    """Return how many samples after the first of a gap tell whether it is short, and fill it."""
    longest = round(SHORT_GAP_S * sfreq)
    return 2 * longest + 1 if longest else 0


def without_short_gaps(samples: np.ndarray, sfreq: float) -> np.ndarray:
    """Return the samples with short gaps filled by a cubic, which mains goes through as well.

    Through the last sample before a gap, the first after it, and those as far again from both;
    all within that distance must be there, or the gap stays. The error of a cubic through four
    points a distance T apart is 3/128 (2 pi f T)^4 of a sinusoid, that of a line 1/8 (2 pi f T)^2.

    Parameters
    ----------
    samples
        ``(n_channels, n)``, NaN where missing.
    sfreq
        Sampling frequency, Hz.
    """
    filled = samples.copy()
    longest = round(SHORT_GAP_S * sfreq)
    for channel in np.flatnonzero(with_gaps(samples)).tolist():
        row = samples[channel]
        missing = np.isnan(row)
        edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2).tolist():
            apart = stop - start + 1
            first, last = start - 1 - apart, stop + apart
            alone = first >= 0 and last < len(row) and missing[first : last + 1].sum() < apart
            if stop - start <= longest and alone:
                at = np.arange(1, apart) / apart
                filled[channel, start:stop] = _cubic(row[first : last + 1 : apart], at)
    return filled


def _cubic(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the cubic (Lagrange) through four values at -1, 0, 1, 2 at some places."""
    weights = [
        -at * (at - 1) * (at - 2) / 6,
        (at + 1) * (at - 1) * (at - 2) / 2,
        -(at + 1) * at * (at - 2) / 2,
        (at + 1) * at * (at - 1) / 6,
    ]
    return np.asarray(values @ np.array(weights))


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
