from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from motes.errors import FileError, InputError
from motes.train.settings import amend, build, read_toml


@dataclass(frozen=True)
class Inner:
    size: tuple[int, int] = (1, 2)
    rate: float = 0.5
    mode: Literal["slow", "fast"] = "slow"


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    file: str | None = None
    free: dict[str, Any] = field(default_factory=dict)
    flag: bool = False


def test_tables_become_dataclasses() -> None:
    table = {
        "name": "a",
        "inner": {"size": [3, 4], "rate": 1, "mode": "fast"},
        "many": [{"rate": 2.0}, {}],
    }
    value = build(Outer, {**table, "free": {"x": 1}})
    assert value == Outer(
        "a", Inner((3, 4), 1.0, "fast"), (Inner(rate=2.0), Inner()), None, {"x": 1}
    )
    assert type(value.inner.rate) is float


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "a", "inner": {"rat": 1}}, r"key in \[inner\] 'rat'; did you mean 'rate'"),
        ({"nam": "a"}, "'nam'; did you mean 'name'"),
        ({}, "'name' is missing"),
        ({"name": 3}, "name: expected str, got int 3"),
        ({"name": "a", "flag": 1}, "flag: expected bool, got int 1"),
        ({"name": "a", "inner": {"rate": "x"}}, "inner.rate: expected float, got str 'x'"),
        ({"name": "a", "inner": {"rate": True}}, "inner.rate: expected float, got bool True"),
        ({"name": "a", "inner": {"size": [1]}}, "inner.size: expected a list of 2"),
        ({"name": "a", "inner": {"size": [1, 2.5]}}, "inner.size.1: expected int, got float"),
        ({"name": "a", "inner": {"mode": "fst"}}, "value of inner.mode 'fst'; did you mean 'fast'"),
        ({"name": "a", "inner": 3}, "inner: expected a table, got int"),
        ({"name": "a", "many": [{"rte": 1}]}, r"\[many.0\] 'rte'; did you mean 'rate'"),
    ],
)
def test_what_does_not_fit_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(Outer, table)


def test_amend_keeps_the_rest() -> None:
    assert amend(Inner((5, 6), 0.1), {"rate": 2}, "x") == Inner((5, 6), 2.0)
    with pytest.raises(InputError, match=r"\[x\] 'ratee'; did you mean 'rate'"):
        amend(Inner(), {"ratee": 2}, "x")


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("train.lr=3e-4", ("train", "lr"), 3e-4),
        ("train.name=word", ("train", "name"), "word"),
        ('train.name="two words"', ("train", "name"), "two words"),
        ("train.list=[1, 2]", ("train", "list"), [1, 2]),
        ("new.table.on=true", ("new", "table", "on"), True),
        ("sources.1.weight=2", ("sources", 1, "weight"), 2),
    ],
)
def test_overrides(tmp_path: Path, override: str, path: tuple[Any, ...], expected: Any) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[train]\nlr = 1.0\n[[sources]]\nweight = 1\n[[sources]]\nweight = 1\n")
    node: Any = read_toml(file, [override])
    for part in path:
        node = node[part]
    assert node == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lr", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("sources.2.weight=1", "expected an index below 1, got '2'"),
        ("lr.x=1", "'lr' is a value"),
    ],
)
def test_overrides_that_do_not_fit(tmp_path: Path, override: str, message: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text("lr = 1.0\n[[sources]]\nweight = 1\n")
    with pytest.raises(InputError, match=message):
        read_toml(file, [override])


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.toml"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(InputError, match="expected TOML"):
        read_toml(tmp_path / "bad.toml")


def test_tables_are_laid_over_those_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("a = [1, 2]\n[t]\nx = 1\ny = 2\n")
    own = tmp_path / "own.toml"
    own.write_text('base = "base.toml"\na = [3]\n[t]\ny = 5\n')
    assert read_toml(own, ["t.z=7"]) == {"a": [3], "t": {"x": 1, "y": 5, "z": 7}}
    own.write_text('base = "none.toml"')
    with pytest.raises(FileError, match=r"none\.toml: cannot be read"):
        read_toml(own)
    own.write_text("base = 3")
    with pytest.raises(InputError, match="base: expected the name of a file, got int 3"):
        read_toml(own)
