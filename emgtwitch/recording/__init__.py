"""Recordings: read many formats into one kind of `mne.io.Raw`, and write BDF+."""

from emgtwitch.recording.access import (
    blocks,
    channel_muscles,
    channel_sides,
    emg_channels,
    gaps,
    lsb_uv,
    marks,
    reader,
)
from emgtwitch.recording.bids import entities, find_recordings

__all__ = [
    "blocks",
    "channel_muscles",
    "channel_sides",
    "emg_channels",
    "entities",
    "find_recordings",
    "gaps",
    "lsb_uv",
    "marks",
    "reader",
]
