"""How the time of a channel was used, and how small a twitch could be seen in it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emgtwitch.detection.codes import EXCLUSIONS, GAP, VALID

# Peak to peak of a potential that is found half of the time, over noise rms times the square root
# of the threshold: 4.39 noise rms at a threshold of 22.4, measured with simulated potentials at
# 1 kHz (benchmarks/sensitivity.py). In slower recordings the true floor is somewhat higher.
FLOOR_FACTOR = 0.93


@dataclass(frozen=True)
class ChannelAccount:
    """The account of one channel; ``recorded_s`` is ``valid_s`` and ``excluded_s`` together.

    Attributes
    ----------
    channel
        Name.
    recorded_s
        Length of the recording, s.
    valid_s
        What was searched for twitches, s: the time that a rate refers to.
    excluded_s
        What was not, s, by reason.
    noise_uv
        Noise rms in the band of the detector, geometric mean over the valid time, µV; NaN without
        valid time.
    floor_uv
        Detection floor, µV peak to peak: a twitch of this size is found half of the time.
    """

    channel: str
    recorded_s: float
    valid_s: float
    excluded_s: dict[str, float]
    noise_uv: float
    floor_uv: float


def channel_account(
    channel: str,
    n_samples: Mapping[int, int],
    n_recorded: int,
    sfreq: float,
    *,
    noise_uv: float,
    threshold: float,
    least_uv: float,
) -> ChannelAccount:
    """Return the account of a channel.

    Parameters
    ----------
    channel
        Name.
    n_samples
        Decided samples by the code of their blocks.
    n_recorded
        Samples of the recording: what was decided beyond it was silence, a gap, or filled up the
        last block, and does not count.
    sfreq
        Sampling frequency, Hz.
    noise_uv, threshold
        Noise rms over the valid time, and threshold of the statistic.
    least_uv
        Peak to peak below which nothing is taken for a twitch, because of the converter's steps.
    """
    samples = dict(n_samples)
    for code in (GAP, VALID, *EXCLUSIONS):
        beyond = max(sum(samples.values()) - n_recorded, 0)
        samples[code] -= min(beyond, samples[code])
    return ChannelAccount(
        channel=channel,
        recorded_s=sum(samples.values()) / sfreq,
        valid_s=samples[VALID] / sfreq,
        excluded_s={reason: samples[code] / sfreq for code, (_, reason) in EXCLUSIONS.items()},
        noise_uv=noise_uv,
        floor_uv=float(np.maximum(noise_uv * np.sqrt(threshold) * FLOOR_FACTOR, least_uv)),
    )
