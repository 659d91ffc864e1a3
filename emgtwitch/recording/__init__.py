"""Recordings: read many formats into one kind of `mne.io.Raw`, and write BDF+."""

from emgtwitch.recording.access import (
    blocks,
    channel_muscles,
    channel_sides,
    emg_channels,
    gaps,
    lsb_uv,
)

__all__ = ["blocks", "channel_muscles", "channel_sides", "emg_channels", "gaps", "lsb_uv"]
