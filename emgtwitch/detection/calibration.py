"""The threshold of the statistic for a wanted rate of false alarms.

In Gaussian noise of any colour the statistic is a chi-square process with two degrees of freedom,
and the rate at which it passes a high level u is that of Rice's formula, ``C sqrt(u) exp(-u/2)``
(Rice 1945, Bell Syst Tech J 24:46). Whitening makes C nearly the same for all noise; its
dependence on the rate at which the statistic is seen is measured by
``benchmarks/threshold_law.py``, which also shows how well the law holds.
"""

import numpy as np

# Rate of the samples that the statistic sees (Hz), and the natural logarithm of C per hour.
_SEEN_HZ = np.array([200.0, 250.0, 320.0, 400.0, 500.0])
_LOG_C = np.array([12.35, 12.8, 13.15, 13.5, 13.75])


def threshold(false_alarms_per_hour: float, seen_sfreq: float) -> float:
    """Return the level that noise exceeds so often per channel and hour."""
    excess = float(np.interp(seen_sfreq, _SEEN_HZ, _LOG_C)) - np.log(false_alarms_per_hour)
    level = 2 * excess
    for _ in range(20):  # level = 2 (excess + log(level) / 2), a contraction for level > 1
        level = max(2 * excess + np.log(max(level, 1.0)), 2.0)
    return float(level)
