"""Detect, count and compare fasciculations (muscle twitches) in surface EMG.

The names below are loaded on first use, so that importing the package, and every command
that needs only a part of it, stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgtwitch.detection.detections import Detections
    from emgtwitch.detection.files import detect
    from emgtwitch.detection.stream import StreamingDetector
    from emgtwitch.recording.read import read_recording

__version__ = "0.1.0"
__all__ = ["Detections", "StreamingDetector", "detect", "read_recording"]

_HOME = {
    "Detections": "emgtwitch.detection.detections",
    "StreamingDetector": "emgtwitch.detection.stream",
    "detect": "emgtwitch.detection.files",
    "read_recording": "emgtwitch.recording.read",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
