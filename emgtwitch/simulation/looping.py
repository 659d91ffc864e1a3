"""A simulated recording without an end: it goes over into its own beginning."""

import math

import numpy as np
from scipy.signal import resample_poly

from emgtwitch.simulation.front_end import FrontEnd
from emgtwitch.simulation.recording import EDGE_CLEAR_S, Simulated

SEAM_S = EDGE_CLEAR_S  # there are no twitches


def looped_codes(
    simulated: Simulated, front_end: FrontEnd, sfreq: float, *, signed: bool = False
) -> np.ndarray:
    """Return what a converter makes of a recording that begins anew where it ends.

    The last `SEAM_S` are faded into the first, so the loop is shorter by as much.

    Parameters
    ----------
    simulated
        The recording; lost samples hold the last value.
    front_end
        Whose converter, with a number of bits.
    sfreq
        Rate of the converter, Hz: that of the recording or a multiple of it.
    signed
        Codes are around 0, not around the middle code.

    Returns
    -------
    Codes, int32 of shape (n_channels, n_samples).
    """
    if front_end.bits is None or front_end.lsb_uv is None:
        raise ValueError("a front end without a converter has no codes")
    lost = np.isnan(simulated.signal_uv)
    last = np.maximum.accumulate(np.where(lost, 0, np.arange(lost.shape[1])), axis=1)
    signal_uv = np.nan_to_num(np.take_along_axis(simulated.signal_uv, last, axis=1))
    signal_uv = resample_poly(signal_uv, round(sfreq / simulated.sfreq), 1, axis=1)
    seam = round(SEAM_S * sfreq)
    looped_uv = signal_uv[:, :-seam].copy()
    fading = np.linspace(1, 0, seam)
    looped_uv[:, :seam] += fading * (signal_uv[:, -seam:] - looped_uv[:, :seam])
    half = 2 ** (front_end.bits - 1)
    codes = np.clip(np.rint(looped_uv / front_end.lsb_uv), -half, half - 1).astype(np.int32)
    return codes if signed else codes + half


def repeated_truth(truth: np.ndarray, loop_s: float, seconds: float) -> np.ndarray:
    """Return the events that begin within some seconds of a loop.

    Parameters
    ----------
    truth
        Event table of the recording, as long as the loop or longer.
    loop_s
        After so many seconds everything comes again.
    seconds
        Length wanted, s.
    """
    once = truth[truth["onset"] < loop_s]
    n_bursts = 1 + once["burst"].max(initial=-1)
    rounds = [once[:0]]
    for number in range(math.ceil(seconds / loop_s)):
        again = once.copy()
        again["onset"] += number * loop_s
        again["peak_time"] += number * loop_s
        again["burst"][once["burst"] >= 0] += number * n_bursts
        rounds.append(again[again["onset"] < seconds])
    return np.concatenate(rounds)
