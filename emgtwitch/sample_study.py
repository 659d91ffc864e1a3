"""The sample study that comes with emgtwitch: where it lies, and what it holds."""

from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from pathlib import Path

from emgtwitch.comparison.occasions import AFTER_EXERCISE, occasions_of
from emgtwitch.errors import InputError
from emgtwitch.recording.bids import find_recordings

_CONDITIONS = {AFTER_EXERCISE: "after exercise"}


@dataclass(frozen=True)
class StudyRecording:
    """One recording: its file, under which condition it was made, and its true events."""

    path: Path
    condition: str
    truth: Path

    def title(self, start: datetime) -> str:
        """Return what a picture of it is to be called; it says that nobody was recorded."""
        return f"{start.day} {start:%B %Y, %H:%M} · {self.condition} · simulated"


@dataclass(frozen=True)
class Study:
    """The recordings in order of time, and the treatment between them."""

    recordings: tuple[StudyRecording, ...]
    treatment: str
    treatment_date: date


def sample_folder() -> Path:
    """Return the folder of the sample study, installed or in a source tree.

    Raises
    ------
    InputError
        It is in neither place.
    """
    package = Path(str(resources.files("emgtwitch")))
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if (folder / "dataset_description.json").is_file():
            return folder
    raise InputError("the sample study is not installed; make one: emgtwitch simulate study DIR")


def read_study(folder: Path) -> Study:
    """Return what a study written by ``emgtwitch simulate study`` holds.

    Raises
    ------
    InputError
        It holds no recordings.
    """
    found = find_recordings(folder)
    occasions = dict(zip(found, occasions_of(found), strict=True))
    recordings = []
    for path in sorted(found, key=lambda path: occasions[path].start or datetime.max):
        truth = folder / "derivatives" / "truth" / path.parent.relative_to(folder)
        condition = occasions[path].condition
        recordings.append(
            StudyRecording(
                path,
                _CONDITIONS.get(condition, condition),
                truth / f"{path.stem.removesuffix('_emg')}_truth.tsv",
            )
        )
    treatment = occasions[found[0]].treatments[0]
    return Study(tuple(recordings), treatment.text, treatment.day)
