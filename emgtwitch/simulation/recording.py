"""One simulated recording: motor units, background and nuisances through one front end."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from emgtwitch.channels import side_of
from emgtwitch.event_table import FASCICULATION, Event, event_array
from emgtwitch.simulation import activity, artifacts, background
from emgtwitch.simulation.firing import Firings, twitch_firings
from emgtwitch.simulation.potentials import Potentials, recorded_potentials
from emgtwitch.simulation.scenario import Scenario

# Nobody can tell a twitch from sustained activity, so none is generated this near to it.
CLEAR_S = {
    "contraction": 0.5,
    "cramp": 0.5,
    "motion": 0.5,
    "lift-off": 0.5,
    "gap": 0.5,
    "saturation": 0.5,
    "pop": 0.25,
}
EDGE_CLEAR_S = 0.1
Ingredient = Callable[[np.random.Generator, Scenario, int, float], tuple[np.ndarray, list[Event]]]
# name of the random stream: what makes it, and the field that switches it on
MUSCLE_ACTIVITY: dict[str, tuple[Ingredient, str]] = {
    "contractions": (activity.contractions, "contractions_per_min"),
    "cramps": (activity.cramps, "cramps"),
}
DISTURBANCES: dict[str, tuple[Ingredient, str]] = {
    "mains": (background.mains, "mains_uv"),
    "heart": (background.heart, "ecg_uv"),
    "motion": (artifacts.motion, "motion_per_min"),
    "pops": (artifacts.pops, "pops_per_min"),
    "glitches": (artifacts.glitches, "glitches_per_min"),
    "lift_offs": (artifacts.lift_offs, "lift_offs_per_min"),
    "overloads": (artifacts.overloads, "overloads_per_min"),
    "vibration": (background.vibration, "vibration_uv"),
}
# Each ingredient has a random stream of its own. The order fixes which: append, never insert.
STREAMS = (
    *("shapes", "firings", "crosstalk", "noise", "level", "gaps"),
    *MUSCLE_ACTIVITY,
    *DISTURBANCES,
)


@dataclass(frozen=True)
class Simulated:
    """A simulated recording and everything that is known about it.

    Attributes
    ----------
    signal_uv
        (n_channels, n_samples) float64: what the recorder delivers; NaN where samples are lost.
    sfreq, ch_names
        Nominal sampling rate and channels.
    truth
        Event table of every twitch and every nuisance interval. Of a twitch: ``peak_time`` is
        its main peak, ``onset`` and ``duration`` where it exceeds 15 % of that,
        ``amplitude_uv`` the peak to peak and ``snr`` that over the local rms of the electrode
        noise, all of the zero-phase band-passed (20 to min(450, 0.45 fs) Hz) waveform without
        noise, as recorded in its own channel; ``unit`` the row of `templates`; ``burst`` is
        shared by the partners of a doublet, an F wave or a group, -1 for single twitches.
        Mains, heart, vibration and changes of the noise have no rows.
    background_uv
        (n_channels, n_samples) everything except the twitches, before the converter.
    templates, template_peak
        Per channel (n_units, n_template) µV at `sfreq`, as recorded; index of the main peak.
    noise_rms_uv
        (n_channels,) rms of the electrode noise in the band, over the whole recording.
    lsb_uv
        Height of one converter step, or None.
    """

    signal_uv: np.ndarray
    sfreq: float
    ch_names: tuple[str, ...]
    truth: np.ndarray
    background_uv: np.ndarray
    templates: tuple[np.ndarray, ...]
    template_peak: int
    noise_rms_uv: np.ndarray
    lsb_uv: float | None


def _mixing(rng: np.random.Generator, scenario: Scenario) -> np.ndarray:
    """Return which share of each muscle each channel sees, (n_channels, n_channels)."""
    n = len(scenario.ch_names)
    shares = rng.uniform(*scenario.crosstalk, (n, n))
    sides = [side_of(name) for name in scenario.ch_names]
    one_leg = np.array([[a == b or None in (a, b) for a in sides] for b in sides])
    return np.where(np.eye(n, dtype=bool), 1.0, np.where(one_leg, shares, 0.0))


def _sizes(rng: np.random.Generator, scenario: Scenario, median_uv: float) -> np.ndarray:
    """Return unit sizes at the quantiles of the log-normal distribution, shuffled."""
    quantiles = (np.arange(scenario.units) + 0.5) / scenario.units
    return rng.permutation(median_uv * np.exp(scenario.amplitude_log_sd * ndtri(quantiles)))


def _clear(times_s: np.ndarray, rows: list[Event], seconds: float) -> np.ndarray:
    """Return which times are clear of the nuisances of their channel and of the ends."""
    clear = (times_s > EDGE_CLEAR_S) & (times_s < seconds - EDGE_CLEAR_S)
    for row in rows:
        margin = CLEAR_S.get(row.reason, CLEAR_S.get(row.trial_type, -np.inf))
        before, after = row.onset - margin, row.onset + row.duration + margin
        clear &= (times_s < before) | (times_s > after)
    return clear


def _noise(
    streams: dict[str, np.random.Generator], scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the electrode noise and its local rms in the band, both (n_channels, n_samples)."""
    n_channels = len(scenario.ch_names)
    nominal = np.array(scenario.per_channel("noise_uv"))[:, None]
    times = np.arange(n_samples) / sfreq
    level = nominal * np.array(
        [background.noise_level(rng, scenario, times) for rng in streams["level"].spawn(n_channels)]
    )
    unit = [
        background.electrode_noise(rng, scenario, n_samples, sfreq)
        for rng in streams["noise"].spawn(n_channels)
    ]
    return level * np.array(unit), level


