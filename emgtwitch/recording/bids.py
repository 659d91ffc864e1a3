"""The files beside a recording: of an EMG-BIDS data set, or a .json file of the same name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emgtwitch.channels import muscle_of, side_of
from emgtwitch.errors import InputError
from emgtwitch.recording.signals import COUNTS, Stated, clean_name, warn

_SIDE_COLUMNS = ("name", "target_muscle", "placement_description", "group", "signal_electrode")
_MUSCLE_COLUMNS = ("target_muscle", "name")
_DEEPEST = 4  # data set / subject / session / emg
_LARGEST_SIDECAR = 10_000_000


def entities(path: str | Path) -> dict[str, str]:
    """Return the BIDS entities of a file name: ``sub-01_run-2_emg.bdf`` → sub 01, run 2."""
    stem = Path(path).name.split(".")[0]
    return dict(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)(?=_|$)", stem))


def is_bids_recording(path: Path) -> bool:
    """Return whether a file name is that of an EMG-BIDS recording."""
    return bool(re.fullmatch(r"sub-.*_emg\.(edf|bdf|EDF|BDF)", path.name))


def sidecar(path: Path) -> dict[str, Any]:
    """Return what the .json files beside a recording say; keys of the nearest file win.

    For an EMG-BIDS recording these are all ``_emg.json`` files from the top of the data set down
    whose entities are among its own (the inheritance principle), otherwise ``<name>.json``.

    Raises
    ------
    InputError
        A file is no JSON object.
    """
    found: dict[str, Any] = {}
    if is_bids_recording(path):
        for file in _inherited(path, "emg.json"):
            found |= _read_json(file)
    else:
        for file in (path.with_suffix(".json"), Path(f"{path}.json")):
            if file.is_file():
                found |= _read_json(file)
    return found


def stated_beside(path: Path, said: dict[str, Any]) -> Stated:
    """Return what `sidecar` says about rate, unit and converter, keys in any case.

    ``SamplingFrequency`` in Hz; ``Units`` (uV, mV, V); ``MicrovoltsPerCount``; or ``Gain``,
    ``Bits`` and ``Vref`` (volts) of the converter, from which µV per count = Vref * 1e6 /
    (2^Bits * Gain) (hardware of the MyoWare kind: a bipolar output at half the supply).

    Raises
    ------
    InputError
        A value is no positive number.
    """
    lower = {key.lower(): value for key, value in said.items()}

    def number(key: str) -> float | None:
        value = lower.get(key)
        if value is None or value == "n/a":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
            raise InputError(f"{path}: the .json beside it has {key}: {clean_name(value)!r}")
        return float(value)

    sfreq, uv_per_count = number("samplingfrequency"), number("microvoltspercount")
    if is_bids_recording(path):  # the file is calibrated: its Gain is information only
        return Stated(sfreq=sfreq)
    gain, bits, vref = number("gain"), number("bits"), number("vref")
    if uv_per_count is None and gain and bits and vref:
        uv_per_count = vref * 1e6 / (2 ** min(bits, 64) * gain)
    unit = lower.get("units")
    if unit is not None and not isinstance(unit, str):
        raise InputError(f"{path}: the .json beside it has units: {clean_name(unit)!r}")
    return Stated(sfreq, None if unit in (COUNTS, "n/a") else unit, uv_per_count)


def line_frequency(said: dict[str, Any]) -> float | None:
    """Return the mains frequency that `sidecar` says, in Hz."""
    value = said.get("PowerLineFrequency")
    return float(value) if value in (50, 60) else None


def channel_facts(path: Path, names: list[str]) -> dict[str, dict[str, str | None]]:
    """Return side, muscle and status of channels, as ``_channels.tsv`` tells; else their names.

    A channel whose columns contradict each other about the side has none, with a warning.

    Raises
    ------
    InputError
        The file has no column ``name``, or a row of another length.
    """
    rows: dict[str, dict[str, str]] = {}
    if is_bids_recording(path):
        for file in _inherited(path, "channels.tsv"):
            rows |= {row["name"]: row for row in _read_tsv(file)}
    facts: dict[str, dict[str, str | None]] = {}
    for name in names:
        row = {"name": name, **rows.get(name, {})}
        sides = {side for column in _SIDE_COLUMNS if (side := side_of(row.get(column, "")))}
        if len(sides) > 1:
            warn(f"{path}: channel {name}: both left and right by its _channels.tsv; no side kept")
        muscles = (muscle_of(row.get(column, "")) for column in _MUSCLE_COLUMNS)
        named = row.get("target_muscle", "n/a")
        facts[name] = {
            "side": sides.pop() if len(sides) == 1 else None,
            "muscle": next(filter(None, muscles), None if named == "n/a" else clean_name(named)),
            "type": row.get("type"),
            "status": row.get("status"),
        }
    return facts


def find_recordings(path: str | Path) -> list[Path]:
    """Return the recordings that a path stands for.

    Parameters
    ----------
    path
        A recording (returned as it is), an EMG-BIDS data set or a folder of one (all its
        ``_emg.edf`` and ``_emg.bdf``, without derivatives, those of one session in order of
        time), or another folder (the recordings directly in it).

    Raises
    ------
    InputError
        There is nothing at `path`, or no recording in it.
    """
    from emgtwitch.recording.kinds import is_recording

    top = Path(path)
    try:
        if top.is_file():
            return [top]
        if not top.is_dir():
            raise InputError(f"{top}: no such file or folder")
        found = sorted(
            (
                file
                for file in top.rglob("*_emg.*")
                if is_bids_recording(file) and not _set_aside(file.relative_to(top))
            ),
            key=lambda file: (file.parent, _start(file), file),
        ) or sorted(file for file in top.iterdir() if is_recording(file))
    except OSError as error:
        raise InputError(f"{top}: cannot be read: {error.strerror}") from error
    if not found:
        raise InputError(f"{top}: no recording in this folder")
    return found


def _start(file: Path) -> str:
    """Return date and time in the header of an EDF or BDF file in a form that sorts."""
    try:
        with file.open("rb") as opened:
            said = opened.read(184)[168:].decode("latin-1")  # dd.mm.yyhh.mm.ss
    except OSError:
        return ""  # reading it will tell
    return said[6:8] + said[3:5] + said[:2] + said[8:]


def _set_aside(path: Path) -> bool:
    return any(
        part in ("derivatives", "sourcedata", "code") or part.startswith(".") for part in path.parts
    )


def _inherited(path: Path, suffix: str) -> Iterator[Path]:
    """Yield the files that apply to a BIDS recording by inheritance, the nearest last."""
    own = entities(path)
    upward = [path.absolute().parent, *path.absolute().parent.parents][:_DEEPEST]
    top = next(
        (k for k, folder in enumerate(upward) if (folder / "dataset_description.json").exists()), 0
    )
    for folder in reversed(upward[: top + 1]):
        matching = [
            file
            for file in folder.glob(f"*{suffix}")
            if re.fullmatch(rf"(.*_)?{re.escape(suffix)}", file.name)
            and entities(file).items() <= own.items()
        ]
        yield from sorted(matching, key=lambda file: (len(entities(file)), file.name))


def _read_text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST_SIDECAR:
            raise InputError(f"{file}: too large for a file that describes a recording")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text") from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(_read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: not valid JSON: {error}") from error
    if not isinstance(said, dict):
        raise InputError(f"{file}: not a JSON object")
    return said


def _read_tsv(file: Path) -> list[dict[str, str]]:
    lines = _read_text(file).splitlines()
    header = lines[0].split("\t") if lines else []
    if "name" not in header:
        raise InputError(f"{file}: no column 'name' in its first line")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise InputError(f"{file}: line {number} has {len(cells)} cells, not {len(header)}")
        rows.append(dict(zip(header, cells, strict=True)))
    return rows
