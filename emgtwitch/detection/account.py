"""How the time of a channel was used, and how small a twitch could be seen in it."""

from dataclasses import dataclass

# The detection floor over noise rms times the square root of the threshold: for a potential
# whose energy the bank of shapes catches as that of one sample at its peak-to-peak. To be
# replaced by the value measured with simulated potentials.
FLOOR_FACTOR = 1.0


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
        What was not, s, by reason. The end of a recording that does not fill a block of about
        25 ms counts as a gap.
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
