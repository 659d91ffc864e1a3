"""The heartbeat, where both legs show it: a beat that one leg hides is told by its rhythm.

Most beats are seen to be common to both legs. One is not where a twitch of the other leg covers
it; then a beat is missing in the rhythm, and what stands in its place and looks like it is the
beat. Nor are the last waves of a beat where noise takes them below what can be compared.
"""

from collections import deque

import numpy as np

from emgtwitch.detection.candidates import likeness

REMEMBERED, LEAST = 16, 8  # beats; from so many intervals on there is a rhythm
SHORTEST_S, LONGEST_S = 0.35, 1.5  # between beats: 40 to 170 per minute
# Breathing and chance move the intervals of a heart at rest by a few per cent; three in four of
# those known must lie as near to their median as the missing beat.
VARIATION, REGULAR_SHARE = 0.15, 0.75
APART_S = 0.2  # what is nearer is of one beat
QRS_S = 0.08  # the rest of a QRS complex, of some 0.1 s, follows its beginning within this
ALIKE, ALIKE_REST = 0.9, 0.6  # to a wave of the heart: the beat, and the rest of one seen
# Of the size of a beat; what is larger is something else.
LARGEST, LARGEST_REST = 1.5, 0.8


class Heart:
    """Remembers the last beats, which all channels share, and how each channel shows them."""

    def __init__(self, n_channels: int) -> None:
        self._beats: deque[float] = deque(maxlen=REMEMBERED)
        self._shapes: list[deque[np.ndarray]] = [
            deque(maxlen=REMEMBERED) for _ in range(n_channels)
        ]

    def learn(self, channel: int, time_s: float, shape: np.ndarray) -> None:
        """Take in a wave that both legs show at once."""
        self._shapes[channel].append(shape)
        if not self._beats or time_s > self._beats[-1] + APART_S:
            self._beats.append(time_s)

    def beats_at(self, channel: int, time_s: float, shape: np.ndarray) -> bool:
        """Return whether a wave is of a beat that is missing, or the rest of one that is not."""
        if not self._beats:
            return False
        interval = self._interval()
        beats = np.array(self._beats)
        before = beats[beats < time_s]
        if not (interval and len(before) and self._shapes[channel]):
            return False
        shapes = np.array(self._shapes[channel])
        size = np.linalg.norm(shape) / np.median(np.linalg.norm(shapes, axis=1))
        since = time_s - before[-1]
        if since < QRS_S:
            largest, least_alike = LARGEST_REST, ALIKE_REST
        elif (np.abs(beats - time_s) > APART_S).all() and (
            abs(since - interval) < VARIATION * interval
        ):
            largest, least_alike = LARGEST, ALIKE
        else:
            return False
        alike = np.abs(likeness(shape, shapes, sized=False)).max()
        return bool(size < largest and alike > least_alike)

    def _interval(self) -> float:
        """Return the time from beat to beat, 0 if there is no rhythm."""
        intervals = np.diff(self._beats)
        # Where beats are missing, intervals are too long.
        single = intervals[(intervals > SHORTEST_S) & (intervals < LONGEST_S)]
        if len(single) < LEAST:
            return 0.0
        median = float(np.median(single))
        regular = np.abs(single - median) < VARIATION * median
        return median if regular.mean() >= REGULAR_SHARE else 0.0
