"""Judge a recording before it is analysed: refuse what cannot hold a twitch, warn of doubts."""

from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.access import emg_channels, gaps, spread_blocks
from emgtwitch.recording.signals import warn

if TYPE_CHECKING:
    import mne

LOWEST_SFREQ = 200.0
HIGHEST_SFREQ = 100_000.0
ADVISED_SFREQ = 1000.0
SHORTEST_S = 5.0
_WINDOW_S = 0.5
_NOT_RAW = ("rectified", "envelope")
_FEWEST_WINDOWS = 4
_FEWEST_STEPS = 6  # of the converter, between the 10th and 90th percentile of a window


def check(raw: "mne.io.Raw", where: object) -> None:
    """Refuse or warn, as the signal itself gives reason to.

    Channels that are an envelope or rectified become type misc if others are usable.

    Raises
    ------
    InputError
        No EMG channel, no samples, a rate below `LOWEST_SFREQ`, or nothing but envelopes.
    """
    names, sfreq = emg_channels(raw), float(raw.info["sfreq"])
    if not names:
        raise InputError(f"{where}: no EMG channel in it")
    if raw.n_times == 0:
        raise InputError(f"{where}: no samples in it")
    check_rate(sfreq, where)
    if raw.n_times < SHORTEST_S * sfreq:
        warn(f"{where}: too short ({raw.n_times / sfreq:.3g} s) for a rate of twitches")
    blocks = spread_blocks(raw)
    sample = np.hstack(blocks)
    nan = np.isnan(sample)
    if (
        not raw.preload
        and nan.any()
        and (not gaps(raw) or (nan.any(axis=0) != nan.all(axis=0)).any())
    ):
        warn(f"{where}: some samples are no numbers (NaN); they are left out")
    constant = [name for name, row in zip(names, sample, strict=True) if _constant(row)]
    if len(constant) == len(names):
        raise InputError(f"{where}: every EMG channel is constant; was the sensor connected?")
    if constant:
        warn(f"{where}: constant, so probably not connected: {', '.join(constant)}")
    shapes = {
        name: _shape([block[index] for block in blocks], sfreq)
        for index, name in enumerate(names)
        if name not in constant
    }
    above_zero = [name for name, shape in shapes.items() if shape == "above zero"]
    if above_zero:
        warn(
            f"{where}: never below zero, and close to it: {', '.join(above_zero)}. If that is an "
            f"envelope or a rectified signal, no twitch can be found in it"
        )
    shapes = {name: shape for name, shape in shapes.items() if shape in _NOT_RAW}
    if shapes:
        listed = ", ".join(f"{name} ({shape})" for name, shape in shapes.items())
        message = (
            f"{where}: no twitch can be found in an envelope or a rectified signal: {listed}. "
            f"Record the RAW output of the sensor"
        )
        if len(shapes) == len(names) - len(constant):
            raise InputError(message)
        warn(f"{message}; the other channels are used")
        raw.set_channel_types(dict.fromkeys(shapes, "misc"), on_unit_change="ignore")


def check_rate(sfreq: float, where: object) -> None:
    """Refuse a sampling rate in which a twitch cannot be seen; warn of one that distorts it.

    EMG is sampled at 1000 Hz or more; 500 Hz is usable with a low-pass at 200 Hz (SENIAM and
    ISEK bands, as collected in the CEDE project). Below 200 Hz a potential of 10 ms has no shape.

    Raises
    ------
    InputError
        `sfreq` is below `LOWEST_SFREQ` (less 1 %, for clocks) or above `HIGHEST_SFREQ`.
    """
    if sfreq > HIGHEST_SFREQ:
        raise InputError(
            f"{where}: sampled at {sfreq:g} Hz, which no EMG is; at most {HIGHEST_SFREQ:g} Hz"
        )
    if sfreq < 0.99 * LOWEST_SFREQ:
        raise InputError(
            f"{where}: sampled at {sfreq:g} Hz; a twitch lasts about 10 ms, so that at least "
            f"{LOWEST_SFREQ:g} Hz are needed ({ADVISED_SFREQ:g} Hz or more advised)"
        )
    if sfreq < 0.99 * ADVISED_SFREQ:
        warn(
            f"{where}: sampled at {sfreq:g} Hz, below the {ADVISED_SFREQ:g} Hz advised: "
            f"amplitudes come out too small, and narrow twitches are missed"
        )


