"""Find and measure the twitch in a stretch that a reviewer marked."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import sosfiltfilt

from emgtwitch.detection.candidates import PEAK_S, Candidate, Ruler
from emgtwitch.detection.detections import Detections
from emgtwitch.detection.front_end import FrontEnd, band_pass
from emgtwitch.detection.gaps import without_short_gaps
from emgtwitch.detection.grid import make_grid
from emgtwitch.event_table import Event
from emgtwitch.recording.access import gaps
from emgtwitch.review.decisions import Measure

if TYPE_CHECKING:
    import mne

_BEFORE_S = 6.0  # of signal before a stretch, from which mains is learned


def measure_in(raw: "mne.io.Raw", found: Detections) -> Measure:
    """Return a function that measures as the detector does, in the signal that it cleans.

    The twitch in a stretch is where the band-passed signal is largest, away from other twitches.
    Its signal-to-noise ratio is to the noise of the whole recording.

    Parameters
    ----------
    raw
        The recording.
    found
        What was detected in it: noise and settings.
    """
    sfreq = raw.info["sfreq"]
    sos, grid = band_pass(sfreq), make_grid(sfreq)
    ruler = Ruler(sos, sfreq)
    noise_uv = {account.channel: account.noise_uv for account in found.accounts}
    missing = gaps(raw)

    def measure(channel: str, start_s: float, stop_s: float, others: np.ndarray) -> Event | None:
        noise = noise_uv[channel]
        first = max(round((start_s - _BEFORE_S) * sfreq), 0)
        last = min(round(stop_s * sfreq) + 2 * ruler.reach, raw.n_times)
        if not np.isfinite(noise) or last - first <= 4 * ruler.reach:
            return None
        noise_sd = np.array([noise])
        samples = raw.get_data(picks=[channel], start=first, stop=last) * 1e6
        times = (first + np.arange(last - first)) / sfreq
        for gap_start, gap_stop in missing:
            samples[:, (times >= gap_start) & (times < gap_stop)] = np.nan
        samples = without_short_gaps(samples, sfreq)
        front = FrontEnd(1, grid, found.settings["mains"])
        ahead, n_tile = front.look_ahead, grid.n_tile
        more = -samples.shape[1] % n_tile + ahead
        padded = np.pad(samples, ((0, 0), (ahead, more)), mode="edge")
        tiles = [
            front.process(padded[:, start : start + n_tile + 2 * ahead].copy(), noise_sd)[0]
            for start in range(0, samples.shape[1], n_tile)
        ]
        clean = np.concatenate(tiles, axis=1)[:, : samples.shape[1]]
        size = np.abs(sosfiltfilt(sos, clean[0]))
        others = others[(others > start_s - 2 * PEAK_S) & (others < stop_s + 2 * PEAK_S)]
        # Nearer, the ruler would reach the other's peak.
        near_other = np.abs(times[:, None] - others).min(axis=1, initial=np.inf) < 2 * PEAK_S
        here = (times >= start_s) & (times <= stop_s) & ~near_other
        here[: ruler.reach] = False
        here[len(here) - ruler.reach :] = False
        if not here.any():
            return None
        peak = int(np.argmax(np.where(here, size, -1)))
        candidate = Candidate(0, float(times[peak]), 0.0, noise, np.zeros(0, dtype=int))
        around = clean[0, peak - ruler.reach : peak + ruler.reach + 1]
        ruler.measure(candidate, around, float(times[peak - ruler.reach]))
        return Event(
            onset=round(candidate.onset_s, 6),
            duration=round(candidate.offset_s - candidate.onset_s, 6),
            trial_type="fasciculation",
            channel=channel,
            peak_time=round(candidate.peak_s, 6),
            amplitude_uv=round(candidate.amplitude_uv, 2),
            snr=round(candidate.amplitude_uv / noise, 2),
        )

    return measure
