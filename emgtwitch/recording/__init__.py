"""Recordings: write BDF+, read many formats into one kind of `mne.io.Raw`."""
