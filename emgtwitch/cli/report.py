"""``emgtwitch report``: what recordings show, left against right, as one page and many."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgtwitch.cli import options
from emgtwitch.cli.rate_table import shown
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.detection.detections import Detections
    from emgtwitch.reports.view import Source

_EPILOG = """\
Page 1 is the answer: which side twitches more, by how much, how sure that is, what changed, and how
far the recordings can be trusted. Then one page per recording, and the methods. Dates, conditions,
treatments and symptoms come from the tables of an EMG-BIDS data set; emgtwitch note fills them in.

Event tables are used where they are there, by this version and not older than the recording. Else,
or if an option asks for something else than they hold, the recordings are searched first and the
tables saved, as by emgtwitch detect; what is not given is then as it was.

examples:
  emgtwitch report my_dataset                     all recordings of one person
  emgtwitch report my_dataset/sub-01 --pdf        one person of several, and on paper
  emgtwitch report before.bdf after.bdf --output both.html
  emgtwitch report my_dataset --tables numbers --json > numbers.json"""
_MOST_PROCESSES = 8
_DETECTION = ("preset", "false_alarms_per_hour", "mains")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add(
        "paths",
        metavar="PATH",
        type=Path,
        nargs="+",
        help="recording, folder of recordings, EMG-BIDS data set, or event table",
    )
    add(
        "--output",
        metavar="REPORT.html",
        type=Path,
        default=Path("report.html"),
        help="file to write (default: report.html)",
    )
    add("--pdf", action="store_true", help="also print it to REPORT.pdf, by Chromium or Chrome")
    add("--tables", metavar="DIR", type=Path, help="also write every number as .tsv files there")
    add(
        "--reviewer",
        metavar="INITIALS",
        help="where this person has reviewed a recording, use these decisions",
    )
    options.add_detection_options(parser)
    parser.set_defaults(**dict.fromkeys(_DETECTION))  # as the table that is there has them
    options.add_reading_options(parser)
    options.add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Find or make the event tables, compare, and write the report."""
    from tqdm import tqdm

    from emgtwitch.detection.settings import Settings
    from emgtwitch.reports.numbers import numbers_json, write_tables
    from emgtwitch.reports.pdf import PrintError, print_pdf
    from emgtwitch.reports.report import write_report
    from emgtwitch.reports.view import view_of

    def progress(items: Iterable[Any], what: str, total: int | None = None) -> Any:
        hidden = True if arguments.quiet else None
        return tqdm(items, desc=what, total=total, disable=hidden, leave=False)

    Settings(**_wanted(arguments))
    _check_output(arguments.output)
    pairs = _recordings(arguments.paths)
    _check_one_person(pairs)
    stale = [
        (table, recording)
        for table, recording in pairs.items()
        if recording and not _current(table, recording, arguments)
    ]
    _detect_all(stale, arguments, lambda items, n: progress(items, "searching", n))
    sources = [
        _source(table, recording, arguments)
        for table, recording in progress(pairs.items(), "reading")
    ]
    view = view_of(sources, _title(arguments.paths))
    write_report(arguments.output, view, progress=lambda items: progress(items, "drawing"))
    tables = write_tables(arguments.tables, view) if arguments.tables else []
    problem = ""
    pdf = arguments.output.with_suffix(".pdf")
    if arguments.pdf:
        try:
            print_pdf(arguments.output, pdf)
        except PrintError as error:
            problem = str(error)
    if arguments.json:
        files = {
            "report": str(arguments.output),
            "pdf": str(pdf) if arguments.pdf and not problem else None,
            "tables": [str(path) for path in tables],
        }
        print(json.dumps({**files, **numbers_json(view)}, indent=2))
    elif not arguments.quiet:
        _tell(view, arguments, "" if problem or not arguments.pdf else shown(pdf))
    if problem:
        print(f"emgtwitch: {problem}", file=sys.stderr)
    return 1 if problem else 0


def _tell(view: Any, arguments: argparse.Namespace, pdf: str) -> None:
    from emgtwitch.reports.answer import answer, changes
    from emgtwitch.reports.limits import LIMITS

    print("\n".join([answer(view), *changes(view)]))
    print(f"\nReport: {shown(arguments.output)}{f', {pdf}' if pdf else ''}")
    if arguments.tables:
        print(f"Numbers: {shown(arguments.tables)}")
    print(f"\n{LIMITS}")


