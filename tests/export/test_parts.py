"""Numbers, names, corner pins, the choice of points, and what real files of Nuke and others hold."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.samples import GOLDEN_Q, GOLDEN_S
from motes import InputError, Tracks
from motes.common.values import shortest
from motes.export.choose import choose
from motes.export.numbers import all_trimmed, real, trimmed
from motes.export.pins import best_four, corners

SIZE = (640, 480)


@given(st.lists(st.floats(-(2**23), 2**23, width=32)))
def test_shortest_decimals(values):
    values = np.array(values, np.float32)
    assert shortest(values).tolist() == [float(str(v)) for v in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.5, "10.5"),
        (10, "10"),
        (0, "0"),
        (-1e-9, "0"),
        (1e-7, "0"),
        (-3.25, "-3.25"),
        (100, "100"),
    ],
)
def test_plain_numbers(value, text):
    assert trimmed(value) == text
    assert all_trimmed([value]) == [text]
    assert real(value) == (text if "." in text else f"{text}.0")


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 3, 1]])
def test_four_points_are_put_in_order(order):
    found = corners(GOLDEN_Q[order], None)
    assert found.ids.tolist() == [0, 1, 2, 3]


def test_corners_by_their_ids():
    assert corners(GOLDEN_Q, (1, 2, 3, 0)).ids.tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("tracks", "pin", "message"),
    [
        (GOLDEN_S, None, "files take 4 points, got 2; give the ids of four corners"),
        (GOLDEN_Q, (0, 1, 2, 9), "expected ids of points, got 9"),
        (GOLDEN_Q, (0, 1, 2, 2), "expected four points, got 3"),
        (GOLDEN_Q, (0, 2, 1, 3), "expected a convex quadrilateral, clockwise, got"),
        (GOLDEN_Q[:, :0], None, "expected at least one frame"),
        (GOLDEN_S, "best", "expected at least 4 points to choose from, got 2"),
        (
            Tracks(np.ones((5, 1, 2)), np.ones((5, 1)), size=SIZE),
            "best",
            "expected four corners among 5",
        ),
    ],
)
def test_points_that_are_no_corner_pin(tmp_path, tracks, pin, message):
    with pytest.raises(InputError, match=message):
        tracks.save(tmp_path / "t.cornerpin.nk", pin=pin)
    assert not list(tmp_path.iterdir())


def test_the_best_four_are_reliable_and_far_apart():
    rng = np.random.default_rng(0)
    inner = rng.uniform(200, 300, (20, 1, 2)).repeat(3, 1)
    outer = np.array([(100, 100), (400, 110), (410, 390), (90, 400)])[:, None].repeat(3, 1)
    lost = np.array([(0, 0), (639, 479)])[:, None].repeat(3, 1)
    visible = np.ones((26, 3), bool)
    visible[24:, 1:] = False
    tracks = Tracks(np.concatenate([inner, outer, lost]), visible, size=SIZE)
    assert best_four(tracks).ids.tolist() == [20, 21, 22, 23]


def test_points_are_chosen_by_ids_names_and_mask():
    tracks = Tracks(
        GOLDEN_Q.xy, GOLDEN_Q.visible, size=SIZE, start=7, names=("nose", "", "tail", "nose")
    )
    mask = np.zeros((480, 640), bool)
    mask[:, :200] = True
    assert choose(tracks, ids=[3, 0]).ids.tolist() == [3, 0]
    assert choose(tracks, names=["tail", "point_1"]).ids.tolist() == [2, 1]
    assert choose(tracks, mask=mask).ids.tolist() == [0, 3]
    assert choose(tracks, mask=mask, at=8, ids=[3, 1]).ids.tolist() == [3]
    with pytest.raises(
        InputError, match="names: expected some of nose, point_1, tail, nose; got ear"
    ):
        choose(tracks, names=["ear"])
    with pytest.raises(InputError, match="ids: expected some of 0, 1, 2, 3; got 7"):
        choose(tracks, ids=[7])
    with pytest.raises(InputError, match="at: expected a frame from 7 to 8, got 9"):
        choose(tracks, mask=mask, at=9)
    with pytest.raises(InputError, match="at least one point"):
        choose(tracks, mask=mask, ids=[1])
    with pytest.raises(InputError, match="mask: expected the size of the video, 640x480, got 9x9"):
        choose(tracks, mask=np.ones((9, 9)))


def test_a_point_outside_the_picture_is_not_in_a_mask():
    xy = np.array([(0, 0), (-9, 5), (650, 5), (5, -9), (5, 490), (639, 479)])[:, None]
    tracks = Tracks(xy, np.ones((6, 1)), size=SIZE)
    mask = np.ones((480, 640), bool)
    assert choose(tracks, mask=mask, at=0).ids.tolist() == [0, 5]


def test_an_image_without_points_has_an_empty_box(tmp_path):
    tracks = Tracks([[(10, 20), (11, 20)]], [[1, 0]], size=SIZE)
    tracks.save(tmp_path / "a.coco.json", hidden="drop")
    found = json.loads((tmp_path / "a.coco.json").read_text())["annotations"]
    assert [(a["num_keypoints"], a["bbox"], a["area"]) for a in found] == [
        (1, [10, 20, 0, 0], 0),
        (0, [0, 0, 0, 0], 0),
    ]


def test_scores_of_sleap_are_means_over_the_nodes_that_are_known(tmp_path):
    h5py = pytest.importorskip("h5py")
    together = replace(GOLDEN_S, names=("nose", "tail"))  # two nodes of one track
    for tracks in (GOLDEN_S, together):
        tracks.save(tmp_path / "a.analysis.h5", hidden="drop")
        with h5py.File(tmp_path / "a.analysis.h5") as file:
            found = np.array(file["instance_scores"])[:, 7:]
        scores = np.where(tracks.visible, tracks.confidence, np.nan)
        expected = np.nanmean(scores, 0)[None] if tracks is together else scores
        np.testing.assert_allclose(found, expected, rtol=1e-6)


ROW = '{{curve K x5 1 x7 0}} "a b" {x} {{curve x5 10 11 12 x10 14 15}} {{}} {{}} 1 0 0 {{curve "x5" 0.25}}'
NUKE = """Root {{
 inputs 0
 format "1920 1080 0 0 1920 1080 1 HD_1080"
 fps 23.976
 first_frame 5
}}
Group {{
 name Group1
}}
 Tracker4 {{
  tracks {{ {{ 1 31 1 }} {{ {{ 5 1 20 enable e 1 }} {{ 3 1 75 name name 1 }} {{ 2 1 58 track_x track_x 1 }}
   {{ 2 1 58 track_y track_y 1 }} {{ 2 1 63 offset_x offset_x 1 }} {{ 2 1 63 offset_y offset_y 1 }}
   {{ 4 1 27 T T 1 }} {{ 4 1 27 R R 1 }} {{ 4 1 27 S S 1 }} {{ 2 0 45 error error 1 }} }} {{ {{ {row} }} }} }}
  name Tracker1
 }}
