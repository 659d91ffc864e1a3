"""Detection in a recording that is a file or an `mne.io.Raw`."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emgtwitch.detection.detections import Detections
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.errors import InputError
from emgtwitch.event_table import Event, event_array
from emgtwitch.recording import blocks, channel_sides, emg_channels, lsb_uv
from emgtwitch.recording.read import read_recording

if TYPE_CHECKING:
    import mne

_BLOCK_S = 10.0
_PATIENCE_S = 2.0


def detect(
    recording: "mne.io.Raw | str | os.PathLike[str]",
    *,
    channels: Sequence[str] | None = None,
    preset: str = "default",
    mains: str = "auto",
    false_alarms_per_hour: float | None = None,
    progress: bool = False,
) -> Detections:
    """Find the twitches of a recording.

    The recording is read piece by piece: unless the format has to be loaded at once, memory does
    not grow with its length.

    Parameters
    ----------
    recording
        A file that `emgtwitch.read_recording` reads, or a Raw with channels of type emg, in
        volts and not filtered.
    channels
        Names of the channels to search; all of type emg if not given.
    preset, mains, false_alarms_per_hour
        See `emgtwitch.detection.settings.Settings`.
    progress
        Show a bar on standard error, if that is a terminal and it takes over two seconds.

    Returns
    -------
    Detections
        The events and the account of the time.

    Raises
    ------
    InputError
        The recording cannot be used, has no such channel, or a setting is wrong.
    """
    if isinstance(recording, str | os.PathLike):
        raw, source = read_recording(recording), Path(recording).name
    elif not hasattr(recording, "filenames"):
        raise InputError(
            f"a path or an mne.io.Raw is needed, not {type(recording).__name__}; for an array "
            "there is emgtwitch.StreamingDetector"
        )
    else:
        raw, source = recording, recording.filenames[0] and Path(recording.filenames[0]).name
    present, sides = emg_channels(raw), channel_sides(raw)
    if not present:
        raise InputError("no channel of type emg; raw.set_channel_types says which are")
    names = present if channels is None else list(channels)
    if absent := [name for name in names if name not in present]:
        raise InputError(f"no channel {absent[0]!r}; the EMG channels are: {', '.join(present)}")
    rows = [present.index(name) for name in names]
    steps_uv = lsb_uv(raw)[rows]
    detector = StreamingDetector(
        raw.info["sfreq"],
        names,
        lsb_uv=steps_uv,
        preset=preset,
        mains=mains,
        false_alarms_per_hour=false_alarms_per_hour,
    )
    events = []
    with tqdm(
        desc=source,
        total=round(raw.n_times / detector.sfreq),
        unit="s",
        delay=_PATIENCE_S,
        disable=None if progress else True,
        leave=False,
    ) as bar:
        for _, block in blocks(raw, _BLOCK_S):
            events += detector.push(block[rows])
            bar.update(round(block.shape[1] / detector.sfreq))
    events += detector.flush()
    start = raw.info["meas_date"]
    return detections_of(
        detector,
        events,
        sides=[sides[name] for name in names],
        steps_uv=steps_uv,
        source=source,
        start=start and start.replace(tzinfo=None) + timedelta(seconds=float(raw.first_time)),
    )


def detections_of(
    detector: StreamingDetector,
    events: list[Event],
    *,
    sides: Sequence[str | None],
    steps_uv: np.ndarray,
    source: str | None,
    start: datetime | None,
) -> Detections:
    """Return what a detector found, once it is flushed.

    Parameters
    ----------
    detector
        The detector, for its account and its settings.
    events
        All that its `push` and `flush` returned; provisional ones are left out.
    sides
        ``"left"``, ``"right"`` or None for each channel.
    steps_uv
        (n_channels,) step of the converter that it was told, µV.
    source, start
        As in `Detections`.
    """
    settings = detector.settings
    return Detections(
        events=event_array([event for event in events if not event.provisional]),
        accounts=detector.account(),
        sides=tuple(sides),
        settings={
            **asdict(settings),
            "false_alarms_per_hour": settings.wanted_false_alarms,
            "sampling_frequency_hz": detector.sfreq,
            "converter_step_uv": dict(zip(detector.ch_names, map(float, steps_uv), strict=True)),
        },
        source=source,
        start=start,
    )
