"""The channels of a recording as left and right of a muscle, for figures that mirror them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from emgtwitch.comparison.recordings import ChannelSummary
from emgtwitch.reports.pieces import shortened

MOST_BANDS = 4


@dataclass(frozen=True, eq=False)
class Band:
    """A muscle: its channel above the line and the one below; one may be missing.

    A channel that does not tell its side stands above.
    """

    label: str
    above: ChannelSummary | None
    below: ChannelSummary | None

    @property
    def channels(self) -> tuple[ChannelSummary, ...]:
        """Those that are there."""
        return tuple(channel for channel in (self.above, self.below) if channel)

    @property
    def count(self) -> int:
        """Twitches of both."""
        return sum(channel.rate.count for channel in self.channels if channel.rate)


def bands_of(channels: Sequence[ChannelSummary]) -> list[Band]:
    """Return the muscles, those with the most twitches if there are more than four."""
    lefts = [channel for channel in channels if channel.side == "left"]
    rights = [channel for channel in channels if channel.side == "right"]
    if len(lefts) == len(rights) == 1:
        muscles = {lefts[0].muscle or rights[0].muscle: (lefts, rights)}
    else:
        names = dict.fromkeys(channel.muscle for channel in [*lefts, *rights])
        muscles = {
            name: (
                [channel for channel in lefts if channel.muscle == name],
                [channel for channel in rights if channel.muscle == name],
            )
            for name in names
        }
    bands = [
        Band(name, above, below)
        for name, sides in muscles.items()
        for above, below in zip_longest(*sides)
    ]
    bands += [Band(channel.channel, channel, None) for channel in channels if not channel.side]
    busiest = sorted(bands, key=lambda band: -band.count)[:MOST_BANDS]
    return [band for band in bands if band in busiest]


def channel_name(channel: ChannelSummary) -> str:
    """Return the name of a channel, short."""
    return shortened(channel.channel, 30)
