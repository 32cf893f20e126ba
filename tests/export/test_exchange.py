"""What holds for every format of another program."""

import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.samples import GOLDEN_Q, GOLDEN_S
from fuzzing import CHANGES, apply, bounded
from motes import FileError, InputError, Tracks
from motes.export import Footage, Options, find_format, formats, load, save
from motes.export.base import DROP, KEEP

EXCHANGE = {s: f for s, f in formats().items() if not f.lossless}
READABLE = [s for s, f in EXCHANGE.items() if f.read and f.points is None]
ANY_NUMBER = [s for s, f in EXCHANGE.items() if f.points is None]
BINARY = (".db", ".h5", ".npz")

SIZE, FPS = (641, 479), Fraction(30000, 1001)
TOLERANCE = {".syntheyes.txt": 1e-3, ".tapvid.npz": 2e-4}
"""Pixels; others are exact to 1e-6."""

NO_CONFIDENCE = (
    ".3de.txt",
    ".syntheyes.txt",
    ".cvat.xml",
    ".coco.json",
    ".tapvid.npz",
    ".colmap.db",
)
WITHOUT_FRAMES = (".tapvid.npz",)


def test_every_priority_is_there():
    expected = """.nk .cornerpin.nk .jsx .ae.txt .cornerpin.ae.txt .blender.py .colmap.db .dlc.csv
    .dlc.h5 .napari.csv .analysis.h5 .setting .3de.txt .syntheyes.txt .2dt .shake.txt .cvat.xml
    .coco.json .trackmate.xml .rz2 .mayalive.txt .comfy.json .tapvid.npz .mot.csv"""
    assert set(expected.split()) <= EXCHANGE.keys()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.nk", ".nk"),
        ("a.cornerpin.nk", ".cornerpin.nk"),
        ("bike.dlc.csv", ".dlc.csv"),
        ("bike.v2.csv", ".csv"),
        ("BIKE.DLC.CSV", ".dlc.csv"),
        ("a.cornerpin.ae.txt", ".cornerpin.ae.txt"),
        ("x/dlc.csv", ".csv"),
    ],
)
def test_the_longest_suffix_counts(name, suffix):
    assert find_format(name).suffix == suffix


@pytest.mark.parametrize("name", ["a.txt", "a.h5", "a.py", ".nk", "nk"])
def test_a_suffix_that_many_share_is_unknown(name):
    with pytest.raises(InputError, match=r"suffixes .*\.3de\.txt .*\.blender\.py"):
        find_format(name)


@st.composite
def tracks(draw):
    """Tracks whose points are visible in their first and last frames."""
    N, T = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    W, H = SIZE
    x, y = (
        draw(arrays(np.float32, (N, T), elements=st.floats(-0.5, side - 0.5, width=32)))
        for side in (W, H)
    )
    visible = draw(arrays(bool, (N, T)))
    visible[:, 0] = visible[:, -1] = True
    low = draw(arrays(np.float32, (N, T), elements=st.floats(0, 0.390625, width=32)))
    ids = draw(st.lists(st.integers(0, 999), min_size=N, max_size=N, unique=True))
    return Tracks(
        np.stack([x, y], -1),
        visible,
        np.where(visible, 1 - low, low),
        ids=ids,
        size=SIZE,
        fps=FPS,
        start=draw(st.integers(0, 30)),
    )


@pytest.mark.parametrize("suffix", [s for s in READABLE if s != ".colmap.db"])
@bounded(15)
@given(given_tracks=tracks())
def test_round_trip(tmp_path, suffix, given_tracks):
    path = tmp_path / f"t{suffix}"
    save(given_tracks, path)
    found = load(path, Footage(SIZE, FPS))
    assert_same(found, given_tracks, suffix)


@pytest.mark.parametrize("first", [0, 1])
def test_round_trip_through_a_database(tmp_path, first):
    """Every point is hidden once; its x says which one it is."""
    rng = np.random.default_rng(first)
    visible = np.arange(9) != rng.integers(1, 8, 40)[:, None]
    x = np.arange(40)[:, None] * 10 + np.arange(9) / 8
    xy = np.stack([x, rng.uniform(0, 400, (40, 9))], -1)
    wanted = Tracks(xy, visible, ids=range(40), size=SIZE, fps=FPS, start=5)
    save(wanted, tmp_path / "t.colmap.db", Options(first=first))
    found = load(tmp_path / "t.colmap.db", Footage(fps=FPS, first=first))
    found = found[np.argsort(found.xy[:, 0, 0])]
    assert (found.size, found.frames, len(found)) == (SIZE, wanted.frames, 40)
    assert (found.visible == visible).all()
    # the file holds float32 positions from the corner
    np.testing.assert_allclose(found.xy[visible], wanted.xy[visible], rtol=0, atol=2e-5)


