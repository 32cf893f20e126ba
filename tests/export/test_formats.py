import csv
import json
import weakref
import zipfile
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, apply, bounded
from motes import FileError, InputError, MissingExtraError, Tracks
from motes.export import check_output, formats, save_parts

READABLE = [suffix for suffix, found in formats().items() if found.lossless]


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


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 4), (3, 0), (0, 0)])
def test_read_back_without_loss(tmp_path, suffix, shape):
    path = tmp_path / f"tracks{suffix}"
    make(*shape).save(path)
    assert Tracks.load(path) == make(*shape)


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("N", [0, 3])
def test_times_of_a_variable_frame_rate_come_back(tmp_path, suffix, N):
    path, tracks = tmp_path / f"tracks{suffix}", make(N, times=[0.5, 0.7 + 1e-9, 1.1, 3.2])
    tracks.save(path)
    assert Tracks.load(path) == tracks
    save_parts([tracks[:, :1], tracks[:, 1:]], path)
    assert Tracks.load(path) == tracks
    tracks[:, :0].save(path)
    assert Tracks.load(path).num_frames == 0


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("names", [("nose", "left, paw", ""), ("é", "a", "a")])
def test_names_and_skeleton_come_back(tmp_path, suffix, names):
    path, tracks = tmp_path / f"tracks{suffix}", make(names=names, skeleton=((0, 1), (2, 1)))
    tracks.save(path)
    assert Tracks.load(path) == tracks
    save_parts([tracks[:, :2], tracks[:, 2:]], path)
    assert Tracks.load(path) == tracks
    tracks[:, :0].save(path)
    assert Tracks.load(path) == tracks[:, :0]


@pytest.mark.parametrize("suffix", READABLE)
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


@pytest.mark.parametrize("suffix", READABLE)
def test_a_hundred_thousand_points(tmp_path, suffix):
    """More than 5,000 points made a header cell that no reader takes."""
    path, tracks = tmp_path / f"tracks{suffix}", make(100_000, 1)
    tracks.save(path)
    assert Tracks.load(path) == tracks


def test_no_cell_of_a_csv_is_too_long_for_a_spreadsheet(tmp_path):
    for name, tracks in {"frames": make(3000, 2), "none": make(3000, 0)}.items():
        path = tmp_path / f"{name}.csv"
        tracks.save(path)
        with path.open(newline="") as file:
            assert max(len(cell) for row in csv.reader(file) for cell in row) < 1000
        assert Tracks.load(path) == tracks


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("T", [0, 2])
def test_ids_keep_their_order_and_every_digit(tmp_path, suffix, T):
    path, ids = tmp_path / f"tracks{suffix}", [2, 3, 1, 0, -(2**62) - 1]
    Tracks(np.zeros((5, T, 2)), np.ones((5, T)), ids=ids, size=(9, 9)).save(path)
    assert Tracks.load(path).ids.tolist() == ids


def test_a_csv_from_before_the_query_columns(tmp_path):
    path = tmp_path / "t.csv"
    facts = {"size": [640, 480], "fps": [24, 1], "start": 2, "queries": [[2, 0.1, 7]] * 2}
    cell = json.dumps(facts).replace('"', '""')
    rows = "\n".join(f"{i},{t},1,2,1,1" for i in (5, 4) for t in (2, 3))
    path.write_text(f'id,t,x,y,visible,confidence,"{cell}"\n{rows}\n')
    tracks = Tracks.load(path)
    assert (tracks.ids.tolist(), tracks.fps, tracks.size) == ([5, 4], 24, (640, 480))
    assert tracks.queries.tolist() == [[2, np.float32(0.1), 7]] * 2


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_byte_order_mark_is_skipped(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    make().save(path)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert Tracks.load(path) == make()


def test_a_csv_that_was_sorted_and_cut(tmp_path):
    """What is left of the queries is kept."""
    path, tracks = tmp_path / "t.csv", make(2, 4)
    tracks.save(path)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[:0:-1]]) + "\n")
    with pytest.raises(InputError, match="frame 12"):
        Tracks.load(path)
    path.write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert Tracks.load(path) == tracks[[1, 0]]
    rows[0] = rows[0].rsplit(",", 3)[0] + ",,,"
    path.write_text("\n".join([header, *rows]) + "\n")
    back = Tracks.load(path)
    assert np.array_equal(back.queries[1], tracks.queries[1])
    assert back.queries[0, 0] in tracks.frames


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
    monkeypatch.setattr("motes.export.base.find_spec", lambda name: None)
    for step in (check_output, Tracks.load, make().save):
        with pytest.raises(MissingExtraError, match=r"pip install 'motes\[parquet\]'"):
            step(tmp_path / "t.parquet")
    make().save(tmp_path / "t.csv")


