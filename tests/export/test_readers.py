"""Programs and libraries that read our files: what they see is what was written."""

import json
import runpy
import shutil
import sqlite3
import subprocess
import sys
import types

import numpy as np
import pytest

from export.samples import GOLDEN_Q, GOLDEN_S
from motes import Tracks
from motes.export import Options, save
from motes.export.base import Settings
from motes.export.colmap import SCHEMA, write_content
from motes.export.nuke import split_list

VISIBLE_S = [(7, (10, 20)), (8, (10.5, 20.25)), (9, (11, 20.5)), (11, (13, 22))]
"""Frames and positions of the first point of `GOLDEN_S` where it is visible."""


def written(tmp_path, suffix, tracks=GOLDEN_S, **options):
    save(tracks, tmp_path / f"t{suffix}", Options(**options))
    return tmp_path / f"t{suffix}"


@pytest.fixture(params=["tcl", "ours"])
def split(request):
    """Splits a Tcl list."""
    if request.param == "ours":
        return split_list
    return pytest.importorskip("tkinter", reason="Python without Tcl").Tcl().splitlist


def test_nuke_text_is_a_tcl_list(tmp_path, split):
    text = written(tmp_path, ".nk").read_text()
    kind, body = split(text)
    words = split(body)
    assert (kind, list(words[::2])) == ("Tracker4", ["tracks", "name", "selected", "xpos", "ypos"])
    header, columns, rows = split(words[1])
    assert split(header) == split("1 31 2")
    assert len(split(columns)) == 31
    assert [len(split(row)) for row in split(rows)] == [31, 31]


def test_a_corner_pin_is_a_tcl_list(tmp_path, split):
    _, body = split(written(tmp_path, ".cornerpin.nk", GOLDEN_Q).read_text())
    knobs = dict(zip(split(body)[::2], split(body)[1::2], strict=True))
    [curves] = split(f"{{{knobs['to1']}}}")
    assert [len(split(curve)) for curve in split(curves)] == [5, 5]


