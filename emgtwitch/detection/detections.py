"""What detection returns: the events of a recording, and the account of its time."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch import __version__
from emgtwitch.detection.account import ChannelAccount
from emgtwitch.detection.rates import ChannelRate, rate_interval
from emgtwitch.errors import InputError
from emgtwitch.event_table import (
    COLUMNS,
    NOT_APPLICABLE,
    is_twitch,
    read_event_table,
    sidecar_path,
    write_event_table,
)

if TYPE_CHECKING:
    import mne
    import pandas

SOFTWARE = "emgtwitch"
_LONGEST_S = 366 * 86400.0
_EARLIEST = 1900  # year of a recording
_ROUNDED_S = 1e-3  # to which sums of times are rounded
_BEYOND_S = 0.1  # from the ends of a recording that a potential may be told to lie
_SHORTEST_STEP = 1 / 6  # of a step in time that must be valid for it to have a rate


@dataclass(frozen=True, eq=False)
class Detections:
    """The events of one recording.

    Attributes
    ----------
    events
        Structured array with one row per event or interval, the columns as in
        `emgtwitch.event_table`; rejected candidates included. `emgtwitch.event_table.is_twitch`
        tells which rows count.
    accounts
        Seconds recorded, valid and excluded, noise and detection floor of each channel.
    sides
        ``"left"``, ``"right"`` or None for each channel.
    settings
        Everything that was chosen, and what it was chosen for.
    source
        Name of the recording's file, without folders.
    start
        Date and time of the first sample, as the recording has it, if it has.
    version
        The version of the software that detected.
    """

    events: np.ndarray
    accounts: tuple[ChannelAccount, ...]
    sides: tuple[str | None, ...]
    settings: Mapping[str, Any]
    source: str | None = None
    start: datetime | None = None
    version: str = __version__

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Names of the channels that were searched."""
        return tuple(account.channel for account in self.accounts)

    def twitches(self, channel: str) -> np.ndarray:
        """Return the rows of `events` that are twitches of a channel."""
        return self.events[is_twitch(self.events) & (self.events["channel"] == channel)]

    def excluded(self, channel: str) -> np.ndarray:
        """Return the rows of `events` that are excluded intervals of a channel."""
        return self.events[_is_interval(self.events) & (self.events["channel"] == channel)]

    def rates(self) -> tuple[ChannelRate, ...]:
        """Return the rate of each channel, with its interval and what it rests on."""
        rows = []
        for account, side in zip(self.accounts, self.sides, strict=True):
            count, minutes = len(self.twitches(account.channel)), account.valid_s / 60
            rate, low, high = (float(value) for value in rate_interval(count, minutes))
            rows.append(
                ChannelRate(
                    account.channel,
                    side,
                    count,
                    minutes,
                    rate,
                    low,
                    high,
                    account.noise_uv,
                    account.floor_uv,
                    account.excluded_s,
                )
            )
        return tuple(rows)

    def rates_over_time(self, channel: str, step_s: float = 60.0) -> np.ndarray:
        """Return the rate of a channel in steps from the start of the recording.

        Parameters
        ----------
        channel
            Its name.
        step_s
            Length of a step, s; the last one may be shorter.

        Returns
        -------
        ndarray
            Structured, float64: ``start_s``, ``stop_s``, ``count``, ``valid_s``,
            ``rate_per_min``, ``low_per_min``, ``high_per_min``. The rate is NaN where less than a
            sixth of `step_s` is valid. The warm-up, of which the table does not tell when it was,
            is taken off all steps alike.
        """
        account = self.accounts[self.ch_names.index(channel)]
        edges = np.append(np.arange(0, account.recorded_s, step_s), account.recorded_s)
        count, _ = np.histogram(self.twitches(channel)["peak_time"], edges)
        valid_s = np.diff(edges)
        for row in self.excluded(channel):
            first, last = row["onset"], row["onset"] + row["duration"]
            valid_s -= np.maximum(np.minimum(last, edges[1:]) - np.maximum(first, edges[:-1]), 0)
        valid_s = np.maximum(valid_s, 0)
        valid_s *= account.valid_s / max(valid_s.sum(), account.valid_s, 1e-9)
        known_s = np.where(valid_s >= _SHORTEST_STEP * step_s, valid_s, np.nan)
        columns = {
            "start_s": edges[:-1],
            "stop_s": edges[1:],
            "count": count,
            "valid_s": valid_s,
        }
        names = ("rate_per_min", "low_per_min", "high_per_min")
        columns |= zip(names, rate_interval(count, known_s / 60), strict=True)
        table = np.empty(len(count), dtype=[(name, "f8") for name in columns])
        for name, values in columns.items():
            table[name] = values
        return table

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return `events` as a `pandas.DataFrame`; what does not apply is NA there.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe needs pandas: pip install pandas") from error
        frame = pandas.DataFrame({name: self.events[name] for name in COLUMNS})
        for name in ("unit", "burst"):
            frame[name] = frame[name].astype("Int64").mask(frame[name] < 0)
        frame["reason"] = frame["reason"].mask(frame["reason"] == NOT_APPLICABLE)
        return frame

    def annotations(self) -> "mne.Annotations":
        """Return the twitches and the excluded intervals as `mne.Annotations`.

        Descriptions are the trial types of the event table, onsets in s from the first sample;
        each names its channel. ``raw.set_annotations`` takes them as they are.
        """
        import mne

        rows = self.events[is_twitch(self.events) | _is_interval(self.events)]
        return mne.Annotations(
            rows["onset"],
            rows["duration"],
            rows["trial_type"],
            ch_names=[(str(name),) for name in rows["channel"]],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the event table and its JSON sidecar.

        Parameters
        ----------
        path
            File to write, ending in ``.tsv``; the sidecar has the same name ending in ``.json``.

        Raises
        ------
        InputError
            The name does not end in ``.tsv``, or there is no such folder, or it is read-only.
        """
        path = Path(path)
        if path.suffix != ".tsv":
            raise InputError(f"{path}: the name of an event table must end in .tsv")
        try:
            write_event_table(path, self.events, self.description())
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error

    def description(self) -> dict[str, Any]:
        """Return what the sidecar tells besides the columns, as `load` reads it back."""
        channels = {}
        for account, side in zip(self.accounts, self.sides, strict=True):
            channels[account.channel] = {
                "side": side,
                "recorded_s": account.recorded_s,
                "valid_s": account.valid_s,
                "excluded_s": account.excluded_s,
                "noise_uv": account.noise_uv,
                "detection_floor_uv": account.floor_uv,
            }
        about = {
            "software": {"name": SOFTWARE, "version": self.version},
            "source": self.source and os.fsencode(self.source).decode("utf-8", "replace"),
            "start": self.start and self.start.isoformat(),
            "settings": dict(self.settings),
            "rows": len(self.events),
            "channels": channels,
        }
        return dict(_rounded(about))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Detections":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            There is no such table, no sidecar of it by this software, or the two contradict each
            other.
        """
        sidecar = sidecar_path(path)
        events = read_event_table(path)
        try:
            about = json.loads(sidecar.read_text(encoding="utf-8"))
            accounts = tuple(_account(*entry) for entry in about["channels"].items())
            found = cls(
                events,
                accounts,
                tuple(entry["side"] for entry in about["channels"].values()),
                dict(about["settings"]),
                about["source"],
                about["start"] and datetime.fromisoformat(about["start"]),
                about["software"]["version"],
            )
            n_rows = about.get("rows", len(events))
            problem = next(_contradictions(found, n_rows), "")
        except FileNotFoundError as error:
            raise InputError(f"{sidecar}: not there, so {path} tells no valid time") from error
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise InputError(f"{sidecar}: no sidecar by emgtwitch detect: {error!r}") from error
        if problem:
            raise InputError(
                f"{path} and its sidecar contradict each other: {problem}; detect again"
            )
        return found


def _is_interval(events: np.ndarray) -> np.ndarray:
    return np.isnan(events["peak_time"]) & ~is_twitch(events)


def _contradictions(found: Detections, n_rows: int) -> Iterator[str]:
    """Yield what cannot be true of a table and its sidecar, which may be cut off or edited."""
    if len(found.events) != n_rows:
        yield f"there are {len(found.events)} rows, not {n_rows}"
    if not found.accounts:
        yield "there is no channel"
    if found.start and found.start.year < _EARLIEST:
        yield f"the recording is of the year {found.start.year}"
    for account, side in zip(found.accounts, found.sides, strict=True):
        if side not in ("left", "right", None):
            yield f"{account.channel} is on the side {side!r}"
        if not 0 <= account.recorded_s <= _LONGEST_S:
            yield f"{account.channel} is {account.recorded_s:g} s long"
        if not 0 <= account.valid_s <= account.recorded_s + _ROUNDED_S:
            yield f"of {account.recorded_s:g} s of {account.channel}, {account.valid_s:g} are valid"
    if unknown := set(found.events["channel"].tolist()) - {*found.ch_names, NOT_APPLICABLE}:
        yield f"there is no channel {min(unknown)!r}"
    end_s = max(account.recorded_s for account in found.accounts) + _BEYOND_S
    for name in ("onset", "peak_time"):
        times = found.events[name]
        if outside := times[(times < -_BEYOND_S) | (times > end_s)].tolist():
            yield f"{name} of {outside[0]:g} s lies outside of the recording"
    if np.isnan(found.events["peak_time"][is_twitch(found.events)]).any():
        yield "a twitch has no peak_time"


def _account(channel: str, entry: dict[str, Any]) -> ChannelAccount:
    def number(key: str) -> float:
        return math.nan if entry[key] is None else float(entry[key])

    return ChannelAccount(
        channel,
        number("recorded_s"),
        number("valid_s"),
        {reason: float(seconds) for reason, seconds in entry["excluded_s"].items()},
        number("noise_uv"),
        number("detection_floor_uv"),
    )


def _rounded(value: Any) -> Any:
    """Return values for JSON: floats to 1e-6 as in the table, None for what is no number."""
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
