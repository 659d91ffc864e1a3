"""Why a converter whose steps are large beside the noise has no calibrated rate of false alarms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration import SEED
from benchmarks.tables import Task, markdown, number
from emgtwitch import StreamingDetector
from emgtwitch.event_table import event_array, is_twitch

SFREQ, N_CHANNELS, MINUTES = 1000.0, 4, 15
NOISE_UV, PER_HOUR = 4.0, 60.0
WANDER_HZ = 0.1


@dataclass(frozen=True)
class Condition:
    """A step of the converter, and where in it the resting signal lies.

    Attributes
    ----------
    lsb_uv
        Step, µV.
    offset
        Of the resting signal from a code, in steps: 0.5 is half way to the next.
    wander
        Amplitude in steps by which it slowly moves.
    """

    lsb_uv: float
    offset: float
    wander: float


CONDITIONS = tuple(
    Condition(lsb_uv, offset, wander)
    for lsb_uv in (8.0, 12.0, 16.1, 24.4)
    for offset in (0.0, 0.3, 0.5)
    for wander in (0.0, 0.2)
)


@dataclass(frozen=True)
class Outcome:
    """What noise gives: share of samples off the nearest code, rms, and events per hour.

    Attributes
    ----------
    off_code, rms_uv
        Of the converted signal.
    counted, too_small
        Per channel-hour: false alarms, and those that would be without the limit in steps.
    """

    off_code: float
    rms_uv: float
    counted: float
    too_small: float


def measure(condition: Condition) -> Outcome:
    """Return what stationary noise gives behind such a converter."""
    rng = np.random.default_rng(SEED)
    stream = StreamingDetector(
        sfreq=SFREQ,
        ch_names=[f"EMG{number}" for number in range(1, N_CHANNELS + 1)],
        lsb_uv=condition.lsb_uv,
        false_alarms_per_hour=PER_HOUR,
    )
    n = round(60 * SFREQ)
    events, off, power = [], [], []
    for minute in range(MINUTES):
        times_s = 60 * minute + np.arange(n) / SFREQ
        rest = condition.offset + condition.wander * np.sin(2 * np.pi * WANDER_HZ * times_s)
        noise = NOISE_UV / condition.lsb_uv * rng.standard_normal((N_CHANNELS, n))
        codes = np.rint(rest + noise)
        off.append(np.mean(codes != np.rint(condition.offset)))
        power.append(np.var(condition.lsb_uv * codes))
        events += stream.push(condition.lsb_uv * codes)
    events += stream.flush()
    table = event_array([event for event in events if not event.provisional])
    hours = N_CHANNELS * MINUTES / 60
    return Outcome(
        float(np.mean(off)),
        float(np.sqrt(np.mean(power))),
        int(is_twitch(table).sum()) / hours,
        int((table["reason"] == "converter step").sum()) / hours,
    )


def tasks() -> list[Task]:
    """Return the measurements to make."""
    return [(measure, (condition,)) for condition in CONDITIONS]


def table(outcomes: Sequence[Outcome]) -> str:
    """Return what is counted, and what would be."""
    header = ["step µV", "rest, steps from a code", "wanders by, steps", "samples off that code"]
    header += ["µV rms behind it", "counted/h", "smaller than the limit/h", "those over wanted"]
    return markdown(
        header,
        [
            [
                f"{condition.lsb_uv:g}",
                f"{condition.offset:g}",
                f"{condition.wander:g}",
                f"{outcome.off_code:.1%}",
                number(outcome.rms_uv, ".1f"),
                number(outcome.counted, ".0f"),
                number(outcome.too_small, ".0f"),
                number(outcome.too_small / PER_HOUR, ".2f"),
            ]
            for condition, outcome in zip(CONDITIONS, outcomes, strict=True)
        ],
    )
