"""``emgtwitch recover``: make interrupted recordings whole."""

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from emgtwitch.cli.rate_table import shown
from emgtwitch.errors import InputError

if TYPE_CHECKING:
    from emgtwitch.recording.recovery import Recovered

_EPILOG = """\
A recording that was killed, or whose battery or disk failed, holds all seconds that were on the
disk; only its end is not in order. A file that is whole is left as it is. In a damaged one
everything after the last good second is cut off, and damaged seconds before it are marked BAD_gap,
so that no wrong sample remains. With --output FILE the recording itself is not touched.

examples:
  emgtwitch recover my_study/sub-01/ses-20260517/emg/sub-01_ses-20260517_task-rest_emg.bdf
  emgtwitch recover my_study                      all recordings of a data set
  emgtwitch recover night.bdf --output whole.bdf"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "recordings",
        metavar="FILE.bdf",
        nargs="+",
        type=Path,
        help="interrupted recordings, or folders or data sets of them",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write the whole recording here instead"
    )
    group = parser.add_argument_group("printing")
    group.add_argument("--json", action="store_true", help="print JSON instead of sentences")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    """Recover each recording and say what was lost; one that cannot be does not stop the others."""
    from dataclasses import asdict

    from emgtwitch.capture.marks import remove_stale
    from emgtwitch.recording import find_recordings
    from emgtwitch.recording.derivatives import dataset_of
    from emgtwitch.recording.recovery import recover

    paths = [
        path
        for given in arguments.recordings
        for path in find_recordings(given)
        if path == given or path.suffix == ".bdf"
    ]
    if arguments.output is not None and len(paths) != 1:
        raise InputError(f"--output is for one recording, not for {len(paths)}")
    done, failures = [], 0
    for path in paths:
        try:
            recovered = recover(path, arguments.output)
        except InputError as error:
            if len(paths) == 1:
                raise
            failures += 1
            print(f"emgtwitch: {error}", file=sys.stderr)
            continue
        done.append(recovered)
        if not (arguments.json or arguments.quiet):
            print(_told(recovered))
    datasets = {one.path: found for one in done if (found := dataset_of(one.path))}
    for dataset in set(datasets.values()):
        with suppress(OSError):  # of a folder that can only be read
            remove_stale(dataset)
    if not (arguments.json or arguments.quiet):
        mended = [one.path for one in done if not (one.was_whole or one.is_empty)]
        for dataset in sorted({datasets[path] for path in mended if path in datasets}):
            print(f"its twitches are found by: emgtwitch detect {shown(dataset)}")
    if arguments.json:
        print(json.dumps([{**asdict(one), "path": str(one.path)} for one in done], indent=2))
    return 2 if failures else 0


def _told(recovered: "Recovered") -> str:
    minutes, seconds = divmod(recovered.n_seconds, 60)
    length = f"{minutes} min {seconds} s"
    if recovered.was_whole:
        return f"{recovered.path}: is whole, {length}"
    if recovered.is_empty:
        return f"{recovered.path}: empty: no good second was on the disk; it is 1 s of gap now"
    losses = []
    if recovered.damaged:
        listed = ", ".join(str(second) for second in recovered.damaged[:10])
        more = ", ..." if len(recovered.damaged) > 10 else ""
        losses.append(
            f"{len(recovered.damaged)} s of it were damaged and are marked as a gap (second "
            f"{listed}{more})"
        )
    if recovered.missing_s:
        losses.append(f"{recovered.missing_s} s at the end were on the disk and are gone")
    if recovered.cut_bytes:
        losses.append(f"{recovered.cut_bytes} bytes after the last good second were cut off")
    losses.append("the second that was being filled when it ended, at most")
    return f"{recovered.path}: recovered, {length}; lost: {'; '.join(losses)}"
