"""The figures: everything that is drawn lies inside, and can be seen."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.markers import CARETUP
from report_studies import diary, source, treated

from emgtwitch.reports.figures_study import _draw, _places, _symptoms, goes_on
from emgtwitch.reports.figures_waveforms import _examples
from emgtwitch.reports.page_answer import page_answer
from emgtwitch.reports.view import view_of
from emgtwitch.reports.waveforms import Example


def panels(view):
    figure = Figure()
    places = _places(view.recordings)
    felt = _symptoms(view, places)
    _draw(figure, view, places, felt, [1.0, 1.0, 1.0] if felt else [1.0, 1.0])
    return figure.axes


def points(ax):
    """Return x and y of every mark and of every end of an interval."""
    lines = [line for line in ax.lines if line.get_transform() == ax.transData]
    x = [line.get_xdata() for line in lines]
    y = [line.get_ydata() for line in lines]
    for drawn in ax.collections:
        for path in drawn.get_paths():
            x.append(path.vertices[:, 0])
            y.append(path.vertices[:, 1])
    return np.concatenate([np.ravel(v) for v in x]), np.concatenate([np.ravel(v) for v in y])


def undated(n):
    return [source({"calf_L": 30, "calf_R": 60}, seed=k) for k in range(n)]


def of_a_day(n):
    return [source({"calf_L": 30, "calf_R": 60}, 0.01 * k, seed=k) for k in range(n)]


def dated(n):
    return [source({"calf_L": 30, "calf_R": 60}, 5 * k) for k in range(n)]


def short(n):
    return [source({"calf_L": 1, "calf_R": 0}, k, seconds=20.0) for k in range(n)]


def exercised(n):
    days = range(0, 3 * n, 3)
    return [
        source({"calf_L": 30, "calf_R": 60}, day + later, state)
        for day in days
        for later, state in ((0, "rest"), (0.02, "post-exercise"))
    ]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("study", [undated, of_a_day, dated, short, exercised])
def test_every_point_lies_inside(study, n):
    lie_inside(view_of(study(n)))


def test_every_point_of_many_lies_inside():
    lie_inside(view_of(undated(45)))


def lie_inside(view):
    for ax in panels(view):
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        x, y = points(ax)
        margin = 0.01 * (right - left)  # a mark is drawn whole
        assert left + margin < x.min()
        assert x.max() < right - margin
        assert bottom <= y.min()
        assert y.max() <= top


@pytest.mark.parametrize("made", [diary(), treated()])
def test_days_without_a_recording_lie_inside(made):
    for ax in panels(view_of(made)):
        x, _ = points(ax)
        assert ax.get_xlim()[0] < x.min()
        assert x.max() < ax.get_xlim()[1]


def test_an_interval_that_is_cut_is_seen_to_go_on():
    told = "An arrow head: the interval goes on"
    for made, cut in ((short(1), True), (dated(3), False)):
        view = view_of(made)
        arrows = [line for line in panels(view)[0].lines if line.get_marker() == CARETUP]
        assert any(len(line.get_xdata()) for line in arrows) == cut
        assert goes_on(view) == cut
        assert (told in page_answer(view)) == cut


def test_each_example_has_a_scale_of_its_own():
    times_s = np.arange(-50, 51) / 1000
    shape = np.exp(-((times_s / 0.005) ** 2))
    sizes = (500.0, 46.0, 9000.0)
    examples = [Example("calf_L", "left", 1.0, "shape", times_s, size * shape) for size in sizes]
    ax = Figure().subplots()
    _examples(ax, examples)
    waves = [line for line in ax.lines if len(line.get_xdata()) == len(times_s)]
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2]
    told = [text.get_text() for text in ax.texts if text.get_text().endswith(" µV")]
    assert told == ["500 µV", "20 µV", "5000 µV"]
    for wave, bar, size, label in zip(waves, bars, sizes, told, strict=True):
        height_of_one_uv = np.ptp(wave.get_ydata()) / np.ptp(size * shape)
        assert wave.get_ydata().max() == 1
        uv = float(label.removesuffix(" µV"))
        np.testing.assert_allclose(np.ptp(bar.get_ydata()), uv * height_of_one_uv)
    assert ax.get_xlim()[0] < min(line.get_xdata()[0] for line in bars)
