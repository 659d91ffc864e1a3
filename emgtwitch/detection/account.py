"""How the time of a channel was used, and how small a twitch could be seen in it."""

from dataclasses import dataclass

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
        Noise rms in the band of the detector over the valid time, µV; NaN without valid time.
    floor_uv
        Detection floor, µV peak to peak: a twitch of this size is found half of the time.
    """

    channel: str
    recorded_s: float
    valid_s: float
    excluded_s: dict[str, float]
    noise_uv: float
    floor_uv: float
