"""Activations inside the models equal those of the reference."""

import numpy as np
import pytest
import torch

TOLERANCE = 1e-4
SINES = 5e-3
"""Columns 2..129 of the tokens of v1 and v2 are sines of up to 968 times the displacement."""


class Record:
    """Inputs and outputs of a part, call by call, with the points as the second axis."""

    def __init__(self, module):
        self.inputs, self.outputs = [], []
        self.handle = module.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.inputs.append(inputs[0])
        self.outputs.append(output)


def differs(found, expected, tolerance=TOLERANCE):
    found = found.numpy()
    assert found.shape == expected.shape
    return np.abs(found - expected).max() > tolerance


@pytest.fixture
def run(load, golden):
    """The model, and what goes in and out of its parts for a fixture."""
    model = load(golden).model
    parts = dict(model.named_children())
    names = parts.keys() & {"transformer", "motion", "scoring", "update", "match"}
    records = {name: Record(parts[name]) for name in names}
    with torch.inference_mode():
        features = model.encode(golden.video)
        model.train()
        found = model.track(features, golden.queries, golden.meta["iters"])
    model.eval()
    for record in records.values():
        record.handle.remove()
    return model, features, found, records


@pytest.mark.golden("cotracker3/offline_a_intermediates")
def test_cotracker3(golden, run):
    model, features, found, records = run
    for level, step in enumerate((4, 2, 1, 1)):
        maps = features.levels[level][0, 3].permute(2, 0, 1)[:, ::step, ::step]
        assert not differs(maps, golden[f"fmap_lvl{level}_frame3"])
    state = model.add_queries(model.start(golden.queries), features, golden.queries, 0)
    for level, support in enumerate(state.support):
        assert not differs(support[0, :2].transpose(0, 1), golden[f"support_lvl{level}"])
        embedded = records["match"].outputs[0][0].chunk(4, -1)[level]
        assert not differs(embedded.transpose(0, 1), golden[f"corr_emb_lvl{level}"])
    for i in range(2):
        assert not differs(records["transformer"].inputs[i][0], golden[f"token_iter{i}"])
        delta = torch.cat([records[n].outputs[i][0] for n in ("motion", "scoring")], -1)
        assert not differs(delta, golden[f"delta_iter{i}"])
        trace = found.aux[0]
        assert not differs(trace.xy[i][0], golden["tracks_all_iters"][i], 1e-3)
        assert not differs(trace.visibility[i][0].sigmoid(), golden["vis_all_iters"][i])
        assert not differs(trace.confidence[i][0].sigmoid(), golden["conf_all_iters"][i])


@pytest.mark.golden("cotracker1/windowed_a_intermediates", "cotracker2/offline_a_intermediates")
def test_cotracker_1_and_2(golden, run):
    _, features, found, records = run
    sample = "fmap_sample" if "fmap_sample" in golden.data else "fmap_sample_first_call"
    maps = features.levels[0][0, [0, 3, 7]].permute(0, 3, 1, 2)[:, :, ::6, ::8]
    assert not differs(maps, golden[sample])
    for window in range(2):
        for i in range(2):
            name, call = f"win{window}_%s_iter{i}", 2 * window + i
            tokens, expected = records["transformer"].inputs[call][0], golden[name % "token"]
            assert not differs(tokens, expected, SINES)
            if call == 0:  # nothing has moved yet
                assert not differs(tokens, expected)
            assert not differs(tokens[..., 130:], expected[..., 130:])
            assert not differs(records["update"].outputs[call][0], golden[name % "delta"], 2e-4)
    first = found.aux[0].xy[0][0]
    expected = golden["tracks_window_first_iter0"]
    order = golden.meta.get("sort_inds", list(range(first.shape[1])))[: expected.shape[1]]
    assert not differs(first[:, order], expected, 1e-3)
