"""A simulated study: one person, both calves, over four months, as an EMG-BIDS data set."""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import Annotation
from emgtwitch.recording.study_files import (
    BIDS_VERSION,
    DESCRIPTION,
    write_json,
    write_table,
    write_text,
)
from emgtwitch.simulation.files import write_simulated, write_truth
from emgtwitch.simulation.front_end import myoware
from emgtwitch.simulation.recording import Simulated, simulate_recording
from emgtwitch.simulation.scenario import Scenario

MADE_BY = "emgtwitch simulate study"
SUBJECT = "sub-01"
TREATMENT_DATE = "2026-02-20"
TRUTH = Path("derivatives", "truth")
_TABLE_ENTRY = dict[str, Any]


@dataclass(frozen=True)
class _Recording:
    """When, what, how many twitches a minute on the left and the right, and what disturbs."""

    start: datetime
    task: str
    rates_per_min: tuple[float, float]
    scenario: dict[str, Any] = field(default_factory=dict)

    @property
    def session(self) -> str:
        return f"ses-{self.start:%Y%m%d}"

    @property
    def stem(self) -> str:
        return f"{SUBJECT}_{self.session}_task-{self.task}"

    @property
    def folder(self) -> Path:
        return Path(SUBJECT, self.session, "emg")


# Right twitches more than left, more after exercise, and less after the treatment.
RECORDINGS = (
    _Recording(datetime(2026, 1, 12, 21, 0), "rest", (4, 24), {"contractions_per_min": 1}),
    _Recording(datetime(2026, 1, 26, 21, 0), "rest", (5, 28), {"motion_per_min": 2}),
    _Recording(datetime(2026, 2, 9, 21, 0), "rest", (4, 26), {"cramps": 1, "noise_uv": (4.0, 5.0)}),
    _Recording(
        datetime(2026, 2, 9, 21, 30), "postexercise", (8, 40), {"contractions_per_min": 1.4}
    ),
    _Recording(datetime(2026, 3, 9, 21, 0), "rest", (5, 18), {"mains_uv": 15.0}),
    _Recording(datetime(2026, 4, 6, 21, 0), "rest", (4, 12), {"gaps_per_min": 0.4}),
    _Recording(
        datetime(2026, 5, 4, 21, 0), "rest", (5, 9), {"motion_per_min": 1, "pops_per_min": 1}
    ),
    _Recording(
        datetime(2026, 5, 4, 21, 30),
        "postexercise",
        (8, 16),
        {"contractions_per_min": 1, "contraction": "few_units"},
    ),
)
_TASKS = {
    "rest": "Lying prone at rest, nothing moved on purpose",
    "postexercise": "Lying prone at rest, after 50 heel raises",
}
_README = """\
# Simulated calf twitches

One simulated person, left and right calf, eight recordings of three minutes over four months,
with a treatment in between. No person was recorded: `emgtwitch simulate study` made all of it,
and the same seed makes the same bytes.

- The right calf twitches more than the left, more after exercise, and less after the treatment
  on {treatment}.
- Some recordings hold voluntary contractions, a cramp, movement, electrode pops, mains hum or a
  gap, so that there is something to reject.
- `derivatives/truth` tells every twitch and every disturbance.
- `*_events.tsv` holds only the marks that the person set.
"""
_EVENTS_ABOUT: _TABLE_ENTRY = {
    "onset": {"Description": "When the person set the mark", "Units": "s"},
    "duration": {"Description": "A mark has no length", "Units": "s"},
    "trial_type": {"Description": "Kind of row", "Levels": {"mark": "mark set by the person"}},
    "value": {"Description": "What the person meant by it"},
}
_SESSIONS_ABOUT: _TABLE_ENTRY = {
    "acq_time": {"Description": "Start of the first recording of the session"},
    "treatment": {
        "Description": "Before or after the treatment",
        "Levels": {"before": "before the treatment", "after": "after the treatment"},
    },
}
_PARTICIPANTS_ABOUT: _TABLE_ENTRY = {
    "treatment": {"Description": "What was done between the sessions"},
    "treatment_date": {"Description": "Day of the treatment, ISO 8601"},
}


