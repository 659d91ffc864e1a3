"""What to simulate: one frozen description with a default for everything."""

import math
from dataclasses import dataclass
from typing import Literal

from emgtwitch.errors import InputError
from emgtwitch.simulation.firing import Process
from emgtwitch.simulation.front_end import IDEAL, FrontEnd

MAX_CHANNELS = 64
MOST = 100_000  # potentials per minute, or µV
SFREQ_RANGE_HZ = (200.0, 4000.0)


@dataclass(frozen=True)
class Scenario:
    """A recording to simulate. A tuple has one value per channel.

    Attributes
    ----------
    minutes, sfreq, ch_names
        Length, nominal sampling rate (200-4000 Hz) and channels (1-64).
    rate_per_min
        Potentials per minute and muscle, doublet and F-wave partners included; 0 for none.
    process, doublet_share, f_wave_share, drift_log_sd
        See `emgtwitch.simulation.firing.twitch_firings`.
    units
        Twitching motor units per muscle.
    amplitude_uv, amplitude_log_sd
        The units' sizes, µV peak to peak in the band, lie at the quantiles of a log-normal
        distribution with this median and this standard deviation of the logarithm.
    noise_uv
        Rms of the skin-electrode noise in the band, µV (1-20 µV on skin: Huigen 2002).
    noise_corner_hz
        Where its 1/f part equals its white part.
    noise_steps_per_min, noise_step_db
        How often its level changes, and at most how far from the nominal level.
    mains_uv, mains_hz, mains_drift_hz
        Amplitude of the fundamental as recorded, frequency, and how far it drifts.
    ecg_uv
        R wave, µV peak to peak at the skin, on all channels at once.
    vibration_uv
        Amplitude of the trembling of a machine, which comes and goes.
    crosstalk
        Smallest and largest share of a muscle's potentials seen in the other channels of the
        same leg (6 % soleus over gastrocnemius, up to 16.6 % in the leg: PMC5643316,
        PubMed 2453334). Channels whose names tell no side count as one leg.
    contractions_per_min, contraction, contraction_uv, starts_contracted
        Voluntary activity: how often, how full, the median unit's peak to peak, and whether the
        recording starts in the middle of the first, in all muscles.
    cramps
        Cramps in the recording, each in one muscle.
    motion_per_min, motion_uv; pops_per_min, pop_uv; lift_offs_per_min, lift_off_uv
        Movement, electrode steps and lift-off: how often, and median size at the skin.
    glitches_per_min, glitch_uv
        Disturbances of 1-2 samples on all channels at once.
    gaps_per_min, overloads_per_min
        Missing samples; drives beyond the converter's range (need a converter with limits).
    front_end
        Filters and converter.
    clock_error_ppm
        How much faster than nominal the sampling clock runs; a ceramic resonator is off by some
        thousand. Times in the truth are those of the file: sample number over nominal rate.

    Raises
    ------
    InputError
        A value is outside of what can be simulated.
    """

    minutes: float = 5.0
    sfreq: float = 1000.0
    ch_names: tuple[str, ...] = ("calf_L", "calf_R")
    rate_per_min: float | tuple[float, ...] = 12.0
    process: Process = "axonal"
    doublet_share: float = 0.0
    f_wave_share: float = 0.0
    drift_log_sd: float = 0.0
    units: int = 6
    amplitude_uv: float | tuple[float, ...] = 50.0
    amplitude_log_sd: float = 0.5
    noise_uv: float | tuple[float, ...] = 4.0
    noise_corner_hz: float = 30.0
    noise_steps_per_min: float = 0.0
    noise_step_db: float = 6.0
    mains_uv: float = 0.0
    mains_hz: float = 50.0
    mains_drift_hz: float = 0.02
    ecg_uv: float = 0.0
    vibration_uv: float = 0.0
    crosstalk: tuple[float, float] = (0.0, 0.0)
    contractions_per_min: float = 0.0
    contraction: Literal["single_unit", "few_units", "interference"] = "interference"
    contraction_uv: float = 150.0
    starts_contracted: bool = False
    cramps: int = 0
    motion_per_min: float = 0.0
    motion_uv: float = 500.0
    pops_per_min: float = 0.0
    pop_uv: float = 500.0
    glitches_per_min: float = 0.0
    glitch_uv: float = 150.0
    lift_offs_per_min: float = 0.0
    lift_off_uv: float = 2000.0
    gaps_per_min: float = 0.0
    overloads_per_min: float = 0.0
    front_end: FrontEnd = IDEAL
    clock_error_ppm: float = 0.0

    def __post_init__(self) -> None:
        low, high = SFREQ_RANGE_HZ
        if not low <= self.sfreq <= high:
            raise InputError(f"sampling rate {self.sfreq:g} Hz: must be {low:g} to {high:g} Hz")
        if not 1 <= len(self.ch_names) <= MAX_CHANNELS:
            raise InputError(f"{len(self.ch_names)} channels: must be 1 to {MAX_CHANNELS}")
        if len(set(self.ch_names)) < len(self.ch_names):
            raise InputError(f"channel names must differ: {', '.join(self.ch_names)}")
        if not 1 / 60 <= self.minutes < math.inf:
            raise InputError(f"{self.minutes:g} minutes: must be at least one second, and end")
        if self.units < 1:
            raise InputError(f"{self.units} units per muscle: must be at least 1")
        for name in ("rate_per_min", "amplitude_uv", "noise_uv"):
            values = self.per_channel(name)
            if len(values) != len(self.ch_names):
                raise InputError(f"{name}: {len(values)} values for {len(self.ch_names)} channels")
            for value in values:
                if not 0 <= value <= MOST:
                    raise InputError(f"{name} {value:g}: must be 0 to {MOST}")
        if self.overloads_per_min and self.front_end.bits is None:
            raise InputError("overloads need a converter with limits: give the front end bits")

    def per_channel(self, name: str) -> tuple[float, ...]:
        """Return the values of a field, one per channel."""
        value = getattr(self, name)
        return tuple(value) if isinstance(value, tuple) else (value,) * len(self.ch_names)
