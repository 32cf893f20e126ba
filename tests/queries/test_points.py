from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import bounded
from motes import FileError, InputError, Queries
from motes.queries import parse_points

SIZE, FRAMES = (64, 48), range(10, 20)


@pytest.mark.parametrize(
    ("points", "rows"),
    [
        ([(12, 1, 2)], [[12, 1, 2]]),
        ([(1, 2), (3, 4)], [[5, 1, 2], [5, 3, 4]]),
        (np.array([[12, 1.5, 2]]), [[12, 1.5, 2]]),
        (Queries(np.array([[1, 2, 3]])), [[1, 2, 3]]),
        ([], []),
    ],
)
def test_of(points, rows):
    assert Queries.of(points, at=5).txy.tolist() == rows


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(1, 2, 3, 4)], r"got \[1, 4\]"),
        ([(1, 2), (1, 2, 3)], "expected rows"),
        ([("a", 2)], "expected rows"),
        ([(0, float("nan"), 2)], r"query 0: expected finite numbers, got \(0, nan, 2\)"),
        ([(0, 1, 1), (0.5, 1, 2)], "query 1: expected a whole frame number, got 0.5"),
    ],
)
def test_of_refuses(points, message):
    with pytest.raises(InputError, match=message):
        Queries.of(points)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((10, 63.5, 0), None),
        ((19, -0.5, 47.5), None),
        ((10, 63.6, 0), r"inside the 64x48 image, got \(63.6, 0\)"),
        ((10, 5, -1), "inside the 64x48 image"),
        ((9, 5, 5), "expected a frame from 10 to 19, got 9"),
        ((20, 5, 5), "expected a frame from 10 to 19, got 20"),
    ],
)
def test_check(row, message):
    if message is None:
        return Queries.of([row]).check(SIZE, FRAMES)
    with pytest.raises(InputError, match=message):
        Queries.of([row]).check(SIZE, FRAMES)


@pytest.mark.parametrize(
    ("text", "rows"),
    [("1,2", [[4, 1, 2]]), (" 1,2 ; 7,3,4;", [[4, 1, 2], [7, 3, 4]])],
)
def test_parse_points(text, rows):
    assert parse_points(text, at=4).txy.tolist() == rows


@pytest.mark.parametrize("text", ["", ";", "1", "a,b", "1,2,3,4"])
def test_parse_points_refuses(text):
    with pytest.raises(InputError, match="points: expected"):
        parse_points(text)


def test_read(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("t,x,y\n0,1.5,2\n\n10,3,4\n")
    assert Queries.read(path).txy.tolist() == [[0, 1.5, 2], [10, 3, 4]]


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("t,x,y\n0,1.5,2\n", encoding="utf-8-sig")
    assert Queries.read(path).txy.tolist() == [[0, 1.5, 2]]


def test_an_unclosed_quote_is_one_error(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("t,x,y\n" + "1" * 200_000)
    with pytest.raises(FileError, match="field larger than"):
        Queries.read(path)


@bounded(150)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["0", "-1", "0.7", "nan", "1e300", "", "x", '"', "\0"]), max_size=5
        ),
        max_size=4,
    )
)
def test_any_cells_give_queries_or_one_error(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any_queries.csv"
    path.write_text("\n".join(["t,x,y", *map(",".join, rows)]))
    with suppress(InputError, FileError):
        Queries.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n", "expected the header t,x,y, got x,y"),
        ("", "expected the header t,x,y, got none"),
        ("t,x,y\n1,2,3\n1,2\n", "line 3: expected t,x,y, got '1,2'"),
        ("t,x,y\n1,two,3\n", "line 2: expected t,x,y"),
    ],
)
def test_read_refuses(tmp_path, content, message):
    path = tmp_path / "q.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        Queries.read(path)


def test_read_needs_a_file(tmp_path):
    with pytest.raises(FileError, match="cannot read queries"):
        Queries.read(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("content", "rows", "names"),
    [
        ("x,y,t\n1,2,0\n", [[0, 1, 2]], None),
        ("name,t,note,x,y\nnose,3,old,1,2\n,4,new,5,6\n", [[3, 1, 2], [4, 5, 6]], ("nose", "")),
        ("t;x;y\n0;1.5;2\n", [[0, 1.5, 2]], None),
        ("t\tx\ty\tname\n0\t1\t2\tleft paw\n", [[0, 1, 2]], ("left paw",)),
        ("\ufefft,x,y\r\n0,1,2\r\n,,\r\n", [[0, 1, 2]], None),
    ],
)
def test_columns_are_found_by_name(tmp_path, content, rows, names):
    path = tmp_path / "q.csv"
    path.write_text(content, encoding="utf-8")
    found = Queries.read(path)
    assert (found.txy.tolist(), found.names) == (rows, names)


def test_a_header_alone_is_refused(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("t,x,y\n")
    with pytest.raises(InputError, match="expected at least one row t,x,y, got none"):
        Queries.read(path)


@bounded(300)
@given(st.text(st.sampled_from("0123456789.,;-+e naif_\n\t\0\u0663"), max_size=30))
def test_any_text_is_points_or_refused(text):
    with suppress(InputError):
        assert len(parse_points(text)) > 0
