"""Imports point one way: each room may reach only the rooms named here."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import motes

ROOT = Path(motes.__file__).parent

HALL = {"errors", "coordinates", "tracks", "common"}
FOOTAGE = HALL | {"video", "queries"}
NETWORK = {"errors", "coordinates", "common", "features", "models"}
TRACKING = FOOTAGE | NETWORK | {"export", "tracking", "onnx"}
LEARNING = TRACKING | {"data", "synthetic", "eval", "train"}
MAY_REACH = {
    "errors": set(),
    "common": {"errors"},
    "coordinates": {"errors"},
    "tracks": HALL | {"export"},  # the sugar Tracks.save and Tracks.load
    "video": HALL,
    "queries": HALL | {"video"},
    "export": HALL,
    "rendering": HALL | {"video"},
    "features": {"errors", "coordinates", "common"},
    "models": NETWORK,
    "onnx": NETWORK,
    "tracking": TRACKING,
    "data": HALL | {"video"},
    "synthetic": HALL | {"video", "data"},
    "eval": TRACKING | {"data"},
    "train": LEARNING,
    "edit": TRACKING | {"rendering"},
    "sfm": TRACKING | {"rendering", "edit"},
    "web": TRACKING | {"rendering", "edit"},
    "batch": TRACKING | {"rendering"},
}
"""Every other room (cli, the package itself) may reach all."""


def imports():
    """Triples (room, file, imported room) of the package."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT)
        room = name.parts[0].removesuffix(".py")
        for module in _modules(path):
            yield room, str(name), module.split(".")[1]


def _modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "motes":
                names = [f"motes.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (n for n in names if n.startswith("motes.") and n != "motes.__version__")


@pytest.mark.parametrize("room", sorted(MAY_REACH))
def test_no_arrow_points_backward(room):
    allowed = MAY_REACH[room] | {room}
    assert [(f, to) for r, f, to in imports() if r == room and to not in allowed] == []


def file_imports(room):
    """The files of a room, each with those of the same room that it imports at file level."""
    files = sorted(ROOT.glob(f"{room}.py")) + sorted((ROOT / room).rglob("*.py"))
    return {file: {f for f in _files(file) if f in files and f != file} for file in files}


def _files(path):
    """Files whose names stand in the imports outside functions, TYPE_CHECKING ones included."""
    for node in _outside_functions(ast.parse(path.read_text()).body):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield _file(f"{node.module}.{alias.name}") or _file(node.module)
        elif isinstance(node, ast.Import):
            yield from (_file(alias.name) for alias in node.names)


def _outside_functions(nodes):
    for node in nodes:
        if isinstance(node, ast.If | ast.Try):
            yield from _outside_functions([*node.body, *node.orelse])
        else:
            yield node


def _file(module):
    path = ROOT.joinpath(*module.split(".")[1:])
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@pytest.mark.parametrize("room", sorted(p.name for p in ROOT.iterdir() if p.is_dir()))
def test_no_file_of_a_room_imports_itself_by_way_of_others(room):
    TopologicalSorter(file_imports(room)).prepare()  # raises CycleError, which names the circle


def test_the_walk_sees_files():
    tracking = file_imports("tracking")
    assert ROOT / "tracking/engine.py" in tracking[ROOT / "tracking/session.py"]
    assert ROOT / "tracking/windows.py" in tracking[ROOT / "tracking/stream.py"]


def test_the_walk_sees_imports():
    found = set(imports())
    assert ("models", "models/flow.py", "features") in found
    assert ("cli", "cli/track.py", "tracking") in found  # inside a function


def test_only_the_nouns_stand_in_the_hall():
    here = {p.name for p in ROOT.glob("*.py")}
    assert here == {"__init__.py", "__main__.py", "coordinates.py", "errors.py", "tracks.py"}
