"""Read the text files that the OpenBCI GUI writes: Ganglion and Cyton, versions up to 5 and on.

Layout: comment lines that begin with ``%`` (among them ``%Sample Rate = 200.0 Hz``), from version
5 on a line of column names, then one row a sample: sample index, EMG in µV, accelerometer and
other columns, time stamp. Before version 5 only the number of columns tells how many are EMG.
"""

import re
from pathlib import Path

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import Signals, Stated, agreed_rate, to_uv, unique_names
from emgtwitch.recording.table import first_lines, is_number, read_numbers
from emgtwitch.recording.timing import fill, grid_of_counter

SIGNATURE = "%OpenBCI"
_OLD_OTHER_COLUMNS = 5  # sample index, three of the accelerometer, time stamp


def read_openbci(path: Path, stated: Stated) -> Signals:
    """Read the EMG columns; the sample index, which starts again after its highest, tells gaps.

    Raises
    ------
    InputError
        The header is damaged, or there are no EMG columns.
    """
    lines = first_lines(path)
    comments = [line for line in lines if line.startswith("%")]
    rate = next(
        (found[1] for line in comments if (found := re.search(r"Sample Rate = ([\d.]+)", line))),
        "",
    )
    skip = next((k for k, line in enumerate(lines) if not line.startswith("%")), len(lines))
    if not is_number(rate) or skip == len(lines):
        raise InputError(f"{path}: its OpenBCI header is damaged, or nothing follows it")
    cells = [cell.strip() for cell in lines[skip].split(",")]
    if is_number(cells[0]):
        columns = list(range(1, len(cells) - _OLD_OTHER_COLUMNS + 1))
        names = [f"EXG {index}" for index in columns]
    else:
        columns = [index for index, name in enumerate(cells) if name.startswith("EXG Channel")]
        names = [cells[index] for index in columns]
        skip += 1
    if not columns:
        raise InputError(f"{path}: no EMG columns; {len(cells)} columns are too few")
    values = read_numbers(path, [0, *columns], delimiter=",", skip=skip)
    if values.shape[1] == 0 or np.isnan(values[0]).any() or (values[0] % 1).any():
        raise InputError(f"{path}: no samples, or its sample index is damaged")
    counter = np.clip(values[0], 0, 2**53).astype(np.int64)
    names = unique_names(names, path)
    data = [
        to_uv(row, "uV", stated, f"{path}: {name}")
        for name, row in zip(names, values[1:], strict=True)
    ]
    index = grid_of_counter(counter, int(counter.max()) + 1)
    return Signals(names, fill(np.array(data), index, path), agreed_rate(float(rate), stated, path))
