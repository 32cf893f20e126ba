"""Folders, globs, videos and manifests become jobs with different names."""

import json

import pytest

from motes.batch.jobs import Job, Options, read_jobs
from motes.errors import FileError, InputError

GRID = Options(grid=4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.mp4", "a/2.mp4", "b/1.mp4", "b/1.mov", "b/notes.txt", "b/.hidden.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        (["a"], ["1", "2"]),
        (["a/2.mp4"], ["2"]),
        (["a", "b"], ["a/1", "a/2", "b/1.mov", "b/1.mp4"]),
        (["."], ["a/1", "a/2", "b/1.mov", "b/1.mp4"]),
        (["*/1.mp4"], ["a/1", "b/1"]),
        (["a/1.mp4", "b/1.mp4"], ["a/1", "b/1"]),
        (["https://example.org/x/clip.mp4?key=1"], ["clip"]),
    ],
)
def test_names(folder, inputs, names):
    assert [job.name for job in read_jobs(inputs, GRID, ["csv"])] == names


MANIFEST = [
    {"path": "a/1.mp4", "name": "first", "points": "1,2;3,4", "backward": "true"},
    {"path": "b/1.mp4", "queries": "q.csv", "at": 3},
    {"path": "b/1.mov"},
]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_manifest_changes_options_row_by_row(folder, suffix):
    path = folder / f"list.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps(MANIFEST))
    elif suffix == "csv":
        text = "path,name,points,backward,queries,at\n"
        text += 'a/1.mp4,first,"1,2;3,4",true,,\nb/1.mp4,,,,q.csv,3\nb/1.mov,,,,,\n'
        path.write_text("\ufeff" + text, encoding="utf-8")  # as Excel writes it
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow.parquet import write_table

        write_table(pyarrow.Table.from_pylist([{**dict.fromkeys(
            ("name", "points", "backward", "queries", "at")), **row} for row in MANIFEST]), path)  # fmt: skip
    jobs = read_jobs([str(path)], GRID, ["csv"])
    assert [job.name for job in jobs] == ["first", "b/1.mp4", "b/1.mov"]
    assert jobs[0].options == Options(points="1,2;3,4", backward=True)
    assert jobs[1].options == Options(queries=str(folder / "q.csv"), at=3)
    assert jobs[2].options == GRID


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"path": "a/1.mp4", "gird": 3}], "unknown column 'gird'"),
        ([{"path": "a/1.mp4", "grid": "many"}], "grid: expected a whole number, got 'many'"),
        ([{"path": "a/1.mp4", "backward": "maybe"}], "backward: expected true or false"),
        ([{"path": "a/1.mp4", "grid": 3, "corners": 4}], "got grid and corners"),
        ([{"path": "a/1.mp4", "name": "../x"}], "name: expected a relative path"),
        ([{"path": "a/1.mp4", "name": "/x"}], "name: expected a relative path"),
        ([{"path": "a/1.mp4", "name": "x"}, {"path": "b/1.mp4", "name": "x"}], "different names"),
        ([{"video": "a/1.mp4"}], "row 1: expected a column 'path'"),
        ([], "expected at least one video"),
    ],
)
def test_bad_manifests_are_refused(folder, rows, message):
    (folder / "list.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=message):
        read_jobs(["list.json"], GRID, ["csv"])


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[" * 100_000, "\x00"])
def test_files_that_are_no_manifest(folder, content):
    (folder / "list.json").write_text(content)
    with pytest.raises((InputError, FileError), match="manifest"):
        read_jobs(["list.json"], GRID, ["csv"])


def test_outputs_of_an_earlier_run_are_not_videos(folder):
    jobs = read_jobs(["."], GRID, ["mp4"], str(folder / "a"))
    assert [job.name for job in jobs] == ["1.mov", "1.mp4"]


def test_missing_inputs(folder):
    with pytest.raises(FileError, match="found nothing"):
        read_jobs(["no such"], GRID, ["csv"])
    with pytest.raises(InputError, match="at least one video"):
        read_jobs(["*/no.mp4"], GRID, ["csv"])


def test_the_fingerprint_follows_video_options_formats_and_named_files(folder):
    def job(options=GRID, formats=("csv",)):
        return Job("x", "a/1.mp4", options, formats).fingerprint()

    first = job()
    assert job() == first
    assert job(Options(grid=5)) != first
    assert job(formats=("npz",)) != first
    (folder / "q.csv").write_text("t,x,y\n0,1,1\n")
    listed = job(Options(queries="q.csv"))
    (folder / "q.csv").write_text("t,x,y\n0,1,1\n0,2,2\n")
    assert job(Options(queries="q.csv")) != listed
    (folder / "a/1.mp4").write_text("another video")
    assert job() != first
