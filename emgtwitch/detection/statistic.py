"""The detection statistic: a matched-subspace test over a bank of potential widths.

A fasciculation seen by a bipolar pair has an unknown shape, mostly bi- or triphasic. For each of
a few widths, the bank holds the first and second derivative of a Gaussian (Hermite functions of
order 1 and 2), passed through the same band-pass filter as the signal. The generalised likelihood
ratio of "anything in this two-dimensional subspace" against coloured Gaussian noise of known
covariance is the energy of the whitened signal inside the whitened subspace (Scharf & Friedlander
1994, IEEE Trans Signal Process 42:2146). It does not see polarity, and only the ratio of signal
to noise enters.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import sosfilt

# Standard deviations of the Gaussians. Motor unit potentials of the calf last 5 to 25 ms.
WIDTHS_S = (0.0012, 0.0017, 0.0024, 0.0034)
ORDERS = (1, 2)
FINE_HZ = 750.0  # rate at which potentials are looked for, also in a slower recording
BEFORE_S = 0.014  # window of the statistic before and after the middle of the potential
AFTER_S = 0.024
# In slow recordings the band-pass ends just below half the rate and rings for some samples: with
# fewer than so many a tenth of a potential's energy is lost at 200 Hz.
LEAST_BEFORE, LEAST_AFTER = 4, 10
# White noise added to the covariance, as part of its variance, before it is inverted: bands that
# the amplifier has emptied must not be amplified without bound.
RIDGE = 0.02


@dataclass(frozen=True)
class Bank:
    """Potentials of unit energy as they look after the band-pass filter.

    Attributes
    ----------
    shapes
        ``(n_window, n_potentials * len(ORDERS))`` float64, the orders of one potential side by
        side.
    after
        Samples of the window that follow the middle of the potential.
    """

    shapes: np.ndarray
    after: int


def make_bank(sos: np.ndarray, sfreq: float, step: int) -> Bank:
    """Return the bank for a filter `sos` at `sfreq`, seen at every `step`-th sample.

    A slow recording may sample a potential anywhere, so the bank then holds each width several
    times, moved by fractions of a sample.
    """
    seen_hz = sfreq / step
    before = max(round(BEFORE_S * seen_hz), LEAST_BEFORE)
    after = max(round(AFTER_S * seen_hz), LEAST_AFTER)
    n = 2 ** int(np.ceil(np.log2(0.5 * sfreq)))  # half a second, much longer than the window
    hz = np.fft.rfftfreq(n, 1 / sfreq)
    moves = max(1, round(FINE_HZ / seen_hz))
    shapes = []
    for width in WIDTHS_S:
        for move in range(moves):
            delay_s = (n // 2 + move / moves * step) / sfreq
            gauss = np.exp(-((2 * np.pi * hz * width) ** 2) / 2 - 2j * np.pi * hz * delay_s)
            shapes += [gauss * (2j * np.pi * hz) ** order for order in ORDERS]
    filtered = sosfilt(sos, np.fft.irfft(np.array(shapes), n), axis=-1)
    filtered = filtered[:, n // 2 - before * step : n // 2 + after * step + 1 : step]
    filtered /= np.linalg.norm(filtered, axis=1, keepdims=True)
    return Bank(filtered.T.copy(), after)


def whitened_bank(bank: Bank, autocovariance: np.ndarray) -> np.ndarray:
    """Return the bank matched to noise of a given autocovariance.

    Parameters
    ----------
    bank
        The shapes to look for.
    autocovariance
        ``(n_channels, n_window)`` of the noise, lag 0 first, in the signal's unit squared.

    Returns
    -------
    ndarray
        ``(n_channels, n_window, n_shapes)``: products of a noise window with the columns of one
        potential are independent and have variance 1.
    """
    n_channels, n_window = autocovariance.shape
    lags = np.abs(np.subtract.outer(np.arange(n_window), np.arange(n_window)))
    # One memory layout, so that a channel's result does not depend on how many there are.
    covariance = np.ascontiguousarray(autocovariance[:, lags])
    ridged = covariance.copy()
    ridged[:, lags == 0] *= 1 + RIDGE
    matched = np.linalg.solve(
        ridged, np.broadcast_to(bank.shapes, (n_channels, *bank.shapes.shape))
    )
    pairs = matched.reshape(n_channels, n_window, -1, len(ORDERS)).transpose(0, 2, 1, 3)
    gram = pairs.transpose(0, 1, 3, 2) @ covariance[:, None] @ pairs
    whitening = np.linalg.inv(np.linalg.cholesky(gram)).transpose(0, 1, 3, 2)
    return (pairs @ whitening).transpose(0, 2, 1, 3).reshape(n_channels, n_window, -1)


def noise_responses(whitened: np.ndarray) -> np.ndarray:
    """Return what the statistic makes of noise, lag by lag.

    Parameters
    ----------
    whitened
        ``(n_channels, n_window, n_shapes)`` as `whitened_bank` returns it.

    Returns
    -------
    ndarray
        ``(n_channels, n_potentials, n_window)`` float32: the product with the autocovariance of a
        noise, lag 0 first, is the mean energy of that noise in the subspace of each potential.
    """
    n_channels, n_window, n_shapes = whitened.shape
    n = next_fast_len(2 * n_window - 1, real=True)
    transform = rfft(np.ascontiguousarray(whitened.swapaxes(1, 2), dtype=np.float32), n)
    power = np.square(transform.real) + np.square(transform.imag)
    of_potential = power.reshape(n_channels, n_shapes // len(ORDERS), len(ORDERS), -1).sum(axis=2)
    responses = irfft(of_potential, n)[..., :n_window].copy()
    responses[..., 1:] *= 2
    return np.asarray(responses)


def spread_bank(whitened: np.ndarray, n_positions: int, hop: int) -> np.ndarray:
    """Return the bank written out at several positions of a piece of signal.

    Parameters
    ----------
    whitened
        As `whitened_bank` returns it.
    n_positions, hop
        How many positions, and from one to the next.

    Returns
    -------
    ndarray
        ``(n_channels, n_window + (n_positions - 1) * hop, n_shapes * n_positions)`` float32, first
        all potentials of one order, each at all positions, then those of the next.
    """
    n_channels, n_window, n_shapes = whitened.shape
    n_piece = n_window + (n_positions - 1) * hop
    n_potentials = n_shapes // len(ORDERS)
    spread = np.zeros(
        (n_channels, n_piece, len(ORDERS), n_potentials, n_positions), dtype=np.float32
    )
    shapes = whitened.reshape(n_channels, n_window, n_potentials, len(ORDERS)).swapaxes(2, 3)
    for position in range(n_positions):
        spread[:, position * hop : position * hop + n_window, ..., position] = shapes
    return spread.reshape(n_channels, n_piece, -1)


def statistic(pieces: np.ndarray, bank: np.ndarray, n_positions: int) -> np.ndarray:
    """Return the greatest energy in the subspace of any potential of the bank.

    Parameters
    ----------
    pieces
        ``(..., n_pieces, n_piece)`` of the signal.
    bank
        ``(..., n_piece, n_shapes * n_positions)`` as `spread_bank` returns it.
    n_positions
        In each piece.

    Returns
    -------
    ndarray
        ``(..., n_pieces * n_positions)``; for one potential, noise gives chi-square with two
        degrees of freedom.
    """
    energy = bank.swapaxes(-1, -2) @ pieces.swapaxes(-1, -2)  # long rows for what follows
    energy *= energy
    *outer, _, n_pieces = energy.shape
    energy = energy.reshape(*outer, len(ORDERS), -1, n_positions, n_pieces)
    of_potential = energy[..., 0, :, :, :]
    of_potential += energy[..., 1, :, :, :]
    greatest = of_potential.max(axis=-3)
    return greatest.swapaxes(-1, -2).reshape(*outer, -1)
