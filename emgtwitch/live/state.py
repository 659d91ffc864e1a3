"""What the server adds to the state that a source tells: rates, their intervals, and quality."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from emgtwitch.live.backlog import Backlog
from emgtwitch.live.lights import JUDGED_S, UNKNOWN, Lights, lights_of
from emgtwitch.live.messages import KEPT_BYTES

_EVERY_S = 2.0
_REST = 4  # a judgement is followed by a rest at least so many times as long

Interval = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


class State:
    """Completes ``state`` messages; what takes time is done in another thread."""

    def __init__(self) -> None:
        self._hello: dict[str, Any] = {}
        self._scans: Backlog[dict[str, Any]] = Backlog(JUDGED_S, KEPT_BYTES)
        self._lights: list[Lights] = []
        self._interval: Interval | None = None

    def restart(self, hello: dict[str, Any]) -> None:
        """Begin anew with what a source says of itself."""
        self._hello = hello
        self._lights = [UNKNOWN for _ in hello["ch_names"]]
        self._scans = Backlog(JUDGED_S, KEPT_BYTES)

    def take(self, scans: dict[str, Any], seconds: float) -> None:
        """Take note of a ``scans`` message."""
        self._scans.put("scans", scans, seconds, len(scans["uv"]))

    def completed(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a ``state`` message with rates, intervals and lights for each channel."""
        channels = state["channels"]
        counts, valid_s = (
            np.array([channel[name] for channel in channels], dtype=float)
            for name in ("twitches", "valid_s")
        )
        rates = np.full((3, len(channels)), np.nan)
        if self._interval:
            rates = np.array(self._interval(counts, valid_s / 60))
        told = [
            {
                **channel,
                **dict(zip(("rate_per_min", "low", "high"), three, strict=True)),
                "quality": lights,
            }
            for channel, three, lights in zip(channels, rates.T, self._lights, strict=True)
        ]
        if state.get("trouble"):
            for channel in told:
                losses = {"light": "bad", "words": state["trouble"]}
                channel["quality"] = {**UNKNOWN, "losses": losses}
        return {**state, "channels": told}

    async def keep_judging(self) -> None:
        """Judge the last seconds, again and again, aside of everything else."""
        self._interval = await asyncio.to_thread(_load_interval)
        clock = asyncio.get_running_loop().time
        while True:
            begun_s, hello = clock(), self._hello
            if hello:
                try:
                    lights = await asyncio.to_thread(lights_of, hello, self._scans.items())
                except ValueError:  # scans that make no sense; the traces may still tell why
                    lights = [UNKNOWN for _ in hello["ch_names"]]
                if hello is self._hello:  # no other began meanwhile
                    self._lights = lights
            await asyncio.sleep(max(_EVERY_S, _REST * (clock() - begun_s)))


def _load_interval() -> Interval:
    """Load SciPy, which the page need not wait for."""
    from emgtwitch.detection.rates import poisson_interval, rate_interval

    poisson_interval(0)
    return rate_interval