def write_study(directory: str | os.PathLike[str], seed: int) -> list[Path]:
    """Write the study as an EMG-BIDS data set with its truth; the same seed, the same bytes.

    Parameters
    ----------
    directory
        Folder to write: new, empty, or an earlier simulated study, which is written anew.
    seed
        Start of all random streams.

    Returns
    -------
    recordings
        The recordings' paths.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    root = Path(directory)
    _refuse_foreign(root)
    root.mkdir(parents=True, exist_ok=True)
    # first, so that an interrupted study can be written anew
    write_json(root / DESCRIPTION, _description("raw"))
    write_json(root / TRUTH / DESCRIPTION, _description("derivative"))
    write_text(root / "README.md", _README.format(treatment=TREATMENT_DATE))
    write_table(
        root / "participants.tsv",
        ("participant_id", "treatment", "treatment_date"),
        [(SUBJECT, "physiotherapy", TREATMENT_DATE)],
    )
    write_json(root / "participants.json", _PARTICIPANTS_ABOUT)
    sessions = {recording.session: recording.start for recording in reversed(RECORDINGS)}
    write_table(
        root / SUBJECT / f"{SUBJECT}_sessions.tsv",
        ("session_id", "acq_time", "treatment"),
        [
            (
                session,
                start.isoformat(),
                "before" if start.isoformat() < TREATMENT_DATE else "after",
            )
            for session, start in sorted(sessions.items())
        ],
    )
    write_json(root / SUBJECT / f"{SUBJECT}_sessions.json", _SESSIONS_ABOUT)
    for session in sessions:
        write_table(
            root / SUBJECT / session / f"{SUBJECT}_{session}_scans.tsv",
            ("filename", "acq_time"),
            [
                (f"emg/{recording.stem}_emg.bdf", recording.start.isoformat())
                for recording in RECORDINGS
                if recording.session == session
            ],
        )
    seeds = np.random.SeedSequence(seed).generate_state(len(RECORDINGS)).tolist()
    work = list(zip(RECORDINGS, seeds, strict=True))
    return [
        _write_recording(root, recording, own_seed)
        for recording, own_seed in tqdm(work, desc="simulating", delay=2, disable=None, leave=False)
    ]


def _refuse_foreign(root: Path) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise InputError(f"{root} is there and is no folder; choose another name")
    try:
        about = json.loads((root / DESCRIPTION).read_text(encoding="utf-8"))
        ours = about["GeneratedBy"][0]["Name"] == MADE_BY
    except (OSError, ValueError, LookupError, TypeError):
        ours = False
    if not ours and any(root.iterdir()):
        raise InputError(f"{root} is not empty and is no simulated study; choose another folder")


def _scenario(recording: _Recording) -> Scenario:
    fields: dict[str, Any] = {
        "minutes": 3.0,
        "rate_per_min": recording.rates_per_min,
        "amplitude_uv": (60.0, 80.0),
        "doublet_share": 0.05,
        "front_end": myoware(14, 5.0, baseline_codes=41.3),
    }
    return Scenario(**fields | recording.scenario)


def _write_recording(root: Path, recording: _Recording, seed: int) -> Path:
    """Write one recording, its sidecars and its truth; return the path of the recording."""
    scenario = _scenario(recording)
    simulated = simulate_recording(scenario, seed)
    marks = _marks(simulated)
    folder = root / recording.folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recording.stem}_emg.bdf"
    write_simulated(path, simulated, start=recording.start, annotations=marks, subject=SUBJECT)
    write_json(folder / f"{recording.stem}_emg.json", _about_recording(recording, scenario))
    write_table(
        folder / f"{recording.stem}_channels.tsv",
        ("name", "type", "units", "target_muscle", "interelectrode_distance",
         "low_cutoff", "high_cutoff", "status"),
        [
            ("calf_L", "EMG", "uV", "left gastrocnemius", "20", "20.8", "498.4", "good"),
            ("calf_R", "EMG", "uV", "right gastrocnemius", "20", "20.8", "498.4", "good"),
        ],
    )  # fmt: skip
    write_table(
        folder / f"{recording.stem}_events.tsv",
        ("onset", "duration", "trial_type", "value"),
        [(f"{onset:.3f}", "0", "mark", text) for onset, _, text in marks],
    )
    write_json(folder / f"{recording.stem}_events.json", _EVENTS_ABOUT)
    truth = root / TRUTH / recording.folder
    truth.mkdir(parents=True, exist_ok=True)
    write_truth(truth / f"{recording.stem}_truth.tsv", simulated, scenario, seed)
    return path


def _marks(simulated: Simulated) -> list[Annotation]:
    """Return the marks that the person set: 2 s after a cramp or a movement began."""
    rows = simulated.truth
    meanings = {"cramp": rows["trial_type"] == "cramp", "moved": rows["reason"] == "motion"}
    onsets = {
        (round(onset + 2, 3), text)
        for text, chosen in meanings.items()
        for onset in rows["onset"][chosen].tolist()
    }
    return [(onset, 0.0, text) for onset, text in sorted(onsets)]


def _about_recording(recording: _Recording, scenario: Scenario) -> _TABLE_ENTRY:
    front_end = scenario.front_end
    return {
        "TaskName": recording.task,
        "TaskDescription": _TASKS[recording.task],
        "Instructions": "Lie still; press the key after a cramp or after you have moved",
        "Manufacturer": "n/a",
        "ManufacturersModelName": "simulated MyoWare 2.0, RAW output, 14-bit converter",
        "SamplingFrequency": int(scenario.sfreq),
        "PowerLineFrequency": int(scenario.mains_hz),
        "RecordingType": "continuous",
        "RecordingDuration": scenario.minutes * 60,
        "EMGChannelCount": len(scenario.ch_names),
        "EMGReference": "Bipolar",
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": "Middle of the calf, along the leg, left and right",
        "InterelectrodeDistance": 20,
        "HardwareFilters": {
            "Band": {
                "HighpassHz": front_end.highpass_hz,
                "LowpassHz": front_end.lowpass_hz,
                "Order": 1,
            }
        },
        "SoftwareFilters": "n/a",
        "Gain": front_end.gain,
    }


def _description(kind: str) -> _TABLE_ENTRY:
    name = "Simulated calf twitches"
    return {
        "Name": name if kind == "raw" else f"{name}: the truth",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": kind,
        "License": "CC0-1.0",
        "Authors": ["the emgtwitch developers"],
        "GeneratedBy": [{"Name": MADE_BY}],
    }
