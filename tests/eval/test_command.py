import json

import numpy as np
import pytest

import motes
from motes.cli import run
from motes.tracking.load import DEFAULT_MODEL


def evaluate(capsys, *arguments):
    code = run(["eval", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def clips(tmp_path, write_clip):
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clip(folder, "x")
    write_clip(folder, "y", seed=1)
    return folder


def test_one_table_and_everything_in_a_folder(capsys, clips, tmp_path):
    output = tmp_path / "new" / "results"
    models = ("--model", "lk", "--model", "flow")
    code, out, err = evaluate(capsys, "clips", clips, *models, "--points", 3, "-o", output)
    assert (code, err) == (0, "")
    assert "flow" in out
    assert "frames/s" in out
    facts = json.loads((output / "scores.json").read_text())
    assert [m["model"] for m in facts["models"]] == ["lk", "flow"]
    assert (facts["mode"], facts["points"], facts["skipped"]) == ("first", 3, {})
    tracks = motes.Tracks.load(output / "predictions" / "flow" / "y.npz")
    assert tracks.size == (128, 96)
    assert tracks.num_points == 3
    truth = np.load(clips / "y.npz")["points"] * [128, 96] - 0.5
    assert np.abs(tracks.xy[0] - truth[0]).max() < 2


def test_skipped_clips_are_reported(capsys, clips):
    (clips / "x.mp4").write_bytes(b"nothing like a video")
    code, out, err = evaluate(capsys, "clips", clips, "--protocol", "native")
    assert code == 0
    assert "motes: 1 clips skipped" in err
    assert "motes: skipped x: " in err
    assert DEFAULT_MODEL in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "lkk"], "did you mean 'lk'"),
        (["--model", "lk", "--model", "lk"], "lk twice"),
        (["--protocol", "davis"], "unknown protocol"),
        (["--mode", "last"], "expected one of first, strided"),
        (["--points", "0"], "Invalid value for '--points'"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["-o", "{clips}/x.mp4/results"], "cannot make the folder"),
    ],
)
def test_bad_input_is_one_line(capsys, clips, arguments, words):
    given = [text.format(clips=clips) for text in arguments]
    code, out, err = evaluate(capsys, "clips", clips, *given)
    assert code != 0
    assert out == ""
    assert words in err
    assert err.startswith("motes: ")
    assert err.count("\n") == 1


def test_a_folder_without_clips_is_one_line(capsys, tmp_path):
    code, _, err = evaluate(capsys, "clips", tmp_path)
    assert code == 1
    assert "expected pairs of NAME.mp4" in err


def test_names_out_of_data_sets_stay_in_the_folder_and_apart(capsys, tmp_path):
    import pickle

    video = np.zeros((3, 32, 32, 3), np.uint8)
    clip = {"video": video, "points": np.full((1, 3, 2), 0.5), "occluded": np.zeros((1, 3), bool)}
    names = ["../../escaped", "a/b", "a_b"]
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(dict.fromkeys(names, clip)))
    output = tmp_path / "results"
    code, _, _ = evaluate(capsys, "tapvid", tmp_path / "evil.pkl", "-o", output)
    assert code == 0
    written = sorted(f.name for f in (output / "predictions" / DEFAULT_MODEL).iterdir())
    assert written == ["%2E.%2F..%2Fescaped.npz", "a%2Fb.npz", "a_b.npz"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["evil.pkl", "results"]


def test_the_results_as_json(capsys, clips, tmp_path):
    """On stdout as in the folder, and nothing else."""
    output = tmp_path / "results"
    code, out, err = evaluate(capsys, "clips", clips, "--model", "lk", "-o", output, "--json")
    assert code == 0
    assert json.loads(out) == json.loads((output / "scores.json").read_text())
    assert list(json.loads(out)) == [
        "dataset", "path", "protocol", "mode", "points", "skipped", "models", "scores",
    ]  # fmt: skip
    assert "wrote" in err
