"""What is kept of the detector's stages is what the detector went by."""

import numpy as np
import pytest

from emgtwitch import StreamingDetector
from emgtwitch.detection.watch import watch
from emgtwitch.event_table import event_array
from emgtwitch.simulation import SCENARIOS, simulate_recording


@pytest.fixture(scope="module", params=["all_nuisances", "myoware_14bit_2khz"])
def seen(request):
    made = simulate_recording(SCENARIOS[request.param], seed=4)
    signal_uv = made.signal_uv[:, : round(60.3 * made.sfreq)]
    return made, signal_uv, watch(signal_uv, made.sfreq, made.ch_names)


def test_the_events_are_those_of_the_detector(seen):
    made, signal_uv, stages = seen
    detector = StreamingDetector(made.sfreq, made.ch_names)
    events = detector.push(signal_uv) + detector.flush()
    final = event_array([event for event in events if not event.provisional])
    assert stages.events.tobytes() == final.tobytes()
    times = stages.events["peak_time"][stages.events["reason"] != "glitch"]
    peaks = [candidate.peak_s for candidate in stages.candidates]
    np.testing.assert_allclose(np.sort(peaks), np.sort(times[np.isfinite(times)]), atol=1e-9)
    reasons = [candidate.reason for candidate in stages.candidates]
    assert reasons.count("") == (stages.events["trial_type"] == "fasciculation").sum()


def test_each_candidate_stands_in_the_scores(seen):
    _, _, stages = seen
    assert len(stages.candidates) > 5
    for candidate in stages.candidates:
        at = int(np.argmin(np.abs(stages.score_s - candidate.time_s)))
        assert abs(stages.score_s[at] - candidate.time_s) < 1e-9
        assert stages.score[candidate.channel, at] == candidate.score >= stages.threshold


def test_signal_and_noise_are_over_the_whole_time(seen):
    made, signal_uv, stages = seen
    n_blocks = int(np.ceil(signal_uv.shape[1] / made.sfreq / stages.block_s))
    assert stages.clean_uv.shape == stages.filtered_uv.shape == signal_uv.shape
    assert stages.noise_uv.shape == stages.activity.shape == (len(made.ch_names), n_blocks)
    assert stages.score.shape == (len(made.ch_names), len(stages.score_s))
    assert 60 < stages.score_s[-1] < 60.3
    known = np.isfinite(stages.noise_uv)
    assert known.mean() > 0.9
    np.testing.assert_array_equal(stages.activity[~known], 0)
    assert np.abs(stages.filtered_uv.mean(axis=1)).max() < 1
    n = signal_uv.shape[1] // n_blocks
    power = np.square(stages.filtered_uv[:, : n_blocks // 2 * n]).reshape(-1, n_blocks // 2, n)
    told = (stages.activity * stages.noise_uv**2)[:, : n_blocks // 2]
    loud = np.isfinite(told) & (told > 0)
    ratio = told[loud] / power.mean(axis=2)[loud]
    assert 0.9 < np.median(ratio) < 1.1
