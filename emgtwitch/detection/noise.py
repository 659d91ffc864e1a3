"""The noise floor of each channel: how strong, and with which autocovariance.

Both come from quiet stretches only, so that twitches and contractions do not raise them, as in
order-statistic constant-false-alarm-rate detection (Rohling 1983, IEEE Trans Aerosp Electron Syst
19:608), and neither is ever below what the step of the converter alone produces (LSB^2 / 12,
Bennett 1948).
"""

import numpy as np
from scipy.special import gammainc

QUANTILE = 0.3  # of the powers of short blocks, trusted to be free of activity
_QUANTILE_NORMAL = -0.5244005127080407  # standard normal quantile of QUANTILE
LEVEL_S = 8.0  # memory of the level
LEVEL_TILES = 4  # from one calculation of the level to the next
SHAPE_S = 20.0  # memory of the autocovariance
LATE_S = 0.7  # of quiet signal, in which a change of the spectrum is seen
# It is another noise where some potential of the bank finds so many times as much of it in the
# same power, or all find less than that part.
SPECTRUM_CHANGE = 1.5
HIGH_S = 2.5  # memory of the level at high frequencies
# A block that is not quiet counts as this many times the present level, so that a contraction of
# half a minute cannot pass for a new noise level, but a lasting change is followed in the end.
RISE = 1.25
QUIET_SD = 3.5  # blocks this many standard deviations above the level are not quiet
# Electrode noise changes at all frequencies alike; muscle adds little at the highest ones. A
# change at the highest frequencies beyond this factor, and of the whole within this factor of
# that, is a change of the noise and is followed at once.
HIGH_CHANGE = 1.4
# Where more than this share of the last while is not quiet, neither are the pauses in it.
RESTLESS_S, RESTLESS_SHARE = 0.7, 0.5
HIGH_SFREQ = 700.0  # slower recordings have no frequencies above those of muscle
LEAST_SPECTRUM = 1e-3  # of its maximum: keeps the covariance invertible
TINY = 1e-300  # instead of a division by zero