def assert_same(found, wanted, suffix):
    if suffix not in WITHOUT_FRAMES:
        found, wanted = (t[np.argsort(t.ids)] for t in (found, wanted))
        assert found.ids.tolist() == wanted.ids.tolist()
        assert found.frames == wanted.frames
    assert (found.size, found.fps) == (SIZE, FPS)
    assert (found.visible == wanted.visible).all()
    seen = wanted.visible
    atol = TOLERANCE.get(suffix, 1e-6)
    np.testing.assert_allclose(found.xy[seen], wanted.xy[seen], rtol=0, atol=atol)
    if suffix not in NO_CONFIDENCE:
        np.testing.assert_allclose(found.confidence[seen], wanted.confidence[seen], atol=1e-6)


@pytest.mark.parametrize("suffix", [s for s in READABLE if KEEP in EXCHANGE[s].hidden[:1]])
def test_hidden_frames_come_back_hidden_where_they_are(tmp_path, suffix):
    inside = GOLDEN_S[:1]
    save(inside, tmp_path / f"t{suffix}")
    found = load(tmp_path / f"t{suffix}", Footage(GOLDEN_S.size, GOLDEN_S.fps))
    assert found.xy[0, 3] == pytest.approx([12, 21], abs=2e-4)
    assert not found.visible[0, 3]


@pytest.mark.parametrize("suffix", [s for s in READABLE if DROP in EXCHANGE[s].hidden])
def test_frames_that_are_left_out_lie_on_a_straight_line(tmp_path, suffix):
    if suffix == ".colmap.db":
        pytest.skip("two points have no matches in a database")
    save(GOLDEN_S[:1], tmp_path / f"t{suffix}", Options(hidden=DROP))
    found = load(tmp_path / f"t{suffix}", Footage(GOLDEN_S.size, GOLDEN_S.fps))
    where = [12, 21] if suffix == ".cvat.xml" else [12, 21.25]  # CVAT has a position everywhere
    assert found.visible.tolist() == [[True, True, True, False, True]]
    assert found.xy[0, 3] == pytest.approx(where, abs=1e-3)
    assert found.confidence[0, 3] == 0


@pytest.mark.parametrize("suffix", ANY_NUMBER)
@pytest.mark.parametrize("empty", [GOLDEN_S[:0], GOLDEN_S[:, :0]])
def test_nothing_is_a_valid_file(tmp_path, suffix, empty):
    path = tmp_path / f"t{suffix}"
    save(empty, path)
    if suffix in READABLE and suffix != ".tapvid.npz":
        assert len(load(path, Footage(empty.size, empty.fps))) == 0


@pytest.mark.parametrize("suffix", [s for s in ANY_NUMBER if not s.endswith(BINARY)])
def test_numbers_are_plain(tmp_path, suffix):
    """Positions that come out as zero or as very small numbers in one convention or another."""
    tiny = [0, -0.0, 1e-7, -1e-7, -0.5, -0.5 + 1e-8, 478.5, 320, 239, 1e-12]
    xy = np.array([[(x, y) for x in tiny for y in (*tiny, 639.5)]])
    seen = np.ones(xy.shape[:2])
    save(Tracks(xy, seen, seen * 1e-9, size=SIZE, fps=FPS), tmp_path / f"t{suffix}")
    text = (tmp_path / f"t{suffix}").read_text()
    assert not re.search(r"\de[-+]?\d", text)
    assert not re.search(r"(?<![\w.-])-0(\.0*)?(?![\d.])", text)
    assert "nan" not in text.replace("napari", "").lower().replace("nan(", "")


@pytest.mark.parametrize("suffix", [s for s, f in EXCHANGE.items() if f.first is not None])
def test_the_first_frame_can_be_chosen(tmp_path, suffix):
    given_tracks = GOLDEN_Q if EXCHANGE[suffix].is_pin else GOLDEN_S[: EXCHANGE[suffix].points]
    path = tmp_path / f"t{suffix}"
    save(given_tracks, path, Options(first=1001))
    if not suffix.endswith(BINARY):
        assert re.search(r"(?<!\d)1008(?!\d)|001007", path.read_text())
    if suffix in READABLE and suffix != ".colmap.db":
        footage = Footage(given_tracks.size, given_tracks.fps, first=1001)
        assert load(path, footage).frames == given_tracks.frames


