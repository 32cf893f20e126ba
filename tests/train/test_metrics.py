from pathlib import Path

from motes.train.metrics import Table, read_table


def test_a_resumed_table_drops_what_came_after(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    table = Table(path, 0)
    for step in (2, 4, 6):
        table.add({"step": step, "loss": 1 / step})
    with path.open("a") as file:
        file.write("8,0.1")  # cut by a kill: no end of line, and one after it is lost
    table = Table(path, 4)
    table.add({"step": 5, "loss": 0.25})
    assert [row["step"] for row in read_table(path)] == ["2", "4", "5"]
    assert read_table(path)[-1]["loss"] == "0.25"


def test_a_cut_line_is_not_a_row(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("step,loss\n2,0.5\n4")
    assert read_table(path) == [{"step": "2", "loss": "0.5"}]
    assert read_table(tmp_path / "none.csv") == []


def test_missing_values_keep_the_columns(tmp_path: Path) -> None:
    table = Table(tmp_path / "a.csv", 0)
    table.add({"step": 1, "a": 1.0})
    table.add({"step": 2, "b": 1.0})
    assert read_table(tmp_path / "a.csv")[1] == {"step": "2", "a": "nan"}
