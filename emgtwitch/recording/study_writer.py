"""Record into an EMG-BIDS data set that is valid from the first second of the recording on.

Names and keys are those of BIDS 1.11, "Electromyography". Files and columns of other tools are
kept; what only emgtwitch knows stands in ``_emg.json`` under ``emgtwitch``.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from emgtwitch import __version__
from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import BAD_GAP, Annotation, physical_limit
from emgtwitch.recording.bdf_layout import read_layout, read_texts
from emgtwitch.recording.bdf_recorder import BdfRecorder, Recorded
from emgtwitch.recording.derivatives import dataset_of
from emgtwitch.recording.profile import Profile
from emgtwitch.recording.study_files import (
    BIDS_VERSION,
    DESCRIPTION,
    add_rows,
    describe_columns,
    locked,
    read_json,
    read_table,
    remove_row,
    write_json,
    write_table,
    write_text,
)
from emgtwitch.recording.study_notes import COLUMNS, scans_table, sessions_table

_README = """\
# Surface EMG of the calves

Recorded by emgtwitch to find muscle twitches (fasciculations), in the layout of EMG-BIDS.

- `sub-*/ses-*/emg/*_emg.bdf`: the recordings; `*_channels.tsv` tells muscle, side and electrodes.
- `*_events.tsv`: marks set during a recording, and where samples are missing.
- `*_scans.tsv`: when and under which condition each was recorded; `*_sessions.tsv`: treatments.

Measured, not diagnosed.
"""
_TASKS = {
    "rest": "Lying at rest, nothing moved on purpose",
    "postexercise": "Lying at rest after exercise, nothing moved on purpose",
}
_INSTRUCTIONS = "Lie still; set a mark after a cramp or after you have moved"
_PARTICIPANTS_ABOUT = {"participant_id": {"Description": "Code of the person"}}
_SESSIONS_ABOUT = {
    "session_id": {"Description": "Day of the recordings"},
    "acq_time": {"Description": "Start of the first recording of the session"},
    "treatment": COLUMNS["treatment"],
}
_SCANS_ABOUT = {
    "filename": {"Description": "The recording"},
    "acq_time": {"Description": "Start of the recording"},
    "condition": COLUMNS["condition"],
    "exercise": COLUMNS["exercise"],
    "posture": COLUMNS["posture"],
    "minutes": {"Description": "Length of the recording", "Units": "min"},
    "lost_s": {"Description": "Time of it that is missing", "Units": "s"},
}
_EVENTS_ABOUT = {
    "onset": {"Description": "Start, from the start of the recording", "Units": "s"},
    "duration": {"Description": "Length", "Units": "s"},
    "trial_type": {
        "Description": "Kind of row",
        "Levels": {
            "mark": "mark or note set during the recording",
            "gap": "samples missing, or the last second filled up",
        },
    },
    "value": {"Description": "Text of the mark"},
}
# Sensor → its band in Hz: MyoWare 2.0 Advanced Guide, filters of the first order.
_BANDS = {"myoware 2.0": (20.8, 498.4)}


def start_recording(
    dataset: str | os.PathLike[str],
    profile: Profile,
    *,
    start: datetime,
    sfreq: int,
    uv_per_count: float | Sequence[float],
    about: Mapping[str, Any] | None = None,
) -> BdfRecorder:
    """Start a recording in a data set, which is made if there is none.

    The session is the day on which the recording starts; the second of the same condition on
    that day becomes run 2.

    Parameters
    ----------
    dataset
        Folder of the data set: new, empty, or a BIDS data set.
    profile
        Of whom, how, and where the electrodes sit.
    start
        Local time of the first sample, without a time zone, as BIDS asks for.
    sfreq, uv_per_count
        As for `BdfRecorder`.
    about
        Further keys of ``_emg.json``, as ``Manufacturer``; they come before ours. Keys of
        emgtwitch stand under ``emgtwitch``.

    Returns
    -------
    recorder
        Its ``path`` is the recording. After its `close` call `finish_recording`.

    Raises
    ------
    InputError
        The folder holds something else, a table in it is damaged, it cannot be written, or a
        value does not fit into BDF+.
    """
    root = Path(dataset)
    try:
        _make_dataset(root)
        with locked(root):
            return _start(root, profile, start, sfreq, uv_per_count, about or {})
    except OSError as error:
        raise InputError(f"{root}: cannot be written: {error.strerror}") from error


def is_unfinished(recording: Path) -> bool:
    """Return whether a recording of `start_recording` waits for `finish_recording`."""
    if dataset_of(recording) is None:
        return False
    about = read_json(recording.with_suffix(".json"))
    ours = str(about.get("SoftwareVersions", "")).startswith("emgtwitch")
    return ours and "RecordingDuration" not in about


def finish_recording(
    recording: str | os.PathLike[str],
    recorded: Recorded | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write into the data set what is known at the end of a recording: length, losses, events.

    All of it is read from the finished file, so that it is the same after a recovery.

    Parameters
    ----------
    recording
        The finished ``_emg.bdf``; outside of a data set nothing is done.
    recorded
        What `BdfRecorder.close` returned, if it is known.
    about
        Further keys of ``_emg.json``, as for `start_recording`: the measured rate, for one.

    Raises
    ------
    InputError
        The recording or a file beside it is damaged.
    """
    path = Path(recording)
    if (root := dataset_of(path)) is not None:
        try:
            with locked(root):
                _finish(path, recorded, about or {})
        except OSError as error:
            raise InputError(f"{root}: cannot be written: {error.strerror}") from error