def _saturation_rows(clipped: np.ndarray, channel: str, sfreq: float) -> list[Event]:
    """Return a row per stretch at the converter's limit, joined across less than 0.1 s."""
    index = np.flatnonzero(clipped)
    if index.size == 0:
        return []
    stretches = np.split(index, np.flatnonzero(np.diff(index) > 0.1 * sfreq) + 1)
    return [
        Event(part[0] / sfreq, (part[-1] - part[0] + 1) / sfreq, "saturation", channel)
        for part in stretches
    ]


@dataclass(frozen=True)
class _Muscle:
    """The twitching units of one channel's muscle: their shapes, firings and signal."""

    potentials: Potentials
    firings: Firings
    signal_uv: np.ndarray


def _twitching(
    shape_rng: np.random.Generator,
    firing_rng: np.random.Generator,
    scenario: Scenario,
    channel: int,
    nuisances: list[Event],
    n_samples: int,
    sfreq: float,
) -> _Muscle:
    """Return the twitches of one muscle; bursts too near to a nuisance are left out whole."""
    sizes = _sizes(shape_rng, scenario, scenario.per_channel("amplitude_uv")[channel])
    potentials = recorded_potentials(shape_rng, sizes, scenario.front_end, sfreq)
    firings = twitch_firings(
        firing_rng,
        n_samples / sfreq,
        scenario.per_channel("rate_per_min")[channel],
        scenario.units,
        scenario.process,
        scenario.doublet_share,
        scenario.f_wave_share,
        scenario.drift_log_sd,
    )
    clear = _clear(firings.times_s, nuisances, n_samples / sfreq)
    firings = firings.keep(~np.isin(firings.group, firings.group[~clear]))
    signal = np.zeros(n_samples)
    for unit in range(scenario.units):
        peaks = firings.times_s[firings.unit == unit]
        signal += potentials.train(unit, peaks, sfreq, n_samples)
    return _Muscle(potentials, firings, signal)


def _twitch_rows(
    muscle: _Muscle, channel: str, noise_uv: np.ndarray, first_burst: int
) -> list[Event]:
    """Return a row per firing; `noise_uv` is the local noise rms at each."""
    firings, potentials = muscle.firings, muscle.potentials
    _, index, size = np.unique(firings.group, return_inverse=True, return_counts=True)
    shared = size > 1
    burst = np.where(shared, first_burst + np.cumsum(shared) - 1, -1)[index]
    unit = firings.unit
    amplitude = potentials.amplitude_uv[unit]
    snr = np.divide(amplitude, noise_uv, where=noise_uv > 0, out=np.full(unit.size, np.inf))
    onset = firings.times_s + (potentials.onset_s - potentials.peak_s)[unit]
    columns = zip(
        onset.tolist(),
        (potentials.end_s - potentials.onset_s)[unit].tolist(),
        firings.times_s.tolist(),
        amplitude.tolist(),
        snr.tolist(),
        unit.tolist(),
        burst.tolist(),
        strict=True,
    )
    return [
        Event(onset, duration, FASCICULATION, channel, peak, amplitude, snr, unit, burst)
        for onset, duration, peak, amplitude, snr, unit, burst in columns
    ]


