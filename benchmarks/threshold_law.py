"""The constants of `emgtwitch.detection.calibration`: how often noise passes a threshold.

Run from the root of the repository::

    python -m benchmarks.threshold_law

For each sampling rate and colour of noise it computes the statistic with the true autocovariance
and prints ln C of the law ``C sqrt(u) exp(-u / 2)`` (maxima per hour above u) at several levels u.
The law holds as far as a row is constant; whitening works as far as the colours agree.
"""

import numpy as np
from scipy.signal import sosfilt

from benchmarks.calibration import shaping_filter
from emgtwitch.detection.candidates import DEAD_TIME_S, maxima
from emgtwitch.detection.front_end import band_pass
from emgtwitch.detection.grid import make_grid
from emgtwitch.detection.statistic import make_bank, spread_bank, statistic, whitened_bank

HOURS, N_CHANNELS, SEED = 2.0, 16, 8002
LEVELS = (14, 16, 18, 20, 22)
SFREQS = (200, 250, 320, 400, 500, 700, 1000, 1999, 4000)


def log_constants(sfreq: float, colour: str) -> list[float]:
    """Return ln C, per hour, at each of `LEVELS`."""
    grid = make_grid(sfreq)
    rng = np.random.default_rng(SEED)
    n = round(HOURS * 3600 * sfreq / N_CHANNELS)
    sos = band_pass(sfreq)
    noise = sosfilt(shaping_filter(colour, sfreq), rng.standard_normal((N_CHANNELS, n)))
    seen = sosfilt(sos, noise)[:, round(sfreq) :: grid.step]
    bank = make_bank(sos, sfreq, grid.step)
    n_window = len(bank.shapes)
    n = seen.shape[1]
    products = [np.mean(seen[:, lag:] * seen[:, : n - lag]) for lag in range(n_window)]
    spread = spread_bank(whitened_bank(bank, np.array([products])), 1, 1)
    windows = np.lib.stride_tricks.sliding_window_view(seen, n_window, axis=1)[:, :: grid.hop]
    pieces = [windows[:, start : start + 20_000] for start in range(0, windows.shape[1], 20_000)]
    score = np.concatenate([statistic(np.ascontiguousarray(p), spread, 1) for p in pieces], axis=1)
    reach = max(1, round(DEAD_TIME_S * grid.seen_sfreq / grid.hop))
    heights = score[maxima(score, LEVELS[0], reach)]
    hours = score.size * grid.hop / grid.seen_sfreq / 3600
    rates = [np.sum(heights > level) / hours for level in LEVELS]
    return [
        float(np.log(rate) - np.log(level) / 2 + level / 2)
        for rate, level in zip(rates, LEVELS, strict=True)
    ]


def main() -> None:
    """Print the table."""
    print("Hz    noise  " + "".join(f"u = {level:<5}" for level in LEVELS))
    for sfreq in SFREQS:
        for colour in ("white", "pink"):
            row = "".join(f"{value:<9.2f}" for value in log_constants(sfreq, colour))
            print(f"{sfreq:<5} {colour:<6} {row}", flush=True)


if __name__ == "__main__":
    main()
