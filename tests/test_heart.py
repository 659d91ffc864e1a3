"""The rhythm of the heart, by which beats are told that only one leg shows."""

import numpy as np
import pytest

from emgtwitch.detection.heart import Heart

INTERVAL_S = 0.8
TIMES_S = np.arange(-10, 11) * 0.001
BEAT = 20 * np.exp(-((TIMES_S / 0.004) ** 2)) * np.cos(2 * np.pi * 60 * TIMES_S)
OTHER = 20 * np.exp(-((TIMES_S / 0.002) ** 2)) * np.sin(2 * np.pi * 200 * TIMES_S)


@pytest.fixture(params=[1.0, -1.0])
def heart(request) -> Heart:
    rng = np.random.default_rng(1)
    heart = Heart(2)
    for beat in range(14):
        if beat != 11:  # which a twitch of one leg hides
            noisy = request.param * BEAT + rng.normal(size=BEAT.size)
            heart.learn(0, beat * INTERVAL_S + 0.02 * rng.standard_normal(), noisy)
    return heart


def test_a_wave_in_place_of_a_missing_beat_is_the_beat(heart):
    assert heart.beats_at(0, 11 * INTERVAL_S, BEAT)


def test_a_twitch_in_place_of_a_missing_beat_stays(heart):
    assert not heart.beats_at(0, 11 * INTERVAL_S, OTHER)
    assert not heart.beats_at(0, 11 * INTERVAL_S, 2 * BEAT)


def test_a_twitch_like_a_beat_stays_elsewhere(heart):
    assert not heart.beats_at(0, 10.5 * INTERVAL_S, BEAT)
    assert not heart.beats_at(0, 10 * INTERVAL_S - 0.05, BEAT)


def test_the_small_rest_of_a_beat_is_of_it(heart):
    after_s = 10 * INTERVAL_S + 0.06
    assert heart.beats_at(0, after_s, 0.6 * BEAT)
    assert not heart.beats_at(0, after_s, BEAT)
    assert not heart.beats_at(0, after_s, 0.6 * OTHER)


def test_a_channel_that_shows_no_beat_has_none(heart):
    assert not heart.beats_at(1, 11 * INTERVAL_S, BEAT)


def test_without_a_rhythm_there_is_no_missing_beat():
    heart = Heart(1)
    for time_s in np.cumsum(np.random.default_rng(2).exponential(0.8, 30)):
        heart.learn(0, time_s, BEAT)
    later_s = float(time_s + INTERVAL_S)
    assert not any(heart.beats_at(0, later_s + 0.1 * step, BEAT) for step in range(-5, 6))
