"""``emgtwitch review``: a person looks at what was found, and decides."""

import argparse
import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.cli import options
from emgtwitch.cli.rate_table import shown
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    import mne

    from emgtwitch.review.decisions import Mark, Review

_MANY = 500  # marks, with which the window needs about a second for each step
_HELP = """\
In the window: arrow keys move, + and - change the height, Home and End the time shown.
Press a for the annotation mode. Then
  reject a twitch       right-click on its mark
  accept a candidate    choose "add CHANNEL", drag over the candidate
  add a twitch          choose "add CHANNEL", drag over it
  move a twitch         right-click on its mark, then add it where it belongs
Close the window to save. Ctrl-C in the terminal ends without saving."""
_EPILOG = (
    _HELP
    + """

The automatic table is not changed: the decisions are written beside it, to
<name>_desc-reviewedINITIALS_events.tsv. The same reviewer goes on where the last review ended.

examples:
  emgtwitch review calves.bdf --reviewer AB
  emgtwitch review night.bdf --reviewer AB --part 0-30
  emgtwitch evaluate calves_events.tsv calves_desc-reviewedAB_events.tsv"""
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("recording", metavar="RECORDING", type=Path)
    parser.add_argument(
        "--reviewer", metavar="INITIALS", required=True, help="1 to 8 letters or digits"
    )
    parser.add_argument(
        "--events",
        metavar="EVENTS.tsv",
        type=Path,
        help="its event table (default: where emgtwitch detect wrote it)",
    )
    parser.add_argument(
        "--part", metavar="FROM-TO", help="review these minutes only, as 0-30 (default: all)"
    )
    options.add_reading_options(parser)
    options.add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Open the window, and save what was decided in it."""
    from emgtwitch.comparison.occasions import table_of
    from emgtwitch.recording.read import read_recording
    from emgtwitch.review.decisions import decide, marks_of
    from emgtwitch.review.files import open_review, reviewed_path, save_review
    from emgtwitch.review.measure import measure_in
    from emgtwitch.review.window import Window, need_screen

    part_s = _part_s(arguments.part)
    table = arguments.events or table_of(arguments.recording)
    review = open_review(table, arguments.reviewer)
    target = reviewed_path(table, arguments.reviewer)
    reading = options.kept_reading(review.found) | options.reading_options(arguments)
    raw = read_recording(arguments.recording, **reading)
    _check_same(raw, review, table)
    if not os.access(target.parent, os.W_OK):  # before any work is done
        raise InputError(f"{target}: cannot be written: the folder is read-only")
    need_screen()
    marks = marks_of(review)
    if not (arguments.quiet or arguments.json):
        print(_HELP, flush=True)
    if len(_within(marks, part_s)) > _MANY:
        print(
            f"emgtwitch: warning: {len(marks)} marks make the window slow; --part 0-10 shows the "
            "first ten minutes",
            file=sys.stderr,
        )
    title = f"{arguments.recording.name}, reviewed by {review.reviewer}"
    window = Window(raw, review.found, marks, title, part_s)
    window.wait()
    review, unused = decide(review, window.marks(), window.seen_s, measure_in(raw, review.found))
    save_review(target, review, datetime.now())
    for mark in unused:
        print(
            f"emgtwitch: warning: {mark.label}, at {mark.start_s:.3f} s, changes nothing: in "
            "excluded time, or beside the twitches there is nothing in it",
            file=sys.stderr,
        )
    if arguments.json:
        told = {"reviewed": str(target), "counts": review.counts, "n_reviewed": review.n_reviewed}
        print(json.dumps(told, indent=2))
    elif not arguments.quiet:
        print(_told(review, target))
    return 0


def _part_s(text: str | None) -> tuple[float, float]:
    if text is None:
        return 0.0, float("inf")
    numbers = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text.strip())
    if numbers is None or float(numbers[1]) >= float(numbers[2]):
        raise InputError(f"--part {text}: give minutes, as 0-30")
    return 60 * float(numbers[1]), 60 * float(numbers[2])


def _within(marks: "list[Mark]", part_s: tuple[float, float]) -> "list[Mark]":
    return [mark for mark in marks if mark.stop_s >= part_s[0] and mark.start_s <= part_s[1]]


def _check_same(raw: "mne.io.Raw", review: "Review", table: Path) -> None:
    """Refuse a table that is not of this recording."""
    from emgtwitch.recording import emg_channels

    found, length_s = review.found, raw.n_times / raw.info["sfreq"]
    absent = [name for name in found.ch_names if name not in emg_channels(raw)]
    other_length = abs(found.accounts[0].recorded_s - length_s) > 1
    if absent or other_length:
        why = f"it has no channel {absent[0]}" if absent else f"it lasts {length_s:.0f} s"
        raise InputError(f"{table}: not of this recording, since {why}; give --events")


def _told(review: "Review", target: Path) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in review.counts.items() if name != "n/a")
    unseen = review.counts["n/a"]
    return f"{counts}; {unseen} were not on the screen\n→ {shown(target)}"
