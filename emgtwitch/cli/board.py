"""The board that is recorded from: what the command line, a profile and the board itself say."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgtwitch.channels import side_of
from emgtwitch.cli import options
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.detection.stream import StreamingDetector
    from emgtwitch.recording.profile import Profile
    from firmware_bridge.device import Device
    from firmware_bridge.device_info import DeviceInfo


@dataclass(frozen=True)
class Board:
    """A board that is open.

    Attributes
    ----------
    device
        The board.
    profile
        What is recorded from it.
    uv_per_count
        µV per count of each channel.
    """

    device: "Device"
    profile: "Profile"
    uv_per_count: tuple[float, ...]

    @property
    def sfreq(self) -> int:
        """Samples per second, as promised."""
        return round(self.device.info.sfreq)

    @property
    def ch_names(self) -> list[str]:
        """Names of the channels."""
        return [channel.name for channel in self.profile.channels]

    @property
    def signals(self) -> dict[str, Any]:
        """What the live page has to know of them: the arguments of `page.hello_of`."""
        sides = [channel.side or side_of(channel.name) for channel in self.profile.channels]
        return {
            "ch_names": self.ch_names,
            "sides": sides,
            "sfreq": self.sfreq,
            "uv_per_count": self.uv_per_count,
            "bits": self.device.info.bits,
        }

    def detector(self, arguments: argparse.Namespace) -> "StreamingDetector":
        """Return a fresh detector for its channels."""
        from emgtwitch.detection.stream import StreamingDetector

        return StreamingDetector(
            self.sfreq,
            self.ch_names,
            lsb_uv=self.uv_per_count,
            **options.detection_options(arguments),
        )


def add_profile_options(group: "argparse._ArgumentGroup") -> None:
    """Add what is recorded, and where it goes."""
    add = group.add_argument
    add("--subject", metavar="S", help="code of the person, letters and digits; no name")
    add(
        "--dataset",
        metavar="DIR",
        type=Path,
        default=Path("emg"),
        help="EMG-BIDS data set to record into, made if there is none (default: emg)",
    )
    add("--profile", metavar="FILE.toml", type=Path, help="whom, how, and where electrodes sit")
    add("--condition", metavar="rest|post-exercise", help="(default: rest)")
    add("--exercise", metavar="TEXT", help="after which exercise, and when")
    add("--posture", metavar="TEXT", help="as 'prone, feet over the edge of the bed'")
    add("--treatment", metavar="TEXT", help="what is tried at present, and since when")


@contextmanager
def opened_board(arguments: argparse.Namespace, log: Path | None = None) -> Iterator[Board]:
    """Open the board of `add_device_options` and `add_profile_options`, after a word on safety.

    What cannot be recorded is refused first.

    Parameters
    ----------
    arguments
        With those options.
    log
        File for a raw capture of the line.

    Raises
    ------
    InputError
        Something of it cannot be; nothing was written.
    """
    from emgtwitch.recording.profile import read_profile

    if arguments.profile and arguments.channels:
        raise InputError("--channels: the profile names the channels already")
    known = read_profile(arguments.profile, **_said(arguments)) if arguments.profile else None
    if not known and arguments.port:
        told_profile(arguments, arguments.channels or ["unknown"])  # is what is told possible?
    if arguments.dataset.exists() and not arguments.dataset.is_dir():
        raise InputError(f"{arguments.dataset}: is there and is no folder; choose another name")
    if arguments.port and not arguments.quiet:
        print(f"{options.SAFETY}\n", file=sys.stderr)
    named = known.channels if known else arguments.channels
    with options.opened_device(arguments, len(named) if named else None, log) as device:
        names = arguments.channels or device.info.ch_names
        profile = known or told_profile(arguments, names, device.info)
        yield Board(device, profile, _scale(arguments, device.info, profile))


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of a profile."""
    names = ("subject", "condition", "exercise", "posture", "treatment")
    said = {name: getattr(arguments, name) for name in names}
    said["mains_hz"] = int(arguments.mains) if arguments.mains in ("50", "60") else None
    return {name: value for name, value in said.items() if value is not None}


def told_profile(
    arguments: argparse.Namespace, names: Sequence[str], info: "DeviceInfo | None" = None
) -> "Profile":
    """Return what is recorded, as the command line and, if it is known, the board say.

    Raises
    ------
    InputError
        It cannot be.
    """
    from emgtwitch.recording.profile import Channel, Profile

    told = info.about if info else {}
    gains = info.gain if info and info.gain else (None,) * len(names)
    channels = []
    for k, (name, gain) in enumerate(zip(names, gains, strict=True)):
        sensor = [told.get(f"ch{k}.{key}") for key in ("sensor", "output")]
        channels.append(Channel(name, gain=gain, sensor=" ".join(filter(None, sensor))))
    return Profile(channels=tuple(channels), **{"subject": ""} | _said(arguments))


def _scale(
    arguments: argparse.Namespace, info: "DeviceInfo", profile: "Profile"
) -> tuple[float, ...]:
    """Return µV per count of each channel; gains of a profile come before those of the board."""
    gains = [channel.gain for channel in profile.channels]
    if arguments.uv_per_count is None and info.vref_mv and info.bits and all(gains):
        return tuple(1000 * info.vref_mv / 2**info.bits / gain for gain in gains if gain)
    return options.device_scale(arguments, info)
