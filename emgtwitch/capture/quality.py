"""Is the signal good enough to record? Each channel in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emgtwitch.detection.stream import StreamingDetector

# Rms noise of electrodes on skin is 1 to 20 µV (Huigen et al. 2002, Med Biol Eng Comput 40:332).
MOST_SKIN_NOISE_UV = 20.0
MOST_MAINS_UV = 50.0  # rms; more comes with a loose electrode, a charger or a lamp close by
MOST_AT_LIMIT = 0.001  # share of samples
MOST_OFF_CENTRE = 0.15  # of the converter's range; a bipolar output rests in its middle
LEAST_CODES = 3  # different codes in some seconds; fewer is no living signal, or too coarse a step
COARSE_STEP_UV = 10.0  # above this the noise of good electrodes lies within one step
MAINS_HZ = (50.0, 60.0)
_HIGHEST_MAINS_HZ = 450.0
_LINE_HALF_WIDTH_HZ = 1.0
_AROUND_HZ = 5.0


@dataclass(frozen=True)
class ChannelQuality:
    """What a few seconds of one channel tell.

    Attributes
    ----------
    channel
        Its name.
    noise_uv, floor_uv
        Noise rms and detection floor (peak to peak) in the detector's band, µV; NaN if there was
        no quiet stretch.
    mains_uv, mains_hz
        Rms of mains hum with its harmonics, µV, and which mains.
    lsb_uv
        Step of the converter, µV.
    baseline
        Where the signal rests, as share of the converter's range; 0.5 is the middle.
    at_limit
        Share of samples at a limit of the converter; NaN, as `baseline`, if the range is unknown.
    n_codes
        Different codes seen.
    problems
        What to mend, in plain words; empty if nothing.
    notes
        What to know although it does not prevent recording.
    """

    channel: str
    noise_uv: float
    floor_uv: float
    mains_uv: float
    mains_hz: float
    lsb_uv: float
    baseline: float
    at_limit: float
    n_codes: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.problems


def mains_hum(signal_uv: np.ndarray, sfreq: float) -> tuple[float, float]:
    """Return rms and frequency of the stronger of 50 and 60 Hz hum, with its harmonics.

    The power of the lines is that of the spectrum (Hann window) within 1 Hz of each harmonic,
    less what the spectrum around it, the median within 5 Hz, has over the same width.

    Parameters
    ----------
    signal_uv
        float64, shape (n_samples,), µV; two seconds or more.
    sfreq
        Samples per second.

    Returns
    -------
    rms_uv, mains_hz
    """
    window = np.hanning(len(signal_uv))
    spectrum = np.abs(np.fft.rfft((signal_uv - np.median(signal_uv)) * window)) ** 2
    power = 2 * spectrum / (len(signal_uv) * np.square(window).sum())
    frequency = np.fft.rfftfreq(len(signal_uv), 1 / sfreq)
    found = []
    for mains_hz in MAINS_HZ:
        total = 0.0
        for line_hz in np.arange(mains_hz, min(_HIGHEST_MAINS_HZ, 0.45 * sfreq), mains_hz):
            away = np.abs(frequency - line_hz)
            line = power[away <= _LINE_HALF_WIDTH_HZ]
            around = power[(away > _LINE_HALF_WIDTH_HZ) & (away <= _AROUND_HZ)]
            total += max(0.0, float(line.sum() - len(line) * np.median(around)))
        found.append((float(np.sqrt(total)), mains_hz))
    return max(found)


def judge(
    counts: np.ndarray,
    *,
    ch_names: Sequence[str],
    sfreq: float,
    uv_per_count: Sequence[float],
    bits: int | None,
) -> list[ChannelQuality]:
    """Judge some seconds of signal, channel by channel.

    Parameters
    ----------
    counts
        Codes of the converter, (n_channels, n_samples); NaN where lost.
    ch_names, sfreq, uv_per_count
        Names, samples per second, and µV per count of each channel.
    bits
        Resolution of a converter whose codes start at 0; None if its range is unknown.

    Returns
    -------
    list of ChannelQuality
    """
    scale = np.asarray(uv_per_count, dtype=float)
    detector = StreamingDetector(sfreq, ch_names, lsb_uv=scale)
    detector.push(counts * scale[:, None])
    detector.flush()
    found = []
    for name, codes, account, lsb_uv in zip(
        ch_names, counts, detector.account(), scale, strict=True
    ):
        known = codes[np.isfinite(codes)]
        baseline = at_limit = np.nan
        if bits and len(known):
            baseline = float(np.median(known)) / 2**bits
            at_limit = float(np.isin(known, (0, 2**bits - 1)).mean())
        long_enough = len(known) >= 2 * sfreq
        mains = mains_hum(known * lsb_uv, sfreq) if long_enough else (np.nan, np.nan)
        facts = {
            "noise_uv": account.noise_uv,
            "floor_uv": float(account.floor_uv),
            "mains_uv": mains[0],
            "mains_hz": mains[1],
            "lsb_uv": float(lsb_uv),
            "baseline": baseline,
            "at_limit": at_limit,
        }
        n_codes = len(np.unique(known))
        problems, notes = _in_words(**facts, n_codes=n_codes)
        found.append(ChannelQuality(name, **facts, n_codes=n_codes, problems=problems, notes=notes))
    return found


def _in_words(
    noise_uv: float,
    floor_uv: float,
    mains_uv: float,
    mains_hz: float,
    lsb_uv: float,
    baseline: float,
    at_limit: float,
    n_codes: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what to mend, and what to know."""
    problems, notes = [], []
    still = n_codes < LEAST_CODES
    if n_codes == 0:
        problems.append("no sample arrived: check the cable and that the board is sending")
    elif at_limit > MOST_AT_LIMIT:
        problems.append(
            f"saturation: {100 * at_limit:.1f} % of the samples at the converter's limit; press "
            "the electrodes on, lead the cable away from chargers, check the sensor's supply"
        )
    elif still and lsb_uv < COARSE_STEP_UV:
        problems.append(
            "no signal: the reading does not move; check the sensor's supply and output wire"
        )
    elif still:
        notes.append(
            f"nothing above one converter step of {lsb_uv:.1f} µV; tense the calf: if the reading "
            "still does not move, the sensor is not connected"
        )
    if n_codes and abs(baseline - 0.5) > MOST_OFF_CENTRE:
        problems.append(
            f"baseline off centre: at {100 * baseline:.0f} % of the range instead of 50 %; take "
            "the RAW output, not ENV or RECT, and supply sensor and converter with the same voltage"
        )
    if mains_uv > MOST_MAINS_UV:
        problems.append(
            f"mains: {mains_uv:.0f} µV of {mains_hz:.0f} Hz hum; unplug the charger, press the "
            "electrodes on, move away from lamps and cables"
        )
    if noise_uv > max(MOST_SKIN_NOISE_UV, lsb_uv):
        problems.append(
            f"contact: noise of {noise_uv:.0f} µV, good electrodes have 1 to 20; clean the skin, "
            "take fresh electrodes, lie still"
        )
    if np.isnan(noise_uv) and not problems and not still:
        problems.append(
            "restless: no quiet second to learn the noise from; relax the leg, lie still"
        )
    if np.isfinite(floor_uv) and not still:
        notes.append(
            f"a twitch of {floor_uv:.0f} µV is found half of the time, larger ones more often"
        )
    return tuple(problems), tuple(notes)
