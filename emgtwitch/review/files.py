"""Where reviewed tables lie, and reading and writing them."""

import hashlib
import json
import os
import re
from datetime import datetime
from pathlib import Path

import numpy as np

from emgtwitch.detection.detections import Detections
from emgtwitch.errors import InputError
from emgtwitch.event_table import (
    COLUMNS,
    Event,
    sidecar_path,
    whole_file,
    write_event_table,
)
from emgtwitch.recording.study_files import DESCRIPTION, read_table
from emgtwitch.review.decisions import FURTHER_COLUMNS, Review, Row, start_review

_SUFFIX = "_events"
# For the validator, which knows no derived tables of events.
_IGNORED = "*desc-reviewed*"


def reviewed_path(events: str | os.PathLike[str], reviewer: str) -> Path:
    """Return the path of a reviewer's table: ``<name>_desc-reviewedAB_events.tsv`` beside it.

    Parameters
    ----------
    events
        The automatic table.
    reviewer
        Initials: one to eight letters and digits; small ones become capitals, since on many
        computers the names of files do not differ by that.

    Raises
    ------
    InputError
        The initials are no such word.
    """
    path = Path(events)
    if not re.fullmatch(r"[A-Za-z0-9]{1,8}", reviewer):
        raise InputError(f"reviewer {reviewer!r}: give initials, 1 to 8 letters or digits, as AB")
    stem = path.stem.removesuffix(_SUFFIX)
    return path.with_name(f"{stem}_desc-reviewed{reviewer.upper()}{_SUFFIX}.tsv")


def is_reviewed(events: str | os.PathLike[str]) -> bool:
    """Return whether a file name is that of a reviewed table."""
    return "_desc-reviewed" in Path(events).name


def reviewed_paths(events: str | os.PathLike[str]) -> list[Path]:
    """Return the reviewed tables of an automatic table, of all reviewers, in order of initials."""
    path = Path(events)
    start = f"{path.stem.removesuffix(_SUFFIX)}_desc-reviewed"
    end = f"{_SUFFIX}.tsv"
    return sorted(
        file
        for file in path.parent.glob(f"*{end}")
        if file.name.startswith(start) and file.name.endswith(end)
    )


def open_review(events: str | os.PathLike[str], reviewer: str) -> Review:
    """Return the reviewer's table as it was left, or the automatic one to begin with.

    Raises
    ------
    InputError
        There is no automatic table, or it is not the one that the review was begun on.
    """
    path, target = Path(events), reviewed_path(events, reviewer)
    if is_reviewed(path):
        raise InputError(f"{path}: is a reviewed table; give the automatic one")
    if not path.is_file():
        raise InputError(f"{path}: no event table yet; first run emgtwitch detect")
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    if not target.exists():
        return start_review(Detections.load(path), reviewer.upper(), path.name, fingerprint)
    review = load_reviewed(target)
    if review.fingerprint != fingerprint:
        raise InputError(
            f"{target}: reviews an earlier version of {path.name}; to begin anew, move it and its "
            ".json file away"
        )
    return review


def save_review(path: Path, review: Review, date: datetime) -> None:
    """Write a reviewed table and its sidecar, never over a table that is none.

    Raises
    ------
    InputError
        There is another file of this name, or the folder is read-only.
    """
    if path.exists():
        load_reviewed(path)
    about = {
        **review.found.description(),
        **FURTHER_COLUMNS,
        "reviewed": {
            "reviewer": review.reviewer,
            "date": date.isoformat(timespec="seconds"),
            "table": review.table,
            "sha256": review.fingerprint,
            "seen_s": review.seen_s.round(3).tolist(),
            "counts": review.counts,
        },
    }
    further = {name: [getattr(row, name) for row in review.rows] for name in FURTHER_COLUMNS}
    try:
        write_event_table(path, review.found.events, about, further)
        _tell_validator(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def load_reviewed(path: str | os.PathLike[str]) -> Review:
    """Read what `save_review` wrote.

    Raises
    ------
    InputError
        There is no such table, or it is no reviewed one.
    """
    found = Detections.load(path)
    cells = read_table(Path(path))
    try:
        about = json.loads(sidecar_path(path).read_text(encoding="utf-8"))["reviewed"]
        # As `read_event_table` orders them.
        cells.sort(key=lambda row: (float(row["onset"]), row["channel"], row["trial_type"]))
        rows = tuple(
            Row(
                Event(**{name: values[name].item() for name in COLUMNS}),
                row["automatic"],
                row["review"],
            )
            for values, row in zip(found.events, cells, strict=True)
        )
        return Review(
            found,
            rows,
            np.array(about["seen_s"], dtype=float).reshape(-1, 2),
            about["reviewer"],
            about["table"],
            about["sha256"],
            datetime.fromisoformat(about["date"]),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: no table by emgtwitch review: {error!r}") from error


def _tell_validator(path: Path) -> None:
    """Name reviewed tables in ``.bidsignore`` of the derivative data set that they lie in."""
    for folder in path.absolute().parents[:4]:
        if (folder / DESCRIPTION).is_file():
            ignored = folder / ".bidsignore"
            there = ignored.read_text(encoding="utf-8") if ignored.exists() else ""
            if _IGNORED not in there.splitlines():
                with whole_file(ignored) as file:
                    file.write(f"{there.rstrip()}\n{_IGNORED}\n".lstrip())
            return
