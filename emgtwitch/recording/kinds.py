"""Which format a file is, by its content; the name only has to agree with it."""

from pathlib import Path

from emgtwitch.errors import InputError
from emgtwitch.recording import openbci, opensignals
from emgtwitch.recording.delimited import looks_like_table

SUPPORTED = (
    "EDF, BDF, FIF, BrainVision (.vhdr), XDF, WAV, OpenSignals (.h5, .txt), OpenBCI text, CSV, TSV"
)
_START_BYTES = 4096
# first bytes: kind
_MAGIC = {
    b"\xffBIOSEMI": "bdf",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"XDF:": "xdf",
    b"RIFF": "wav",
    b"RIFX": "wav",
    # the first tag of a FIF file: kind 100 (file id), type 31, 20 bytes long
    b"\x00\x00\x00\x64\x00\x00\x00\x1f\x00\x00\x00\x14": "fif",
    b"Brain Vision Data Exchange Header": "vhdr",
    b"BrainVision Data Exchange Header": "vhdr",
    opensignals.SIGNATURE.encode(): "opensignals",
    openbci.SIGNATURE.encode(): "openbci",
    b"# Simple Text Format": "simple",
    b"Label: ": "delsys",
}
# first bytes: what it is, and what to do
_FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Office file", "save the sheet as CSV"),
    b"\xfd7zXZ": ("compressed (xz; R data are)", "unpack it, or save it as CSV"),
    b"\x1f\x8b": ("compressed (gzip)", "unpack it"),
    b"BZh": ("compressed (bzip2)", "unpack it"),
    b"RDX": ("R data", "save it as CSV"),
    b"MATLAB": ("a MATLAB file", "save it as CSV or EDF"),
    b"\x93NUMPY": ("a numpy array", "save it as CSV, or use mne.io.RawArray"),
    b"%PDF": ("a PDF document", "export the signal itself"),
    b"SQLite": ("a database", "export it as CSV"),
    b"Brain Vision Data Exchange Marker": ("the marker file", "give the .vhdr file beside it"),
    b"\x80\x04\x95": ("a Python pickle, which can run code", "save it as CSV"),
}
_BY_SUFFIX = {
    ".edf": "edf",
    ".bdf": "bdf",
    ".fif": "fif",
    ".vhdr": "vhdr",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".xdf": "xdf",
    ".wav": "wav",
}
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_TEXT_KINDS = ("opensignals", "openbci", "simple", "delsys", "table")
_ONLY_BY_NAME = ("edf", "bdf", "fif", "vhdr")  # MNE goes by the name


def kind_of(path: Path) -> str:
    """Return the format of a file: a key of the readers of `emgtwitch.recording.read`.

    Raises
    ------
    InputError
        Empty, of no supported format, or of another one than its name says.
    """
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if not start:
        raise InputError(f"{path}: the file is empty")
    for magic, (what, advice) in _FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{path}: this is {what}; {advice}. Read are: {SUPPORTED}")
    plain = start.removeprefix(b"\xef\xbb\xbf")  # the byte order mark of UTF-8
    kind = next((kind for magic, kind in _MAGIC.items() if plain.startswith(magic)), None)
    if kind is None:
        kind = "edf" if _is_edf(start) else "table" if _is_text(start) else None
    expected = _BY_SUFFIX.get(path.suffix.lower())
    if kind is None:
        if path.suffix.lower() in (".eeg", ".dat") and path.with_suffix(".vhdr").exists():
            raise InputError(f"{path}: give the .vhdr file beside it")
        what = f"damaged, or no {expected.upper()} file" if expected else "no format that is known"
        raise InputError(f"{path}: {what}. Read are: {SUPPORTED}")
    found = "text" if kind in _TEXT_KINDS else kind.upper()
    if expected not in (None, kind) or (expected is None and kind in _ONLY_BY_NAME):
        raise InputError(f"{path}: its content is {found}, which its name does not say; rename it")
    return kind


def is_recording(path: Path) -> bool:
    """Return whether a file in a folder is a recording: by its suffix, or as a table of numbers."""
    if not path.is_file() or path.name.startswith("."):
        return False
    if path.suffix.lower() in _BY_SUFFIX:
        return True
    if path.suffix.lower() not in _TEXT_SUFFIXES:
        return False
    try:
        kind = kind_of(path)
    except (InputError, OSError):
        return False
    return kind in _TEXT_KINDS and (kind != "table" or looks_like_table(path))


def _is_edf(start: bytes) -> bool:
    return start.startswith(b"0       ") and not any(mark in start[:256] for mark in b"\r\n\t\0")


def _is_text(start: bytes) -> bool:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return b"\0" not in start and sum(byte < 32 and byte not in b"\t\r\n\f" for byte in start) == 0
