"""Read the EMG stream of an XDF file (Lab Streaming Layer)."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from emgtwitch.errors import InputError
from emgtwitch.recording.signals import (
    Signals,
    Stated,
    agreed_rate,
    clean_name,
    emg_columns,
    to_uv,
    unique_names,
    warn,
)
from emgtwitch.recording.timing import fill, grid_of_times

_EMG_TYPES = {"emg", "semg", "exg"}


def read_xdf(path: Path, stated: Stated) -> Signals:
    """Read the stream of type EMG, or the one named by `Stated.stream`.

    The time stamps, corrected by the clock offsets of the file, give rate and gaps.

    Raises
    ------
    InputError
        There is no EMG stream, or more than one and none is named, or pyxdf is not installed.
    """
    try:
        import pyxdf
    except ImportError as error:
        raise InputError(
            f"{path}: reading XDF needs pyxdf; install it with: pip install pyxdf"
        ) from error
    logging.getLogger("pyxdf").setLevel(
        logging.CRITICAL + 1
    )  # what it says is found in the data below
    streams, _ = pyxdf.load_xdf(str(path))
    stream = _emg_stream(streams, stated, path)
    series = np.asarray(stream["time_series"])
    if series.ndim != 2 or series.dtype.kind not in "iuf" or len(series) < 3:
        raise InputError(f"{path}: its stream {_name(stream)!r} has no samples of numbers")
    if not stream.get("footer"):
        warn(f"{path}: cut off or never finished: its stream {_name(stream)!r} has no end")
    channels = _channels(stream, series.shape[1])
    labels = [_first(channel, "label") or f"channel {k + 1}" for k, channel in enumerate(channels)]
    units = [_first(channel, "unit") for channel in channels]
    kinds = [_first(channel, "type") for channel in channels]
    typed = [k for k, kind in enumerate(kinds) if (kind or "").lower() in _EMG_TYPES]
    chosen = typed or emg_columns(labels, units)
    if not chosen:
        raise InputError(f"{path}: no EMG channel in its stream {_name(stream)!r}")
    sfreq, index = grid_of_times(np.asarray(stream["time_stamps"], dtype=float), path)
    nominal = float(_first(stream["info"], "nominal_srate") or 0)
    if nominal > 0 and abs(nominal - sfreq) > 0.01 * nominal:
        raise InputError(
            f"{path}: its stream {_name(stream)!r} says {nominal:g} Hz, but its time stamps "
            f"{sfreq:.5g} Hz: samples were lost or the stamps are wrong"
        )
    names = unique_names([labels[k] for k in chosen], path)
    data = [
        to_uv(series[:, k].astype(float), units[k], stated, f"{path}: {name}")
        for k, name in zip(chosen, names, strict=True)
    ]
    return Signals(names, fill(np.array(data), index, path), agreed_rate(sfreq, stated, path))


def _emg_stream(streams: list[dict[str, Any]], stated: Stated, path: Path) -> dict[str, Any]:
    if stated.stream is not None:
        found = [stream for stream in streams if _name(stream) == stated.stream]
    else:
        found = [stream for stream in streams if _kind(stream).lower() in _EMG_TYPES] or [
            stream for stream in streams if "emg" in _name(stream).lower()
        ]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{_name(stream)} ({_kind(stream)})" for stream in streams) or "none"
    what = "no EMG stream" if not found else "several EMG streams"
    raise InputError(
        f"{path}: {what}; name one: --stream, in Python stream=…; the streams are: {listed}"
    )


def _first(node: Any, key: str) -> str | None:
    """Return the text of an XML element, which pyxdf gives as list of one."""
    value = node.get(key) if isinstance(node, dict) else None
    return str(value[0]) if value and value[0] is not None else None


def _name(stream: dict[str, Any]) -> str:
    return clean_name(_first(stream["info"], "name") or "")


def _kind(stream: dict[str, Any]) -> str:
    return clean_name(_first(stream["info"], "type") or "")


def _channels(stream: dict[str, Any], n_channels: int) -> list[Any]:
    """Return the descriptions of the channels; empty ones if the stream has none for each."""
    try:
        channels = stream["info"]["desc"][0]["channels"][0]["channel"]
    except (KeyError, IndexError, TypeError):
        channels = []
    return channels if len(channels) == n_channels else [{}] * n_channels
