"""Every source file has a test file: of the same name, one that imports it, or one named here."""

from pathlib import Path

import motes

ROOT = Path(motes.__file__).parent
TESTS = Path(__file__).parent

ELSEWHERE = {
    "batch/test_cluster.py": "batch/ nodes split",
    "batch/test_batch.py": "batch/ events ledger local work; cli/ batch",
    "cli/test_export.py": "cli/ _exchange",
    "cli/test_help.py": "cli/ _options",
    "cli/test_track.py": "cli/ _common _outputs _summary demo fetch models",
    "common/test_files.py": "common/ temporary",
    "data/test_damaged.py": "data/ dataset; common/ archives",
    "edit/test_attachment.py": "edit/ compositing content defaults output; cli/ attach",
    "edit/test_blurring.py": "cli/ blur",
    "edit/test_filters.py": "edit/ selection",
    "edit/test_painting.py": "cli/ frame paint",
    "edit/test_stabilisation.py": "edit/ borders camera report; cli/ stabilise; synthetic/ shots",
    "edit/test_surface.py": "edit/ region",
    "eval/test_command.py": "cli/ eval",
    "eval/test_protocols.py": "common/ registry",
    "export/test_exchange.py": "export/ ae_pin ae_text after_effects base blender coco comfy curves cvat "
    "deeplabcut deeplabcut_h5 fusion keys matchmover maya_live mot names napari napari_points "
    "nuke nuke_pin pftrack shake sleap syntheyes tapvid three_de trackmate",
    "export/test_formats.py": "export/ csv json npz parquet rows",
    "export/test_parts.py": "export/ choose numbers pins",
    "export/test_readers.py": "export/ colmap",
    "features/test_candidates.py": "features/ anchors rings",
    "features/test_deformable.py": "features/ chunks mlp",
    "features/test_flow_chain.py": "features/ overlap",
    "features/test_sampling.py": "features/ correlation",
    "features/test_transformer.py": "features/ attention",
    "test_tracks.py": "./ errors",
    "models/test_cotracker.py": "models/ cotracker2 cotracker3 cotracker_base",
    "models/test_motes_s.py": "models/ candidate_base",
    "models/test_taptr.py": "models/ taptr_keys",
    "models/test_weights.py": "models/ naming; tracking/ load",
    "onnx/test_onnx.py": "onnx/ architecture cotracker3 export files motes_s parts runtime taptr; cli/ export_model",
    "queries/test_select.py": "queries/ corners grid mask",
    "rendering/test_commands.py": "cli/ plot render",
    "rendering/test_style.py": "rendering/ arrows backgrounds canvas dots labels scene text trails",
    "sfm/test_solver.py": "sfm/ checks files picture pipeline reconstruction worlds; cli/ sfm",
    "synthetic/test_engine.py": "synthetic/ motion scene dice",
    "synthetic/layers/test_scene.py": "synthetic/ config; synthetic/layers/ sheets",
    "synthetic/solids/test_world.py": "synthetic/solids/ bodies casting primitives rigid stage windows",
    "synthetic/test_folder.py": "cli/ generate",
    "synthetic/test_textures.py": "synthetic/ effects patterns repeats video_coding; synthetic/layers/ shapes",
    "tracking/official/test_predictor.py": "tracking/official/ rules",
    "tracking/test_encoded.py": "video/ ahead",
    "tracking/test_recording.py": "tracking/ facts identity; common/ progress",
    "tracking/test_session.py": "tracking/ engine results tracker",
    "train/test_command.py": "train/ allocation config; cli/ train",
    "train/test_limits.py": "train/ sample_memory; common/ headroom",
    "train/test_loop.py": "train/ card ema learner record validate",
    "train/test_motes_s.py": "train/ choosing rendered",
    "train/test_pseudo.py": "train/ sources",
    "parity/test_taptr.py": "train/ taptr_losses",
    "video/sources/test_files.py": "video/sources/ base decode index names timing; video/ sound",
    "video/test_writer.py": "video/sinks/ base compressed images webm",
    "web/test_api.py": "web/ app document events exports folder footage live_api project requests "
    "settings studio worker",
    "web/test_guard.py": "web/ log",
    "cli/test_serve.py": "web/ server",
}
"""Test files, and the files in folders of `motes` that each of them tests as well."""


def elsewhere():
    """The source files that are named above."""
    for groups in ELSEWHERE.values():
        for group in groups.split("; "):
            folder, *names = group.split()
            yield from (Path(folder, f"{name}.py") for name in names)


def is_mirrored(source):
    return (TESTS / source.parent / f"test_{source.name.lstrip('_')}").is_file()


def is_imported(source):
    """Whether a test of the same room imports the file by its name."""
    module = ".".join(["motes", *source.with_suffix("").parts])
    tests = (TESTS / source.parts[0]).rglob("test_*.py")
    return any(f"from {module} import" in test.read_text() for test in tests)


def test_every_source_file_has_a_test_file():
    files = {p.relative_to(ROOT) for p in ROOT.rglob("*.py") if not p.name.startswith("__")}
    rest = files - {*elsewhere()}
    assert [str(f) for f in sorted(rest) if not is_mirrored(f) and not is_imported(f)] == []


def test_the_named_test_files_are_there():
    assert [test for test in ELSEWHERE if not (TESTS / test).is_file()] == []
