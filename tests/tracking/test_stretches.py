"""Frames that are encoded elsewhere, in stretches, give the same tracks as the frames themselves."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import motes
from motes import Queries
from motes.coordinates import ResizeRule
from motes.errors import InputError
from motes.features import flow_fields
from motes.models.cotracker3 import CoTracker3, CoTracker3Config
from motes.models.motes_s import MOTES_S, MotesSConfig
from motes.models.preset import Preset
from motes.models.weights import load_weights
from motes.tracking.recording import record
from motes.tracking.stretches import SHORTEST, encode_stretch, stretch_length
from motes.tracking.tracker import Tracker

FRAMES, START = 37, 2
QUERIES = Queries.of([(START, 20, 15), (20, 30, 25)])
TINY = CoTracker3Config(
    window=8, time_rows=8, encoder_widths=(4, 8, 8, 8), encoder_mixed=16, channels=8, levels=2,
    radius=1, match_hidden=16, match_out=8, octaves=3, width=16, heads=2, depth=1,
    virtual_tracks=4, unit=(64, 48), iterations=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "long.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8)
    texture = cv2.resize(noise, (160, 80))
    with motes.open_writer(path, (48, 36), 25) as writer:
        for t in range(FRAMES):
            writer.write(np.ascontiguousarray(texture[t // 4 :, t:][:36, :48]))
    return motes.open_video(path, start=START)


def tracker(name):
    if name == "motes-s":
        config = MotesSConfig(candidates=("flow", "half"), side=48, iterations=1)
        preset = replace(MOTES_S, config=config, resize=ResizeRule(multiple=2))
        return Tracker(load_weights(preset).eval(), preset)
    if name == "cotracker3":
        torch.manual_seed(0)
        model = CoTracker3(TINY).eval()
        torch.nn.init.normal_(model.motion.weight, std=0.3)
        return Tracker(model, Preset("tiny", "", CoTracker3, TINY, ResizeRule(size=(48, 64))))
    return motes.load(name)


def in_stretches(tracker, video, length):
    """The frames from a number on, as a cluster encodes them."""

    def encoded(first):
        for start in range(first, video.start + len(video), length):
            yield from encode_stretch(tracker.engine, video, start, start + length).frames

    return encoded


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("lk", 1),
        ("lk", 100),
        ("flow", 7),
        ("flow", 100),
        ("motes-s", 20),
        ("cotracker3", 15),
    ],
)
def test_the_tracks_are_exactly_those_of_the_whole_video(video, tmp_path, name, length):
    one = tracker(name)
    encoded = in_stretches(one, video, length)
    made = record(one, video, QUERIES, tmp_path / "split", encoded=encoded)
    assert made.tracks() == record(one, video, QUERIES, tmp_path / "whole").tracks()


def test_flow_is_computed_with_the_stretches(video, monkeypatch):
    one, computed = tracker("flow"), []
    encoded = list(in_stretches(one, video, 20)(START))
    original = flow_fields.compute_field

    def counted(*arguments):
        computed.append(1)
        return original(*arguments)

    monkeypatch.setattr(flow_fields, "compute_field", counted)
    stream = one.stream(QUERIES.txy[:1], start=START)
    for frame in encoded:
        stream.push(frame)
    stream.close()
    assert not computed


def test_a_video_that_ends_early(video):
    one = tracker("lk")
    stretch = encode_stretch(one.engine, video, FRAMES - 5, FRAMES + 7)
    assert len(stretch.frames) == 5
    assert stretch.problem is None


def test_the_length_follows_the_size_of_the_features(video):
    assert stretch_length(tracker("lk").engine, (64, 48)) == 256
    large = tracker("cotracker3")
    preset = replace(large.preset, resize=ResizeRule(size=(768, 1024)))
    assert SHORTEST < stretch_length(Tracker(large.model, preset).engine, (64, 48)) < 256


def test_frames_of_another_size(video):
    one = tracker("lk")
    frame = encode_stretch(one.engine, video, START, START + 1).frames[0]
    stream = one.stream([(0, 5, 5)])
    stream.push(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(InputError, match="expected 20x20 as before, got 48x36"):
        stream.push(frame)
