"""A recording in a data set, from its first scan to its event table."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from emgtwitch.capture.audience import Audience
from emgtwitch.capture.live import LiveRecording
from emgtwitch.capture.marks import SpooledMarks
from emgtwitch.capture.session import local_time_of
from emgtwitch.detection.detections import Detections
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.recording.bdf_recorder import Recorded
from emgtwitch.recording.derivatives import dataset_of, derivative_path, make_derivative_folder
from emgtwitch.recording.profile import Profile
from emgtwitch.recording.study_writer import finish_recording, start_recording
from firmware_bridge.device import Device
from firmware_bridge.device_info import DeviceInfo


@dataclass(frozen=True)
class Finished:
    """A recording that is whole.

    Attributes
    ----------
    path, table
        Its file, and its event table.
    recorded
        What was written and lost.
    found
        What was detected meanwhile.
    """

    path: Path
    table: Path
    recorded: Recorded
    found: Detections

    @property
    def lost_scans(self) -> int:
        """Scans that are not in the file, wherever they were lost."""
        return self.recorded.lost_scans + self.recorded.dropped_scans


class DatasetRecording:
    """Records from a device that streams already, beginning with a scan of it.

    Parameters
    ----------
    dataset, profile
        Where it goes, and what it is of.
    device, first_scan
        Which scan of the device is to be scan 0.
    detector, uv_per_count
        Fresh, with the channels of the profile; µV per count of each.
    audience
        Who looks on.

    Attributes
    ----------
    live
        Takes in the scans.
    marks
        What ``emgtwitch mark`` leaves.
    start
        Local time of scan 0.

    Raises
    ------
    InputError
        As of `emgtwitch.recording.study_writer.start_recording`.
    """

    def __init__(
        self,
        dataset: Path,
        profile: Profile,
        *,
        device: Device,
        first_scan: int,
        detector: StreamingDetector,
        uv_per_count: Sequence[float],
        audience: Audience,
    ) -> None:
        self._device, self._first_scan = device, first_scan
        # What has come and is not taken in yet counts as before: some hundredths of a second.
        self._line_before = deepcopy(vars(device.statistics)) if first_scan else {}
        self.start: datetime = local_time_of(device, first_scan)
        self.recorder = start_recording(
            dataset,
            profile,
            start=self.start,
            sfreq=round(device.info.sfreq),
            uv_per_count=uv_per_count,
            about=_about_board(device.info),
        )
        self.marks = SpooledMarks(dataset)
        self.live = LiveRecording(self.recorder, detector, uv_per_count, audience)

    def close(self) -> None:
        """Make file and data set whole."""
        self.marks.close()
        finish_recording(self.recorder.path, self.recorder.close(), self._about_line())

    def save(self) -> Finished:
        """Decide the rest, and write the event table of what was detected."""
        recorded, path = self.recorder.close(), self.recorder.path
        found = self.live.finish(path.name, self.start)
        dataset = dataset_of(path)
        assert dataset
        table = derivative_path(dataset, path, "events.tsv")
        make_derivative_folder(dataset, table)
        found.save(table)
        return Finished(path, table, recorded, found)

    def _about_line(self) -> dict[str, Any]:
        """Return what ``_emg.json`` says of the true rate, and of what was lost on the line."""
        line = vars(self._device.statistics)
        for name, before in self._line_before.items():
            if name != "queue_high_water":
                line[name] = line[name] - before
        ours: dict[str, Any] = {"Line": line}
        if clock := self._device.clock:
            first = clock.wall_time_of(self._first_scan)
            ours |= {
                "MeasuredSamplingFrequency": clock.mean_sfreq_hz,
                "MeasuredSamplingFrequencyIsReliable": clock.trusted,
                "FirstScan": first.isoformat(timespec="milliseconds"),
            }
        return {"emgtwitch": ours}


def _about_board(info: DeviceInfo) -> dict[str, Any]:
    """Return what ``_emg.json`` says of the board."""
    told = {
        "ManufacturersModelName": info.board,
        "DeviceSerialNumber": info.serial,
    }
    ours = {
        "WireFormat": info.format,
        "Firmware": info.firmware,
        "ConverterBits": info.bits,
        "ConverterReferenceMillivolts": info.vref_mv,
        "PromisedSamplingFrequency": float(info.sfreq),
    }
    known = {key: value for key, value in ours.items() if value}
    return {key: value for key, value in told.items() if value} | {"emgtwitch": known}
