"""Files of other programs, byte by byte."""

from pathlib import Path

import pytest

from export.samples import GOLDEN_Q, GOLDEN_S
from motes.export import find_format, save

GOLDEN = Path(__file__).parent / "golden"
INPUTS = {"s": GOLDEN_S, "q": GOLDEN_Q}


@pytest.mark.parametrize("name", sorted(p.name for p in GOLDEN.iterdir()))
def test_golden_file(tmp_path, name):
    tracks = INPUTS[name[0]]
    one_point = find_format(name).points == 1
    save(tracks[:1] if one_point else tracks, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()
