import os
import pickle

import cv2
import numpy as np
import pytest

from motes import data
from motes.data.unpickle import read_pickle
from motes.errors import FileError


def as_dict(made):
    return {"video": made.video, "points": made.raster, "occluded": ~made.visible}


def as_jpeg(made):
    bgr = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in made.video]
    return as_dict(made) | {"video": [cv2.imencode(".jpg", f)[1].tobytes() for f in bgr]}


def write(file, content):
    file.write_bytes(pickle.dumps(content))
    return file


def read_all(path):
    collection = data.load("tapvid", path)
    return list(collection.each(lambda clip: clip)), collection.skipped


def test_davis_and_robotap_are_dicts_of_clips(tmp_path, make, same):
    made = {"goat": make(), "camel": make(T=7, N=2, seed=1)}
    file = write(tmp_path / "davis.pkl", {name: as_dict(m) for name, m in made.items()})
    clips, skipped = read_all(file)
    assert not skipped
    assert [clip.name for clip in clips] == ["goat", "camel"]
    assert all(same(clip, made[clip.name]) for clip in clips)


def test_rgb_stacking_is_a_list_of_clips(tmp_path, make, same):
    made = [make(seed=i) for i in range(3)]
    clips, _ = read_all(write(tmp_path / "rgb_stacking.pkl", [as_dict(m) for m in made]))
    assert [clip.name for clip in clips] == [f"rgb_stacking_{i:04d}" for i in range(3)]
    assert all(same(clip, m) for clip, m in zip(clips, made, strict=True))


@pytest.mark.parametrize("container", [list, lambda frames: np.array(frames, object)])
def test_kinetics_shards_hold_encoded_images(tmp_path, make, same, container):
    made = [make(seed=i, size=(64, 48)) for i in range(2)]
    for i, m in enumerate(made):
        clip = as_jpeg(m)
        clip["video"] = container(clip["video"])
        write(tmp_path / f"{i:04d}_of_0002.pkl", [clip])
    clips, skipped = read_all(tmp_path)
    assert not skipped
    assert [clip.name for clip in clips] == ["0000_of_0002_0000", "0001_of_0002_0000"]
    assert all(same(clip, m, lossless=False) for clip, m in zip(clips, made, strict=True))


def damage(clip):
    clip["video"][2] = clip["video"][2][:30]


def shorten(clip):
    clip["points"], clip["occluded"] = clip["points"][:, 1:], clip["occluded"][:, 1:]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damage, "bad, frame 2: expected an image, got something else or a damaged one"),
        (shorten, "bad: 5 frames, but tracks of 4"),
        (lambda clip: clip.pop("points"), "expected a dict with video, points and occluded"),
        (lambda clip: clip.update(video=[1, 2]), "encoded images"),
    ],
)
def test_an_unusable_clip_is_skipped(tmp_path, make, spoil, words):
    content = {name: as_jpeg(make()) for name in ("a", "bad", "z")}
    spoil(content["bad"])
    clips, skipped = read_all(write(tmp_path / "some.pkl", content))
    assert [clip.name for clip in clips] == ["a", "z"]
    assert words in skipped["bad"]


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


@pytest.mark.parametrize("content", [Evil(), 3, {"a": Evil()}])
def test_an_unusable_shard_is_skipped(tmp_path, make, content):
    write(tmp_path / "a.pkl", [as_dict(make())])
    write(tmp_path / "bad.pkl", content)
    clips, skipped = read_all(tmp_path)
    assert [clip.name for clip in clips] == ["a_0000"]
    assert list(skipped) == ["bad.pkl"]


def test_a_single_dangerous_pickle_is_refused_by_name(tmp_path):
    with pytest.raises(FileError, match=r"asks for (posix|nt)\.system"):
        read_all(write(tmp_path / "bad.pkl", Evil()))


def test_one_shard_at_a_time_is_read_and_none_beyond_the_limit(tmp_path, make, monkeypatch):
    from motes.data import tapvid

    for i in range(3):
        write(tmp_path / f"{i}.pkl", [as_dict(make()), as_dict(make())])
    read = []
    monkeypatch.setattr(
        tapvid, "read_pickle", lambda file: (read.append(file.stem), read_pickle(file))[1]
    )
    collection = data.load("tapvid", tmp_path, limit=3)
    assert read == ["0", "1"]
    names = list(collection.each(lambda clip: clip.name))
    assert names == ["0_0000", "0_0001", "1_0000"]
    assert read == ["0", "1", "0", "1"]
