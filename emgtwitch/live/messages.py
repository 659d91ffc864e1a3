"""The messages that the page gets, each one line of JSON; docs/live.md has the table."""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from emgtwitch.event_table import NOT_APPLICABLE, Event

KEPT_S = 60.0
KEPT_BYTES = 8_000_000


def line(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Return a message as one line; what is not a number becomes null."""
    told = {"type": kind, **plain(fields)}
    return json.dumps(told, separators=(",", ":"), allow_nan=False, default=str).encode() + b"\n"


def plain(value: Any) -> Any:
    """Return what JSON can say of a value: NaN and infinity become None, arrays lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def scans_fields(first: int, uv: np.ndarray, came_s: float) -> dict[str, Any]:
    """Return the fields of a ``scans`` message.

    Parameters
    ----------
    first
        Index of the first scan.
    uv
        float32, (n_channels, n_scans), µV, NaN = lost.
    came_s
        When the source had them, s since the epoch.
    """
    data = base64.b64encode(np.ascontiguousarray(uv, dtype="<f4").tobytes()).decode()
    return {"first": int(first), "n": uv.shape[1], "uv": data, "came_ms": round(1000 * came_s, 1)}


def scans_of(fields: Mapping[str, Any], n_channels: int) -> np.ndarray:
    """Return the array of a ``scans`` message: float32, (n_channels, n_scans), µV."""
    return np.frombuffer(base64.b64decode(fields["uv"]), dtype="<f4").reshape(n_channels, -1)


def event_fields(event: Event, channel: int) -> dict[str, Any]:
    """Return the fields of an ``event`` message; `channel` is its index."""
    return {
        "channel": channel,
        "provisional": event.provisional,
        "trial_type": event.trial_type,
        "onset_s": event.onset,
        "duration_s": event.duration,
        "peak_s": event.peak_time,
        "amplitude_uv": event.amplitude_uv,
        "snr": event.snr,
        "reason": None if event.reason == NOT_APPLICABLE else event.reason,
    }