def _constant(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) == 0 or bool(finite.min() == finite.max())


def _shape(blocks: list[np.ndarray], sfreq: float) -> str:
    """Return what the samples of a channel are: raw, rectified, envelope, or above zero.

    Rectified: in most windows the values pile up on a floor, and spread only upward from it. For
    Gaussian noise of unit variance made absolute, the least of 500 values to the 5th percentile
    is 0.1 of the 5th to the 50th (raw: 0.9), and the 10th to 50th is 0.56 of the 50th to 90th
    (raw: 1).

    Envelope: the median spectrum of 1-s pieces falls by a factor of 60 from 1.5-10 Hz to
    60-150 Hz, and the values start from a floor: never below zero and close to it, or with
    nearly all of the spread upward. (The ENV output of a MyoWare is a low-pass at 3.6 Hz.)

    Above zero: never below zero and close to it, but not so smooth; a coarse converter can make
    an envelope look so, and an amplifier without high-pass a raw signal.
    """
    # Measured: 32 raw channels of several amplifiers fall by at most 34, and have neither floor;
    # simulated envelopes (low-pass at 3.6 and 10 Hz) by 84 and more.
    windows = _windows(blocks, round(_WINDOW_S * sfreq))
    if len(windows) < _FEWEST_WINDOWS:
        return "raw"
    values = windows.ravel()
    levels = np.unique(values)
    if len(levels) == 1:  # what differs lies in no whole window
        return "raw"
    least, p5, p10, p50, p90 = np.percentile(windows, [0, 5, 10, 50, 90], axis=1)
    clear = p90 - p10 >= _FEWEST_STEPS * np.diff(levels).min()
    if clear.sum() >= _FEWEST_WINDOWS:
        on_floor = np.median((p5 - least)[clear] / np.maximum(p50 - p5, 1e-12)[clear])
        upward = np.median((p50 - p10)[clear] / np.maximum(p90 - p50, 1e-12)[clear])
        if on_floor < 0.25 and upward < 0.65:
            return "rectified"
    lowest, p1, p5, p50, p95 = np.percentile(values, [0, 1, 5, 50, 95])
    # Where only a single sample comes near zero, the whole signal has an offset.
    from_zero = 0 <= lowest < 0.3 * p50 and p1 < 0.75 * p50
    from_floor = p50 - p5 < 0.2 * (p95 - p50)
    if (from_zero or from_floor) and _smoothness(_windows(blocks, round(sfreq)), sfreq) > 60:
        return "envelope"
    return "above zero" if from_zero else "raw"


def _windows(blocks: list[np.ndarray], length: int) -> np.ndarray:
    """Cut blocks into windows without missing samples, shape (n_windows, length)."""
    pieces = [block[: len(block) // length * length].reshape(-1, length) for block in blocks]
    windows = np.concatenate(pieces)
    return windows[np.isfinite(windows).all(axis=1)]


def _smoothness(windows: np.ndarray, sfreq: float) -> float:
    """Return the power density at 1.5-10 Hz over that at 60-150 Hz, medians over windows."""
    if len(windows) == 0:
        return 0.0
    length = windows.shape[1]
    centred = windows - windows.mean(axis=1, keepdims=True)
    power = np.median(np.abs(np.fft.rfft(centred * np.hanning(length))) ** 2, axis=0)
    hz = np.fft.rfftfreq(length, 1 / sfreq)
    slow = np.median(power[(hz >= 1.5) & (hz <= 10)])
    fast = np.median(power[(hz >= 60) & (hz <= min(150, 0.45 * sfreq))])
    return float(slow / fast) if fast > 0 else np.inf
