"""How often the intervals of the comparison hold the truth, in simulated studies.

Event times are simulated, not EMG. ``python -m benchmarks.coverage`` writes docs/coverage.md.
"""

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import digamma, ndtr

from benchmarks import common_floor
from benchmarks.tables import markdown, run_all
from emgtwitch.comparison.intervals import Ratio, paired_ratio, rate_of, unpaired_ratio
from emgtwitch.comparison.recordings import CUT_FACTOR
from emgtwitch.comparison.sessions import (
    change,
    detectable_change,
    log_rates,
    trend,
    typical,
)
from emgtwitch.comparison.trains import NOISE_SQUARES, Train, clean_size
from emgtwitch.detection.rates import CONFIDENCE

SEED = 20260401
DOC = Path(__file__).parents[1] / "docs" / "coverage.md"
_FLOOR = 5.0  # detection floor over noise rms, about as the detector has it
_SCATTER = 1.2  # of a measured amplitude, in noise rms
_STEPS = 300  # in which the rate is constant
_WIDEST = 1000


@dataclass(frozen=True)
class Night:
    """How recordings are made, and how the muscles twitch in them.

    Attributes
    ----------
    left, right
        Twitches per minute, of any size.
    minutes
        Shortest and longest recording; log-uniform in between.
    most_excluded
        Each side loses a share of up to this, in up to three stretches of its own.
    burst_share, burst_size
        Share of the twitches that start a burst, and twitches of a burst, 100 ms apart.
    drift, drift_s
        Standard deviation of the logarithm of the rate within a recording, half of it (in
        variance) common to both sides, and time constant: standard deviation of the Gaussian by
        which it is smoothed.
    side_shape, common_shape
        Shape of the gamma distribution by which each side, and both together, vary between
        recordings; 0: not at all.
    noise_uv
        Left and right; 0: every twitch is found and none is left out. Sizes are log-normal with a
        median of 60 µV.
    """

    left: float
    right: float
    minutes: tuple[float, float] = (30.0, 30.0)
    most_excluded: float = 0.0
    burst_share: float = 0.0
    burst_size: int = 3
    drift: float = 0.0
    drift_s: float = 40.0
    side_shape: float = 0.0
    common_shape: float = 0.0
    noise_uv: tuple[float, float] = (0.0, 0.0)

    @property
    def seen_share(self) -> float:
        """Share of the twitches that are above the common cut."""
        cut = CUT_FACTOR * _FLOOR * max(self.noise_uv)
        return float(1 - ndtr(np.log(cut / 60) / 0.5)) if cut else 1.0


def _drift(rng: np.random.Generator, night: Night, seconds: float) -> np.ndarray:
    """Return the rate of both sides over time, (2, _STEPS), of mean 1 in the long run."""
    if not night.drift:
        return np.ones((2, _STEPS))
    width = night.drift_s / (seconds / _STEPS)
    pad = int(4 * width) + 1
    white = rng.standard_normal((3, _STEPS + 2 * pad))
    wander = gaussian_filter1d(white, width, axis=1)[:, pad:-pad] * np.sqrt(2 * width * np.pi**0.5)
    log_rate = night.drift * (wander[:1] + wander[1:]) / np.sqrt(2)
    return np.asarray(np.exp(log_rate - night.drift**2 / 2))


def _spans(rng: np.random.Generator, night: Night, seconds: float) -> np.ndarray:
    """Return the valid stretches of one side."""
    n = int(rng.integers(1, 4))
    lost = rng.uniform(0, night.most_excluded) * seconds / n
    slot = seconds / n
    starts = np.arange(n) * slot + rng.uniform(0, 1, n) * (slot - lost)
    edges = np.concatenate(([0.0], np.column_stack((starts, starts + lost)).ravel(), [seconds]))
    return edges.reshape(-1, 2)


