"""``emgtwitch detect``: find the twitches of recordings."""

import argparse
import errno
import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.cli import options, rate_table
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.detection.detections import Detections

_EPILOG = """\
The event table (tab-separated, BIDS) has one row per twitch, excluded interval and rejected
candidate, with times in s from the start of the recording and amplitudes in µV peak to peak. The
.json file beside it tells all settings and the seconds recorded, valid and excluded.

examples:
  emgtwitch detect calves.bdf                     writes calves_events.tsv beside it
  emgtwitch detect my_dataset                     an EMG-BIDS data set: to derivatives/emgtwitch
  emgtwitch detect calves.bdf --pictures          also draws calves_overview.png
  emgtwitch detect *.edf --preset specific --json > summary.json
  emgtwitch detect calves.bdf --channels calf_L calf_R --output both.tsv
  emgtwitch detect log.csv --sfreq 1000 --uv-per-count 24.4"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "recordings",
        metavar="RECORDING",
        type=Path,
        nargs="+",
        help="file, folder of files, or EMG-BIDS data set",
    )
    parser.add_argument(
        "--output",
        metavar="EVENTS.tsv",
        type=Path,
        help="event table to write, for one recording (default: <name>_events.tsv beside it, in "
        "an EMG-BIDS data set under derivatives/emgtwitch)",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="also draw each recording and what was found: <name>_overview.png beside the table",
    )
    options.add_detection_options(parser)
    parser.add_argument(
        "--channels",
        metavar="NAME",
        nargs="+",
        help="names of the channels to search (default: all EMG channels)",
    )
    options.add_reading_options(parser)
    options.add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Detect, recording after recording; those that fail do not keep back the others."""
    from emgtwitch.detection.settings import Settings

    Settings(arguments.preset, arguments.mains, arguments.false_alarms_per_hour)
    recordings, failed = _recordings(arguments.recordings)
    if arguments.output and len(recordings) + len(failed) > 1:
        raise InputError(f"--output is one table, but there are {len(recordings)} recordings")
    tables: dict[Path, Path] = {}
    results = []
    for recording in recordings:
        try:
            table = _table_path(recording, arguments, tables)
            found = _detect(recording, table, arguments)
        except InputError as error:
            failed[recording] = error
            continue
        tables[table] = recording
        for doubt in rate_table.doubts(found):
            print(f"emgtwitch: warning: {rate_table.shown(recording)}: {doubt}", file=sys.stderr)
        if arguments.json:
            results.append(rate_table.detected_json(recording, table, found))
        elif not arguments.quiet:
            print(rate_table.detected_text(recording, table, found), flush=True)
    if arguments.json:
        errors = [{"recording": str(path), "error": str(error)} for path, error in failed.items()]
        print(json.dumps({"recordings": results, "failed": errors}, indent=2))
    elif tables and not arguments.quiet:
        print(rate_table.LEGEND)
    if failed:
        *others, last = failed.values()
        for other in others:
            print(f"emgtwitch: {' '.join(str(other).split())}", file=sys.stderr)
        raise last
    return 0


def _recordings(paths: list[Path]) -> tuple[list[Path], dict[Path, InputError]]:
    """Return the recordings that the paths stand for, each once, and the paths without any."""
    from emgtwitch.recording.bids import find_recordings

    found: dict[Path, Path] = {}
    failed: dict[Path, InputError] = {}
    for path in paths:
        try:
            found |= {recording.resolve(): recording for recording in find_recordings(path)}
        except InputError as error:
            failed[path] = error
    return list(found.values()), failed


def _table_path(recording: Path, arguments: argparse.Namespace, tables: dict[Path, Path]) -> Path:
    """Return the table to write for a recording, if it can be and nothing of others is lost."""
    from emgtwitch.event_table import sidecar_path
    from emgtwitch.recording.derivatives import dataset_of, derivative_path

    given, dataset = arguments.output, dataset_of(recording)
    if given:
        table = given
    elif dataset:
        table = derivative_path(dataset, recording, "events.tsv")
    else:
        table = recording.with_name(f"{recording.stem}_events.tsv")
    if table.suffix != ".tsv":
        raise InputError(f"{table}: the name of an event table must end in .tsv")
    if table in tables:
        raise InputError(f"{recording}: {table} is the table of {tables[table]}; give --output")
    files = [table, sidecar_path(table), *([_picture_path(table)] if arguments.pictures else [])]
    try:
        if given and not table.absolute().parent.is_dir():
            raise InputError(f"{table}: there is no folder {table.parent}")
        if table.parent.is_dir() and not os.access(table.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        for file in files:
            with suppress(FileNotFoundError):  # it is written under a longer name at first
                os.lstat(file.with_name(f".{file.name}.{os.getpid()}.part"))
            if file.exists() and not _is_ours(sidecar_path(table)):
                raise InputError(
                    f"{file} is there, and not by emgtwitch detect; choose another name by --output"
                )
    except OSError as error:
        raise InputError(f"{table}: cannot be written: {error.strerror}") from error
    return table


def _picture_path(table: Path) -> Path:
    return table.with_name(f"{table.stem.removesuffix('_events')}_overview.png")


def _is_ours(sidecar: Path) -> bool:
    from emgtwitch.detection.detections import SOFTWARE

    try:
        return bool(json.loads(sidecar.read_bytes())["software"]["name"] == SOFTWARE)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _detect(recording: Path, table: Path, arguments: argparse.Namespace) -> "Detections":
    """Detect in one recording and write its table."""
    from emgtwitch.recording.derivatives import dataset_of, make_derivative_folder

    raw, found = options.detected(recording, arguments)
    dataset = dataset_of(recording)
    if dataset and not arguments.output:
        make_derivative_folder(dataset, table)
    found = replace(found, source=recording.name)
    found.save(table)
    if arguments.pictures:
        from emgtwitch.reports.overview import save_overview

        about = [rate_table.shown(Path(recording.name))]
        if found.start:
            about.insert(0, f"{found.start.day} {found.start:%B %Y, %H:%M}")
        save_overview(_picture_path(table), raw, found, title=" · ".join(about))
    return found
