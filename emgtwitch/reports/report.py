"""The report: pages put together by MNE-Python into one file that needs no other."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

from emgtwitch import __version__
from emgtwitch.errors import InputError
from emgtwitch.event_table import whole_file
from emgtwitch.reports.page_answer import page_answer
from emgtwitch.reports.page_methods import page_methods
from emgtwitch.reports.page_recording import page_recording
from emgtwitch.reports.page_recordings import page_recordings
from emgtwitch.reports.view import View

TITLE = "Muscle twitches, left against right"
_MARK = "<!-- report by emgtwitch -->"
# What is changed in the template of MNE-Python.
_TEMPLATE = (
    (r"^<!DOCTYPE html>", f"<!DOCTYPE html>\n{_MARK}"),
    (
        r'<meta charset="UTF-8">',
        '<meta charset="UTF-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ),
    (r'<span class="mx-2 fs-3">(.*?)</span>', r'<h1 class="mx-2 fs-3">\1</h1>'),
    (r'<nav class="navbar fixed-top', '<nav aria-label="Title" class="navbar fixed-top'),
    (r'<h5 class="px-1">Table of contents</h5>', ""),
    (r'(<nav [^>]*)id="toc-navbar"', r'\1id="toc-navbar" aria-label="Table of contents"'),
    (r'<div id="content"', '<div id="content" role="main"'),
    # A link inside a button can be reached by no keyboard.
    (r'<span class="me-auto"><a [^>]*>(.*?)</a></span>', r'<span class="me-auto">\1</span>'),
    (r"Created on [\d :-]+ via", f"emgtwitch {__version__}, with"),
)


def write_report(
    path: str | os.PathLike[str],
    view: View,
    *,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> None:
    """Write the report of a study as one HTML file, whole or not at all.

    The same study gives the same file, byte by byte, with the same versions of the software.

    Parameters
    ----------
    path
        File to write.
    view
        The study.
    progress
        Goes over the numbers of the recordings, and may show how far it is.

    Raises
    ------
    InputError
        There is no such folder, or it is read-only.
    """
    import mne

    report = mne.Report(title=TITLE, verbose="error")
    report.add_custom_css(resources.files(__package__).joinpath("report.css").read_text("utf-8"))
    _add(report, "The answer", page_answer(view))
    if len(view.recordings) > 1:
        _add(report, "All recordings", page_recordings(view))
    for k in progress(range(len(view.recordings))):
        recording = view.recordings[k]
        # The template makes it an identifier, which must begin with a letter.
        title = f"Recording {k + 1}: {view.label(recording, 60)}"
        _add(report, title, page_recording(view, k))
    _add(report, "Methods", page_methods(view))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        report.save(file, open_browser=False, verbose="error")
        text = file.read_text(encoding="utf-8")
    try:
        with whole_file(path) as final:
            final.write(_finished(text))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def is_report(path: Path) -> bool:
    """Return whether a file is a report that `write_report` wrote."""
    with path.open("rb") as file:
        return _MARK.encode() in file.read(200)


def _add(report: object, title: str, page: str) -> None:
    report.add_html(page, title=title, tags=("page",))  # type: ignore[attr-defined]


def _finished(text: str) -> str:
    """Return the HTML with what the template lacks: a width for phones, headings, landmarks.

    The time at which it was made is left out, so that the same study gives the same file.
    """
    for old, new in _TEMPLATE:
        text = re.sub(old, new, text)
    return text
