"""What the noise does while a recording lasts: it changes its spectrum, or the heart is in it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import toeplitz
from scipy.signal import butter, sosfilt

from emgtwitch import StreamingDetector
from emgtwitch.detection.front_end import band_pass
from emgtwitch.detection.statistic import make_bank, noise_responses, whitened_bank

SFREQ, SECONDS = 1000.0, 60
TIMES_S = np.arange(round(SFREQ * SECONDS)) / SFREQ
NOISE_UV = 4.0
N_CHANCE = 3  # of 6 false alarms per hour, in two channels over a minute; more has p < 10^-4


def detected(signal, **settings):
    """Return the table of twitches, the whole table, and the account of each channel."""
    detector = StreamingDetector(SFREQ, ["calf_L", "calf_R"], **settings)
    events = [e for e in detector.push(signal) + detector.flush() if not e.provisional]
    twitches = [e for e in events if e.trial_type == "fasciculation" and e.reason == "n/a"]
    return twitches, events, detector.account()


def banded(rng, uv, low_hz, high_hz):
    sos = butter(2, [low_hz, high_hz], btype="bandpass", fs=SFREQ, output="sos")
    noise = sosfilt(sos, rng.standard_normal((2, TIMES_S.size)), axis=1)
    return uv * noise / noise.std()


def potentials(times_s, uv):
    """One wave of 4 ms at each of these times, the right leg 0.6 s after the left one."""
    signal = np.zeros((2, TIMES_S.size))
    for leg, later_s in enumerate((0.0, 0.6)):
        for time in times_s:
            u = (TIMES_S - time - later_s) / 0.002
            signal[leg] += uv * (u**2 - 1) * np.exp(-(u**2) / 2)
    return signal


def hits(times_s, twitches):
    """How many of these twitches there are, of both legs."""
    later_s = {"calf_L": 0.0, "calf_R": 0.6}
    return sum(
        np.abs(times_s + later_s[event.channel] - event.peak_time).min() < 0.01
        for event in twitches
    )


CHANGES = {
    "starts in a contraction": lambda rng: banded(rng, 300, 40, 150) * (TIMES_S < 10),
    "starts in weak effort": lambda rng: banded(rng, 20, 40, 150) * (TIMES_S < 20),
    "slow noise begins": lambda rng: banded(rng, 6, 2, 40) * (TIMES_S > 30),
    "slow noise ends": lambda rng: banded(rng, 10, 2, 40) * (TIMES_S < 30),
    "a vibration ends": lambda rng: 80 * np.sin(2 * np.pi * 30 * TIMES_S) * (TIMES_S < 30),
    "hum of another mains ends": lambda rng: 300 * np.sin(100 * np.pi * TIMES_S) * (TIMES_S < 30),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_noise_is_no_twitch(change):
    rng = np.random.default_rng(11)
    noise = rng.normal(0, NOISE_UV, (2, TIMES_S.size))
    twitches, _, accounts = detected(noise + CHANGES[change](rng), mains="60")
    assert len(twitches) <= N_CHANCE
    assert all(account.valid_s > 0.7 * SECONDS for account in accounts)
    # ... and what comes after it is found, against the noise of then.
    at_s = np.arange(48.0, 58, 2)
    found, _, _ = detected(noise + CHANGES[change](rng) + potentials(at_s, 60), mains="60")
    assert hits(at_s, found) == 2 * at_s.size


def test_responses_give_the_energy_that_the_bank_finds_in_noise():
    bank = make_bank(band_pass(SFREQ), SFREQ, 1)
    rng = np.random.default_rng(3)
    n = len(bank.shapes)
    spectrum = rng.uniform(0.5, 2, (2, n))
    autocovariance = np.fft.irfft(spectrum, 2 * n - 2)[:, :n]
    bank_of_first = whitened_bank(bank, autocovariance[:1])
    responses = noise_responses(bank_of_first)
    assert_allclose(responses[0] @ autocovariance[0], 2, rtol=1e-5)  # two orders, variance 1
    covariance = toeplitz(autocovariance[1])
    energy = np.einsum("ws,wv,vs->s", bank_of_first[0], covariance, bank_of_first[0])
    assert_allclose(responses[0] @ autocovariance[1], energy.reshape(-1, 2).sum(axis=1), rtol=1e-5)


def test_one_sample_lost_in_each_packet_costs_no_time_and_no_twitch():
    signal = np.random.default_rng(5).normal(0, NOISE_UV, (2, TIMES_S.size))
    at_s = np.arange(3.0, SECONDS - 2, 1.37)
    signal += potentials(at_s, 60)
    whole, _, _ = detected(signal)
    assert hits(at_s, whole) == 2 * at_s.size
    lossy = signal.copy()
    lossy[:, 50::100] = np.nan
    found, _, accounts = detected(lossy)
    assert all(account.excluded_s["gap"] == 0 for account in accounts)
    assert hits(at_s, found) == 2 * at_s.size
    assert len(found) <= len(whole) + N_CHANCE


def test_samples_lost_in_hum_are_no_twitch():
    rng = np.random.default_rng(6)
    signal = rng.normal(0, NOISE_UV, (2, TIMES_S.size))
    signal += 1000 * np.sin(2 * np.pi * 50.03 * TIMES_S)
    signal[:, rng.integers(20, TIMES_S.size - 20, 5 * SECONDS)] = np.nan
    twitches, _, accounts = detected(signal)
    assert len(twitches) <= N_CHANCE
    assert all(account.valid_s > 0.9 * SECONDS for account in accounts)
