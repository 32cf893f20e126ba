"""The notebook runs from its first cell to its last, in a kernel of its own."""

from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "docs/notebooks/tour.ipynb"


def test_the_tour_runs(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("ipympl")
    notebook = nbformat.read(TOUR, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    done = nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    text = "".join(str(cell.get("outputs", "")) for cell in done.cells)
    assert "64 points" in text
    assert {p.name for p in tmp_path.iterdir()} == {"tour.csv", "tour.mp4"}