def _finish(path: Path, recorded: Recorded | None, about: Mapping[str, Any]) -> None:
    layout = read_layout(path)
    if layout.n_records < 1:
        return  # the disk failed: it waits for its recovery
    texts = [
        (onset, min(duration, max(layout.n_records - onset, 0)), text)  # a kill came in a gap
        for onset, duration, text in read_texts(path)
    ]
    scans, sidecar, _, events, about_events = _beside(path)
    add_rows(
        events, [_event(*text) for text in texts], ("onset", "duration", "trial_type", "value")
    )
    describe_columns(about_events, _EVENTS_ABOUT)
    ours: dict[str, Any] = {}
    lost_s = _lost_s(texts, layout.n_records)
    if recorded is not None:
        lost_s = (recorded.lost_scans + recorded.dropped_scans) / layout.sfreq
        ours = {
            "LostScans": recorded.lost_scans,
            "DroppedScans": recorded.dropped_scans,
            "MaskedScans": recorded.masked_scans,
        }
    known = {"RecordingDuration": layout.n_records, "emgtwitch": ours}
    row = {
        "filename": f"emg/{path.name}",
        "minutes": f"{layout.n_records / 60:.2f}",
        "lost_s": f"{lost_s:.3f}",
    }
    add_rows(scans, [row], ("filename",))
    # Last: a recording without its length is one that waits to be finished.
    write_json(sidecar, _merged(_merged(read_json(sidecar), known), about))


def _start(
    root: Path,
    profile: Profile,
    start: datetime,
    sfreq: int,
    uv_per_count: float | Sequence[float],
    about: Mapping[str, Any],
) -> BdfRecorder:
    subject, session = f"sub-{profile.subject}", f"ses-{start:%Y%m%d}"
    path = _free_name(root / subject / session / "emg", f"{subject}_{session}_task-{profile.task}")
    units = [
        physical_limit(value)[0] for value in np.broadcast_to(uv_per_count, len(profile.channels))
    ]
    acq_time = start.replace(tzinfo=None).isoformat(timespec="milliseconds")
    add_rows(root / "participants.tsv", [{"participant_id": subject}], ("participant_id",))
    describe_columns(root / "participants.json", _PARTICIPANTS_ABOUT)
    _add_session(sessions_table(root, profile.subject), session, acq_time, profile.treatment)
    row = {
        "filename": f"emg/{path.name}",
        "acq_time": acq_time,
        "condition": profile.condition,
        "exercise": profile.exercise,
        "posture": profile.posture,
        "minutes": "",
        "lost_s": "",
    }
    scans, sidecar, channels, events, about_events = _beside(path)
    try:
        add_rows(scans, [row], ("filename",))
        describe_columns(scans.with_suffix(".json"), _SCANS_ABOUT)
        write_json(sidecar, _merged(_about(profile, sfreq), about))
        _write_channels(channels, profile, units)
        write_table(events, _EVENTS_ABOUT, [])
        write_json(about_events, _EVENTS_ABOUT)
        # Last, so that where there is a recording there is all that belongs to it.
        return BdfRecorder(
            path,
            sfreq=sfreq,
            ch_names=[channel.name for channel in profile.channels],
            uv_per_count=uv_per_count,
            start=start,
            subject=subject,
            about="emgtwitch",
        )
    except BaseException:
        for file in (sidecar, channels, events, about_events):
            file.unlink(missing_ok=True)
        remove_row(scans, "filename", row["filename"])
        raise


def _make_dataset(root: Path) -> None:
    if (root / DESCRIPTION).exists():
        return
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is there and is no folder; choose another name")
    if root.exists() and any(not file.name.startswith(".") for file in root.iterdir()):
        raise InputError(
            f"{root}: neither empty nor a BIDS data set (no {DESCRIPTION}); choose another folder"
        )
    about = {
        "Name": "Surface EMG of the calves",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "emgtwitch record", "Version": __version__}],
    }
    write_json(root / DESCRIPTION, about)  # first: another recorder may start just now
    write_text(root / "README.md", _README)