def recording(rng: np.random.Generator, night: Night) -> tuple[Train, Train, np.ndarray]:
    """Return left and right, and the rates per minute that this recording is a sample of."""
    low, high = np.log(night.minutes)
    seconds = 60 * float(np.exp(rng.uniform(low, high)))
    factors = np.array([_gamma(rng, night.side_shape), _gamma(rng, night.side_shape)])
    rates = np.array([night.left, night.right]) * factors * _gamma(rng, night.common_shape)
    trains = []
    for side, path in enumerate(_drift(rng, night, seconds)):
        starts_per_s = rates[side] / 60 / (1 + night.burst_share * (night.burst_size - 1))
        n = rng.poisson(starts_per_s * seconds / _STEPS * path)
        starts = (np.repeat(np.arange(_STEPS), n) + rng.random(n.sum())) * seconds / _STEPS
        follow = np.where(rng.random(len(starts)) < night.burst_share, night.burst_size, 1)
        times = np.repeat(starts, follow) + 0.1 * (
            np.arange(follow.sum()) - np.repeat(np.cumsum(follow) - follow, follow)
        )
        spans = _spans(rng, night, seconds)
        trains.append(_detected(rng, night, side, np.sort(times), spans))
    return trains[0], trains[1], rates * night.seen_share


def _detected(
    rng: np.random.Generator, night: Night, side: int, times: np.ndarray, spans: np.ndarray
) -> Train:
    """Return the twitches in valid time, and of those, with noise, the ones above the cut."""
    inside = (np.searchsorted(spans.ravel(), times) % 2) == 1
    times, noise = times[inside], night.noise_uv[side]
    true = 60 * np.exp(0.5 * rng.standard_normal(len(times)))
    scatter = _SCATTER * noise * rng.standard_normal(len(times))
    measured = np.sqrt(true**2 + NOISE_SQUARES * noise**2) + scatter
    # half of those at the floor are found, nine of ten at 1.3 times it
    found = rng.random(len(times)) < ndtr(np.log(true / max(_FLOOR * noise, 1e-9)) / 0.2)
    clean = clean_size(measured, measured / noise if noise else np.full(len(times), np.nan))
    train = Train(
        times[found],
        measured[found],
        clean[found],
        spans,
        float(np.diff(spans).sum()),
        _FLOOR * noise,
        noise,
    )
    return train.above(CUT_FACTOR * _FLOOR * max(night.noise_uv))


def _gamma(rng: np.random.Generator, shape: float) -> float:
    return float(rng.gamma(shape, 1 / shape)) if shape else 1.0


@dataclass
class Tally:
    """How often intervals held the truth, and how wide they were."""

    shown: int = 0
    held: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, low: float, high: float, true: float) -> None:
        """Count one interval."""
        self.shown += 1
        self.held += low <= true <= high
        self.widths.append(high / low if low > 0 else np.inf)

    def cells(self) -> list[str]:
        """Return coverage and median width as cells of a table."""
        if not self.shown:
            return ["–", "–"]
        width = float(np.median(self.widths))
        if width > _WIDEST:
            return [self.coverage(), f"> ×{_WIDEST}" if np.isfinite(width) else "open"]
        return [self.coverage(), f"×{width:.3g}"]

    def coverage(self) -> str:
        """Return the coverage in percent."""
        return f"{100 * self.held / self.shown:.1f}" if self.shown else "–"


ONE = {
    "about 3 expected on each side": Night(0.3, 0.3, (10, 10), common_shape=4),
    "about 10 and 20 expected": Night(1, 2, (10, 10), common_shape=4),
    "Poisson, busy": Night(5, 10),
    "doublets and bursts": Night(5, 10, burst_share=0.3),
    "few, in bursts (10 and 20 expected)": Night(1, 2, (10, 10), burst_share=0.3),
    "drift over minutes": Night(5, 10, drift=0.3),
    "strong drift over minutes": Night(5, 10, drift=0.5, burst_share=0.1),
    "unequal valid time": Night(5, 10, most_excluded=0.5, drift=0.3, burst_share=0.1),
    "unequal valid time and noise": Night(
        5, 10, most_excluded=0.5, drift=0.3, burst_share=0.1, noise_uv=(3, 6)
    ),
    "whole night, drift over 10 min": Night(1, 2, (420, 420), drift=0.5, drift_s=600),
    "3 min": Night(5, 10, (3, 3), burst_share=0.1),
    "beyond: 1 expected on each side": Night(0.1, 0.1, (10, 10)),
    "beyond: drift as slow as the recording": Night(5, 10, (10, 10), drift=0.5, drift_s=150),
}