def _wanted(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the choices about the detector that were given."""
    values = {name: getattr(arguments, name) for name in _DETECTION}
    return {name: value for name, value in values.items() if value is not None}


def _choices(old: "Detections | None", wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices for the detector: those of the old table, unless told otherwise."""
    kept = {name: old.settings[name] for name in _DETECTION if old and name in old.settings}
    if wanted.get("preset", kept.get("preset")) != kept.get("preset"):
        kept.pop("false_alarms_per_hour", None)  # each preset has its own
    return kept | dict(wanted)


def _reading(old: "Detections | None", arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how to read a recording: as for its old table, unless told otherwise."""
    return options.kept_reading(old) | options.reading_options(arguments)


def _check_output(path: Path) -> None:
    from emgtwitch.reports.report import is_report

    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: the name of a report must end in .html")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    try:
        if path.exists() and not is_report(path):
            raise InputError(f"{path} is there, and no report by emgtwitch; choose another name")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: cannot be written: no permission in {path.parent}")


def _recordings(paths: Iterable[Path]) -> dict[Path, Path | None]:
    """Return event table → recording of everything that the paths stand for, each once."""
    from emgtwitch.comparison.occasions import table_of
    from emgtwitch.recording.bids import find_recordings

    found: dict[Path, Path | None] = {}
    for path in paths:
        if path.name.endswith("_events.tsv") and path.is_file():
            found.setdefault(path.resolve(), None)
            continue
        try:
            found |= {table_of(recording): recording for recording in find_recordings(path)}
        except InputError:
            tables = _tables_in(path)
            if not tables:
                raise
            found |= dict.fromkeys(tables)
    return found


def _tables_in(folder: Path) -> list[Path]:
    """Return the event tables by emgtwitch in a folder, without reviewed ones."""
    if not folder.is_dir():
        return []
    tables = folder.resolve().rglob("*_events.tsv")
    return sorted(t for t in tables if "_desc-" not in t.name and _old(t) is not None)


def _check_one_person(pairs: dict[Path, Path | None]) -> None:
    """Raise if recordings are of several people, before any of them is searched."""
    from emgtwitch.recording.bids import entities

    people = sorted(
        {entities(recording or table).get("sub", "") for table, recording in pairs.items()}
    )
    if len(people) > 1:
        names = ", ".join(f"sub-{name}" if name else "no data set" for name in people[:6])
        raise InputError(
            f"recordings of {len(people)} people ({names}): a report is about one, give their "
            "folder, as my_dataset/sub-01"
        )


def _source(table: Path, recording: Path | None, arguments: argparse.Namespace) -> "Source":
    """Return what is known about a recording, searched for twitches if need be."""
    import warnings

    from emgtwitch.comparison.occasions import read_study
    from emgtwitch.errors import SignalWarning
    from emgtwitch.recording.read import read_recording
    from emgtwitch.reports.view import Source
    from emgtwitch.reports.waveforms import waveforms_of

    if recording is None:
        return _reviewed(Source(read_study([table])[0]), table, arguments.reviewer)
    searched = Source(read_study([recording])[0])
    source = _reviewed(searched, table, arguments.reviewer)
    reading = _reading(searched.entry.found, arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)  # told when it was searched
        raw = read_recording(recording, **reading)
    return replace(source, waveforms=waveforms_of(raw, source.entry.found))


def _reviewed(source: "Source", table: Path, reviewer: str | None) -> "Source":
    """Return a source with the decisions of a reviewer, if there are any."""
    from emgtwitch.review.files import load_reviewed, reviewed_path

    path = reviewed_path(table, reviewer) if reviewer else None
    if path is None or not path.is_file():
        return source
    review = load_reviewed(path)
    of = sum(review.counts.values())
    when = f", {review.date:%Y-%m-%d}" if review.date else ""
    told = f"{review.reviewer}{when}: {review.n_reviewed} of {of} candidates"
    return replace(source, entry=replace(source.entry, found=review.found), reviewed=told)


def _old(table: Path) -> "Detections | None":
    """Return the table that is there, None if there is none by emgtwitch."""
    from emgtwitch.detection.detections import Detections

    try:
        return Detections.load(table)
    except InputError:
        return None


def _current(table: Path, recording: Path, arguments: argparse.Namespace) -> bool:
    """Return whether the table need not be made again."""
    from emgtwitch import __version__
    from emgtwitch.review.files import reviewed_paths

    found = _old(table)
    if found is None:
        return False
    kept = {name: found.settings[name] for name in _DETECTION if name in found.settings}
    same = _choices(found, _wanted(arguments)) == kept
    same &= _reading(found, arguments) == options.kept_reading(found)
    newer = table.stat().st_mtime >= recording.stat().st_mtime
    if same and newer and found.version == __version__:
        return True
    if reviewed_paths(table):  # made again, it would no longer be the one that was reviewed
        if not same:
            raise InputError(f"{table}: is reviewed, so it is not made again with other settings")
        return True
    return False


def _detect_all(
    stale: Sequence[tuple[Path, Path]],
    arguments: argparse.Namespace,
    progress: Callable[[Iterable[None], int], Iterable[None]],
) -> None:
    """Search recordings, several at once if there are."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    if len(stale) < 2:
        for table, recording in stale:
            _detect(table, recording, arguments)
        return
    quiet = argparse.Namespace(**{**vars(arguments), "quiet": True})  # one bar is enough
    processes = min(os.cpu_count() or 1, len(stale), _MOST_PROCESSES)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(_detect, table, recording, quiet) for table, recording in stale]
        try:
            for _ in progress((one.result() for one in done), len(done)):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _detect(table: Path, recording: Path, arguments: argparse.Namespace) -> None:
    """Search a recording as its old table was, unless told otherwise, and save the table."""
    from emgtwitch.recording.derivatives import dataset_of, make_derivative_folder

    old = _old(table)
    if old is None and table.exists():
        raise InputError(
            f"{table} is there, and not as emgtwitch detect writes it; move it away first"
        )
    _, found = options.searched(
        recording,
        _reading(old, arguments),
        progress=not arguments.quiet,
        **_choices(old, _wanted(arguments)),
    )
    dataset = dataset_of(recording)
    if dataset:
        make_derivative_folder(dataset, table)
    replace(found, source=recording.name).save(table)


def _title(paths: Iterable[Path]) -> str:
    """Return the name of the data set that the paths lie in, or an empty text."""
    return next(filter(None, map(_name_of_dataset, paths)), "")


def _name_of_dataset(path: Path) -> str:
    from emgtwitch.recording.study_files import DESCRIPTION, read_json

    for folder in _upward(path):
        if (folder / DESCRIPTION).is_file():
            return str(read_json(folder / DESCRIPTION).get("Name", ""))
    return ""


def _upward(path: Path) -> Iterator[Path]:
    yield path
    yield from list(path.absolute().parents)[:4]