def steps(scenario: Scenario) -> int:
    """Return how often `simulate_recording` calls `on_step`."""
    return len(MUSCLE_ACTIVITY) + len(DISTURBANCES) + len(scenario.ch_names)


def simulate_recording(
    scenario: Scenario, seed: int, on_step: Callable[[], object] = lambda: None
) -> Simulated:
    """Simulate a recording; the same scenario and seed give the same bytes.

    Twitches keep at least 0.5 s clear of contractions, cramps, motion, lift-off, gaps and
    saturation in their channel, and 0.25 s of pops, because nobody can tell a twitch from such
    activity; those that would fall there are left out, the others stay where they are. Glitches
    and mains exclude none. A burst is left out as a whole.

    Parameters
    ----------
    scenario
        What to simulate.
    seed
        Start of all random streams. Each ingredient has its own, so that switching one on does
        not change another.
    on_step
        Called after each of the `steps` of the work, to show how far it is.
    """
    names = scenario.ch_names
    n_samples = round(scenario.minutes * 60 * scenario.sfreq)
    clock = 1 + scenario.clock_error_ppm * 1e-6
    sfreq = scenario.sfreq * clock  # what the converter really does; the file says otherwise
    seeds = np.random.SeedSequence(seed).spawn(len(STREAMS))
    streams = dict(zip(STREAMS, map(np.random.default_rng, seeds), strict=True))

    def made(ingredients: dict[str, tuple[Ingredient, str]]) -> tuple[np.ndarray, list[Event]]:
        """Return the sum of the signals that are switched on, and all their rows."""
        total, rows = np.zeros((len(names), n_samples)), []
        for name, (make, switch) in ingredients.items():
            if getattr(scenario, switch):
                signal, found = make(streams[name], scenario, n_samples, sfreq)
                total += signal
                rows += found
            on_step()
        return total, rows

    active_uv, active_rows = made(MUSCLE_ACTIVITY)
    disturbing_uv, disturbing_rows = made(DISTURBANCES)
    lost, gap_rows = artifacts.gaps(streams["gaps"], scenario, n_samples, sfreq)
    noise_uv, level = _noise(streams, scenario, n_samples, sfreq)
    mixing = _mixing(streams["crosstalk"], scenario)

    muscles = []
    shape_rngs, firing_rngs = (streams[name].spawn(len(names)) for name in ("shapes", "firings"))
    for channel, name in enumerate(names):
        seen = {names[source] for source in np.flatnonzero(mixing[channel])}
        nuisances = [row for row in disturbing_rows + gap_rows if row.channel == name]
        nuisances += [row for row in active_rows if row.channel in seen]
        muscles.append(
            _twitching(
                shape_rngs[channel],
                firing_rngs[channel],
                scenario,
                channel,
                nuisances,
                n_samples,
                sfreq,
            )
        )
        on_step()
    twitches_uv = np.array([muscle.signal_uv for muscle in muscles])
    background_uv = noise_uv + disturbing_uv + mixing @ active_uv
    signal_uv, clipped = scenario.front_end.convert(background_uv + mixing @ twitches_uv)

    rows = active_rows + gap_rows
    rows += [row for row in disturbing_rows if row.trial_type != "saturation"]
    for channel, muscle in enumerate(muscles):
        rows += _saturation_rows(clipped[channel] & ~lost, names[channel], sfreq)
        local_uv = level[channel, np.rint(muscle.firings.times_s * sfreq).astype(int)]
        first_burst = 1 + max((row.burst for row in rows), default=-1)
        rows += _twitch_rows(muscle, names[channel], local_uv, first_burst)
    templates, template_peaks = zip(
        *(muscle.potentials.sampled(sfreq) for muscle in muscles), strict=True
    )
    return Simulated(
        signal_uv=np.where(lost, np.nan, signal_uv),
        sfreq=scenario.sfreq,
        ch_names=names,
        truth=event_array([_on_file_clock(row, clock) for row in rows]),
        background_uv=background_uv,
        templates=templates,
        template_peak=template_peaks[0],
        noise_rms_uv=background.band_rms(noise_uv, sfreq),
        lsb_uv=scenario.front_end.lsb_uv,
    )


def _on_file_clock(row: Event, clock: float) -> Event:
    """Return a row with its times as the file tells them: sample number over nominal rate."""
    times = {name: getattr(row, name) * clock for name in ("onset", "duration", "peak_time")}
    return replace(row, **times)
