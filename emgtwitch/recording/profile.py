"""What a person says about a recording before it starts: of whom, how, where electrodes sit.

It is given on the command line, or once in a small TOML file.
"""

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emgtwitch.channels import muscle_of, side_of
from emgtwitch.errors import InputError

# Condition → the name of the task in BIDS, which has letters and digits only.
TASKS = {"rest": "rest", "post-exercise": "postexercise"}
EXAMPLE = """\
# What is recorded: used by `emgtwitch record --profile FILE`. Only channels with a name are needed;
# what the command line says comes before what is written here. Write no name or birthday of the
# person: the data set would carry it.

subject = "01"                     # code of the person: letters and digits
condition = "rest"                 # "rest" or "post-exercise"
exercise = ""                      # after which exercise, as "50 heel raises, 5 minutes ago"
posture = "prone, feet over the edge of the bed"
treatment = ""                     # what is tried at present, as "physiotherapy since 2026-02-20"
mains_hz = 50                      # 50, or 60 as in North America

[[channels]]                       # one such part per sensor, in the order of the inputs
name = "calf_L"                    # at most 16 letters, digits, "_" or "-"; all different
side = "left"                      # "left" or "right"
muscle = "gastrocnemius medialis"
site = "on the most prominent bulge, along the leg"
interelectrode_mm = 20.0           # between the centres of the two electrodes
sensor = "MyoWare 2.0, RAW output"
gain = 200.0                       # of the sensor

[[channels]]
name = "calf_R"
side = "right"
muscle = "gastrocnemius medialis"
site = "on the most prominent bulge, along the leg"
interelectrode_mm = 20.0
sensor = "MyoWare 2.0, RAW output"
gain = 200.0
"""
_MOST_MM = 300


@dataclass(frozen=True)
class Channel:
    """A sensor on the skin.

    Attributes
    ----------
    name
        Name of the channel: at most 16 letters, digits, ``_`` or ``-``.
    side, muscle
        ``left`` or ``right``, and the muscle; empty: as the name tells.
    site
        Where the electrodes sit, in words.
    interelectrode_mm
        Between the centres of the two electrodes, or None.
    sensor, gain
        What amplifies, and how much, or None.

    Raises
    ------
    InputError
        A value that cannot be.
    """

    name: str
    side: str = ""
    muscle: str = ""
    site: str = ""
    interelectrode_mm: float | None = None
    sensor: str = ""
    gain: float | None = None

    def __post_init__(self) -> None:
        _check_types(self)
        where = f"channel {self.name!r}"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", self.name):
            raise InputError(f"{where}: a name has 1 to 16 letters, digits, '_' or '-'")
        if self.side not in ("", "left", "right"):
            raise InputError(f"{where}: side {self.side!r}: must be 'left' or 'right'")
        if self.side and side_of(self.name) not in (None, self.side):
            raise InputError(f"{where}: side {self.side!r}, but its name says {side_of(self.name)}")
        if self.interelectrode_mm is not None and not 0 < self.interelectrode_mm <= _MOST_MM:
            raise InputError(
                f"{where}: interelectrode_mm {self.interelectrode_mm:g}: must be above 0, at most "
                f"{_MOST_MM}"
            )
        if self.gain is not None and not 0 < self.gain < 1e9:
            raise InputError(f"{where}: gain {self.gain:g}: must be above 0 and below 1e9")

    @property
    def target_muscle(self) -> str:
        """Side and muscle in words, as far as they are known."""
        side = self.side or side_of(self.name) or ""
        return f"{side} {self.muscle or muscle_of(self.name) or ''}".strip()


@dataclass(frozen=True)
class Profile:
    """What a person says about a recording.

    Attributes
    ----------
    subject
        Code of the person: letters and digits.
    channels
        The sensors, in the order of the inputs.
    condition
        ``rest`` or ``post-exercise``.
    exercise, posture, treatment
        After which exercise, in which posture, under which treatment; in words.
    mains_hz
        50, 60, or None if unknown.

    Raises
    ------
    InputError
        A value that cannot be.
    """

    subject: str
    channels: tuple[Channel, ...]
    condition: str = "rest"
    exercise: str = ""
    posture: str = ""
    treatment: str = ""
    mains_hz: int | None = None

    def __post_init__(self) -> None:
        _check_types(self)
        if not re.fullmatch(r"[A-Za-z0-9]{1,40}", self.subject):
            raise InputError(f"subject {self.subject!r}: must be letters and digits, as in '01'")
        if self.condition not in TASKS:
            raise InputError(f"condition {self.condition!r}: must be one of {', '.join(TASKS)}")
        if self.mains_hz not in (None, 50, 60):
            raise InputError(f"mains_hz {self.mains_hz}: must be 50 or 60")
        names = [channel.name for channel in self.channels]
        if not names or len({name.lower() for name in names}) < len(names):
            raise InputError(f"channels must be there and have different names: {names}")

    @property
    def task(self) -> str:
        """Name of the task in BIDS."""
        return TASKS[self.condition]


def read_profile(path: str | os.PathLike[str], **instead: object) -> Profile:
    """Read a profile.

    Parameters
    ----------
    path
        TOML file, as `EXAMPLE`.
    **instead
        Fields of `Profile` that come before those of the file, except where they are None.

    Raises
    ------
    InputError
        It cannot be read, an entry is unknown or cannot be; the message names it.
    """
    try:
        with Path(path).open("rb") as file:
            said: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    said |= {name: value for name, value in instead.items() if value is not None}
    try:
        _check_keys(said, Profile)
        channels = said["channels"]
        if isinstance(channels, list):
            said["channels"] = tuple(_channel(entry) for entry in channels)
        return Profile(**said)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _channel(entry: object) -> Channel:
    if not isinstance(entry, Mapping):
        raise InputError("channels: each needs a part of its own that begins with [[channels]]")
    _check_keys(entry, Channel)
    return Channel(**entry)


def _check_keys(said: Mapping[str, object], kind: type[Channel] | type[Profile]) -> None:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    what = kind.__name__.lower()
    if unknown := said.keys() - fields.keys():
        raise InputError(
            f"{what}: unknown entry {sorted(unknown)[0]!r}; there are {', '.join(fields)}"
        )
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in said:
            raise InputError(f"{what}: no {name}")


def _check_types(said: Channel | Profile) -> None:
    for field in dataclasses.fields(said):
        value = getattr(said, field.name)
        numeric = field.type in (float | None, int | None)
        if field.type is str and not isinstance(value, str):
            raise InputError(f"{field.name} {value!r}: must be text in quotation marks")
        if numeric and (isinstance(value, bool) or not isinstance(value, int | float | None)):
            raise InputError(f"{field.name} {value!r}: must be a number")
        if field.name == "channels" and not isinstance(value, tuple):
            raise InputError("channels: each needs a part of its own that begins with [[channels]]")