HOST = """
var made = [];
function Property() { this.numKeys = 0; this.hold = 0; }
Property.prototype.setValuesAtTimes = function (times, values) {
  this.keys = times.map(function (t, i) { return [t, values[i]]; }); this.numKeys = times.length; };
Property.prototype.setInterpolationTypeAtKey = function (k, a, b) { if (a === "H" && b === "H") this.hold++; };
function Layer() { this.parts = {}; made.push(this); }
Layer.prototype.property = function (name) {
  if (name === "ADBE Transform Group") return this;
  return this.parts[name] = this.parts[name] || new Property(); };
function CompItem(w, h, duration, fps) {
  this.width = w; this.height = h; this.duration = duration; this.fps = fps; this.frameDuration = 1 / fps;
  this.layers = {addNull: function () { return new Layer(); }}; }
var KeyframeInterpolationType = {HOLD: "H"}, alerts = [], comps = [];
function alert(text) { alerts.push(text); }
var app = {beginUndoGroup: function () {}, endUndoGroup: function () {}, project: {activeItem: ACTIVE,
  items: {addComp: function (n, w, h, a, d, f) { var c = new CompItem(w, h, d, f); comps.push(c); return c; }}}};
SCRIPT
console.log(JSON.stringify({made: made, alerts: alerts, comps: comps}));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
@pytest.mark.parametrize(
    "active", ["null", "new CompItem(640, 480, 10, 25)", "new CompItem(9, 9, 1, 25)"]
)
def test_after_effects_script_runs(tmp_path, active):
    script = written(tmp_path, ".jsx").read_text()
    program = HOST.replace("ACTIVE", active).replace("SCRIPT", script)
    run = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    if "9, 9" in active:
        assert (found["made"], len(found["alerts"])) == ([], 1)
        return
    layer = found["made"][0]
    times = [frame / 25 for frame in range(7, 12)]
    xy = [[10.5, 20.5], [11, 20.75], [11.5, 21], [12.5, 21.5], [13.5, 22.5]]
    position, opacity = layer["parts"]["ADBE Position"], layer["parts"]["ADBE Opacity"]
    assert [key[0] for key in position["keys"]] == pytest.approx(times)
    assert [key[1] for key in position["keys"]] == xy
    assert [key[1] for key in opacity["keys"]] == [100, 100, 100, 0, 100]
    assert (layer["name"], opacity["hold"]) == ("point_3", 5)
    if active == "null":
        [comp] = found["comps"]
        assert [comp[k] for k in ("width", "height", "duration", "fps")] == [640, 480, 0.48, 25]


def test_after_effects_script_is_old_javascript(tmp_path):
    text = written(tmp_path, ".jsx").read_text()
    assert not any(word in text for word in ("let ", "const ", "=>", "`", "JSON", ",]", ",}"))


class Marker:
    def __init__(self, frame, co):
        self.frame, self.co, self.mute = frame, co, False


class Markers(dict):
    def insert_frame(self, frame, co=(0.0, 0.0)):
        clamped = tuple(max(-1, min(1, v)) for v in co)
        return self.setdefault(frame, Marker(frame, clamped))


class BlenderTracks(list):
    def new(self, name, frame):
        track = types.SimpleNamespace(name=name, markers=Markers(), lock=False)
        track.markers.insert_frame(frame)
        self.append(track)
        return track


def test_blender_script_runs_against_a_stand_in(tmp_path, monkeypatch):
    """The stand-in clamps the argument `co`, as Blender does."""
    settings = types.SimpleNamespace(default_search_size=71)
    tracking = types.SimpleNamespace(settings=settings, tracks=BlenderTracks())
    clip = types.SimpleNamespace(size=(640, 480), tracking=tracking)
    bpy = types.ModuleType("bpy")
    bpy.context = types.SimpleNamespace(window_manager=types.SimpleNamespace(windows=[]))
    bpy.data = types.SimpleNamespace(movieclips=[clip])
    monkeypatch.setitem(sys.modules, "bpy", bpy)
    runpy.run_path(str(written(tmp_path, ".blender.py")))
    first, second = tracking.tracks
    assert (first.name, list(first.markers), first.lock) == ("point_3", [8, 9, 10, 11, 12], True)
    assert [m.mute for m in first.markers.values()] == [False, False, False, True, False]
    assert first.markers[8].co == (10.5 / 640, 1 - 20.5 / 480)
    assert first.markers[8].search_max == (35.5 / 640, 35.5 / 480)
    assert second.markers[10].co[0] == -3.5 / 640
    clip.size = (9, 9)
    with pytest.raises(RuntimeError, match="640 x 480"):
        runpy.run_path(str(tmp_path / "t.blender.py"))


def test_pandas_reads_deeplabcut(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(written(tmp_path, ".dlc.csv"), header=[0, 1, 2], index_col=0)
    assert table.index.tolist() == list(range(12))
    assert table.columns.names == ["scorer", "bodyparts", "coords"]
    assert table["motes", "point_3"].loc[7].tolist() == [10, 20, 0.9]
    assert table["motes", "point_8", "x"].isna().sum() == 7
    pytest.importorskip("tables")
    same = pandas.read_hdf(written(tmp_path, ".dlc.h5"))
    pandas.testing.assert_frame_equal(table, same, check_names=False)


def test_deeplabcut_itself_writes_tables_that_we_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    path = written(tmp_path, ".dlc.h5", GOLDEN_S)
    pandas.read_hdf(path).to_hdf(
        tmp_path / "own.dlc.h5", key="df_with_missing", format="table", mode="w"
    )
    read = [Tracks.load(p, size=(640, 480), fps=25) for p in (path, tmp_path / "own.dlc.h5")]
    assert read[0] == read[1]
    assert read[0].ids.tolist() == [3, 8]


def test_sleap_io_reads_the_analysis_file(tmp_path):
    sio = pytest.importorskip("sleap_io")
    labels = sio.load_file(str(written(tmp_path, ".analysis.h5")))
    assert [t.name for t in labels.tracks] == ["point_3", "point_8"]
    found = [
        (frame.frame_idx, tuple(i.numpy()[0].tolist()))
        for frame in labels.labeled_frames
        for i in frame.instances
        if i.track.name == "point_3"
    ]
    assert found == VISIBLE_S


def test_sleap_io_reads_a_skeleton(tmp_path):
    sio = pytest.importorskip("sleap_io")
    tracks = Tracks(
        GOLDEN_S.xy, GOLDEN_S.visible, size=(640, 480), names=("nose", "tail"), skeleton=((0, 1),)
    )
    labels = sio.load_file(str(written(tmp_path, ".analysis.h5", tracks)))
    assert labels.skeletons[0].node_names == ["nose", "tail"]
    assert labels.skeletons[0].edge_inds == [(0, 1)]


def test_a_database_of_colmap_holds_these_numbers(tmp_path):
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    write_content(database, GOLDEN_S[:, :2], Settings(hidden="drop"), min_shared=2)
    [camera] = database.execute("SELECT model, width, height, params FROM cameras")
    assert camera[:3] == (2, 640, 480)
    assert np.frombuffer(camera[3]).tolist() == [768, 320, 240, 0]
    names = [name for (name,) in database.execute("SELECT name FROM images ORDER BY image_id")]
    assert names == ["frame_000007.png", "frame_000008.png"]
    keypoints = dict(database.execute("SELECT image_id, data FROM keypoints"))
    assert np.frombuffer(keypoints[1], "<f4").tolist() == [10.5, 20.5, 639.5, 479.5]
    assert np.frombuffer(keypoints[2], "<f4").tolist() == [11, 20.75, 600.75, 470.5]
    [match] = database.execute("SELECT pair_id, data FROM matches")
    assert (match[0], np.frombuffer(match[1], "<u4").tolist()) == (2147483649, [0, 0, 1, 1])


def scene(points=120, frames=12, seed=0):
    """Tracks of random points in front of a camera that moves sideways; its focal length is 520."""
    rng = np.random.default_rng(seed)
    world = rng.uniform([-2, -1.5, 4], [2, 1.5, 8], (points, 3))
    t = np.linspace(-1, 1, frames)
    centre = np.stack([1.5 * t, 0.4 * t**2, 0.3 * t], -1)
    angle = -0.15 * t
    local = world[:, None] - centre  # [N, T, 3]
    x = local[..., 0] * np.cos(angle) - local[..., 2] * np.sin(angle)
    z = local[..., 0] * np.sin(angle) + local[..., 2] * np.cos(angle)
    middle = np.array([(640 - 1) / 2, (480 - 1) / 2])
    xy = 520 * np.stack([x / z, local[..., 1] / z], -1) + middle
    seen = ((xy > 0) & (xy < [639, 479])).all(-1)
    return Tracks(xy, seen, size=(640, 480), fps=25)


def test_colmap_finds_the_middle_of_the_picture(tmp_path):
    """Half a pixel of error would move the principal point by half a pixel."""
    pycolmap = pytest.importorskip("pycolmap")
    pycolmap.logging.minloglevel = 3
    path = written(tmp_path, ".colmap.db", scene())
    pycolmap.geometric_verification(str(path))
    options = pycolmap.IncrementalPipelineOptions()
    options.extract_colors, options.random_seed, options.num_threads = False, 0, 1
    options.min_model_size, options.mapper.init_min_num_inliers = 3, 50
    (tmp_path / "images").mkdir()
    models = pycolmap.incremental_mapping(
        str(path), str(tmp_path / "images"), str(tmp_path), options
    )
    [model] = models.values()
    assert len(model.reg_image_ids()) == 12
    refine = pycolmap.BundleAdjustmentOptions()
    refine.refine_principal_point = True
    pycolmap.bundle_adjustment(model, refine)
    camera = next(iter(model.cameras.values()))
    assert (camera.principal_point_x, camera.principal_point_y) == pytest.approx(
        (320, 240), abs=0.05
    )


TOKEN = r'"[^"]*"|[{}=,\[\]()]|-?[\w.]+'


def test_every_path_of_fusion_has_its_splines(tmp_path):
    import re

    text = written(tmp_path, ".setting").read_text()
    assert re.sub(TOKEN, "", text).strip() == ""
    assert text.count("{") == text.count("}")
    tools = set(re.findall(r"(\w+) = (?:Tracker|XYPath|BezierSpline) \{", text))
    sources = set(re.findall(r'SourceOp = "(\w+)"', text))
    assert len(tools) == 7
    assert sources == tools - {"Tracker1"}
    splines = re.findall(r"KeyFrames = \{(.*?)\n\t\t\t\}", text, re.S)
    assert [spline.count("Linear") for spline in splines] == [5, 5, 5, 5]