class NoiseFloor:
    """Running noise level and autocovariance of all channels.

    Parameters
    ----------
    least_autocovariance
        ``(n_channels, n_window)`` of the noise that the converter alone makes, after the filter.
    sfreq
        Sampling frequency of the blocks, Hz.
    n_block
        Samples of a block.
    """

    def __init__(self, least_autocovariance: np.ndarray, sfreq: float, n_block: int) -> None:
        n_channels, self._n_window = least_autocovariance.shape
        self._least_spectrum = self._spectrum(least_autocovariance)
        self._n_block, self._block_s = n_block, n_block / sfreq
        self._has_high = sfreq >= HIGH_SFREQ
        # Powers of the last blocks, in no order; infinity: not of noise.
        n_level, n_high = round(LEVEL_S / self._block_s), round(HIGH_S / self._block_s)
        self._powers = np.full((n_channels, n_level), np.inf, dtype=np.float32)
        self._recent = np.full((n_channels, n_high), np.inf, dtype=np.float32)
        self._high_powers = self._recent.copy()
        self._loud = np.zeros((n_channels, round(RESTLESS_S / self._block_s)), dtype=bool)
        self.restless = np.zeros(n_channels, dtype=bool)
        """``(n_channels,)`` bool: much of the last while was not quiet."""
        self._autocovariance = np.zeros((n_channels, self._n_window))
        self._high_share = np.full(n_channels, np.nan)
        # Sums over what was quiet since it was last looked at, and how long that was.
        self._late_autocovariance = np.zeros((n_channels, self._n_window))
        self._late_high_share = np.zeros(n_channels)
        self._late_s = np.zeros(n_channels)
        self._quiet_limit = np.full(n_channels, np.inf)
        self._tile = 0
        self.seen_s = np.zeros(n_channels)
        """``(n_channels,)`` seconds of quiet signal taken in."""
        self.level = np.full(n_channels, np.nan)
        """``(n_channels,)`` power of the noise; NaN before anything is known."""

    def set_least(self, channels: np.ndarray, least_autocovariance: np.ndarray) -> None:
        """Replace the noise of the converter in some channels, when its step is known better."""
        self._least_spectrum[channels] = self._spectrum(least_autocovariance[channels])

    def forget(self, channels: np.ndarray) -> None:
        """Start anew in some channels, ``(n_channels,)`` bool: what was seen was not noise."""
        self._powers[channels] = np.inf
        self._recent[channels] = self._high_powers[channels] = np.inf
        self._autocovariance[channels] = 0.0
        self._high_share[channels] = self.level[channels] = np.nan
        self.seen_s[channels] = 0.0
        self._late_autocovariance[channels] = 0.0
        self._late_high_share[channels] = self._late_s[channels] = 0.0

    def update_level(
        self, powers: np.ndarray, high_powers: np.ndarray, valid: np.ndarray
    ) -> np.ndarray:
        """Take in the powers of tiles and return which of their blocks are quiet.

        Parameters
        ----------
        powers, high_powers
            ``(n_channels, n_tiles, n_blocks)`` mean squares of the signal and of its second
            difference. The level is calculated anew with the first of these tiles only, so they
            end before it is due again, every `LEVEL_TILES`; before it is known, with each.
        valid
            ``(n_channels, n_tiles, n_blocks)`` bool: blocks that are a signal at all.

        Returns
        -------
        ndarray
            ``(n_channels, n_tiles, n_blocks)`` bool: nothing but noise, there and in the two
            blocks before.
        """
        due = np.isnan(self.level) | (self._tile % LEVEL_TILES == 0)
        n_first = 1 if due.any() else 0
        self._take_in(powers[:, :n_first], high_powers[:, :n_first], valid[:, :n_first])
        if due.any():
            self._find_level(due)
        self._take_in(powers[:, n_first:], high_powers[:, n_first:], valid[:, n_first:])
        quiet = valid & (powers < (self._quiet_limit * self.level)[:, None, None])
        n_blocks = quiet.shape[2]
        loud = np.concatenate([self._loud, ~quiet.reshape(len(quiet), -1)], axis=1)
        n_kept = self._loud.shape[1]
        self._loud = loud[:, -n_kept:]
        quiet[..., 2:] &= quiet[..., 1:-1] & quiet[..., :-2]
        quiet[..., :2] = False
        for i in range(quiet.shape[1]):
            lately = loud[:, (i + 1) * n_blocks : (i + 1) * n_blocks + n_kept]
            self.restless = lately.sum(axis=1) >= RESTLESS_SHARE * n_kept
            quiet[self.restless, i] = False
        return quiet

    def _take_in(self, powers: np.ndarray, high_powers: np.ndarray, valid: np.ndarray) -> None:
        _, n_tiles, n_blocks = powers.shape
        at = self._tile * n_blocks + np.arange(n_tiles * n_blocks)
        self._tile += n_tiles
        level = self.level[:, None, None]
        loud = powers > self._quiet_limit[:, None, None] * level  # NaN: nothing known yet
        taken = np.where(loud, RISE * level, powers)
        for kept, new in (
            (self._powers, taken), (self._recent, powers), (self._high_powers, high_powers)
        ):  # fmt: skip
            kept[:, at % kept.shape[1]] = np.where(valid, new, np.inf).reshape(len(new), -1)

    def _find_level(self, due: np.ndarray) -> None:
        freedom = self._freedom()
        quiet_limit = 1 + QUIET_SD * np.sqrt(2 / freedom)
        self._quiet_limit = np.where(due, quiet_limit, self._quiet_limit)
        floor = self._least_spectrum.mean(axis=1)
        kept_share = _kept_share(freedom)
        level = np.maximum(_robust_mean(self._powers, freedom, kept_share), floor)
        high = _robust_mean(self._high_powers, freedom, kept_share)
        expected = self._high_share * level
        known = (expected > 0) & np.isfinite(high) & (self.seen_s > SHAPE_S / 8) & self._has_high
        change = np.divide(high, expected, out=np.ones_like(level), where=known)
        changed = (change > HIGH_CHANGE) | (change < 1 / HIGH_CHANGE)
        if (changed & due).any():
            recent = _robust_mean(self._recent, freedom, kept_share) / level
            alike = (change < HIGH_CHANGE * recent) & (recent < HIGH_CHANGE * change)
            change = np.where(changed & alike & due, change, 1.0)
            self._powers *= change[:, None]
            level = np.maximum(level * change, floor)
        self.level = np.where(due & np.isfinite(level), level, self.level)

    def update_shape(
        self,
        quiet: np.ndarray,
        powers: np.ndarray,
        high_powers: np.ndarray,
        products: np.ndarray,
    ) -> None:
        """Take in the mean lagged products of the quiet blocks of tiles.

        Parameters
        ----------
        quiet, powers, high_powers
            As in `update_level`.
        products
            ``(n_channels, n_tiles, n_window)`` mean products of quiet samples with those before,
            lag 0 first.
        """
        new_s = quiet.sum(axis=2) * self._block_s
        # The level changes from tile to tile; only the shape is averaged.
        scaled = products / np.maximum(products[..., :1], TINY)
        total = np.where(quiet, powers, 0.0).sum(axis=2)
        high = np.where(quiet, high_powers, 0.0).sum(axis=2) / np.maximum(total, TINY)
        for i in range(quiet.shape[1]):
            self.seen_s += new_s[:, i]
            share = new_s[:, i] / np.clip(self.seen_s, self._block_s, SHAPE_S)
            self._autocovariance += share[:, None] * (scaled[:, i] - self._autocovariance)
            first = np.isnan(self._high_share) & (new_s[:, i] > 0)
            self._high_share[first] = high[first, i]
            self._high_share += share * (high[:, i] - self._high_share)
        self._late_autocovariance += np.einsum("ct,ctw->cw", new_s, scaled)
        self._late_high_share += (new_s * high).sum(axis=1)
        self._late_s += new_s.sum(axis=1)

    def look_for_change(self, among: np.ndarray, responses: np.ndarray) -> np.ndarray:
        """Return in which channels the noise has another spectrum of late; it is learned anew.

        Parameters
        ----------
        among
            ``(n_channels,)`` bool: the channels to be looked at.
        responses
            ``(n_channels, n_potentials, n_window)``: what the bank makes of each lag of noise.

        Returns
        -------
        ndarray
            ``(n_channels,)`` bool.
        """
        among = among & (self._late_s >= LATE_S)
        late, known = (
            (responses @ products[..., None])[..., 0] / np.maximum(products[:, :1], TINY)
            for products in (self._late_autocovariance, self._autocovariance)
        )
        change = (late / np.maximum(known, TINY)).max(axis=1)
        changed = among & ((change > SPECTRUM_CHANGE) | (change < 1 / SPECTRUM_CHANGE))
        if changed.any():
            n_s = self._late_s[changed]
            self._autocovariance[changed] = self._late_autocovariance[changed] / n_s[:, None]
            self._high_share[changed] = self._late_high_share[changed] / n_s
            self.seen_s[changed] = n_s
        for kept in (self._late_autocovariance, self._late_high_share, self._late_s):
            kept[among] = 0.0
        return changed

    def autocovariance(self) -> np.ndarray:
        """Return ``(n_channels, n_window)``, positive definite, lag 0 first."""
        level = np.where(np.isfinite(self.level), self.level, 1.0)[:, None]
        spectrum = self._spectrum(self._autocovariance * level)
        least = np.maximum(
            self._least_spectrum, LEAST_SPECTRUM * spectrum.max(axis=1, keepdims=True)
        )
        spectrum = np.maximum(spectrum, np.maximum(least, TINY))
        return np.fft.irfft(spectrum, 2 * self._n_window - 2)[:, : self._n_window]

    def _spectrum(self, autocovariance: np.ndarray) -> np.ndarray:
        mirrored = np.concatenate([autocovariance, autocovariance[:, -2:0:-1]], axis=1)
        return np.fft.rfft(mirrored, axis=1).real

    def _freedom(self) -> np.ndarray:
        """Return the degrees of freedom of the power of a block, from the autocovariance."""
        n = self._n_block
        lags = np.arange(1, min(n, self._n_window))
        correlation = self._autocovariance[:, 1 : len(lags) + 1] / np.maximum(
            self._autocovariance[:, :1], TINY
        )
        correlation = np.clip(correlation, -1.0, 1.0)  # without any signal it is anything
        spread = n + 2 * ((n - lags) * correlation**2).sum(axis=1)
        return np.where(self.seen_s > 0, n**2 / spread, n / 3)