_ALL = Night(
    2, 4, (5, 60), 0.4, burst_share=0.1, drift=0.3, side_shape=4, common_shape=4, noise_uv=(3, 6)
)
MANY = {
    "as much between recordings as counting makes": Night(2, 4, (20, 20)),
    "gamma shape 4 per side and in common": replace(_ALL, minutes=(20, 20), noise_uv=(0, 0)),
    "unequal noise and time": _ALL,
    "gamma shape 2": replace(_ALL, side_shape=2, common_shape=2),
    "few twitches (3 and 6 expected)": replace(
        _ALL, left=0.15, right=0.3, minutes=(20, 20), most_excluded=0, noise_uv=(0, 0)
    ),
}
SESSIONS = (3, 4, 6, 10, 14)


def one_recording(label: str, studies: int) -> list[str]:
    """Return a row: intervals of single recordings, and of two compared."""
    night, rng = ONE[label], np.random.default_rng([SEED, list(ONE).index(label)])
    tallies = {name: Tally() for name in ("rate", "exact", "ratio", "split", "index", "two")}
    for _ in range(studies):
        left, right, rates = recording(rng, night)
        if rate := rate_of(left):
            tallies["rate"].add(rate.per_min.low, rate.per_min.high, rates[0])
            tallies["exact"].add(rate.exact_low, rate.exact_high, rates[0])
        true = rates[0] / rates[1]
        if ratio := paired_ratio(left, right):
            tallies["ratio"].add(ratio.ratio.low, ratio.ratio.high, true)
            tallies["split"].add(ratio.exact_low, ratio.exact_high, true)
            if ratio.asymmetry:
                tallies["index"].add(
                    ratio.asymmetry.low, ratio.asymmetry.high, (true - 1) / (true + 1)
                )
        later, _, later_rates = recording(rng, night)
        if ratio := unpaired_ratio(later, left):
            tallies["two"].add(ratio.ratio.low, ratio.ratio.high, later_rates[0] / rates[0])
    return [
        label,
        *tallies["rate"].cells(),
        tallies["exact"].coverage(),
        *tallies["ratio"].cells(),
        tallies["split"].coverage(),
        tallies["index"].coverage(),
        *tallies["two"].cells(),
    ]


