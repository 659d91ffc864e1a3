"""One simulated recording: motor units, background and nuisances through one front end."""

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
# Each has a random stream of its own, in this order: append, never insert.
INGREDIENTS = (
    "shapes", "firings", "crosstalk", "noise", "level", "mains", "heart", "contractions",
    "cramps", "motion", "pops", "glitches", "lift_offs", "gaps", "overloads",
)  # fmt: skip


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
        Mains, heart and changes of the noise have no rows.
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


def _twitch_rows(
    firings: Firings, potentials: Potentials, channel: str, noise_uv: np.ndarray, first_burst: int
) -> list[Event]:
    """Return a row per firing; `noise_uv` is the local noise rms at each."""
    _, index, size = np.unique(firings.group, return_inverse=True, return_counts=True)
    shared = size > 1
    burst = np.where(shared, first_burst + np.cumsum(shared) - 1, -1)[index]
    unit = firings.unit
    onset = firings.times_s + (potentials.onset_s - potentials.peak_s)[unit]
    columns = zip(
        onset.tolist(),
        (potentials.end_s - potentials.onset_s)[unit].tolist(),
        firings.times_s.tolist(),
        potentials.amplitude_uv[unit].tolist(),
        (potentials.amplitude_uv[unit] / noise_uv).tolist(),
        unit.tolist(),
        burst.tolist(),
        strict=True,
    )
    return [
        Event(onset, duration, FASCICULATION, channel, peak, amplitude, snr, unit, burst)
        for onset, duration, peak, amplitude, snr, unit, burst in columns
    ]


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


def simulate_recording(scenario: Scenario, seed: int) -> Simulated:
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
    """
    names = scenario.ch_names
    n_channels = len(names)
    n_samples = round(scenario.minutes * 60 * scenario.sfreq)
    clock = 1 + scenario.clock_error_ppm * 1e-6
    sfreq = scenario.sfreq * clock  # what the converter really does; the file says otherwise
    seconds = n_samples / sfreq
    times = np.arange(n_samples) / sfreq
    streams = {
        name: np.random.default_rng(seed_sequence)
        for name, seed_sequence in zip(
            INGREDIENTS, np.random.SeedSequence(seed).spawn(len(INGREDIENTS)), strict=True
        )
    }

    mixing = _mixing(streams["crosstalk"], scenario)
    muscles = np.zeros((n_channels, n_samples))
    rest = np.zeros((n_channels, n_samples))
    rows: list[Event] = []
    for per_minute, name in (
        (scenario.contractions_per_min, "contractions"),
        (scenario.cramps, "cramps"),
    ):
        if per_minute:
            added, found = getattr(activity, name)(streams[name], scenario, n_samples, sfreq)
            muscles += added
            rows += found
    for per_minute, name in (
        (scenario.motion_per_min, "motion"),
        (scenario.pops_per_min, "pops"),
        (scenario.glitches_per_min, "glitches"),
        (scenario.lift_offs_per_min, "lift_offs"),
        (scenario.overloads_per_min, "overloads"),
    ):
        if per_minute:
            added, found = getattr(artifacts, name)(streams[name], scenario, n_samples, sfreq)
            rest += added
            rows += found
    lost, gap_rows = artifacts.gaps(streams["gaps"], scenario, n_samples, sfreq)
    rows += gap_rows
    if scenario.mains_uv:
        rest += background.mains(streams["mains"], scenario, scenario.mains_uv, times)
    if scenario.ecg_uv:
        skin = background.heart(streams["heart"], scenario, times)
        rest += scenario.front_end.couple(skin, sfreq)

    noise = np.zeros((n_channels, n_samples))
    twitches = np.zeros((n_channels, n_samples))
    templates = []
    template_peak = 0
    twitch_rows: list[Event] = []
    bursts = 0
    per_channel = zip(
        *(streams[name].spawn(n_channels) for name in ("noise", "level", "shapes", "firings")),
        *(scenario.per_channel(name) for name in ("noise_uv", "amplitude_uv", "rate_per_min")),
        strict=True,
    )
    for channel, ingredients in enumerate(per_channel):
        noise_rng, level_rng, shape_rng, firing_rng, noise_uv, median_uv, rate = ingredients
        level = background.noise_level(level_rng, scenario, times)
        noise[channel] = level * background.electrode_noise(
            noise_rng, scenario, noise_uv, n_samples, sfreq
        )
        sizes = _sizes(shape_rng, scenario, median_uv)
        potentials = recorded_potentials(shape_rng, sizes, scenario.front_end, sfreq)
        firings = twitch_firings(
            firing_rng, seconds, rate, scenario.units, scenario.process,
            scenario.doublet_share, scenario.f_wave_share, scenario.drift_log_sd,
        )  # fmt: skip
        heard = {names[source] for source in np.flatnonzero(mixing[channel])}
        near = [
            row
            for row in rows
            if row.channel == names[channel]
            or (row.channel in heard and row.trial_type in ("contraction", "cramp"))
        ]
        clear = _clear(firings.times_s, near, seconds)
        firings = firings.keep(~np.isin(firings.group, firings.group[~clear]))
        for unit in range(scenario.units):
            peaks = firings.times_s[firings.unit == unit]
            twitches[channel] += potentials.train(unit, peaks, sfreq, n_samples)
        local_uv = noise_uv * np.interp(firings.times_s, times, level)
        with np.errstate(divide="ignore"):
            found = _twitch_rows(firings, potentials, names[channel], local_uv, bursts)
        bursts = max([bursts, *(row.burst + 1 for row in found)])
        twitch_rows += found
        template, template_peak = potentials.sampled(sfreq)
        templates.append(template)

    background_uv = noise + rest + mixing @ muscles
    signal_uv, clipped = scenario.front_end.convert(background_uv + mixing @ twitches)
    signal_uv = np.where(lost, np.nan, signal_uv)
    rows = [row for row in rows if row.trial_type != "saturation"] + twitch_rows
    for channel in range(n_channels):
        rows += _saturation_rows(clipped[channel] & ~lost, names[channel], sfreq)
    # the times so far are true seconds; in the file, a sample is where the nominal rate puts it
    rows = [
        replace(
            row,
            onset=row.onset * clock,
            duration=row.duration * clock,
            peak_time=row.peak_time * clock,
        )
        for row in rows
    ]
    return Simulated(
        signal_uv=signal_uv,
        sfreq=scenario.sfreq,
        ch_names=names,
        truth=event_array(rows),
        background_uv=background_uv,
        templates=tuple(templates),
        template_peak=template_peak,
        noise_rms_uv=background.band_rms(noise, sfreq),
        lsb_uv=scenario.front_end.lsb_uv,
    )
