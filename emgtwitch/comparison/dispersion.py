"""How much counts scatter at each time scale: Fano and Allan factor by length of the bins."""

from dataclasses import dataclass

import numpy as np

from emgtwitch.comparison.trains import Train

BINS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300)
LEAST_BINS = 6
_SURROGATES = 100
_SEED = 20260112


@dataclass(frozen=True, eq=False)
class Dispersion:
    """Fano and Allan factor; both are 1 for a Poisson process.

    Attributes
    ----------
    bin_s
        (m,) lengths of the bins, s of valid time; those that fit at least `LEAST_BINS` times.
    n_bins
        (m,) how many there were.
    fano
        (m,) variance over mean of the counts. Doublets raise it at all lengths, slow drift at the
        long ones.
    allan
        (m,) mean square of successive differences over twice the mean: blind to slow drift.
    fano_low, fano_high, allan_low, allan_high
        (m,) the middle 95 % of what as many twitches show that are spread evenly at random.
    """

    bin_s: np.ndarray
    n_bins: np.ndarray
    fano: np.ndarray
    allan: np.ndarray
    fano_low: np.ndarray
    fano_high: np.ndarray
    allan_low: np.ndarray
    allan_high: np.ndarray


def fano_factor(counts: np.ndarray) -> np.ndarray:
    """Return variance over mean of counts along the last axis; NaN without a count."""
    return _over_mean(counts.var(axis=-1, ddof=1), counts)


def allan_factor(counts: np.ndarray) -> np.ndarray:
    """Return the Allan factor of counts along the last axis; NaN without a count.

    Mean of (N[k+1] - N[k])² over twice the mean of N, after which a steady slope hardly counts.
    """
    return _over_mean((np.diff(counts, axis=-1) ** 2).mean(axis=-1) / 2, counts)


def dispersion_of(train: Train) -> Dispersion:
    """Return Fano and Allan factors of a train over its valid time, excluded time cut out.

    The band of a Poisson process comes from as many twitches put at random into bins, 100 times.
    """
    n_seconds = int(train.valid_s)
    lengths = np.array([length for length in BINS_S if n_seconds // length >= LEAST_BINS], int)
    if len(lengths) == 0 or train.count == 0:
        nothing = np.full(len(lengths), np.nan)
        return Dispersion(lengths, n_seconds // lengths, *[nothing] * 6)
    second = train.clock(train.times_s).astype(int)
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(n_seconds, size=(_SURROGATES, train.count))
    drawn += n_seconds * np.arange(_SURROGATES)[:, None]
    observed = np.bincount(np.minimum(second, n_seconds - 1), minlength=n_seconds)
    even = np.bincount(drawn.ravel(), minlength=n_seconds * _SURROGATES)
    counts = np.vstack((observed, even.reshape(_SURROGATES, n_seconds))).astype(np.float32)
    fano, allan = [], []
    for length in lengths:
        n_bins = n_seconds // length
        binned = counts[:, : n_bins * length].reshape(-1, n_bins, length).sum(axis=-1)
        fano.append(fano_factor(binned))
        allan.append(allan_factor(binned))
    values = np.array([fano, allan])  # (2, lengths, 1 + surrogates)
    low, high = np.quantile(values[:, :, 1:], (0.025, 0.975), axis=-1)
    return Dispersion(
        lengths,
        n_seconds // lengths,
        values[0, :, 0],
        values[1, :, 0],
        low[0],
        high[0],
        low[1],
        high[1],
    )


def _over_mean(spread: np.ndarray, counts: np.ndarray) -> np.ndarray:
    mean = counts.mean(axis=-1)
    return np.asarray(spread / np.where(mean > 0, mean, np.nan))
