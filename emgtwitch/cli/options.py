"""The options that several commands share, and what they mean for the functions behind them."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgtwitch.detection.settings import MAINS, PRESETS
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from mne.io import BaseRaw

    from emgtwitch.detection.detections import Detections
    from firmware_bridge.device import Device
    from firmware_bridge.device_info import DeviceInfo

SAFETY = """\
ELECTRODES ON A BODY: only with a laptop on battery and nothing else plugged into it (no charger, no
screen, no network cable), or with a USB isolator. Both sensors on one isolated supply. Not with a
pacemaker or another implant, not on broken skin."""
READING = {"sfreq": float, "unit": str, "uv_per_count": float, "stream": str}
# The names of `firmware_bridge.decoders.formats.FORMATS`, so that help need not load them.
WIRE_FORMATS = ("emgt", "text", "byb", "chords", "openeeg", "cyton", "bitalino")


def add_detection_options(parser: argparse.ArgumentParser) -> None:
    """Add what the detector can be told."""
    group = parser.add_argument_group("detection")
    defaults = ", ".join(
        f"{preset.false_alarms_per_hour:g} {name}" for name, preset in PRESETS.items()
    )
    group.add_argument(
        "--preset",
        metavar="|".join(PRESETS),
        default="default",
        help="how sustained activity is judged and how many false alarms are accepted (default: "
        "default)",
    )
    group.add_argument(
        "--false-alarms-per-hour",
        metavar="X",
        type=float,
        help=f"wanted in noise, per channel and valid hour (by preset: {defaults})",
    )
    group.add_argument(
        "--mains",
        metavar="|".join(MAINS),
        default="auto",
        help="mains hum to remove, Hz (default: auto, as found in the signal)",
    )


def detection_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return those options as keyword arguments of `detect` and of `StreamingDetector`."""
    names = ("preset", "false_alarms_per_hour", "mains")
    return {name: getattr(arguments, name) for name in names}


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what a recording may not tell itself, as a text file or a WAV."""
    group = parser.add_argument_group("reading, where a file does not tell it itself")
    group.add_argument("--sfreq", metavar="HZ", type=float, help="samples per second")
    group.add_argument(
        "--uv-per-count",
        metavar="UV",
        type=float,
        help="microvolts per count of the converter: supply * 1e6 / (2^bits * gain), supply in V",
    )
    add_file_options(group)


def add_file_options(group: "argparse._ArgumentGroup") -> None:
    """Add those of them that no board has."""
    group.add_argument("--unit", metavar="uV|mV|V|nV", help="unit of the numbers")
    group.add_argument("--stream", metavar="NAME", help="which stream of an XDF file")


def reading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return those of them that were given, as keyword arguments of `emgtwitch.read_recording`."""
    values = {name: getattr(arguments, name) for name in READING}
    return {name: value for name, value in values.items() if value is not None}


def kept_reading(found: "Detections | None") -> dict[str, Any]:
    """Return the reading options with which the recording of a table was read."""
    kept = found.settings.get("reading") if found else None
    if not isinstance(kept, dict):
        return {}
    return {name: kept[name] for name, kind in READING.items() if isinstance(kept.get(name), kind)}


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add how results are printed."""
    group = parser.add_argument_group("printing")
    group.add_argument("--json", action="store_true", help="print JSON instead of tables")
    group.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add which board to talk to, and what it may not tell itself."""
    group = parser.add_argument_group("the board")
    add = group.add_argument
    add("--port", metavar="PORT", help="as emgtwitch ports lists them, or a URL of pyserial")
    add(
        "--format",
        choices=("auto", *WIRE_FORMATS),
        default="auto",
        help="what the board speaks (default: auto, all are tried)",
    )
    add("--baud", metavar="N", type=int, help="speed of the line (default: that of the format)")
    add("--sfreq", metavar="HZ", type=float, help="samples per second (default: the board's)")
    add(
        "--channels",
        metavar="NAME",
        nargs="+",
        help="names in the order of the inputs, as calf_L calf_R (default: the board's)",
    )
    add(
        "--uv-per-count",
        metavar="UV",
        type=float,
        help="microvolts per count of the converter: supply * 1e6 / (2^bits * gain), supply in V",
    )


@contextmanager
def opened_device(
    arguments: argparse.Namespace, n_channels: int | None = None, log: Path | None = None
) -> Iterator["Device"]:
    """Open the board of `add_device_options`; what is wrong with it is an `InputError`.

    Parameters
    ----------
    arguments
        With those options.
    n_channels
        How many channels to ask for; None leaves it to the board.
    log
        File for a raw capture of the line.
    """
    from firmware_bridge.decoders import BridgeError
    from firmware_bridge.device import open_device

    if not arguments.port:
        raise InputError("--port is missing; emgtwitch ports lists what is connected")
    try:
        with open_device(
            arguments.port,
            arguments.format,
            n_channels=n_channels,
            sfreq=arguments.sfreq,
            baud=arguments.baud,
            log=log,
        ) as device:
            yield device
    except BridgeError as error:
        raise InputError(str(error)) from error


def device_scale(arguments: argparse.Namespace, info: "DeviceInfo") -> tuple[float, ...]:
    """Return µV per count of each channel, as stated or as the board tells."""
    if arguments.uv_per_count is not None:
        if not 0 < arguments.uv_per_count < 1e6:
            raise InputError(
                f"--uv-per-count {arguments.uv_per_count:g}: must be above 0 and below 1000000"
            )
        return (arguments.uv_per_count,) * info.n_channels
    if info.uv_per_count is None:
        raise InputError(
            f"{info.title}: the board does not tell its scale; give --uv-per-count, which is "
            "supply in V * 1e6 / (2^bits * gain), as 24.4 for 5 V, 10 bits and a gain of 200"
        )
    return info.uv_per_count


def device_in_words(info: "DeviceInfo") -> str:
    """Return what a board is, in a line."""
    channels = "channel" if info.n_channels == 1 else "channels"
    parts = [
        " ".join(filter(None, (info.title, info.board, info.firmware))),
        f"{info.n_channels} {channels} at {float(info.sfreq):g} Hz",
        f"{info.bits} bits" if info.bits else "",
        f"{info.uv_per_count[0]:.3g} µV per count" if info.uv_per_count else "",
    ]
    return ", ".join(filter(None, parts))


def detected(recording: Path, arguments: argparse.Namespace) -> "tuple[BaseRaw, Detections]":
    """Read a recording as the arguments say, and detect in it."""
    return searched(
        recording,
        reading_options(arguments),
        progress=not arguments.quiet,
        channels=arguments.channels,
        **detection_options(arguments),
    )


def searched(
    recording: Path, reading: dict[str, Any], **choices: Any
) -> "tuple[BaseRaw, Detections]":
    """Read a recording and detect in it; a refusal names the file.

    Parameters
    ----------
    recording
        Its file.
    reading
        As `reading_options` returns them; the settings of the result tell them, so that the same
        recording can be read in the same way again.
    **choices
        For `emgtwitch.detect`.
    """
    from emgtwitch.detection.files import detect
    from emgtwitch.recording.read import read_recording

    raw = read_recording(recording, **reading)
    try:
        found = detect(raw, **choices)
    except InputError as error:
        raise InputError(f"{recording}: {error}") from error
    if reading:
        found = replace(found, settings={**found.settings, "reading": reading})
    return raw, found
