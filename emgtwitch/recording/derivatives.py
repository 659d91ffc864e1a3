"""Where results on a recording of an EMG-BIDS data set belong: in its ``derivatives``."""

from pathlib import Path

from emgtwitch import __version__
from emgtwitch.errors import InputError
from emgtwitch.recording.bids import is_bids_recording
from emgtwitch.recording.study_files import BIDS_VERSION, DESCRIPTION, write_json

_DERIVATIVE = Path("derivatives", "emgtwitch")
_DEEPEST = 4  # data set / subject / session / emg


def dataset_of(recording: Path) -> Path | None:
    """Return the folder of the EMG-BIDS data set that a recording belongs to, or None."""
    if not is_bids_recording(recording):
        return None
    above = recording.absolute().parents[1:_DEEPEST]
    return next((folder for folder in above if (folder / DESCRIPTION).is_file()), None)


def derivative_path(dataset: Path, recording: Path, suffix: str) -> Path:
    """Return where a result on a recording lies.

    Parameters
    ----------
    dataset
        As `dataset_of` returned it.
    recording
        Its recording, ``…_emg.bdf`` or ``…_emg.edf``.
    suffix
        What takes the place of ``emg.bdf``, such as ``events.tsv``.
    """
    inside = recording.absolute().relative_to(dataset)
    stem = recording.stem.removesuffix("emg")
    return dataset / _DERIVATIVE / inside.parent / f"{stem}{suffix}"


def make_derivative_folder(dataset: Path, path: Path) -> None:
    """Make the folder of `path`, and the description that a derivative data set must have.

    Raises
    ------
    InputError
        The data set is read-only.
    """
    description = dataset / _DERIVATIVE / DESCRIPTION
    about = {
        "Name": "Twitches found by emgtwitch",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "emgtwitch", "Version": __version__}],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not description.exists():
            write_json(description, about)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
