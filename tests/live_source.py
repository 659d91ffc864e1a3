"""What feeds a live page in tests: scans through a real detector, as a device would send them."""

from functools import cache

import numpy as np

from emgtwitch.channels import side_of
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.event_table import FASCICULATION, NOT_APPLICABLE
from emgtwitch.simulation import Scenario, simulate_recording

NAMES = ("calf_L", "calf_R")
TWITCH = (FASCICULATION, NOT_APPLICABLE)


@cache
def twitching(seconds=30.0, per_min=40):
    """Return a simulated signal of two channels, (2, n) µV at 1 kHz."""
    wanted = Scenario(minutes=seconds / 60, ch_names=NAMES, rate_per_min=per_min)
    return simulate_recording(wanted, seed=7).signal_uv


class Source:
    """Begins anew on a view, and shows there what is pushed.

    `events` has what the detector said, `n_scans` counts what was pushed; further arguments are
    fields of the ``hello`` message.
    """

    def __init__(self, view, ch_names=NAMES, sfreq=1000.0, **hello):
        self.view, self.sfreq = view, sfreq
        self.detector = StreamingDetector(sfreq, ch_names)
        self.events = []
        self.n_scans = 0
        self.view.restart(
            {
                "mode": "record",
                "title": "calves",
                "ch_names": list(ch_names),
                "sides": [side_of(name) for name in ch_names],
                "sfreq": sfreq,
                "start": None,
                "duration_s": None,
                "commands": ["mark", "stop"],
                "limits": "It measures.",
                **hello,
            }
        )

    @property
    def decided(self):
        """Events that are final."""
        return [event for event in self.events if not event.provisional]

    def counts(self):
        """Return channel → decided twitches."""
        twitches = [e.channel for e in self.decided if (e.trial_type, e.reason) == TWITCH]
        return {name: twitches.count(name) for name in self.detector.ch_names}

    def push(self, block_uv, **state):
        """Show scans, what is found in them, and how it goes; return what is found."""
        found = self.detector.push(block_uv)
        self.view.scans(self.n_scans, block_uv)
        self.n_scans += block_uv.shape[1]
        self.show(found)
        self.state(**state)
        return found

    def push_all(self, signal_uv, block_s=0.1):
        """Push a long signal block by block."""
        step = round(block_s * self.sfreq)
        for start in range(0, signal_uv.shape[1], step):
            self.push(signal_uv[:, start : start + step])

    def show(self, events):
        """Show events."""
        self.events += events
        self.view.events(events)

    def state(self, **fields):
        """Show how it goes."""
        told = {"elapsed_s": self.n_scans / self.sfreq, "trouble": "", "lost_scans": 0}
        counts = self.counts()
        ongoing = {event.channel: interval(event) for event in self.detector.ongoing()}
        channels = [
            {
                "twitches": counts[account.channel],
                "valid_s": account.valid_s,
                "noise_uv": account.noise_uv,
                "floor_uv": account.floor_uv,
                "ongoing": ongoing.get(account.channel),
            }
            for account in self.detector.account()
        ]
        told |= {"disk": None, "playing": None, "channels": channels}
        self.view.state(told | fields)


def interval(event):
    """Return what a state tells of a stretch that goes on."""
    reason = None if event.reason == NOT_APPLICABLE else event.reason
    told = {"trial_type": event.trial_type, "reason": reason}
    return told | {"onset_s": event.onset, "duration_s": event.duration}


def noise(seconds, sfreq=1000.0, n_channels=2, sd_uv=1.0):
    """Return white noise, (n_channels, n) µV."""
    return np.random.default_rng(5).normal(0, sd_uv, (n_channels, round(seconds * sfreq)))
