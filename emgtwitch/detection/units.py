"""Waveform classes: twitches of one channel that look alike get one number.

A class is a shape, not a claim to be one motor unit: a single bipolar pair cannot tell most units
apart (PMC2544462).
"""

from collections import deque

import numpy as np

from emgtwitch.detection.candidates import likeness

ALIKE = 0.9
MOST = 32  # classes of a channel; about 24 shapes per muscle were found (Jahanmiri-Nezhad 2014)
MOST_FIRING, ALIKE_FIRING = 8, 0.8  # of shapes in regular trains; more units make none
GAIN = 0.2  # of a class's mean towards its newest member, at least


class UnitMemory:
    """The classes seen so far in one channel."""

    def __init__(self) -> None:
        self._means = np.zeros((0, 0))
        self._counts: list[int] = []

    def classify(self, shape: np.ndarray) -> int:
        """Return the class of a twitch's waveform, a new one if it is like none; -1 when full."""
        if not self._counts:
            return self._add(shape)
        alike = likeness(shape, self._means)
        best = int(np.argmax(alike))
        if alike[best] > ALIKE:
            self._counts[best] += 1
            gain = max(1 / self._counts[best], GAIN)
            self._means[best] += gain * (shape - self._means[best])
            return best
        return self._add(shape) if len(self._counts) < MOST else -1

    def _add(self, shape: np.ndarray) -> int:
        self._means = np.concatenate([self._means.reshape(-1, len(shape)), shape[None]])
        self._counts.append(1)
        return len(self._counts) - 1


class FiringUnits:
    """The shapes last seen in regular trains of one channel: motor units that fire voluntarily.

    A unit keeps its shape from one contraction to the next, as long as the electrodes stay.
    """

    def __init__(self) -> None:
        self._means: deque[np.ndarray] = deque(maxlen=MOST_FIRING)

    def _find(self, shape: np.ndarray) -> int | None:
        if not self._means:
            return None
        alike = likeness(shape, np.array(self._means))
        best = int(np.argmax(alike))
        return best if alike[best] > ALIKE_FIRING else None

    def knows(self, shape: np.ndarray) -> bool:
        """Return whether a waveform is like one of these shapes."""
        return self._find(shape) is not None

    def learn(self, shape: np.ndarray) -> None:
        """Take in the waveform of a potential in a regular train."""
        found = self._find(shape)
        if found is None:
            self._means.append(shape)
        else:
            self._means[found] = self._means[found] + GAIN * (shape - self._means[found])
