"""Studies for the tests of the report: twitches at random, and every odd case."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np

from emgtwitch.channels import muscle_of
from emgtwitch.comparison.occasions import FeltDay, Occasion, RecordingEntry, Treatment
from emgtwitch.detection.account import ChannelAccount
from emgtwitch.detection.detections import Detections
from emgtwitch.event_table import Event, event_array
from emgtwitch.reports.view import Source

START = datetime(2026, 1, 5, 21, 30)
HOSTILE = "<script>alert('x')</script> \"quoted\" & 'so'\nnew line\t$x^2$ " + 10_000 * "long "
SETTINGS = {"preset": "default", "mains": "auto", "false_alarms_per_hour": 6.0}


def detections(counts, *, seconds=600.0, valid=1.0, seed=0):
    """Return twitches at random; the time is valid from the start up to a share of it."""
    rng = np.random.default_rng(seed)
    events, accounts = [], []
    for channel, count in counts.items():
        valid_s = valid * seconds
        noise = 4.0 if valid_s else np.nan
        if valid < 1:
            events.append(Event(valid_s, seconds - valid_s, "contraction", channel))
        for k, peak in enumerate(np.sort(rng.uniform(0, valid_s, count))):
            size = 80 * np.exp(rng.normal() / 2)
            events.append(
                Event(peak - 0.005, 0.01, "fasciculation", channel, peak, size, size / 4, k % 3)
            )
        if valid_s:
            peak = valid_s / 2
            events.append(
                Event(peak, 0.01, "artifact", channel, peak, 300.0, 75.0, reason="motion")
            )
        left_out = {"contraction": seconds - valid_s, "gap": 0.0}
        accounts.append(ChannelAccount(channel, seconds, valid_s, left_out, noise, 5 * noise))
    sides = [{"L": "left", "R": "right"}.get(name.rpartition("_")[2]) for name in counts]
    return Detections(event_array(events), tuple(accounts), tuple(sides), SETTINGS, "made")


def source(counts, day=None, condition="rest", *, treatments=(), felt=None, days=(), seed=0, **how):
    """Return a recording so many days after the first, without a date if that is None."""
    start = None if day is None else START + timedelta(days=day)
    occasion = Occasion(
        "01",
        f"{start:%Y%m%d}" if start else "",
        start,
        condition,
        treatments=treatments,
        felt=felt or {},
        days=days,
    )
    muscles = {name: muscle for name in counts if (muscle := muscle_of(name))}
    found = detections(counts, seed=seed + int(10 * (day or 0)), **how)
    return Source(RecordingEntry(found, f"recording {day} {condition}", occasion, muscles))


def treated():
    """Return eight recordings over weeks, at rest and after exercise, treated in between."""
    treatments = (Treatment(date(2026, 1, 25), "stretching"),)
    felt = ({"twitching_felt": float(k), "cramps": float(k % 3)} for k in range(9))
    days = [0, 7, 14, 28, 35, 42]
    sources = [
        source({"calf_L": 40 + 5 * k, "calf_R": 90 - 8 * k}, day, treatments=treatments,
               felt=next(felt))
        for k, day in enumerate(days)
    ]  # fmt: skip
    sources += [
        source({"calf_L": 90, "calf_R": 120}, day + 0.02, "post-exercise", treatments=treatments,
               felt=next(felt))
        for day in (14, 42)
    ]  # fmt: skip
    return sources


def diary():
    """Return three recordings, and what was felt on days before, between and after them."""
    noted = {-90: 9.0, -3: 2.0, 2: 4.0, 5: 5.0, 9: 6.0, 10: 7.0}
    days = tuple(
        FeltDay((START + timedelta(days=day)).date(), {"twitching_felt": value})
        for day, value in noted.items()
    )
    felt = {"twitching_felt": 3.0}
    return [source({"calf_L": 30, "calf_R": 60}, day, felt=felt, days=days) for day in (0, 5, 14)]


def hostile():
    """Return recordings of which every text that is not ours wants to do harm."""
    treatments = (Treatment(date(2026, 1, 7), HOSTILE),)
    texts = dict.fromkeys(("exercise", "posture", "treatment", "notes"), HOSTILE)
    sources = []
    for k in range(3):
        made = source({f"<b>{HOSTILE[:60]}_L": 30, f"<i>{HOSTILE[:60]}_R": 50}, k)
        occasion = replace(
            made.entry.occasion,
            subject=HOSTILE,
            session=f"{k}{HOSTILE}",
            condition=HOSTILE,
            treatments=treatments,
            more={"<u>felt": HOSTILE},
            **texts,
        )
        entry = replace(
            made.entry,
            name=f"{k}{HOSTILE}",
            occasion=occasion,
            muscles=dict.fromkeys(made.entry.found.ch_names, f"<s>{HOSTILE}"),
        )
        sources.append(replace(made, entry=entry, reviewed=HOSTILE))
    return sources


def studies():
    """Return name → recordings, for every case that a report must be sensible about."""
    three = {f"{muscle}_{side}": 30 for muscle in ("GM", "SOL", "TA") for side in "LR"}
    return {
        "treated": treated(),
        "diary": diary(),
        "no twitch": [source({"calf_L": 0, "calf_R": 0}, day) for day in range(2)],
        "none on the left": [source({"calf_L": 0, "calf_R": 40}, day) for day in range(3)],
        "one side": [source({"calf_R": 40}, day) for day in range(3)],
        "one channel, no side": [source({"EMG1": 40}, 0)],
        "three muscles": [source(three, day) for day in range(3)],
        "one recording": [source({"calf_L": 30, "calf_R": 60}, 0)],
        "two recordings": [source({"calf_L": 30, "calf_R": 60}, day) for day in (0, 3)],
        "no dates": [source({"calf_L": 30, "calf_R": 60}, seed=k) for k in range(3)],
        "some dates": [
            source({"calf_L": 30, "calf_R": 60}, day, seed=3) for day in (0, None, 5, None)
        ],
        "no valid time": [source({"calf_L": 0, "calf_R": 0}, 0, valid=0.0)],
        "some without valid time": [
            source({"calf_L": 20 * (v > 0.5), "calf_R": 30 * (v > 0.5)}, day, valid=v)
            for day, v in enumerate((1.0, 0.0, 0.05, 1.0))
        ],
        "short": [source({"calf_L": 3, "calf_R": 1}, 0, seconds=12.0)],
        "hostile": hostile(),
    }