def _free_name(folder: Path, stem: str) -> Path:
    run = 1
    while any((folder / f"{stem}_emg{ending}").exists() for ending in (".bdf", ".edf")):
        run += 1
        stem = f"{stem.partition('_run-')[0]}_run-{run}"
    return folder / f"{stem}_emg.bdf"


def _about(profile: Profile, sfreq: int) -> dict[str, Any]:
    """Return what ``_emg.json`` says before the recording starts."""
    channels = profile.channels
    about: dict[str, Any] = {
        "TaskName": profile.task,
        "TaskDescription": _TASKS[profile.task],
        "Instructions": _INSTRUCTIONS,
        "SoftwareVersions": f"emgtwitch {__version__}",
        "SamplingFrequency": sfreq,
        "PowerLineFrequency": profile.mains_hz or "n/a",
        "RecordingType": "continuous",
        "EMGChannelCount": len(channels),
        "EMGReference": "Bipolar",
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": "; ".join(
            f"{channel.name}: {channel.site or channel.target_muscle or 'not told'}"
            for channel in channels
        ),
        "SoftwareFilters": "n/a",
    }
    bands = {_band(channel.sensor) for channel in channels}
    if len(bands) == 1 and (band := bands.pop()):
        about["HardwareFilters"] = {
            "Band": {"HighpassHz": band[0], "LowpassHz": band[1], "Order": 1}
        }
    alike: dict[str, set[Any]] = {
        "ManufacturersModelName": {channel.sensor or None for channel in channels},
        "InterelectrodeDistance": {channel.interelectrode_mm for channel in channels},
        "Gain": {channel.gain for channel in channels},
    }
    return about | {
        key: value
        for key, values in alike.items()
        if len(values) == 1 and (value := values.pop()) is not None
    }


def _band(sensor: str) -> tuple[float, float] | None:
    return next((band for name, band in _BANDS.items() if sensor.lower().startswith(name)), None)


def _write_channels(path: Path, profile: Profile, units: Sequence[str]) -> None:
    columns = (
        "name", "type", "units", "target_muscle", "placement_description",
        "interelectrode_distance", "low_cutoff", "high_cutoff", "status",
    )  # fmt: skip
    rows = [
        (
            channel.name,
            "EMG",
            unit,
            channel.target_muscle,
            channel.site,
            channel.interelectrode_mm or "",
            *(_band(channel.sensor) or ("", "")),
            "good",
        )
        for channel, unit in zip(profile.channels, units, strict=True)
    ]
    write_table(path, columns, rows)


def _add_session(path: Path, session: str, acq_time: str, treatment: str) -> None:
    """Add the session; one that is there keeps its time, and gets a treatment that is new."""
    row = {"session_id": session, "acq_time": acq_time, "treatment": treatment}
    old = next((row for row in read_table(path) if row.get("session_id") == session), {})
    told = old.get("treatment", "n/a")
    if told != "n/a":
        row["treatment"] = told if treatment in told else f"{told}; {treatment}"
    if old.get("acq_time", "n/a") != "n/a":
        row["acq_time"] = old["acq_time"]
    add_rows(path, [row], ("session_id",))
    describe_columns(path.with_suffix(".json"), _SESSIONS_ABOUT)


def _event(onset_s: float, duration_s: float, text: str) -> dict[str, str]:
    gap = text == BAD_GAP
    return {
        "onset": f"{onset_s:.6f}",
        "duration": f"{duration_s:.6f}",
        "trial_type": "gap" if gap else "mark",
        "value": "n/a" if gap else text,
    }


def _lost_s(texts: Sequence[Annotation], n_seconds: int) -> float:
    """Return the time in gaps; less than a second at the end is the filling of the last record."""
    return sum(
        duration
        for onset, duration, text in texts
        if text == BAD_GAP and not (duration < 1 and onset + duration > n_seconds - 1e-6)
    )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    ours = {**old.get("emgtwitch", {}), **new.get("emgtwitch", {})}
    return {**old, **new} | ({"emgtwitch": ours} if ours else {})


def _beside(recording: Path) -> tuple[Path, Path, Path, Path, Path]:
    """Return the paths of scans.tsv, emg.json, channels.tsv, events.tsv and events.json."""
    stem = recording.name.removesuffix("emg.bdf")
    names = ("emg.json", "channels.tsv", "events.tsv", "events.json")
    sidecar, channels, events, about_events = (recording.with_name(stem + name) for name in names)
    return scans_table(recording), sidecar, channels, events, about_events