def json_of(**changes):
    fields = {"format": "motes-tracks", "version": 1, "frames": 1, "xy": [[[1, 2]]]}
    fields |= {"visible": [[1]], "confidence": [[1]], "queries": [[0, 1, 2]], "ids": [0]}
    return json.dumps(fields | {"size": [9, 9], "fps": [25, 1], "start": 0} | changes)


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
        ("a.csv", "id,t,x,y,visible,confidence\n1,0.7,1,1,1,1\n", "line 2: expected .*0.7"),
        ("a.csv", "id,t,x,y,visible,confidence\n1,nan,1,1,1,1\n", "line 2: expected .*nan"),
        ("a.csv", "id,t,x,y,visible,confidence\n1e300,0,1,1,1,1\n", "line 2: expected .*1e300"),
        ("a.csv", "id,t,x,y,visible,confidence\n1,0,nan,1,1,1\n", "x: expected finite numbers"),
        ("a.csv", "id,t,x,y,visible,confidence\n1,0,1,1,0.5,1\n", "line 2: expected .*0.5"),
        (
            "a.csv",
            "id,t,x,y,visible,confidence\n1,0,1,1,1,1\n1,0,2,2,1,1\n",
            "frame 0, got several",
        ),
        (
            "a.csv",
            'id,t,x,y,visible,confidence,"{""fps"":[1,0]}"\n',
            "fps: expected a positive number",
        ),
        ("a.csv", "id,t,x,y,visible,confidence\n" + "1" * 200_000, "field larger than"),
        ("a.json", "[" * 200_000, "expected JSON"),
        ("a.json", json_of(fps=[1, 0]), "fps: expected a positive number"),
        ("a.json", json_of(fps="fast"), "fps: expected a positive number"),
        ("a.json", json_of(size=[1]), "size: expected positive"),
        ("a.json", json_of(size={"w": 1}), "size: expected whole numbers"),
        ("a.json", json_of(frames="many"), "frames: expected whole numbers"),
        ("a.json", json_of(frames=10**30), "frames: expected whole numbers"),
        ("a.json", json_of(frames=-4), r"xy: expected shape \[1, -4, 2\]"),
        ("a.json", json_of(ids=[0.7]), "ids: expected whole numbers, got 0.7"),
        ("a.json", json_of(ids=None), "ids: expected whole numbers"),
        ("a.json", json_of(xy=[[[1, 2], [3]]]), "xy: expected real numbers"),
        (
            "a.json",
            json_of(queries=[[0.5, 1, 1]]),
            "queries: frame numbers: expected whole numbers, got 0.5",
        ),
        ("a.json", json_of(start=float("nan")), "start: expected whole numbers, got nan"),
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


def npz_of(path, **changes):
    """An archive with fields of tracks; a pair (dtype, shape) becomes a header without content."""
    fields = make().to_dict() | changes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in fields.items():
            with archive.open(f"{name}.npy", "w") as file:
                if isinstance(value, dict):
                    np.lib.format.write_array_header_1_0(file, value)
                else:
                    np.lib.format.write_array(file, np.asarray(value))


HUGE = {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6, 2)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xy": HUGE}, r"reading these arrays needs 16,000\.0 GB of memory"),
        ({"xy": HUGE | {"shape": (3, 4, 2)}}, "expected a NumPy archive of arrays"),
        ({"xy": np.zeros((3, 4, 2), complex)}, "xy: expected real numbers, got complex128"),
        ({"xy": np.array([["a"]])}, "xy: expected real numbers, got <U1"),
        ({"xy": np.array({})}, "xy: expected numbers or text, got object"),
        ({"ids": np.array([0.0, np.nan, 2])}, "ids: expected whole numbers, got nan"),
        ({"ids": np.array([0, 1e300, 2])}, r"ids: expected whole numbers, got 1e\+300"),
        ({"ids": np.array([True, False, False])}, "ids: expected whole numbers, got bool"),
        ({"visible": np.full((3, 4), 0.5)}, "visible: expected truth values"),
        ({"start": np.array([1, 2])}, "start: expected a whole number"),
        ({"size": np.array([640.5, 480])}, "size: expected whole numbers, got 640.5"),
        ({"fps": np.array([25, 0])}, "fps: expected a positive number"),
        ({"fps": np.array([1, 2, 3])}, "fps: expected a positive number"),
    ],
)
def test_an_npz_that_does_not_fit(tmp_path, changes, message):
    npz_of(tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=message):
        Tracks.load(tmp_path / "a.npz")


def test_a_parquet_that_does_not_fit_into_memory(tmp_path, monkeypatch):
    make().save(tmp_path / "a.parquet")
    monkeypatch.setattr("motes.export.parquet.ROW_BYTES", 10**15)
    with pytest.raises(InputError, match=r"reading these rows needs .* GB of memory"):
        Tracks.load(tmp_path / "a.parquet")


def test_names_that_no_file_can_have(tmp_path):
    for name in ("x" * 300 + ".csv", "a\0b.csv"):
        with pytest.raises(FileError, match="csv"):
            Tracks.load(tmp_path / name)


@bounded(120)
@given(st.sampled_from(READABLE), CHANGES)
def test_changed_bytes_give_tracks_or_one_error(tmp_path_factory, suffix, changes):
    folder = tmp_path_factory.getbasetemp()
    whole, changed = folder / f"whole{suffix}", folder / f"changed{suffix}"
    if not whole.exists():
        make(2, 3).save(whole)
    changed.write_bytes(apply(changes, whole.read_bytes()))
    with suppress(InputError, FileError):
        Tracks.load(changed)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=8,
)


@bounded(60)
@given(st.sampled_from([*json.loads(json_of())]), VALUES)
def test_any_value_of_a_json_field_gives_tracks_or_one_error(tmp_path_factory, name, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json_of(**{name: value}))
    with suppress(InputError):
        Tracks.load(path)


CELLS = st.sampled_from(
    ["0", "1", "-1", "0.7", "nan", "1e300", "9" * 30, "", "x", '"', "\0", "true"]
)


@bounded(150)
@given(st.lists(st.lists(CELLS, max_size=10), max_size=4))
def test_any_cells_of_a_csv_give_tracks_or_one_error(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    header = "id,t,x,y,visible,confidence,query_t,query_x,query_y"
    path.write_text("\n".join([header, *map(",".join, rows)]))
    with suppress(InputError):
        Tracks.load(path)


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
    with pytest.raises(FileError, match="expected an existing folder"):
        make().save(tmp_path / "no" / "t.csv")
    with pytest.raises(FileError, match="no such track file"):
        Tracks.load(tmp_path / "no.npz")
