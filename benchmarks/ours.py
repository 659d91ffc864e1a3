"""Our detector as a benchmark method: the streaming detector, fed a recording in blocks."""

import numpy as np

from emgtwitch import StreamingDetector
from emgtwitch.event_table import event_array

BLOCK_S = 10.0


def detect(
    signal_uv: np.ndarray,
    sfreq: float,
    ch_names: list[str],
    lsb_uv: float | None,
    per_hour: float,
) -> np.ndarray:
    """Return the final event table of a recording, (n_channels, n_samples) µV."""
    stream = StreamingDetector(
        sfreq=sfreq, ch_names=ch_names, lsb_uv=lsb_uv, false_alarms_per_hour=per_hour
    )
    n = round(BLOCK_S * sfreq)
    events = []
    for start in range(0, signal_uv.shape[1], n):
        events += stream.push(signal_uv[:, start : start + n])
    events += stream.flush()
    return event_array([event for event in events if not event.provisional])
