"""The window of a review: the signal and its marks in the browser of MNE, drawn by matplotlib.

That browser draws marks over all channels, whatever channel they name, so the labels tell it. It
is used even where MNE has another, so that a review works the same everywhere.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.detection.detections import Detections
from emgtwitch.errors import InputError
from emgtwitch.event_table import is_twitch
from emgtwitch.review.decisions import ADD, REJECTED_MARK, TWITCH, Mark

if TYPE_CHECKING:
    import mne

SHOWN_S = 5.0
HIGHPASS_HZ = 20.0  # movement is mostly below (De Luca et al. 2010, J Biomech 43:1573)
LEAST_UV, USUAL_UV = 10.0, 100.0
_LEAST_SPAN_S = 0.005  # that can be drawn; MNE asks for 0.1 s, in which several twitches fit
NOT_SHOWN = "marks not shown here"
# They stay apart for all kinds of colour vision (Okabe & Ito 2008).
_COLOURS = {TWITCH: "#0072B2", ADD: "#009E73", REJECTED_MARK: "#D55E00"}
_OTHER_COLOUR = "#888888"
_SIZE_IN = (13, 8)


class Window:
    """A recording with its marks, to be changed by hand.

    Parameters
    ----------
    raw
        The recording.
    found
        What was detected in it: channels, sides, sizes.
    marks
        The marks to show.
    title
        Of the window.
    part_s
        Show only the marks from here to there, s. MNE draws every mark each time, so that with
        thousands of them the window is slow.
    """

    def __init__(
        self,
        raw: "mne.io.Raw",
        found: Detections,
        marks: list[Mark],
        title: str,
        part_s: tuple[float, float] = (0.0, np.inf),
    ) -> None:
        import mne

        end_s = raw.n_times / raw.info["sfreq"]
        first_s, last_s = self._part_s = part_s[0], min(part_s[1], end_s)
        self._hidden = [mark for mark in marks if mark.stop_s < first_s or mark.start_s > last_s]
        marks = [mark for mark in marks if mark not in set(self._hidden)]
        beyond = [(0.0, first_s), (last_s, end_s)]
        marks += [Mark(start, stop, NOT_SHOWN) for start, stop in beyond if stop > start]

        sides = dict(zip(found.ch_names, found.sides, strict=True))
        names = sorted(found.ch_names, key=lambda name: ("left", "right", None).index(sides[name]))
        shown = raw.copy().pick(names)
        _annotate(shown, marks)
        # What the browser filters for display must be a type of brain data; nothing else changes.
        shown.set_channel_types(dict.fromkeys(names, "eeg"))
        with mne.use_log_level("error"), mne.viz.use_browser_backend("matplotlib"):
            self._figure: Any = shown.plot(
                order=[shown.ch_names.index(name) for name in names],
                n_channels=len(names),
                start=first_s,
                duration=SHOWN_S,
                highpass=HIGHPASS_HZ,
                scalings={"eeg": scale_uv(found) * 1e-6},
                clipping=None,
                title=title,
                show=False,
            )
        self._figure.set_size_inches(_SIZE_IN)
        self._raw = shown
        self._offer_labels(names)
        self.seen_s: list[tuple[float, float]] = []
        """Stretches that have been on the screen, s."""
        self._figure.canvas.mpl_connect("draw_event", self._drawn)

    def wait(self) -> None:
        """Show the window until it is closed."""
        import mne
        from matplotlib import pyplot

        with mne.use_log_level("error"):  # it tells about bad channels at the end
            pyplot.show(block=True)

    def close(self) -> None:
        """Close the window."""
        from matplotlib import pyplot

        pyplot.close(self._figure)

    def marks(self) -> list[Mark]:
        """Return the marks as they are now, those that are not shown included."""
        annotations = self._raw.annotations
        offset = 0.0 if annotations.orig_time is None else self._raw.first_time
        return self._hidden + [
            Mark(float(onset - offset), float(onset - offset + duration), str(label))
            for onset, duration, label in zip(
                annotations.onset, annotations.duration, annotations.description, strict=True
            )
        ]

    def _offer_labels(self, names: list[str]) -> None:
        """Let marks be drawn that are not there yet, and give each kind a colour."""
        browser = self._figure.mne
        browser.new_annotation_labels += [
            f"{kind} {name}" for kind in (TWITCH, ADD) for name in names
        ]
        labels = {*browser.new_annotation_labels, *self._raw.annotations.description}
        for label in labels:
            kind = label.split(" ")[0]
            browser.annotation_segment_colors[label] = _COLOURS.get(kind, _OTHER_COLOUR)
        self._figure._setup_annotation_colors()
        self._figure._draw_annotations()

    def _drawn(self, _: object) -> None:
        browser = self._figure.mne
        start = float(browser.t_start - browser.first_time)
        first_s, last_s = self._part_s
        shown_s = (max(start, first_s), min(start + float(browser.duration), last_s))
        if shown_s[0] < shown_s[1]:
            self.seen_s.append(shown_s)
        selector = getattr(browser.ax_main, "selector", None)  # there once marks can be drawn
        if selector is not None:
            selector.minspan = _LEAST_SPAN_S


def need_screen() -> None:
    """Refuse to go on where no window can be opened.

    Raises
    ------
    InputError
        matplotlib has no backend with windows here; the message says what to install.
    """
    import matplotlib
    from matplotlib import pyplot
    from matplotlib.backends import BackendFilter, backend_registry

    backend = matplotlib.get_backend()
    windows = backend_registry.list_builtin(BackendFilter.INTERACTIVE)
    try:
        if backend.lower() not in windows:
            raise ImportError(f"the backend of matplotlib is {backend}")
        pyplot.switch_backend(backend)
    except ImportError as error:
        raise InputError(
            f"a review needs a window, and none can be opened here ({error}); use a computer with "
            "a screen, or ssh -X, and install a toolkit for windows: pip install PySide6, or on "
            "Debian and Ubuntu apt install python3-tk"
        ) from error


def scale_uv(found: Detections) -> float:
    """Return the height of the display at which most twitches can be judged, µV from the middle."""
    sizes = found.events["amplitude_uv"][is_twitch(found.events)]
    sizes = sizes[np.isfinite(sizes)]
    return max(LEAST_UV, float(np.percentile(sizes, 90)) / 2) if len(sizes) else USUAL_UV / 2


def _annotate(raw: "mne.io.Raw", marks: list[Mark]) -> None:
    """Put marks onto a recording, beside those that it has itself."""
    import mne

    own = raw.annotations
    offset = 0.0 if own.orig_time is None else raw.first_time
    last = raw.times[-1]
    spans = [
        (onset - offset, duration, text)
        for onset, duration, text in zip(own.onset, own.duration, own.description, strict=True)
        if text.split(" ")[0] not in _COLOURS
    ]
    spans += [(mark.start_s, mark.stop_s - mark.start_s, mark.label) for mark in marks]
    kept = [span for span in spans if span[0] < last]
    channels = {name: (name,) for name in raw.ch_names}
    raw.set_annotations(
        mne.Annotations(
            [onset for onset, _, _ in kept],
            [min(duration, last - onset) for onset, duration, _ in kept],
            [text for _, _, text in kept],
            ch_names=[channels.get(_channel(text), ()) for _, _, text in kept],
        )
    )


def _channel(label: str) -> str:
    """Return the channel in a label such as ``rejected calf_L: motion``."""
    return label.partition(" ")[2].split(": ")[0]
