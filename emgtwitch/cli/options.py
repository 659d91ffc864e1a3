"""The options that several commands share, and what they mean for the functions behind them."""

import argparse
from typing import Any

from emgtwitch.detection.settings import MAINS, PRESETS


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
    group.add_argument("--unit", metavar="uV|mV|V|nV", help="unit of the numbers")
    group.add_argument(
        "--uv-per-count",
        metavar="UV",
        type=float,
        help="microvolts per count of the converter: supply * 1e6 / (2^bits * gain), supply in V",
    )
    group.add_argument("--stream", metavar="NAME", help="which stream of an XDF file")


def reading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return those options as keyword arguments of `emgtwitch.read_recording`."""
    return {name: getattr(arguments, name) for name in ("sfreq", "unit", "uv_per_count", "stream")}


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add how results are printed."""
    group = parser.add_argument_group("printing")
    group.add_argument("--json", action="store_true", help="print JSON instead of tables")
    group.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
