"""Every public object has an example in its docstring, and the examples are right.

Public is what docs/api lists; what a package exports in ``__all__`` must be there.  Examples with
``# doctest: +SKIP`` are not run: they need a GPU, a network, a cluster, or a minute.
"""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import motes
from planes import texture

API = Path(__file__).parents[2] / "docs" / "api"
PACKAGES = ("motes", "data", "edit", "export", "queries", "rendering", "sfm", "synthetic", "video")
WITH_METHODS = {"Queries", "Recording", "Session", "Stream", "Tracker", "Tracks", "Video", "Writer"}
"""Classes of which every public method has an example of its own."""

DIRECTIVE = re.compile(r"\.\. auto(module|function|class):: (\S+)\n((?:   :.*\n)*)")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
RECIPE = """
[model]
name = "cotracker3-online"
[[data.sources]]
kind = "synthetic"
[[train.stages]]
steps = 10
size = [64, 64]
frames = 8
points = 16
"""


def public():
    """Objects of the API pages, by their full name."""
    objects = {}
    for page in sorted(API.glob("*.md")):
        for kind, name, options in DIRECTIVE.findall(page.read_text()):
            home, _, last = name.rpartition(".")
            module, names = (name, _members(name, options)) if kind == "module" else (home, [last])
            for member in names:
                value = getattr(importlib.import_module(module), member)
                objects[f"{value.__module__}.{value.__qualname__}"] = value
    return objects


def _members(module, options):
    listed = re.search(r":members:(.*)", options)[1].replace(",", " ").split()
    return listed or importlib.import_module(module).__all__


OBJECTS = public()


def documented():
    """The public objects, and the public methods of those in `WITH_METHODS`."""
    for name, value in OBJECTS.items():
        yield name, value
        if value.__name__ in WITH_METHODS:
            for method, function in vars(value).items():
                is_method = isinstance(function, staticmethod | classmethod)
                if not method.startswith("_") and (is_method or inspect.isfunction(function)):
                    yield f"{name}.{method}", inspect.unwrap(getattr(value, method))


DOCUMENTED = dict(documented())


def test_every_public_object_has_an_example():
    missing = [name for name, value in DOCUMENTED.items() if ">>> " not in (value.__doc__ or "")]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_exports_is_in_the_api_pages(package):
    module = importlib.import_module(package if package == "motes" else f"motes.{package}")
    values = [getattr(module, name) for name in module.__all__ if name != "__version__"]
    names = {f"{value.__module__}.{value.__qualname__}" for value in values}
    assert names - set(OBJECTS) == set()


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What docs/api/index.md promises: the files, and the names of the examples."""
    folder = tmp_path_factory.mktemp("examples")
    wall = np.repeat(texture(120, 112)[..., None], 3, 2)
    with motes.open_writer(folder / "bike.mp4", (96, 72), 25) as writer:
        for t in range(12):
            writer.write(np.ascontiguousarray(wall[20:92, 12 - t : 108 - t]))
    mask = np.zeros((72, 96), np.uint8)
    mask[20:50, 30:60] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    Image.fromarray(np.full((16, 24, 3), 200, np.uint8)).save(folder / "logo.png")
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "points.csv").write_text("t,x,y,name\n0,30,20,wheel\n")
    tracker = motes.load("lk")
    tracks = tracker.track(folder / "bike.mp4", grid=3)
    write_clip(folder / "clips", tracks)
    return {
        "folder": folder,
        "names": {"motes": motes, "np": np, "tracker": tracker, "tracks": tracks},
    }


def write_clip(folder, tracks):
    """A data set of one clip: the video, and its tracks as if they were true."""
    folder.mkdir()
    (folder / "bike.mp4").write_bytes((folder.parent / "bike.mp4").read_bytes())
    points = motes.coordinates.pixels_to_raster(tracks.xy, tracks.size)
    np.savez(folder / "bike.npz", points=points, occluded=~tracks.visible)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_examples_are_right(name, names, monkeypatch):
    monkeypatch.chdir(names["folder"])
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=FLAGS)
    text = inspect.getdoc(DOCUMENTED[name])
    test = parser.get_doctest(text, dict(names["names"]), name, None, None)
    report = []
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
