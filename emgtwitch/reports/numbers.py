"""Every number of the report, for programs: as JSON, and as tab-separated tables."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from emgtwitch import __version__
from emgtwitch.comparison.export import as_json, as_table
from emgtwitch.comparison.patterns import AMPLITUDE_EDGES_UV, INTERVAL_EDGES_S
from emgtwitch.errors import InputError
from emgtwitch.event_table import whole_file
from emgtwitch.reports.answer import answer, changes
from emgtwitch.reports.limits import LIMITS
from emgtwitch.reports.page_answer import quality
from emgtwitch.reports.page_methods import versions
from emgtwitch.reports.view import View

_LIMITS = " ".join(LIMITS.split())
_COURSE = ("start_s", "stop_s", "count", "valid_min", "per_min")


def numbers_json(view: View) -> dict[str, Any]:
    """Return everything as `json.dumps` takes it."""
    return {
        "limits": _LIMITS,
        "software": {"name": "emgtwitch", "version": __version__, "with": versions()},
        "answer": answer(view),
        "changes": changes(view),
        "quality": quality(view),
        "shown_first": {
            "muscle": view.muscle,
            "condition": view.condition,
            "counted": view.counted,
            "from_uv": as_json(view.cut_uv),
        },
        "study": as_json(view.study),
        "bins": {
            "intervals_s": INTERVAL_EDGES_S.tolist(),
            "amplitudes_uv": AMPLITUDE_EDGES_UV.tolist(),
        },
        "recordings": [
            {
                "name": recording.name,
                "settings": as_json(source.entry.found.settings),
                "version": source.entry.found.version,
                "reviewed": source.reviewed,
                "shapes": as_json(source.waveforms.shapes if source.waveforms else None),
            }
            for recording, source in zip(view.recordings, view.sources, strict=True)
        ],
    }


def write_tables(folder: str | os.PathLike[str], view: View) -> list[Path]:
    """Write every number as tab-separated tables; their first line tells the limits.

    Parameters
    ----------
    folder
        It is made if it is not there.
    view
        The study.

    Returns
    -------
    paths
        The files.

    Raises
    ------
    InputError
        Nothing can be written there.
    """
    paths = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, rows in _tables(view):
            header, cells = as_table(rows)
            paths.append(Path(folder) / f"{name}.tsv")
            with whole_file(paths[-1]) as file:
                lines = (header, *cells)
                file.write(f"# {_LIMITS}\n")
                file.writelines("\t".join(line) + "\n" for line in lines)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    return paths


def _tables(view: View) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the name and the rows of each table."""
    recordings = [
        ({"recording": r.name}, r, s) for r, s in zip(view.recordings, view.sources, strict=True)
    ]
    yield (
        "recordings",
        [{**name, "reviewed": s.reviewed, "": r.occasion} for name, r, s in recordings],
    )
    channels = [(name | {"channel": c.channel}, c) for name, r, _ in recordings for c in r.channels]
    yield "channels", [{**name, "": c} for name, c in channels]
    yield "left_right", [{**name, "": row} for name, r, _ in recordings for row in r.sides]
    yield "both_at_once", [{**name, "": b} for name, r, _ in recordings for b in r.both_at_once]
    yield "across_recordings", view.study.across
    yield "changes", view.study.contrasts
    yield "plans", view.study.plans
    yield "days_without_a_recording", [{"day": one.day, **one.felt} for one in view.study.days]
    yield (
        "rates_over_time",
        [
            {**name, **dict(zip(_COURSE, row, strict=True))}
            for name, c in channels
            for row in zip(*(getattr(c.course, column).tolist() for column in _COURSE), strict=True)
        ],
    )
    yield "zones", [{**name, "": zone} for name, c in channels for zone in c.patterns.zones]
    yield "classes", [{**name, "": unit} for name, c in channels for unit in c.classes]
    yield "intervals", list(_bins(channels, "intervals", INTERVAL_EDGES_S.tolist(), "s"))
    yield "amplitudes", list(_bins(channels, "amplitudes", AMPLITUDE_EDGES_UV.tolist(), "uv"))
    yield "shapes", [
        {**name, "channel": channel, "unit": shape.unit, "count": shape.count,
         "time_s": time, "mean_uv": mean, "sd_uv": sd}
        for name, _, s in recordings
        for channel, shapes in (s.waveforms.shapes if s.waveforms else {}).items()
        for shape in shapes
        for time, mean, sd in zip(shape.times_s.tolist(), shape.mean_uv.tolist(),
                                  shape.sd_uv.tolist(), strict=True)
    ]  # fmt: skip


def _bins(
    channels: Sequence[tuple[Mapping[str, str], Any]], kind: str, edges: Sequence[float], unit: str
) -> Iterator[dict[str, Any]]:
    for name, channel in channels:
        counts = getattr(channel.patterns, kind).tolist()
        for (low, high), count in zip(pairwise(edges), counts, strict=True):
            yield {**name, f"from_{unit}": low, f"to_{unit}": high, "count": count}
