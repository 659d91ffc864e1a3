"""What several test modules share."""

import signal
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import blocks, emg_channels, lsb_uv

# A busy machine is no fault of a test.
settings.register_profile(
    "unhurried",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("unhurried")
# Where the tests run in the background of a shell, Ctrl-C is ignored, also by what they start.
with suppress(ValueError):  # not in the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _survives(read):
    """Read a damaged file: it is refused in words, or every block of it can be had."""
    with warnings.catch_warnings(action="ignore", category=SignalWarning):
        try:
            raw = read()
        except InputError as refused:
            assert str(refused).isprintable()
            return
        for _, block in blocks(raw):
            assert block.dtype == np.float64
        assert np.abs(lsb_uv(raw)).shape == (len(emg_channels(raw)),)


@pytest.fixture
def check_damaged():
    """Cut off or change bytes of a file, and see that reading it is refused or works."""

    def check(path, data, read):
        whole = path.read_bytes()
        if data.draw(st.booleans()):
            path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        else:
            damaged = bytearray(whole)
            for _ in range(data.draw(st.integers(1, 8))):
                near_start = data.draw(st.booleans())
                last = min(len(whole), 2000 if near_start else 10**9) - 1
                damaged[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
            path.write_bytes(damaged)
        try:
            _survives(read)
        finally:
            path.write_bytes(whole)

    return check
