"""A simulated recording as files: BDF+, and its truth as an event table beside it."""

import dataclasses
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.event_table import write_event_table
from emgtwitch.recording.bdf import BAD_GAP, Annotation, write_bdf
from emgtwitch.simulation.recording import Simulated
from emgtwitch.simulation.scenario import Scenario

START = datetime(2026, 1, 1, 12, 0, 0)  # no clock is read, so that the same seed gives one file
IDEAL_UV_PER_COUNT = 0.01  # for a converter without steps


def write_simulated(
    path: str | os.PathLike[str],
    simulated: Simulated,
    *,
    start: datetime = START,
    annotations: Iterable[Annotation] = (),
    subject: str = "X",
) -> None:
    """Write the signal as BDF+, whole or not at all.

    Lost samples hold the last value and are marked by an annotation ``BAD_gap``. A count is one
    converter step, or 0.01 µV where the front end has no converter.

    Parameters
    ----------
    path
        File to write, ending in ``.bdf``.
    simulated
        What to write; its rate must be a whole number.
    start
        Date and time of the first sample.
    annotations
        Further (onset_s, duration_s, text).
    subject
        Code of the subject.

    Raises
    ------
    InputError
        The recording does not fit into BDF+.
    """
    if simulated.sfreq != int(simulated.sfreq):
        raise InputError(f"{simulated.sfreq:g} Hz: BDF needs a whole number of samples per second")
    uv_per_count = simulated.lsb_uv or IDEAL_UV_PER_COUNT
    lost = np.isnan(simulated.signal_uv)
    last = np.maximum.accumulate(np.where(lost, 0, np.arange(lost.shape[1])), axis=1)
    held = np.nan_to_num(np.take_along_axis(simulated.signal_uv, last, axis=1))
    rows = simulated.truth
    gaps = rows[(rows["trial_type"] == "gap") & (rows["channel"] == simulated.ch_names[0])]
    write_bdf(
        path,
        np.rint(held / uv_per_count).astype(int),
        sfreq=int(simulated.sfreq),
        ch_names=simulated.ch_names,
        uv_per_count=uv_per_count,
        start=start,
        annotations=[*annotations, *((gap["onset"], gap["duration"], BAD_GAP) for gap in gaps)],
        subject=subject,
        about="simulated",
    )


def write_truth(
    path: str | os.PathLike[str], simulated: Simulated, scenario: Scenario, seed: int
) -> None:
    """Write the truth as an event table; its sidecar tells how the recording was made."""
    about = {
        "Simulated": True,
        "Seed": seed,
        "Scenario": dataclasses.asdict(scenario),
        "NoiseRms": {
            "Description": "Rms of the electrode noise in the band, uV",
            **dict(zip(simulated.ch_names, simulated.noise_rms_uv.round(4).tolist(), strict=True)),
        },
    }
    write_event_table(path, simulated.truth, about)


def truth_path(recording: str | os.PathLike[str]) -> Path:
    """Return where the truth of a simulated recording lies: ``<stem>_truth.tsv`` beside it."""
    path = Path(recording)
    return path.with_name(f"{path.stem}_truth.tsv")
