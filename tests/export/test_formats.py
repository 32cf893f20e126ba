import csv
import json
import weakref
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from motes import FileError, InputError, MissingExtraError, Tracks
from motes.export import check_output, formats, save_parts


def make(N=3, T=4, **more):
    rng = np.random.default_rng(0)
    return Tracks(
        rng.uniform(-5, 700, (N, T, 2)),
        rng.random((N, T)) > 0.4,
        rng.random((N, T)),
        np.column_stack([rng.integers(0, 30, N), rng.uniform(0, 99, (N, 2))]),
        rng.permutation(N) * 3,
        (640, 480),
        Fraction(30000, 1001),
        12,
        **more,
    )


@pytest.mark.parametrize("suffix", [s for s, f in formats().items() if f.read])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 4), (3, 0), (0, 0)])
def test_read_back_without_loss(tmp_path, suffix, shape):
    path = tmp_path / f"tracks{suffix}"
    make(*shape).save(path)
    assert Tracks.load(path) == make(*shape)


@pytest.mark.parametrize("suffix", [s for s, f in formats().items() if f.read])
@pytest.mark.parametrize("names", [("nose", "left, paw", ""), ("é", "a", "a")])
def test_names_and_skeleton_come_back(tmp_path, suffix, names):
    path, tracks = tmp_path / f"tracks{suffix}", make(names=names, skeleton=((0, 1), (2, 1)))
    tracks.save(path)
    assert Tracks.load(path) == tracks
    save_parts([tracks[:, :2], tracks[:, 2:]], path)
    assert Tracks.load(path) == tracks


@pytest.mark.parametrize("suffix", [s for s, f in formats().items() if f.read])
@pytest.mark.parametrize("N", [0, 1, 3])
@pytest.mark.parametrize("cuts", [(0, 7), (0, 2, 2, 5, 7), (0, 0, 7)])
def test_stretches_of_frames_in_one_file(tmp_path, suffix, N, cuts):
    path, whole = tmp_path / f"tracks{suffix}", make(N, 7)
    save_parts((whole[:, a:b] for a, b in pairwise(cuts)), path)
    assert Tracks.load(path) == whole


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_stretches_are_not_held_in_memory(tmp_path, suffix):
    given = []

    def parts():
        for t in range(20):
            part = make(2, 40)[:, 2 * t : 2 * t + 2]
            given.append(weakref.ref(part))
            yield part
            del part
            alive = sum(held() is not None for held in given)
            assert alive <= 3  # the first for its facts, this one, and the one before

    save_parts(parts(), tmp_path / f"tracks{suffix}")
    assert Tracks.load(tmp_path / f"tracks{suffix}") == make(2, 40)


@pytest.mark.parametrize("suffix", formats())
@pytest.mark.parametrize("parts", [[], [make()[:, :2], make()[:, 3:]]])
def test_stretches_that_do_not_fit_leave_no_file(tmp_path, suffix, parts):
    with pytest.raises(
        InputError, match=r"at least one|consecutive frames, got 12\.\.13, 15\.\.15"
    ):
        save_parts(parts, tmp_path / f"tracks{suffix}")
    assert not list(tmp_path.iterdir())


def test_the_expected_formats_are_there():
    assert {".npz", ".csv", ".json", ".parquet"} <= set(formats())


def test_npz_is_the_same_whole_and_in_stretches(tmp_path):
    """Name for name, type for type, and open to any reader of NumPy archives."""
    whole = make(3, 6)
    whole.save(tmp_path / "whole.npz")
    save_parts([whole[:, :2], whole[:, 2:]], tmp_path / "parts.npz")
    with np.load(tmp_path / "whole.npz") as a, np.load(tmp_path / "parts.npz") as b:
        assert a.files == b.files
        assert all(a[name].dtype == b[name].dtype for name in a.files)
        assert all(np.array_equal(a[name], b[name]) for name in a.files)