end_group
"""


def test_a_script_of_nuke(tmp_path):
    """Keys without a frame, quotes in curves, a gap, a group, a root."""
    path = tmp_path / "shot.nk"
    path.write_text(NUKE.format(row=ROW.format(x='{"curve " x5 1 2 3 x10 4 5}')))
    tracks = Tracks.load(path)
    assert (tracks.size, tracks.fps, tracks.names) == (
        (1920, 1080),
        Fraction(24000, 1001),
        ("a b",),
    )
    assert tracks.frames == range(0, 9)  # keys at 5 6 7 10 13
    assert tracks.xy[0, [0, 1, 2, 5, 8], 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert tracks.xy[0, 0, 1] == 1080 - 0.5 - 10
    assert tracks.visible[0].tolist() == [1, 1] + [0] * 7
    assert tracks.confidence[0, 0] == 0.75


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            NUKE.format(row=ROW.format(x="{{parent.x + 1}}")),
            "a b: expected keys, got an expression",
        ),
        ("Blur {\n size 4\n}\n", "expected a Nuke script with a Tracker4 node, found none"),
        ("Tracker4 {\n tracks { {\n", "a brace that is not closed"),
    ],
)
def test_scripts_of_nuke_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "shot.nk").write_text(text)
    with pytest.raises(InputError, match=message):
        Tracks.load(tmp_path / "shot.nk", size=SIZE, fps=24)


def test_an_old_tracker_of_nuke(tmp_path):
    (tmp_path / "shot.nk").write_text(
        "Tracker3 {\n track1 {{curve x1 10 x2 11} {curve x1 20 x2 21}}\n track2 {{curve} {curve}}\n}\n"
    )
    tracks = Tracks.load(tmp_path / "shot.nk", size=SIZE, fps=24)
    assert tracks.names == ("track1",)
    assert tracks.xy[0].tolist() == [[9.5, 459.5], [10.5, 458.5]]


def test_a_track_point_of_after_effects(tmp_path):
    (tmp_path / "a.ae.txt").write_bytes(
        b"Adobe After Effects 8.0 Keyframe Data\r\n\r\n\tUnits Per Second\t29.97\r\n"
        b"\tSource Width\t640\r\n\tSource Height\t480\r\n\tSource Pixel Aspect Ratio\t1\r\n\r\n"
        b"Motion Trackers\tTracker #1\tTrack Point #1\tFeature Center\r\n"
        b"\tFrame\tX pixels\tY pixels\t\r\n\t4\t10.5\t20.5\t\r\n\t6\t12.5\t20.5\t\r\n\r\n"
        b"Motion Trackers\tTracker #1\tTrack Point #1\tConfidence\r\n"
        b"\tFrame\tpercent\t\r\n\t4\t90\t\r\n\t6\t80\t\r\n\r\nEnd of Keyframe Data\r\n"
    )
    tracks = Tracks.load(tmp_path / "a.ae.txt")
    assert (tracks.size, tracks.fps, tracks.start) == (SIZE, Fraction(30000, 1001), 4)
    assert tracks.names == ("Tracker #1 Track Point #1",)
    assert tracks.xy[0].tolist() == [[10, 20], [11, 20], [12, 20]]
    assert tracks.confidence[0].tolist() == pytest.approx([0.9, 0, 0.8])


def test_old_tracks_of_3dequalizer(tmp_path):
    (tmp_path / "a.3de.txt").write_text(
        "// 3DE Multiple Tracking Curves Export 640 x 480 * 9 frames\nnose\n\t1\t10.5\t459.5\n\t2\t11.5\t459.5\n"
    )
    tracks = Tracks.load(tmp_path / "a.3de.txt", fps=25)
    assert (tracks.size, tracks.names, tracks.xy[0].tolist()) == (
        SIZE,
        ("nose",),
        [[10, 20], [11, 20]],
    )


def test_cvat_interpolates_between_key_frames(tmp_path):
    (tmp_path / "a.cvat.xml").write_text(
        "<annotations><meta><job><original_size><width>640</width><height>480</height></original_size>"
        '</job></meta><track id="5" label="point">'
        '<points frame="2" outside="0" occluded="0" points="10.5,20.5"/>'
        '<points frame="4" outside="0" occluded="1" points="12.5,20.5"/>'
        '<points frame="5" outside="1" occluded="0" points="12.5,20.5"/></track></annotations>'
    )
    tracks = Tracks.load(tmp_path / "a.cvat.xml", fps=25)
    assert (tracks.size, tracks.ids.tolist(), tracks.frames) == (SIZE, [5], range(2, 5))
    assert tracks.xy[0, :, 0].tolist() == [10, 11, 12]
    assert tracks.visible[0].tolist() == [True, True, False]


def test_pftrack_without_a_camera_line(tmp_path):
    (tmp_path / "a.2dt").write_bytes(b'"nose"\r\n2\r\n1 10 459 0.1\r\n2 11 459 0.1\r\n')
    tracks = Tracks.load(tmp_path / "a.2dt", size=SIZE, fps=25)
    assert (tracks.xy[0].tolist(), tracks.confidence[0].tolist()) == ([[10, 20], [11, 20]], [1, 1])
    (tmp_path / "a.2dt").write_bytes(b'"nose"\r\n"clip"\r\n')
    with pytest.raises(InputError, match="the number of keys"):
        Tracks.load(tmp_path / "a.2dt", size=SIZE, fps=25)


def test_boxes_of_a_tracker_become_their_centres(tmp_path):
    (tmp_path / "a.mot.csv").write_text("1,4,10,20,21,11,0.5,-1,-1,-1\n")
    tracks = Tracks.load(tmp_path / "a.mot.csv", size=SIZE, fps=25)
    assert (tracks.ids.tolist(), tracks.xy[0].tolist()) == ([3], [[19, 24]])
