"""Equal rates at unequal noise, in simulated EMG: left over right above the common floor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import mne
import numpy as np

from benchmarks.tables import Task, markdown
from emgtwitch import detect
from emgtwitch.comparison.recordings import CUT_FACTOR
from emgtwitch.comparison.trains import Train, train_of
from emgtwitch.event_table import is_twitch
from emgtwitch.simulation import Scenario, simulate_recording

SEEDS = (9001, 9002)
NAMES = ("calf_L", "calf_R")
MINUTES = 40.0
CONDITIONS = tuple(
    (noise_uv, median_uv)
    for noise_uv in ((3.0, 3.0), (5.0, 6.0), (3.0, 6.0), (3.0, 9.0))
    for median_uv in (40.0, 80.0)
)


@dataclass(frozen=True)
class Counts:
    """Twitches found and true on the left and right: all, above the cut as measured, and clean."""

    found: np.ndarray
    true: np.ndarray


def count(noise_uv: tuple[float, float], median_uv: float, seed: int) -> Counts:
    """Return (3, 2) counts of a recording with the same rate on both sides."""
    scenario = Scenario(
        minutes=MINUTES,
        ch_names=NAMES,
        rate_per_min=20.0,
        units=40,
        amplitude_uv=median_uv,
        noise_uv=noise_uv,
    )
    simulated = simulate_recording(scenario, seed)
    info = mne.create_info(list(NAMES), simulated.sfreq, "emg")
    found = detect(mne.io.RawArray(simulated.signal_uv * 1e-6, info, verbose=False))
    trains = [train_of(found, name) for name in NAMES]
    cut_uv = CUT_FACTOR * max(train.floor_uv for train in trains)
    truth = simulated.truth[is_twitch(simulated.truth)]
    sizes = [truth["amplitude_uv"][truth["channel"] == name] for name in NAMES]
    above = [int((size >= cut_uv).sum()) for size in sizes]
    return Counts(
        np.array([_found(train, cut_uv) for train in trains]).T,
        np.array([[len(size) for size in sizes], above, above]),
    )


def _found(train: Train, cut_uv: float) -> tuple[int, int, int]:
    measured = int((train.amplitudes_uv >= cut_uv).sum())
    return train.count, measured, train.above(cut_uv).count


def tasks(seeds: Iterable[int] = SEEDS) -> list[Task]:
    """Return the measurements to make."""
    return [(count, (*condition, seed)) for condition in CONDITIONS for seed in seeds]


def table(results: Sequence[Counts]) -> str:
    """Return left over right as found, over what it truly is, with its standard error."""
    rows = []
    n_seeds = len(results) // len(CONDITIONS)
    for k, (noise_uv, median_uv) in enumerate(CONDITIONS):
        mine = results[k * n_seeds : (k + 1) * n_seeds]
        found = np.sum([result.found for result in mine], axis=0)
        true = np.sum([result.true for result in mine], axis=0)
        ratio = (found[:, 0] / found[:, 1]) / (true[:, 0] / true[:, 1])
        error = ratio * np.sqrt((1 / found).sum(axis=1))
        rows.append(
            [
                f"{noise_uv[0]:g} and {noise_uv[1]:g}",
                f"{median_uv:g}",
                *(f"{r:.2f} ± {e:.2f}" for r, e in zip(ratio, error, strict=True)),
                f"{found[2, 0]} and {found[2, 1]}",
            ]
        )
    header = ("noise µV", "median µV", "all", "above, as measured", "above, cleared", "counted")
    return markdown(header, rows)
