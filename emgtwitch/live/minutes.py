"""Twitches and valid time, minute by minute, as far as a live page shows them."""

from typing import Any

import numpy as np

MINUTE_S = 60.0
MOST_MINUTES = 60
_SECOND_S = 1.0
_RECENT_SECONDS = 61  # the last of them has only begun


class Bins:
    """Counts and valid seconds of each channel in bins of equal width; the latest are kept.

    Parameters
    ----------
    n_channels
        Channels.
    width_s
        Of a bin.
    most
        Bins that are kept.
    """

    def __init__(self, n_channels: int, width_s: float, most: int) -> None:
        self._n_channels, self._width_s, self._most = n_channels, width_s, most
        self._bins: dict[int, np.ndarray] = {}  # number: (2, n_channels) counts, valid seconds

    def _bin(self, number: int) -> np.ndarray:
        found = self._bins.setdefault(number, np.zeros((2, self._n_channels)))
        while len(self._bins) > self._most:
            del self._bins[min(self._bins)]
        return found

    def count(self, channel: int, at_s: float) -> None:
        """Count a twitch."""
        self._bin(int(at_s // self._width_s))[0, channel] += 1

    def spread(self, from_s: float, to_s: float, valid_s: np.ndarray) -> None:
        """Add valid seconds, ``(n_channels,)``, evenly over a stretch."""
        first, last = int(from_s // self._width_s), int(to_s // self._width_s)
        for number in range(max(first, last - self._most + 1), last + 1):
            start_s = max(from_s, number * self._width_s)
            stop_s = min(to_s, (number + 1) * self._width_s)
            self._bin(number)[1] += valid_s * max(stop_s - start_s, 0.0) / (to_s - from_s)

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return start of each bin (s), counts and valid seconds, ``(n_bins, n_channels)``."""
        numbers = sorted(self._bins)
        bins = np.array([self._bins[number] for number in numbers])
        bins = bins.reshape(len(numbers), 2, self._n_channels)
        return np.array(numbers) * self._width_s, bins[:, 0], bins[:, 1]


class Minutes:
    """What a page shows of rates over time, from decided twitches and the valid time told.

    Parameters
    ----------
    n_channels
        Channels.
    """

    def __init__(self, n_channels: int) -> None:
        self._minutes = Bins(n_channels, MINUTE_S, MOST_MINUTES)
        self._recent = Bins(n_channels, _SECOND_S, _RECENT_SECONDS)
        self._told_s: float | None = None
        self._valid_s = np.zeros(n_channels)

    def count(self, channel: int, peak_s: float) -> None:
        """Count a decided twitch."""
        for bins in (self._minutes, self._recent):
            bins.count(channel, peak_s)

    def tell(self, elapsed_s: float, valid_s: np.ndarray) -> None:
        """Note the valid time of each channel, ``(n_channels,)`` s, known by now."""
        if self._told_s is not None and elapsed_s > self._told_s:
            more = np.maximum(valid_s - self._valid_s, 0.0)
            for bins in (self._minutes, self._recent):
                bins.spread(self._told_s, elapsed_s, more)
        self._told_s, self._valid_s = elapsed_s, valid_s

    def last_minute(self) -> np.ndarray:
        """Return twitches per valid minute of the last one, ``(n_channels,)``; NaN if none."""
        _, counts, valid_s = self._recent.all()
        return _per_minute(counts.sum(axis=0), valid_s.sum(axis=0))

    def fields(self) -> dict[str, Any]:
        """Return what ``rates`` has in a ``state`` message."""
        start_s, counts, valid_s = self._minutes.all()
        return {
            "minute_s": start_s,
            "per_min": _per_minute(counts, valid_s).round(3),
            "valid": (valid_s / MINUTE_S).clip(0, 1).round(3),
        }


def _per_minute(counts: np.ndarray, valid_s: np.ndarray) -> np.ndarray:
    minutes = np.where(valid_s > 0, valid_s, np.nan) / MINUTE_S
    return np.asarray(counts / minutes)
