"""Rates and ratios of one and of two recordings, and how twitches come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from benchmarks.coverage import MANY, ONE, many_recordings, one_recording
from emgtwitch.comparison.coincidence import coincidence
from emgtwitch.comparison.dispersion import allan_factor, dispersion_of, fano_factor
from emgtwitch.comparison.intervals import paired_ratio, rate_of, unpaired_ratio
from emgtwitch.comparison.patterns import burst_sizes, intervals_between, mean_shapes, patterns_of
from emgtwitch.comparison.trains import (
    Train,
    both_valid,
    clean_size,
    course_of,
    leg_train,
)


def train(times_s, seconds=600.0, spans_s=None, size_uv=50.0, floor_uv=20.0):
    times = np.asarray(times_s, dtype=float)
    spans = np.array([[0.0, seconds]] if spans_s is None else spans_s, dtype=float)
    sizes = np.broadcast_to(np.asarray(size_uv, dtype=float), times.shape)
    valid_s = float(np.diff(spans).sum())
    return Train(times, sizes, sizes, spans.reshape(-1, 2), valid_s, floor_uv, floor_uv / 5)


def even(n, seconds=600.0):
    return train((np.arange(n) + 0.5) * seconds / max(n, 1), seconds)


def at_random(n, seconds=600.0, seed=1):
    return train(np.sort(np.random.default_rng(seed).uniform(0, seconds, n)), seconds)


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0, 3.689), (10, 4.795, 18.39)])
def test_the_exact_interval_of_a_rate_is_garwoods(count, low, high):
    rate = rate_of(even(count))
    assert_allclose([rate.exact_low, rate.exact_high], np.array([low, high]) / 10, rtol=1e-3)
    assert rate.per_min.value == count / 10
    assert rate.widening == 1
    assert rate.exact_low <= rate.per_min.low <= rate.per_min.value
    assert rate.per_min.value < rate.per_min.high < rate.exact_high


@pytest.mark.parametrize(("a", "b", "minutes"), [(5, 12, 20), (1, 1, 10), (40, 7, 5), (3, 0, 10)])
def test_the_exact_interval_of_a_ratio_is_that_of_the_binomial_split(a, b, minutes):
    ratio = paired_ratio(even(a), even(b, 60 * minutes))
    share = binomtest(a, a + b).proportion_ci(method="exact")
    exposure = minutes / 10
    expected = [s / (1 - s) * exposure if s < 1 else np.inf for s in (share.low, share.high)]
    assert_allclose([ratio.exact_low, ratio.exact_high], expected, rtol=1e-9)
    assert ratio.ratio.value == (a / b * exposure if b else np.inf)
    assert ratio.ratio.low < ratio.ratio.value


def test_zero_counts():
    assert paired_ratio(even(0), even(0)) is None
    assert unpaired_ratio(even(0), even(0)) is None
    none, some = paired_ratio(even(0), even(20)), paired_ratio(even(20), even(0))
    assert (none.ratio.value, none.ratio.low) == (0, 0)
    assert 0 < none.ratio.high < 0.25
    assert (some.ratio.value, some.ratio.high) == (np.inf, np.inf)
    assert_allclose(some.ratio.low, 1 / none.ratio.high)
    assert (some.asymmetry.value, some.asymmetry.high) == (1, 1)
    assert none.asymmetry.value == -1
    assert paired_ratio(even(1), even(0)).ratio.low > 0


def test_no_valid_time_gives_no_rate():
    nothing = train([], spans_s=np.zeros((0, 2)))
    assert rate_of(nothing) is None
    assert paired_ratio(nothing, even(5)) is None
    assert unpaired_ratio(even(5), nothing) is None
    assert coincidence(nothing, even(5)) is None
    assert len(dispersion_of(nothing).fano) == 0
    assert_allclose(course_of(nothing, 120.0).per_min, [np.nan, np.nan])
    assert len(course_of(nothing, 0.0).count) == 0


def test_the_asymmetry_index_is_the_ratio_transformed_and_needs_ten_twitches():
    ratio = paired_ratio(at_random(12), at_random(24, seed=2))
    for name in ("value", "low", "high"):
        r = getattr(ratio.ratio, name)
        assert getattr(ratio.asymmetry, name) == pytest.approx((r - 1) / (r + 1))
    assert paired_ratio(even(4), even(5)).asymmetry is None


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 99))
def test_a_ratio_turned_round_is_its_inverse(a, b, seed):
    one, other = at_random(a, 600, seed), at_random(b, 300, seed + 1000)
    for compare in (paired_ratio, unpaired_ratio):
        there, back = compare(one, other).ratio, compare(other, one).ratio
        with np.errstate(divide="ignore"):
            inverse = 1 / np.array([back.value, back.high, back.low])
        assert_allclose([there.value, there.low, there.high], inverse, rtol=1e-9)
        assert there.low <= there.value <= there.high


def test_bursts_and_drift_widen_and_what_both_sides_share_does_not():
    steady = at_random(200)
    in_bursts = train(np.sort(np.repeat(steady.times_s[:50], 4) + np.tile([0, 0.1, 0.2, 0.3], 50)))
    assert rate_of(in_bursts).widening > 3
    early = [train(np.sort(600 * np.random.default_rng(s).random(200) ** 2)) for s in (3, 4)]
    assert rate_of(early[0]).widening > 5
    assert paired_ratio(*early).widening < 2
    assert unpaired_ratio(*early).widening > 5
    assert paired_ratio(early[0], steady).widening > 3


def test_excluded_time_is_no_drift():
    """Twitches even over the valid time look even, however it is cut up."""
    spans = np.array([[0.0, 100.0], [400.0, 500.0], [590.0, 600.0]])
    valid = train([], spans_s=spans)
    cut = train(valid.time_at((np.arange(50) + 0.5) * 210 / 50), spans_s=spans)
    assert_allclose(cut.clock(cut.times_s), (np.arange(50) + 0.5) * 4.2)
    assert rate_of(cut).dispersion < 0.01
    assert paired_ratio(cut, even(150)).dispersion < 0.05
    assert rate_of(cut).per_min.value == pytest.approx(50 / 3.5)


def test_a_leg_counts_within_the_time_that_all_its_muscles_have():
    one = train([10, 50, 90], 100, floor_uv=20)
    other = train([20, 60, 80], spans_s=[[0, 30], [70, 100]], floor_uv=30)
    leg = leg_train([one, other])
    assert_allclose(leg.times_s, [10, 20, 80, 90])
    assert (leg.valid_s, leg.floor_uv) == (60, 30)
    assert leg_train([one]) is one
    assert_allclose(np.diff(both_valid(one, other)).sum(), 60)


def test_sizes_are_cleared_of_what_noise_adds():
    true, noise = np.array([40.0, 80.0, np.nan]), 5.0
    measured = np.sqrt(true**2 + 21.5 * noise**2)
    assert_allclose(clean_size(measured, measured / noise), true)
    assert_allclose(clean_size(measured, np.full(3, np.nan)), measured)
    assert clean_size(np.array([10.0]), np.array([3.0])) == 0
    sizes = train([1, 2, 3], size_uv=[10, 30, np.nan])
    assert_allclose(sizes.above(30).times_s, [2, 3])
    assert sizes.above(np.nan).count == 3


def test_the_course_leaves_out_steps_with_little_valid_time():
    course = course_of(train([1, 2, 70, 130], spans_s=[[0, 65], [125, 150]]), 150.0)
    assert_allclose(course.count, [2, 1, 1])
    assert_allclose(course.valid_min, [1, 5 / 60, 25 / 60])
    assert_allclose(course.per_min, [2, np.nan, 2.4])
    assert len(course_of(even(10, 36000), 36000.0).count) == 120


def test_fano_and_allan_factor_of_doublets_drift_and_chance():
    steady = at_random(3000, 3600)
    found = dispersion_of(steady)
    assert_allclose(found.fano[:4], 1, atol=0.3)
    assert (found.fano_low < 1.2).all()
    assert (found.fano_high > 0.9).all()
    inside = (found.fano_low <= found.fano) & (found.fano <= found.fano_high)
    assert inside.mean() > 0.6
    # twice as many for a tenth of them: (1 + 3 share) / (1 + share) of the variance
    rng = np.random.default_rng(5)
    doubled = np.sort(np.concatenate((steady.times_s, rng.choice(steady.times_s, 300) + 0.005)))
    assert dispersion_of(train(doubled, 3700)).fano[0] == pytest.approx(1.18, abs=0.1)
    slope = 3600 * np.sqrt(rng.random(3000))
    drifting = dispersion_of(train(np.sort(slope), 3600))
    assert drifting.fano[-1] > 3 * drifting.fano_high[-1]
    assert drifting.allan[-1] < drifting.fano[-1] / 3
    assert np.isnan(dispersion_of(even(0)).fano).all()


def test_fano_and_allan_factor_by_hand():
    counts = np.array([2, 4, 0, 2])
    assert fano_factor(counts) == pytest.approx((0 + 4 + 4 + 0) / 3 / 2)
    assert allan_factor(counts) == pytest.approx((4 + 16 + 4) / 3 / 4)


def test_shares_of_isolated_twitches_doublets_and_bursts():
    times = [1, 2, 2.2, 5, 5.25, 5.4, 8]
    assert_allclose(burst_sizes(np.array(times)), [1, 2, 2, 3, 3, 3, 1])
    found = patterns_of(train(times, size_uv=[10, 20, 30, 40, 50, 60, 70]))
    shares = (found.isolated_share, found.doublet_share, found.burst_share)
    assert_allclose(shares, [2 / 7, 2 / 7, 3 / 7])
    assert found.intervals.sum() == 6
    assert_allclose(found.amplitude_quantiles_uv, [16, 40, 64])
    nothing = patterns_of(train([]))
    assert np.isnan(nothing.isolated_share)
    assert [zone.count for zone in nothing.zones] == [0] * len(nothing.zones)


def test_intervals_do_not_bridge_excluded_time():
    split = train([1, 2, 7, 7.03], spans_s=[[0, 5], [6, 20]])
    assert_allclose(intervals_between(split), [1, 0.03])
    zones = {zone.reading: zone for zone in patterns_of(split).zones}
    assert zones["F-wave pair"].share == zones["isolated"].share == 0.5
    assert not zones["axonal doublet"].resolved


def test_mean_shapes():
    signal = np.zeros(5000)
    for at, size in ((1000, 10.0), (2000, 20.0), (3000, 5.0), (4990, 10.0)):
        signal[at] = size
    signal[2990] = np.nan
    peaks, units = np.array([1.0, 2.0, 3.0, 4.99, 0.5]), np.array([0, 0, 0, 0, 1])
    shapes = mean_shapes(signal, 1000.0, peaks, units)
    assert [(shape.unit, shape.count) for shape in shapes] == [(0, 2), (1, 1)]
    middle = np.argmax(shapes[0].mean_uv)
    assert (shapes[0].times_s[middle], shapes[0].mean_uv[middle]) == (0, 15)
    assert shapes[0].sd_uv[middle] == pytest.approx(np.sqrt(50))
    assert np.isnan(shapes[1].sd_uv).all()


def test_twitches_at_once_on_both_sides():
    left = at_random(150, 1800)
    apart, same = at_random(150, 1800, seed=2), train(left.times_s[::2] + 0.004, 1800)
    chance = coincidence(left, apart)
    assert chance.low <= chance.observed <= chance.high
    assert chance.expected == pytest.approx(150 * 150 * 0.05 / 1800, rel=0.2)
    together = coincidence(left, same)
    assert together.observed >= 75
    assert together.p == pytest.approx(1 / 500)
    half = train(same.times_s, spans_s=[[0, 900]])
    assert coincidence(left, half).valid_min == 15
    assert coincidence(left, train([], 1800)) is None


@pytest.mark.parametrize(
    "label", ["Poisson, busy", "doublets and bursts", "unequal valid time and noise"]
)
def test_intervals_of_one_recording_hold_the_truth(label):
    assert label in ONE
    _, rate, _, _, ratio, _, exact, *_ = one_recording(label, 200)
    assert 92 <= float(rate) <= 99
    assert 92 <= float(ratio) <= 99
    assert label == "Poisson, busy" or float(exact) < 90


@pytest.mark.parametrize("n", [3, 6])
def test_intervals_across_recordings_hold_the_truth(n):
    label = "unequal noise and time"
    assert label in MANY
    row = many_recordings(label, n, 150)
    ratio, pooled, rate, trend = (float(row[k]) for k in (2, 4, 5, 7))
    assert min(ratio, rate, trend) >= 92
    assert max(ratio, rate, trend) <= 99
    assert pooled < 70