def many_recordings(label: str, n: int, studies: int) -> list[str]:
    """Return a row: intervals across recordings."""
    night = MANY[label]
    rng = np.random.default_rng([SEED, 100 + list(MANY).index(label), n])
    names = ("ratio", "pooled", "rate", "slope", "change", "difference", "next")
    tallies = {name: Tally() for name in names}
    shift = digamma(night.side_shape) - np.log(night.side_shape) if night.side_shape else 0.0
    shift += digamma(night.common_shape) - np.log(night.common_shape) if night.common_shape else 0.0
    true_rate = night.left * night.seen_share * np.exp(shift)
    true_ratio = night.left / night.right
    for _ in range(studies):
        pairs = [recording(rng, night)[:2] for _ in range(n + 2)]
        counts = np.array([[side.count for side in pair] for pair in pairs], float)
        minutes = np.array([[side.valid_min for side in pair] for pair in pairs])
        of = [log_rates(counts[:, side], minutes[:, side]) for side in (0, 1)]
        now = np.arange(n)
        some = counts[:n].sum(axis=1) > 0
        for name, logs, true in (
            ("ratio", (of[0] - of[1])[now[some]], true_ratio),
            ("rate", of[0][now], true_rate),
        ):
            if found := typical(logs):
                tallies[name].add(found.low, found.high, true)
        if pooled := _pooled(counts[:n].sum(axis=0), minutes[:n].sum(axis=0)):
            tallies["pooled"].add(pooled.exact_low, pooled.exact_high, true_ratio)
        days = np.sort(rng.uniform(0, 120, n))
        if found := trend(of[0][now], days):
            tallies["slope"].add(found.low, found.high, 1.0)
        if found := change(of[0][now[: n // 2]], of[0][now[n // 2 :]]):
            tallies["change"].add(found.low, found.high, 1.0)
        if spread := detectable_change(of[0][now]):
            two = np.exp(of[0].values[n:])
            tallies["difference"].add(1 / spread.factor, spread.factor, two[1] / two[0])
            tallies["next"].add(spread.next_low, spread.next_high, two[0])
    return [
        label,
        str(n),
        *tallies["ratio"].cells(),
        tallies["pooled"].coverage(),
        *(cell for name in names[2:] for cell in tallies[name].cells()),
    ]


def _pooled(counts: np.ndarray, minutes: np.ndarray) -> Ratio | None:
    """Return the ratio of all twitches added up, as if of one recording: what not to do."""
    spans = [np.array([[0.0, 60 * total]]) for total in minutes]
    evenly = [np.linspace(0, 60 * total, int(n)) for n, total in zip(counts, minutes, strict=True)]
    left, right = (
        Train(times, times, times, span, float(np.diff(span).sum()), 0.0, 0.0)
        for times, span in zip(evenly, spans, strict=True)
    )
    return paired_ratio(left, right)


_PAGE = """\
# How often the intervals hold the truth

This page is written by `python -m benchmarks.coverage`; the numbers are of that run, {studies}
simulated studies per row, so that a coverage is uncertain by ±{error:.1f} points (95 %). What is
computed and why is told in [comparison.md](comparison.md).

Event times are simulated directly: twitches at random, some of which start a burst of three; a rate
that drifts within the recording, half of it on both sides alike; gamma-distributed rates that vary
between recordings on each side and on both together; stretches that are excluded on one side; and
noise, which hides small twitches and blurs their sizes (log-normal, median 60 µV). With noise, only
twitches above the common floor count. All intervals are nominally {confidence:.0f} %.
**Coverage** is in percent, **width** the median of upper over lower bound.

## One recording

They refer to the rates of which this recording is a sample. "exact" are the intervals that take
every twitch for independent: Garwood for a rate, Clopper-Pearson for a ratio. "index" is the
asymmetry index, which is shown from ten twitches on. "two recordings" compares one side of two
recordings.

{one}

The last two rows are beyond what these intervals can do. With one twitch expected, most recordings
have none or one, and any interval covers too often or too seldom. And a drift as slow as the
recording cannot be told from its mean: nothing in the recording shows that it would go on
differently. More recordings show it.

## Several recordings

They refer to further recordings like these: the geometric mean over recordings. "pooled, exact" is
the Clopper-Pearson interval of all twitches added up, as if of one recording. "trend" is the change
of a rate per month over four months, "change" the second half of the recordings against the first,
"two differ" whether two further recordings differ by less than the detectable change, "next"
whether a further one lies in the band shown for it. From two recordings no interval is shown.

{many}

## Equal rates at unequal noise

Simulated EMG with 20 twitches per minute on both sides, {minutes:.0f} min, {n_seeds} seeds, the
detector as it is. Left over right as found, over what it truly is above the same size (± standard
error): 1 is right. "all": every twitch found. "as measured": those of at least {factor:g} times the
worse floor. "cleared": the same with sizes cleared of what noise adds to them, as the comparison
does.

{floor}
"""


def main() -> None:
    """Run the benchmark and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="per row (default: 2000)")
    parser.add_argument("--quick", action="store_true", help="without EMG, and no page")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args()
    studies = arguments.studies
    one = [(one_recording, (label, studies)) for label in ONE]
    many = [(many_recordings, (label, n, studies)) for label in MANY for n in SESSIONS]
    on_emg = [] if arguments.quick else common_floor.tasks()
    results = run_all([*one, *many, *on_emg], arguments.jobs)
    on_emg_results = results[len(one) + len(many) :]
    page = _PAGE.format(
        studies=studies,
        error=100 * 1.96 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / studies),
        confidence=100 * CONFIDENCE,
        one=markdown(_ONE_HEADER, results[: len(one)]),
        many=markdown(_MANY_HEADER, results[len(one) : len(one) + len(many)]),
        minutes=common_floor.MINUTES,
        n_seeds=len(common_floor.SEEDS),
        factor=CUT_FACTOR,
        floor=common_floor.table(on_emg_results) if on_emg else "",
    )
    print(page)
    if not arguments.quick:
        DOC.write_text(page, encoding="utf-8")
        print(f"written: {DOC}")


_ONE_HEADER = (
    "recording", "rate", "width", "exact", "ratio", "width", "exact", "index",
    "two recordings", "width",
)  # fmt: skip
_MANY_HEADER = (
    "recordings", "n", "ratio", "width", "pooled, exact", "rate", "width", "trend", "width",
    "change", "width", "two differ", "width", "next", "width",
)  # fmt: skip


if __name__ == "__main__":
    main()
