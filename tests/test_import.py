import subprocess
import sys


def test_import_is_light():
    """torch and the heavy libraries come when a model is loaded, not before."""
    heavy = "torch cv2 av rich typer matplotlib"
    code = (
        f"import sys, motes, motes.tracks; print([m for m in {heavy.split()} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_light_parts_do_not_import_torch():
    parts = "motes.video, motes.rendering, motes.export, motes.queries, motes.cli"
    code = f"import sys, {parts}; motes.export.formats(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_public_names_exist():
    import motes

    assert all(getattr(motes, name) is not None for name in motes.__all__)