def test_csv_is_plain(tmp_path):
    make().save(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == ["id", "t", "x", "y", "visible", "confidence"]
    assert len(rows) == 12
    assert [int(r["t"]) for r in rows[:4]] == [12, 13, 14, 15]
    assert {r["visible"] for r in rows} <= {"0", "1"}


def test_csv_of_somebody_else(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,t,x,y,visible,confidence\n5,2,10,20,1,1\n5,3,11,21,0,0.5\n")
    tracks = Tracks.load(path)
    assert (tracks.ids.tolist(), tracks.frames, tracks.size) == ([5], range(2, 4), (12, 22))
    assert tracks.queries.tolist() == [[2, 10, 20]]


def test_parquet_is_plain(tmp_path):
    make().save(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column_names == ["id", "t", "x", "y", "visible", "confidence"]
    assert [str(t) for t in table.schema.types] == [
        "int64",
        "int64",
        "float",
        "float",
        "bool",
        "float",
    ]
    assert table["t"].to_pylist()[:4] == [12, 13, 14, 15]
    facts = json.loads(table.schema.metadata[b"motes"])
    assert (facts["size"], facts["fps"], facts["start"]) == ([640, 480], [30000, 1001], 12)
    assert np.array_equal(np.float32(facts["queries"]), make().queries)


def test_parquet_of_somebody_else(tmp_path):
    """Other types, another order of columns and rows, one column more, no facts."""
    path = tmp_path / "t.parquet"
    columns = {"t": [3, 2], "id": [5, 5], "label": ["a", "b"], "x": [11.0, 10.0], "y": [21.0, 20.0]}
    pq.write_table(pa.table(columns | {"visible": [0, 1], "confidence": [0.5, 1]}), path)
    tracks = Tracks.load(path)
    assert (tracks.ids.tolist(), tracks.frames, tracks.size) == ([5], range(2, 4), (12, 22))
    assert tracks.queries.tolist() == [[2, 10, 20]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1]}, "expected the columns id,t,x,y,visible,confidence, got id"),
        ({"x": [None]}, "x: expected a value in every row"),
        ({"x": ["left"]}, "expected a Parquet file of tracks; .*left"),
        ({"t": [0.5]}, "expected a Parquet file of tracks; .*0.5"),
    ],
)
def test_parquet_that_does_not_fit(tmp_path, columns, message):
    whole = {"id": [1], "t": [0], "x": [1.0], "y": [1.0], "visible": [True], "confidence": [1.0]}
    pq.write_table(
        pa.table(columns if "id" in columns else whole | columns), tmp_path / "a.parquet"
    )
    with pytest.raises(InputError, match=message):
        Tracks.load(tmp_path / "a.parquet")


def test_a_format_whose_extra_is_missing_says_so_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("motes.export.find_spec", lambda name: None)
    for step in (check_output, Tracks.load, make().save):
        with pytest.raises(MissingExtraError, match=r"pip install 'motes\[parquet\]'"):
            step(tmp_path / "t.parquet")
    make().save(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "a,b\n1,2\n", "expected the columns id,t,x,y,visible,confidence, got a,b"),
        ("a.csv", "id,t,x,y,visible,confidence\n1,2,3\n", "line 2: expected"),
        ("a.csv", "id,t,x,y,visible,confidence\n1,0,1,1,1,1\n1,2,1,1,1,1\n", "point 1 in frame 1"),
        (
            "a.csv",
            "id,t,x,y,visible,confidence\n1,0,1,1,1,1\n1,999999999999,1,1,1,1\n",
            "in frame 1,",
        ),
        ("a.csv", "id,t,x,y,visible,confidence,{\n", "expected facts about the video, got '{'"),
        ("a.parquet", "hello", "expected a Parquet file"),
        ("a.json", "{", "expected JSON"),
        ("a.json", "[]", "motes-tracks"),
        (
            "a.json",
            json.dumps({"format": "motes-tracks", "version": 9}),
            "expected version 1, got 9",
        ),
        ("a.json", json.dumps({"format": "motes-tracks", "version": 1}), "expected the fields"),
        ("a.npz", "hello", "expected a NumPy archive"),
    ],
)
def test_content_that_does_not_fit(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        Tracks.load(path)
    assert str(path) in str(caught.value)


def test_an_npz_of_something_else(tmp_path):
    np.savez(tmp_path / "a.npz", points=np.zeros(3))
    with pytest.raises(InputError, match="missing"):
        Tracks.load(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["tracks.xyz", "tracks"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(InputError, match=r"expected a track file with one of the suffixes .*\.csv"):
        make().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    make().save(path)
    before = path.read_text()
    monkeypatch.setattr("motes.export.json._plain", lambda v: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make().save(path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


def test_folders_and_files_that_are_missing(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        make().save(tmp_path / "no" / "t.csv")
    with pytest.raises(FileError, match="no such track file"):
        Tracks.load(tmp_path / "no.npz")