@pytest.mark.parametrize("suffix", READABLE)
def test_what_is_not_known_of_the_video_is_an_error(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    save(GOLDEN_S, path)
    with pytest.raises(InputError, match=r"does not say the (size|frame rate) .*--video FILE"):
        load(path)


@pytest.mark.parametrize("suffix", [".cvat.xml", ".coco.json"])
def test_a_size_that_the_file_contradicts(tmp_path, suffix):
    save(GOLDEN_S, tmp_path / f"t{suffix}")
    with pytest.raises(InputError, match="expected the size 641x479 as given, the file says 640x"):
        load(tmp_path / f"t{suffix}", Footage(SIZE, FPS))


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("content", [b"hello\n", b"\xff\xfe\x00\x80", b'{"a": 1}', b"1\n2\n"])
def test_something_else_is_one_clear_error(tmp_path, suffix, content):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"t{re.escape(suffix)}: .*expected"):
        load(path, Footage(SIZE, FPS))


@pytest.mark.parametrize(
    ("suffix", "options", "message"),
    [
        (".blender.py", Options(first=5), "fixed frame numbers"),
        (".csv", Options(first=5), "fixed frame numbers"),
        (".comfy.json", Options(hidden=DROP), "hidden: .comfy.json files take keep, got 'drop'"),
        (".npz", Options(hidden=DROP), "hidden: .npz files take no choice"),
        (".nk", Options(hidden="maybe"), "take keep or drop, got 'maybe'"),
        (".nk", Options(pin=(1, 2, 3, 4)), "are no corner pins"),
    ],
)
def test_options_that_a_format_does_not_have(tmp_path, suffix, options, message):
    with pytest.raises(InputError, match=message):
        save(GOLDEN_S, tmp_path / f"t{suffix}", options)
    assert not list(tmp_path.iterdir())


def test_names_are_safe_and_unique(tmp_path):
    names = ('a "b"', "a _b_", "{x}", "", "", "a _b_")
    xy = np.zeros((6, 1, 2))
    save(Tracks(xy, np.ones((6, 1)), size=SIZE, names=names), tmp_path / "t.3de.txt")
    lines = (tmp_path / "t.3de.txt").read_text().splitlines()
    assert lines[1::4] == ["a__b_", "a__b__2", "_x_", "point_3", "point_4", "a__b__3"]


@pytest.mark.parametrize("suffix", [".dlc.csv", ".dlc.h5", ".analysis.h5", ".coco.json"])
def test_names_and_skeletons_travel(tmp_path, suffix):
    names = ("nose", "left paw, é", "tail")
    xy = np.arange(12).reshape(3, 2, 2)
    given_tracks = Tracks(
        xy, np.ones((3, 2)), size=SIZE, fps=FPS, names=names, skeleton=((0, 1), (1, 2))
    )
    save(given_tracks, tmp_path / f"t{suffix}")
    found = load(tmp_path / f"t{suffix}", Footage(SIZE, FPS))
    assert found.names == names
    assert found.skeleton == (() if "dlc" in suffix else given_tracks.skeleton)
    assert (found.xy == given_tracks.xy).all()


@bounded(60)
@given(st.sampled_from(READABLE), CHANGES)
def test_damaged_files_give_tracks_or_one_error(suffix, changes):
    with TemporaryDirectory() as folder:
        path = Path(folder, f"t{suffix}")
        save(GOLDEN_S, path)
        path.write_bytes(apply(changes, path.read_bytes()))
        with suppress(InputError, FileError):
            load(path, Footage(GOLDEN_S.size, GOLDEN_S.fps))


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [
        (".3de.txt", "12 13.5", "999999999 13.5"),
        (".cvat.xml", 'frame="11"', 'frame="999999999"'),
        (".napari.csv", "3,11,", "3,999999999999,"),
        (".mot.csv", "12,4,", "9999999999,4,"),
    ],
)
def test_a_wrong_frame_number_does_not_fill_the_memory(tmp_path, suffix, old, new):
    path = tmp_path / f"t{suffix}"
    save(GOLDEN_S, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match="expected the frames of a video, got"):
        load(path, Footage(GOLDEN_S.size, GOLDEN_S.fps))


def test_the_page_of_the_docs_names_every_format():
    text = (Path(__file__).parents[2] / "docs/export.md").read_text()
    assert [suffix for suffix in EXCHANGE if text.count(f"`{suffix}`") < 2] == []