def _robust_mean(powers: np.ndarray, freedom: np.ndarray, kept_share: np.ndarray) -> np.ndarray:
    """Return the mean of the blocks that hold only noise (infinity: no block); NaN without any.

    The quantile of a chi-square variable follows Wilson & Hilferty 1931 (PNAS 17:684).
    """
    ordered = np.sort(powers, axis=1)
    count = np.count_nonzero(np.isfinite(ordered), axis=1)
    at = (QUANTILE * np.maximum(count - 1, 0)).astype(int)
    quantile = ordered[np.arange(len(powers)), at]
    relative = (1 - 2 / (9 * freedom) + _QUANTILE_NORMAL * np.sqrt(2 / (9 * freedom))) ** 3
    limit = quantile / relative * (1 + QUIET_SD * np.sqrt(2 / freedom))
    inside = ordered <= limit[:, None].astype(np.float32)
    total = np.where(inside, ordered, np.float32(0)).sum(axis=1)
    mean = total / np.count_nonzero(inside, axis=1) / kept_share
    return np.where(count > 0, mean, np.nan)


def _kept_share(freedom: np.ndarray) -> np.ndarray:
    """Return mean over mean of a chi-square variable cut off `QUIET_SD` above its mean."""
    limit = freedom / 2 * (1 + QUIET_SD * np.sqrt(2 / freedom))
    return gammainc(freedom / 2 + 1, limit) / gammainc(freedom / 2, limit)
