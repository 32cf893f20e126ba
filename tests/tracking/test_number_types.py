from dataclasses import replace

import pytest
import torch

import motes
from motes.tracking import number_types
from motes.tracking.load import presets
from motes.tracking.number_types import choose_dtype, parse_flags

CPU, CUDA, METAL = (torch.device(kind) for kind in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize(
    ("device", "flags", "on_gpu", "expected"),
    [
        (CPU, {"avx512_bf16"}, False, torch.bfloat16),
        (CPU, {"amx_bf16", "fpu"}, False, torch.bfloat16),
        (CPU, {"avx512f", "avx2"}, True, torch.float32),
        (CPU, set(), True, torch.float32),
        (CUDA, set(), True, torch.bfloat16),
        (CUDA, {"avx512_bf16"}, False, torch.float32),
        (METAL, {"avx512_bf16"}, True, torch.float32),
    ],
)
def test_bfloat16_where_the_device_has_it(monkeypatch, device, flags, on_gpu, expected):
    monkeypatch.setattr(number_types, "_processor_flags", lambda: frozenset(flags))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: on_gpu)
    preset = presets()["cotracker3-online"]
    assert choose_dtype(preset, device) == expected
    assert choose_dtype(replace(preset, bfloat16=False), device) == torch.float32


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", set()),
        ("processor : 0\nflags\t\t: fpu avx512_bf16\nflags : other\n", {"fpu", "avx512_bf16"}),
        ("Features : fp asimd bf16\n", set()),
    ],
)
def test_flags_are_those_of_the_first_processor(text, flags):
    assert parse_flags(text) == flags


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lk", torch.float32), ("flow", torch.float32), ("motes-s", torch.bfloat16)],
)
def test_models_that_gain_nothing_stay_exact(name, expected, monkeypatch):
    monkeypatch.setattr(number_types, "_processor_flags", lambda: frozenset({"amx_bf16"}))
    assert motes.load(name, device="cpu").dtype == expected


def test_what_the_user_names_is_used(monkeypatch):
    monkeypatch.setattr(number_types, "_processor_flags", lambda: frozenset())
    assert motes.load("lk", device="cpu", dtype="bfloat16").dtype == torch.bfloat16
