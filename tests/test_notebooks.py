"""The notebooks run from a clone, in any folder, and come without results."""

import base64
import re
from pathlib import Path

import matplotlib
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """Run without what is set up for the user, so that the kernel is that of this Python."""
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # its old folders are deprecated
    monkeypatch.setenv("MATPLOTLIBRC", str(Path(matplotlib.get_data_path()) / "matplotlibrc"))


def pictures(cell):
    """Return the PNG files among the results of a cell."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [base64.b64decode(one["image/png"]) for one in data if "image/png" in one]


def test_there_are_three():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3"]


def test_links_lead_somewhere():
    texts = [path.read_text(encoding="utf-8") for path in NOTEBOOKS]
    links = [link for text in texts for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert len(links) > 3
    assert [link for link in links if not (NOTEBOOKS[0].parent / link).is_file()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, nobody, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    results = [output for cell in code for output in cell.outputs]
    told = [output.text for output in results if output.get("name") == "stderr"]
    assert told == []  # as warnings would be
    drawn = [picture for cell in code for picture in pictures(cell)]
    drawing = [cell for cell in code if re.search(r"^plt\.show|^overview\(", cell.source, re.M)]
    assert len(drawn) == len(drawing) >= 3
    assert all(picture.startswith(PNG) and len(picture) > 10_000 for picture in drawn)
    assert list(folder.iterdir()) == []
